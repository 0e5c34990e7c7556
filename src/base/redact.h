// Redaction: what has the form of an API key leaves no log, wherever it was written: in a query, a field, a Referer.
//
// It goes by the form alone (auth/api_key.h), so that no log format has to know where keys may be. The id of the key
// stays: it is public, and says which key was given away. Thread rule: pure functions. Cost: one search for "kg".
#pragma once

#include <string>
#include <string_view>

namespace keepgate {

inline constexpr std::string_view api_key_prefix = "kg_";
inline constexpr std::size_t api_key_id_length = 12;
inline constexpr std::string_view redacted_mark = "[redacted]";

// "kg_4tXqk2mJw0Za_SECRET…" becomes "kg_4tXqk2mJw0Za_[redacted]"; also where '_' stands as %5F. A secret that was cut
// or has more behind it goes as far as it can be part of one.
void redact_api_keys(std::string& text);

}  // namespace keepgate
