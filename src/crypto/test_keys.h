// Keys and forged tokens for the tests of this room and of those above it. Not part of the program.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "crypto/base64url.h"
#include "crypto/jwk.h"
#include "crypto/jws.h"

namespace keepgate::crypto::test {

// The same private JWK for the same arguments, so that a test program makes each key once.
inline const std::string& private_jwk(KeyType type, Algorithm algorithm, const std::string& id) {
  static std::map<std::pair<Algorithm, std::string>, std::string> made;
  std::string& jwk = made[{algorithm, id}];
  if (jwk.empty()) jwk = generate_jwk(type, algorithm, id);
  return jwk;
}

inline std::shared_ptr<const Key> signing_key(Algorithm algorithm, const std::string& id = "k1") {
  Result<std::shared_ptr<const Key>> key = parse_jwk(private_jwk(*key_type_for(algorithm), algorithm, id));
  KG_ASSERT(key.has_value());
  return *key;
}

inline std::string public_half(Algorithm algorithm, const std::string& id = "k1") {
  const std::string& jwk = private_jwk(*key_type_for(algorithm), algorithm, id);
  Result<std::string> half = public_jwk(jwk);
  return half ? *half : jwk;  // A shared secret has no other half.
}

inline std::shared_ptr<const KeySet> set_of(std::string_view jwks) {
  Diagnostics diagnostics;
  return KeySet::parse(cat(R"({"keys":[)", jwks, "]}"), {}, diagnostics);
}

inline std::shared_ptr<const KeySet> verifying_set(Algorithm algorithm, const std::string& id = "k1") {
  return set_of(public_half(algorithm, id));
}

// A token with any header and payload, signed properly or with the bytes given.
inline std::string forged(std::string_view header, std::string_view payload, std::string_view signature) {
  return cat(base64url_encode(header), '.', base64url_encode(payload), '.', base64url_encode(signature));
}

inline std::string header_for(const Key& key, std::string_view more = "") {
  return cat(R"({"alg":")", name_of(key.algorithm()), R"(","kid":")", key.id(), '"', more, '}');
}

inline std::string signed_token(const Key& key, std::string_view payload, std::string_view more_header = "") {
  Result<std::string> token = sign_jws(header_for(key, more_header), payload, key);
  KG_ASSERT(token.has_value());
  return *token;
}

}  // namespace keepgate::crypto::test
