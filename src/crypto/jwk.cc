#include "crypto/jwk.h"

#include <openssl/rsa.h>

#include <algorithm>

#include "base/bytes.h"
#include "crypto/algorithms.h"
#include "crypto/encryption_key.h"
#include "crypto/json.h"
#include "crypto/key_material.h"

namespace keepgate::crypto {

namespace {

constexpr JsonLimits set_limits{.bytes_max = 1024 * 1024, .depth_max = 10, .values_max = 16 * 1024};

// A member that may be absent but not of another type.
Result<std::optional<std::string_view>> optional_string(const Json& jwk, std::string_view name) {
  const Json* member = jwk.find(name);
  if (member == nullptr) return std::nullopt;
  if (member->string() == nullptr) return bad_key(cat("'", name, "' is not a string"));
  return std::string_view(*member->string());
}

// RFC 7517 §4.2, §4.3: is the key meant for signatures at all?
Result<void> check_signs(const Json& jwk) {
  const auto use = optional_string(jwk, "use");
  if (!use) return std::unexpected(use.error());
  if (*use && **use != "sig") return unsupported(cat("its use is '", printable(**use, 40), "', not 'sig'"));
  const Json* operations = jwk.find("key_ops");
  if (operations == nullptr) return {};
  if (operations->array() == nullptr) return bad_key("'key_ops' is not an array");
  bool signs = false;
  for (const Json& operation : *operations->array()) {
    if (operation.string() == nullptr) return bad_key("'key_ops' holds something else than strings");
    signs = signs || *operation.string() == "verify" || *operation.string() == "sign";
  }
  if (!signs) return unsupported("its key_ops name neither sign nor verify");
  return {};
}

// The algorithm that `alg` names, or the default; refused when it belongs to another kind of key.
Result<Algorithm> choose_algorithm(const Json& jwk, Algorithm default_algorithm,
                                   std::initializer_list<Family> families) {
  const auto name = optional_string(jwk, "alg");
  if (!name) return std::unexpected(name.error());
  if (!*name) return default_algorithm;
  const Algorithm algorithm = algorithm_named(**name);
  if (algorithm == Algorithm::none) return unsupported(cat("its alg is '", printable(**name, 40), "'"));
  const Family family = row_of(algorithm).family;
  if (std::find(families.begin(), families.end(), family) == families.end()) {
    return bad_key(cat("alg ", name_of(algorithm), " does not fit its kty"));
  }
  return algorithm;
}

bool has_private_members(const Json& jwk) {
  for (const std::string_view name : {"d", "p", "q", "dp", "dq", "qi", "oth"}) {
    if (jwk.find(name) != nullptr) return true;
  }
  return false;
}

// One context per key and direction, ready but for the digest. Each operation works on a duplicate: that costs a tenth
// of setting one up, and the original is never written again, so threads may share it.
PkeyContextPtr prepared_context(EVP_PKEY* key, const AlgorithmRow& row, bool signs) {
  if (row.family == Family::eddsa) return nullptr;  // OpenSSL 3.0 has no prepared form for it.
  PkeyContextPtr context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  const auto start = signs ? EVP_PKEY_sign_init : EVP_PKEY_verify_init;
  if (!context || start(context.get()) != 1) return nullptr;
  EVP_PKEY_CTX* const raw = context.get();
  bool ready = true;
  if (row.family == Family::rsa_pkcs1) ready = EVP_PKEY_CTX_set_rsa_padding(raw, RSA_PKCS1_PADDING) == 1;
  if (row.family == Family::rsa_pss) ready = EVP_PKEY_CTX_set_rsa_padding(raw, RSA_PKCS1_PSS_PADDING) == 1;
  ready = ready && EVP_PKEY_CTX_set_signature_md(raw, fetched(row.hash)) == 1;
  // RFC 7518 §3.5: the salt is as long as the hash, and MGF1 uses the same hash.
  if (row.family == Family::rsa_pss) {
    ready = ready && EVP_PKEY_CTX_set_rsa_pss_saltlen(raw, RSA_PSS_SALTLEN_DIGEST) == 1 &&
            EVP_PKEY_CTX_set_rsa_mgf1_md(raw, fetched(row.hash)) == 1;
  }
  return ready ? std::move(context) : nullptr;
}

}  // namespace

Key::~Key() {
  OPENSSL_cleanse(secret_.data(), secret_.size());
  EVP_PKEY_CTX_free(verify_template_);
  EVP_PKEY_CTX_free(sign_template_);
  EVP_PKEY_free(native_);
}

class KeyReader {
 public:
  enum class Part : std::uint8_t { public_only = 0, whole };

  static Result<std::shared_ptr<const Key>> read(const Json& jwk, Part part) {
    if (jwk.object() == nullptr) return bad_key("not a JSON object");
    const std::optional<std::string_view> type = jwk.string_at("kty");
    if (!type) return bad_key("'kty' is missing or not a string");
    if (Result<void> purpose = check_signs(jwk); !purpose) return std::unexpected(purpose.error());
    const auto id = optional_string(jwk, "kid");
    if (!id) return std::unexpected(id.error());

    std::shared_ptr<Key> key(new Key);
    key->id_ = id->value_or("");
    key->private_ = part == Part::whole && has_private_members(jwk);
    Result<void> done = *type == "RSA"   ? read_rsa(jwk, *key)
                        : *type == "EC"  ? read_ec(jwk, *key)
                        : *type == "OKP" ? read_okp(jwk, *key)
                        : *type == "oct" ? read_oct(jwk, *key)
                                         : unsupported(cat("its kty is '", printable(*type, 40), "'"));
    if (!done) return std::unexpected(done.error());
    return key;
  }

 private:
  static Result<void> read_rsa(const Json& jwk, Key& key) {
    const auto algorithm = choose_algorithm(jwk, Algorithm::rs256, {Family::rsa_pkcs1, Family::rsa_pss});
    if (!algorithm) return std::unexpected(algorithm.error());
    return finish(key, *algorithm, rsa_key(jwk, key.private_));
  }

  static Result<void> read_ec(const Json& jwk, Key& key) {
    const std::optional<std::string_view> name = jwk.string_at("crv");
    if (!name) return bad_key("'crv' is missing or not a string");
    const CurveRow* curve = curve_named(*name);
    if (curve == nullptr) return unsupported(cat("its crv is '", printable(*name, 40), "'"));
    const auto algorithm = choose_algorithm(jwk, curve->algorithm, {Family::ecdsa});
    if (!algorithm) return std::unexpected(algorithm.error());
    if (*algorithm != curve->algorithm) return bad_key(cat("alg ", name_of(*algorithm), " does not fit its crv"));
    Result<void> done = finish(key, *algorithm, ec_key(jwk, *curve, key.private_));
    if (done) key.curve_order_ = curve_order(key.native_, curve->coordinate_bytes);
    return done;
  }

  static Result<void> read_okp(const Json& jwk, Key& key) {
    const std::optional<std::string_view> name = jwk.string_at("crv");
    if (!name) return bad_key("'crv' is missing or not a string");
    const EdwardsRow* curve = edwards_named(*name);
    if (curve == nullptr) return unsupported(cat("its crv is '", printable(*name, 40), "'"));
    const auto algorithm = choose_algorithm(jwk, Algorithm::eddsa, {Family::eddsa});
    if (!algorithm) return std::unexpected(algorithm.error());
    return finish(key, *algorithm, okp_key(jwk, *curve, key.private_));
  }

  static Result<void> read_oct(const Json& jwk, Key& key) {
    const auto algorithm = choose_algorithm(jwk, Algorithm::hs256, {Family::hmac});
    if (!algorithm) return std::unexpected(algorithm.error());
    Result<std::string> secret = binary_member(jwk, "k");
    if (!secret) return std::unexpected(secret.error());
    key.secret_ = std::move(*secret);
    if (key.secret_.size() < oct_bytes_min) return bad_key(cat("a secret shorter than ", oct_bytes_min, " bytes"));
    key.algorithm_ = *algorithm;
    key.private_ = true;
    return {};
  }

  static Result<void> finish(Key& key, Algorithm algorithm, Result<PkeyPtr> native) {
    if (!native) return std::unexpected(native.error());
    const ErrorQueueGuard guard;
    key.native_ = native->release();
    key.algorithm_ = algorithm;
    const AlgorithmRow& row = row_of(algorithm);
    key.verify_template_ = prepared_context(key.native_, row, false).release();
    if (key.private_) key.sign_template_ = prepared_context(key.native_, row, true).release();
    const bool prepared = key.verify_template_ != nullptr && (!key.private_ || key.sign_template_ != nullptr);
    if (!prepared && row.family != Family::eddsa) return bad_key("OpenSSL does not take it");
    return {};
  }
};

Result<std::shared_ptr<const Key>> parse_jwk(std::string_view json) {
  const Result<Json> jwk = parse_json(json, key_limits);
  if (!jwk) return bad_key(cat("not JSON: ", jwk.error().detail));
  return KeyReader::read(*jwk, KeyReader::Part::whole);
}

namespace {

// Reads the members of one set and keeps what can be used.
class SetReader {
 public:
  SetReader(const SourcePlace& place, Diagnostics& diagnostics) : place_(place), diagnostics_(diagnostics) {}

  void read(const Json& jwk, std::size_t number) {
    const std::optional<std::string_view> id = jwk.string_at("kid");
    label_ = cat("key ", number);
    if (id) append(label_, " (kid '", printable(*id, 60), "')");
    if (is_meant_for_encryption(jwk)) return read_for_encryption(jwk);
    Result<std::shared_ptr<const Key>> key = KeyReader::read(jwk, KeyReader::Part::public_only);
    if (!key && key.error().kind == ErrorKind::unsupported) {
      return warn("KG202", cat(label_, " is passed over: ", key.error().detail));
    }
    if (!key) return refuse("KG201", cat(label_, " is broken: ", key.error().detail));
    check_neighbours(**key, jwk);
    keys_.push_back(std::move(*key));
  }

  KeySet take() { return {std::move(keys_), std::move(decryption_keys_)}; }

 private:
  void read_for_encryption(const Json& jwk) {
    Result<std::shared_ptr<const EncryptionKey>> key = read_encryption_key(jwk);
    if (!key && key.error().kind == ErrorKind::unsupported) {
      return warn("KG202", cat(label_, " is passed over: ", key.error().detail));
    }
    if (!key) return refuse("KG201", cat(label_, " is broken: ", key.error().detail));
    if (!(*key)->is_private()) {
      return warn("KG202", cat(label_, " is passed over: the public half of an encryption key decrypts nothing"));
    }
    for (const auto& other : decryption_keys_) {
      if (!(*key)->id().empty() && other->id() == (*key)->id() && other->management() == (*key)->management() &&
          other->direct_content() == (*key)->direct_content()) {
        refuse("KG203", cat(label_, " has the kid and algorithm of another key"));
      }
    }
    decryption_keys_.push_back(std::move(*key));
  }
  void check_neighbours(const Key& key, const Json& jwk) {
    for (const auto& other : keys_) {
      if (!key.id().empty() && other->id() == key.id() && other->algorithm() == key.algorithm()) {
        refuse("KG203", cat(label_, " has the kid and algorithm of another key"));
      }
    }
    if (has_private_members(jwk)) {
      warn("KG204", cat(label_, " is a private key in a set that only verifies"), "publish the public half only");
    }
    const Hash hash = row_of(key.algorithm()).hash;
    if (!key.secret().empty() && key.secret().size() < digest_bytes(hash)) {
      warn("KG205", cat(label_, " is a secret of ", key.secret().size(), " bytes; ", name_of(key.algorithm()),
                        " asks for ", digest_bytes(hash)));
    }
  }
  void warn(std::string_view code, std::string message, std::string help = {}) {
    diagnostics_.warning(code, std::move(message), place_, std::move(help));
  }
  void refuse(std::string_view code, std::string message) { diagnostics_.error(code, std::move(message), place_); }

  const SourcePlace& place_;
  Diagnostics& diagnostics_;
  std::string label_;
  std::vector<std::shared_ptr<const Key>> keys_;
  std::vector<std::shared_ptr<const EncryptionKey>> decryption_keys_;
};

}  // namespace

std::shared_ptr<const KeySet> KeySet::parse(std::string_view json, const SourcePlace& place, Diagnostics& diagnostics) {
  const std::size_t errors_before = diagnostics.error_count();
  const Result<Json> document = parse_json(json, set_limits);
  if (!document) {
    diagnostics.error("KG200", cat("a key set that is not JSON: ", document.error().detail), place);
    return nullptr;
  }
  const Json* members = document->find("keys");
  if (members == nullptr || members->array() == nullptr) {
    diagnostics.error("KG200", "a key set without an array 'keys'", place, R"(write {"keys": [ … ]}, RFC 7517 §5)");
    return nullptr;
  }
  if (members->array()->size() > key_set_keys_max) {
    diagnostics.error("KG200", cat("a key set of more than ", key_set_keys_max, " keys"), place);
    return nullptr;
  }
  SetReader reader(place, diagnostics);
  std::size_t number = 0;
  for (const Json& jwk : *members->array()) reader.read(jwk, ++number);
  auto set = std::make_shared<KeySet>(reader.take());
  if (diagnostics.error_count() > errors_before) return nullptr;
  if (set->keys.empty() && set->decryption_keys.empty()) {
    diagnostics.error("KG200", "a key set without any usable key", place);
    return nullptr;
  }
  return set;
}

}  // namespace keepgate::crypto
