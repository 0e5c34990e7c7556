#include "crypto/encryption_key.h"

#include <openssl/rsa.h>

#include "base/bytes.h"
#include "crypto/algorithms.h"
#include "crypto/json.h"
#include "crypto/jwe_algorithms.h"
#include "crypto/key_material.h"

namespace keepgate::crypto {

namespace {

bool names_operation(const Json& jwk, std::initializer_list<std::string_view> names) {
  const Json* operations = jwk.find("key_ops");
  if (operations == nullptr || operations->array() == nullptr) return false;
  for (const Json& operation : *operations->array()) {
    for (const std::string_view name : names) {
      if (operation.string() != nullptr && *operation.string() == name) return true;
    }
  }
  return false;
}

bool encrypts(const Json& jwk) { return names_operation(jwk, {"decrypt", "unwrapKey", "encrypt", "wrapKey"}); }
bool signs(const Json& jwk) { return names_operation(jwk, {"sign", "verify"}); }

// RFC 7517 §4.2, §4.3: what else it says of its purpose has to agree.
Result<void> check_encrypts(const Json& jwk) {
  const Json* use = jwk.find("use");
  if (use != nullptr && jwk.string_at("use") != "enc") return bad_key("its alg encrypts and its use is another");
  if (jwk.find("key_ops") == nullptr) return {};
  if (signs(jwk)) return bad_key("its key_ops would both sign and encrypt");
  if (!encrypts(jwk)) return bad_key("its key_ops name no operation of encryption");
  return {};
}

// With alg "dir" the length decides, so that a key still serves one algorithm.
ContentEncryption content_for(std::size_t secret_bytes) {
  switch (secret_bytes) {
    case 16:
      return ContentEncryption::a128gcm;
    case 24:
      return ContentEncryption::a192gcm;
    case 32:
      return ContentEncryption::a256gcm;
    case 48:
      return ContentEncryption::a192cbc_hs384;
    case 64:
      return ContentEncryption::a256cbc_hs512;
    default:
      return ContentEncryption::none;
  }
}

struct Purpose {
  KeyManagement management = KeyManagement::none;
  ContentEncryption direct_content = ContentEncryption::none;  // Set if `alg` names it.
};

Result<Purpose> read_purpose(const Json& jwk) {
  if (jwk.find("alg") == nullptr) return unsupported("an encryption key without alg: it has to name one");
  const std::optional<std::string_view> name = jwk.string_at("alg");
  if (!name) return bad_key("'alg' is not a string");
  if (const KeyManagement found = key_management_named(*name); found != KeyManagement::none) {
    return Purpose{found, ContentEncryption::none};
  }
  if (const ContentEncryption found = content_encryption_named(*name); found != ContentEncryption::none) {
    return Purpose{KeyManagement::dir, found};
  }
  const std::string_view why = why_not_used(*name);
  if (!why.empty()) return unsupported(std::string(why));
  if (algorithm_named(*name) != Algorithm::none) return bad_key(cat("use enc does not fit alg ", *name));
  return unsupported(cat("its alg is '", printable(*name, 40), "'"));
}

PkeyContextPtr prepared_context(EVP_PKEY* key, Hash hash, bool decrypts) {
  PkeyContextPtr context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  const auto start = decrypts ? EVP_PKEY_decrypt_init : EVP_PKEY_encrypt_init;
  // RFC 7518 §4.3: MGF1 uses the same hash, the label is empty.
  const bool ready = context && start(context.get()) == 1 &&
                     EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING) == 1 &&
                     EVP_PKEY_CTX_set_rsa_oaep_md(context.get(), fetched(hash)) == 1 &&
                     EVP_PKEY_CTX_set_rsa_mgf1_md(context.get(), fetched(hash)) == 1;
  return ready ? std::move(context) : nullptr;
}

}  // namespace

EncryptionKey::~EncryptionKey() {
  OPENSSL_cleanse(secret_.data(), secret_.size());
  EVP_PKEY_CTX_free(encrypt_template_);
  EVP_PKEY_CTX_free(decrypt_template_);
  EVP_PKEY_free(native_);
}

class EncryptionKeyReader {
 public:
  static Result<std::shared_ptr<const EncryptionKey>> read(const Json& jwk) {
    if (jwk.object() == nullptr) return bad_key("not a JSON object");
    const std::optional<std::string_view> type = jwk.string_at("kty");
    if (!type) return bad_key("'kty' is missing or not a string");
    if (const Json* id = jwk.find("kid"); id != nullptr && id->string() == nullptr) {
      return bad_key("'kid' is not a string");
    }
    if (Result<void> purpose = check_encrypts(jwk); !purpose) return std::unexpected(purpose.error());
    const Result<Purpose> purpose = read_purpose(jwk);
    if (!purpose) return std::unexpected(purpose.error());
    const ManagementRow& row = row_of(purpose->management);
    const std::string_view wanted = row.wrapping == Wrapping::rsa_oaep ? "RSA" : "oct";
    if (*type != wanted) return bad_key(cat("alg ", *jwk.string_at("alg"), " does not fit its kty"));

    std::shared_ptr<EncryptionKey> key(new EncryptionKey);
    key->id_ = jwk.string_at("kid").value_or("");
    key->management_ = purpose->management;
    key->direct_content_ = purpose->direct_content;
    Result<void> done = row.wrapping == Wrapping::rsa_oaep ? read_rsa(jwk, row, *key) : read_oct(jwk, row, *key);
    if (!done) return std::unexpected(done.error());
    return key;
  }

 private:
  static Result<void> read_rsa(const Json& jwk, const ManagementRow& row, EncryptionKey& key) {
    key.private_ = jwk.find("d") != nullptr;
    Result<PkeyPtr> native = rsa_key(jwk, key.private_);
    if (!native) return std::unexpected(native.error());
    const ErrorQueueGuard guard;
    key.native_ = native->release();
    key.encrypt_template_ = prepared_context(key.native_, row.oaep, false).release();
    if (key.private_) key.decrypt_template_ = prepared_context(key.native_, row.oaep, true).release();
    if (key.encrypt_template_ == nullptr || (key.private_ && key.decrypt_template_ == nullptr)) {
      return bad_key("OpenSSL does not take it");
    }
    return {};
  }

  static Result<void> read_oct(const Json& jwk, const ManagementRow& row, EncryptionKey& key) {
    Result<std::string> secret = binary_member(jwk, "k");
    if (!secret) return std::unexpected(secret.error());
    key.secret_ = std::move(*secret);
    key.private_ = true;
    std::size_t wanted = row.key_bytes;
    if (row.wrapping == Wrapping::direct) {
      if (key.direct_content_ == ContentEncryption::none) key.direct_content_ = content_for(key.secret_.size());
      if (key.direct_content_ == ContentEncryption::none) {
        return bad_key("a content key of 16, 24, 32, 48 or 64 bytes is expected");
      }
      wanted = row_of(key.direct_content_).key_bytes;
    }
    if (key.secret_.size() != wanted) {
      return bad_key(cat("a secret of ", key.secret_.size(), " bytes; its alg takes ", wanted));
    }
    return {};
  }
};

bool is_meant_for_encryption(const Json& jwk) {
  if (const std::optional<std::string_view> use = jwk.string_at("use"); use && *use != "sig") return *use == "enc";
  if (const std::optional<std::string_view> alg = jwk.string_at("alg")) {
    if (key_management_named(*alg) != KeyManagement::none) return true;
    if (content_encryption_named(*alg) != ContentEncryption::none || !why_not_used(*alg).empty()) return true;
  }
  return jwk.find("use") == nullptr && encrypts(jwk) && !signs(jwk);
}

Result<std::shared_ptr<const EncryptionKey>> read_encryption_key(const Json& jwk) {
  return EncryptionKeyReader::read(jwk);
}

Result<std::shared_ptr<const EncryptionKey>> parse_encryption_jwk(std::string_view json) {
  const Result<Json> jwk = parse_json(json, key_limits);
  if (!jwk) return bad_key(cat("not JSON: ", jwk.error().detail));
  return EncryptionKeyReader::read(*jwk);
}

}  // namespace keepgate::crypto
