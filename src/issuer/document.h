// What issuers publish: where their metadata is (OpenID Connect Discovery 1.0 §4, RFC 8414 §3), what it says of keys,
// the keys themselves, and how long they may be remembered. Thread rule: pure functions.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/issuer.h"
#include "base/error.h"
#include "crypto/jwk.h"

namespace keepgate::issuer {

inline constexpr std::size_t issuer_bytes_max = 1024;
inline constexpr std::size_t metadata_bytes_max = 256 * 1024;
inline constexpr std::size_t keys_bytes_max = 1 << 20;

// What is wrong with it as a URL that is fetched or an issuer's name; "" if nothing.
std::string trouble_with_url(std::string_view url, bool allow_plain);
std::string trouble_with_issuer(std::string_view issuer, bool allow_plain);

// Where its metadata may be, in the order of asking. `issuer` has no trouble.
std::vector<std::string> metadata_urls(std::string_view issuer);

// "keys by discovery, from https://…": for people.
std::string describe_source(const auth::IssuerOptions& options);

// jwks_uri of the metadata, which must be of exactly this issuer (RFC 8414 §3.3: otherwise it MUST NOT be used).
Result<std::string> keys_url_of(std::string_view metadata, const auth::IssuerOptions& options);

// The keys for verification in a published set. A shared secret among them is passed over: it is none any more.
// `remarks`: one line for each key that was passed over.
Result<std::shared_ptr<const crypto::KeySet>> keys_of(std::string_view document, const std::string& url,
                                                      std::vector<std::string>& remarks);

// RFC 9111 §5.2.2: max-age less Age, 0 for no-store and no-cache; nothing if it does not say.
std::optional<std::int64_t> lifetime_s(std::string_view cache_control, std::string_view age);

}  // namespace keepgate::issuer
