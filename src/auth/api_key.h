// An API key as text: kg_ID_SECRETCHECKSUM, 65 characters, so that programs that look for leaked secrets can find it.
//
//   kg_          what it is
//   ID           12 characters of base62, random and public: what lists, logs and `keepgate key revoke` call it
//   SECRET       43 characters of base62 drawn evenly: 256 random bits
//   CHECKSUM     6 characters of base62: CRC-32 (IEEE) of all that stands before, most significant first
//
// As a regular expression: \bkg_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}\b
// Thread rule: pure functions. The text of a key is secret: it goes into no log and no error message; its id may.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/redact.h"

namespace keepgate::auth {

using keepgate::api_key_id_length;
using keepgate::api_key_prefix;
inline constexpr std::size_t api_key_secret_length = 43;
inline constexpr std::size_t api_key_checksum_length = 6;
inline constexpr std::size_t api_key_length =
    api_key_prefix.size() + api_key_id_length + 1 + api_key_secret_length + api_key_checksum_length;

using ApiKeyHash = std::array<unsigned char, 32>;

bool is_api_key_id(std::string_view text);

// The id of a text that has the form of a key and its checksum; nothing else is looked at any further. The id points
// into `text`.
std::optional<std::string_view> parse_api_key(std::string_view text);

// A new key from the system's generator. The caller wipes it.
std::string make_api_key();

// What is stored of a key: HMAC-SHA-256 of its whole text under the secret of the key file.
ApiKeyHash hash_api_key(std::string_view secret, std::string_view key);

// Do the texts that stand where `\bkg_` does look like keys? For messages about something that should not be one.
bool looks_like_api_key(std::string_view text);

}  // namespace keepgate::auth
