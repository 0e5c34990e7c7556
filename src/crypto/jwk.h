// Keys for JOSE: JWK and JWK Sets (RFC 7517, 7518, 8037). Each key has exactly one algorithm, fixed when it is read.
//
// A JWK's `alg` names it; without `alg`: RSA → RS256, P-256 → ES256, P-384 → ES384, P-521 → ES512, OKP Ed25519 and
// Ed448 → EdDSA, oct → HS256. A key whose `alg`, `kty`, `crv` or `use` do not agree is refused. RSA under 2048 bits, an
// even or 1 exponent, a modulus with the ROCA fingerprint, a point off its curve, a private half that does not fit its
// public half: refused. Thread rule: immutable, shared freely. A Key's private material is wiped on destruction and
// never printed; the JSON text it was read from is the caller's to wipe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostics.h"
#include "base/error.h"

struct evp_pkey_st;
struct evp_pkey_ctx_st;

namespace keepgate::crypto {

enum class Algorithm : std::uint8_t {
  none = 0,  // Never verifies.
  rs256,
  rs384,
  rs512,
  ps256,
  ps384,
  ps512,
  es256,
  es384,
  es512,
  eddsa,
  hs256,
  hs384,
  hs512,
};

std::string_view name_of(Algorithm algorithm);           // "RS256"
Algorithm algorithm_named(std::string_view exact_name);  // Algorithm::none if unknown; case matters (RFC 7515 §4.1.1).

inline constexpr std::size_t rsa_bits_min = 2048;
inline constexpr std::size_t rsa_bits_max = 8192;  // Verification cost grows with the square.
inline constexpr std::size_t oct_bytes_min = 8;    // Under the hash's length a set warns; under this it is refused.
inline constexpr std::size_t key_set_keys_max = 256;

class EncryptionKey;
class Json;

class Key {
 public:
  Key(const Key&) = delete;
  Key& operator=(const Key&) = delete;
  ~Key();

  const std::string& id() const { return id_; }  // kid; "" if it has none.
  Algorithm algorithm() const { return algorithm_; }
  bool is_private() const { return private_; }  // Can sign. True for every oct key.
  evp_pkey_st* native() const { return native_; }
  std::string_view secret() const { return secret_; }  // oct only.
  // For jws.cc: contexts prepared once; each operation works on a duplicate. nullptr for EdDSA and oct.
  const evp_pkey_ctx_st* verify_template() const { return verify_template_; }
  const evp_pkey_ctx_st* sign_template() const { return sign_template_; }
  std::string_view curve_order() const { return curve_order_; }  // ECDSA only: big-endian, as long as r and s.

 private:
  friend class KeyReader;
  Key() = default;
  std::string id_, secret_;
  Algorithm algorithm_ = Algorithm::none;
  bool private_ = false;
  evp_pkey_st* native_ = nullptr;
  evp_pkey_ctx_st* verify_template_ = nullptr;
  evp_pkey_ctx_st* sign_template_ = nullptr;
  std::string curve_order_;
};

// Reads one JWK object, public or private. A key of a kind that we do not use has ErrorKind::unsupported.
Result<std::shared_ptr<const Key>> parse_jwk(std::string_view json);

struct KeySet {
  std::vector<std::shared_ptr<const Key>> keys;                       // For signatures.
  std::vector<std::shared_ptr<const EncryptionKey>> decryption_keys;  // Private, or secrets: those of JWE.

  // RFC 7517 §5: keys with an unknown kty, use or alg are passed over with a warning, and so are the public halves of
  // encryption keys, which decrypt nothing; a key that is broken, or two keys of one kid and one algorithm, refuse the
  // whole set. A set without any usable key is refused. Of a private signature key only the public part is taken, with
  // a warning: a set for verification is no place for it. `place` names the file. Null when refused.
  static std::shared_ptr<const KeySet> parse(std::string_view json, const SourcePlace& place, Diagnostics& diagnostics);
};

enum class KeyType : std::uint8_t { rsa2048 = 0, rsa3072, p256, p384, p521, ed25519, oct256 };
// The smallest type of key that signs by this algorithm; nothing for none.
std::optional<KeyType> key_type_for(Algorithm algorithm);
// A fresh private JWK as JSON text with alg and kid (`key_id`, or if that is empty the RFC 7638 thumbprint); the caller
// writes it with mode 0600. Algorithm::none means the type's own. "" if type and algorithm do not fit.
std::string generate_jwk(KeyType type, Algorithm algorithm, std::string_view key_id = {});
// RFC 7638: the SHA-256 of the members that make the key, in base64url. Refused when one is missing or no string.
Result<std::string> thumbprint(const Json& jwk);
// The public half of a private JWK, as JSON text. Refused for oct.
Result<std::string> public_jwk(std::string_view private_jwk_json);

}  // namespace keepgate::crypto
