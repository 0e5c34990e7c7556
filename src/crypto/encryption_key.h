// Keys that encrypt and decrypt tokens (JWE): RFC 7516, 7518 §4 and §5. Apart from signature keys by type.
//
// Each key has exactly one way to get at a token's content key, named by its `alg`: there is no default. For direct
// encryption the secret is the content key itself and serves one content encryption, named by `alg` ("A256GCM") or, for
// alg "dir", by its length: 16, 24 or 32 bytes AES-GCM, 48 or 64 bytes AES-CBC with HMAC. RSA1_5, PBES2 and ECDH-ES are
// not used. Thread rule: immutable, shared freely. Private material is wiped on destruction and never printed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

struct evp_pkey_st;
struct evp_pkey_ctx_st;

namespace keepgate::crypto {

class Json;

// RFC 7518 §4.1.
enum class KeyManagement : std::uint8_t {
  none = 0,  // Never decrypts.
  rsa_oaep,
  rsa_oaep_256,
  rsa_oaep_384,
  rsa_oaep_512,
  a128kw,
  a192kw,
  a256kw,
  a128gcmkw,
  a192gcmkw,
  a256gcmkw,
  dir,
};

// RFC 7518 §5.1.
enum class ContentEncryption : std::uint8_t {
  none = 0,  // Never decrypts.
  a128cbc_hs256,
  a192cbc_hs384,
  a256cbc_hs512,
  a128gcm,
  a192gcm,
  a256gcm,
};

// As `alg` and `enc` spell them; case matters.
std::string_view name_of(KeyManagement management);
std::string_view name_of(ContentEncryption content);
KeyManagement key_management_named(std::string_view exact_name);
ContentEncryption content_encryption_named(std::string_view exact_name);
// "it leaks what it protects (RFC 8725 §3.2)" for an algorithm of JWE that is known and not used; "" for others.
std::string_view why_not_used(std::string_view alg);

class EncryptionKey {
 public:
  EncryptionKey(const EncryptionKey&) = delete;
  EncryptionKey& operator=(const EncryptionKey&) = delete;
  ~EncryptionKey();

  const std::string& id() const { return id_; }  // kid; "" if it has none.
  KeyManagement management() const { return management_; }
  ContentEncryption direct_content() const { return direct_content_; }  // With dir: the only one.
  bool is_private() const { return private_; }                          // Can decrypt. True for every oct key.
  evp_pkey_st* native() const { return native_; }                       // RSA only.
  std::string_view secret() const { return secret_; }                   // oct only.
  // Contexts prepared once; each operation works on a duplicate. RSA only.
  const evp_pkey_ctx_st* encrypt_template() const { return encrypt_template_; }
  const evp_pkey_ctx_st* decrypt_template() const { return decrypt_template_; }

 private:
  friend class EncryptionKeyReader;
  EncryptionKey() = default;
  std::string id_, secret_;
  KeyManagement management_ = KeyManagement::none;
  ContentEncryption direct_content_ = ContentEncryption::none;
  bool private_ = false;
  evp_pkey_st* native_ = nullptr;
  evp_pkey_ctx_st* encrypt_template_ = nullptr;
  evp_pkey_ctx_st* decrypt_template_ = nullptr;
};

// Does a JWK say that it is for encryption: by its use, its key_ops or an alg of JWE?
bool is_meant_for_encryption(const Json& jwk);

// Reads one JWK, public or private. A key of a kind that we do not use has ErrorKind::unsupported.
Result<std::shared_ptr<const EncryptionKey>> parse_encryption_jwk(std::string_view json);
Result<std::shared_ptr<const EncryptionKey>> read_encryption_key(const Json& jwk);

// A fresh private JWK with alg, use "enc" and kid (`key_id`, or the RFC 7638 thumbprint). With dir `content` says for
// which content encryption; else it is not looked at. "" if that is none.
std::string generate_encryption_jwk(KeyManagement management, ContentEncryption content, std::string_view key_id = {},
                                    unsigned rsa_bits = 2048);

}  // namespace keepgate::crypto
