// JWE compact serialisation (RFC 7516, 7518 §4 and §5): split strictly, decrypt with a key set, encrypt.
//
// The header set is closed as that of JWS; `zip` is refused (a small token would become a large one), and so are
// RSA1_5, PBES2 and ECDH-ES. Every length is checked before a key is touched. Whatever fails behind that, from the RSA
// padding to the last tag, is one error after the same work: a wrong content key is replaced by a random one and the
// content is tried with it (RFC 7516 §11.5). Thread rule: pure functions over immutable keys.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "crypto/encryption_key.h"
#include "crypto/json.h"
#include "crypto/jwk.h"

namespace keepgate::crypto {

// How many keys one token may make us try: each may cost an RSA operation with a private key.
inline constexpr std::size_t decrypt_attempts_max = 4;

struct Jwe {
  Jwe() = default;
  Jwe(Jwe&&) = default;  // Moves only: a copy's `key_id` would look into the original.
  Jwe& operator=(Jwe&&) = default;

  Json header;
  std::string header_text;      // Decoded JSON.
  std::string_view associated;  // The header as sent: a view into the token.
  std::string encrypted_key, iv, ciphertext, tag;
  std::string wrap_iv, wrap_tag;  // AES-GCM key wrapping only: from the header.
  KeyManagement management = KeyManagement::none;
  ContentEncryption content = ContentEncryption::none;
  std::string_view key_id;  // View into `header`. "" if absent.
};

// Five parts, whatever they are: a JWS has three.
bool looks_like_jwe(std::string_view token);

// Everything that can be refused before a key is looked at. Error::detail says which check.
Result<Jwe> parse_jwe(std::string_view token);

// Tries the decryption keys that fit: same alg (with dir the same enc too) and, where the token names a kid, the same
// kid or a key without one. Errors: code "unknown_key" (no key fits), "bad_decryption" (all else).
// `key_id`, if any: the kid of the key that did it.
Result<std::string> decrypt_jwe(const Jwe& jwe, const KeySet& keys, std::string* key_id = nullptr);

// `header` names the key's alg and an enc that suits it; AES-GCM key wrapping adds its `iv` and `tag`.
Result<std::string> encrypt_jwe(Json::Object header, std::string_view plaintext, const EncryptionKey& key);

}  // namespace keepgate::crypto
