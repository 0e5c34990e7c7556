// JWS compact serialisation (RFC 7515, 8725): split strictly, verify with a key set, sign.
//
// Closed header set: `crit`, `b64`, `zip`, `jwk`, `jku`, `x5u`, `x5c` in a header refuse the token (never
// dereferenced); `alg` must be the key's one algorithm, so there is no confusion to exploit. Tokens over 16 KiB are
// refused. Thread rule: pure functions over immutable keys; each thread has its own digest contexts.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "crypto/json.h"
#include "crypto/jwk.h"

namespace keepgate::crypto {

inline constexpr std::size_t token_bytes_max = 16 * 1024;

// How many keys one token may make us try: a set may hold many keys that fit a token without kid.
inline constexpr std::size_t verify_attempts_max = 16;

struct Jws {
  Jws() = default;
  Jws(Jws&&) = default;  // Moves only: a copy's `key_id` would look into the original.
  Jws& operator=(Jws&&) = default;

  Json header;
  std::string header_text;       // Decoded JSON.
  std::string payload;           // Decoded bytes; any bytes.
  std::string signature;         // Decoded bytes.
  std::string_view signed_part;  // "header.payload" as sent: a view into the token.
  Algorithm algorithm = Algorithm::none;
  std::string_view key_id;  // View into `header`. "" if absent.
};

// with_key: for a proof that brings its own public key (RFC 9449 §4.2), and for nothing else: such a signature says
// only that its maker has the private half.
enum class HeaderRule : std::uint8_t { closed = 0, with_key };

// Everything that can be refused before a key is looked at. Error::detail says which check.
Result<Jws> parse_jws(std::string_view token, HeaderRule rule = HeaderRule::closed);

// Tries the keys that fit: same algorithm and, where the token names a kid, the same kid or (as NGINX Plus does) a key
// without one. Returns the key that verified. Errors: code "unknown_key" (no key fits), "bad_signature".
Result<const Key*> verify_jws(const Jws& jws, const KeySet& keys);

// `header_json` gets no additions: the caller writes alg, kid, typ. Fails for a key that cannot sign and when `alg` is
// not the key's algorithm.
Result<std::string> sign_jws(std::string_view header_json, std::string_view payload, const Key& key);

// The same in two steps, for who signs much with one header: the header checked and encoded, with the dot behind it,
// once; then a token. INVARIANT: `encoded_header` is of encode_jws_header() for that key.
Result<std::string> encode_jws_header(std::string_view header_json, const Key& key);
Result<std::string> sign_encoded(std::string_view encoded_header, std::string_view payload, const Key& key);

}  // namespace keepgate::crypto
