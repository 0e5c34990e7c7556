// Making keys and writing their public halves: the rest of jwk.h.
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>

#include <algorithm>

#include "base/bytes.h"
#include "crypto/algorithms.h"
#include "crypto/base64url.h"
#include "crypto/digest.h"
#include "crypto/json.h"
#include "crypto/jwe_algorithms.h"
#include "crypto/jwk.h"
#include "crypto/key_material.h"
#include "crypto/openssl.h"
#include "crypto/random.h"

namespace keepgate::crypto {

namespace {

struct TypeRow {
  KeyType type;
  std::string_view kty;
  std::string_view crv;
  unsigned rsa_bits;
  Algorithm algorithm;  // When the caller names none.
};
constexpr TypeRow type_rows[] = {
    {KeyType::rsa2048, "RSA", "", 2048, Algorithm::rs256}, {KeyType::rsa3072, "RSA", "", 3072, Algorithm::rs256},
    {KeyType::p256, "EC", "P-256", 0, Algorithm::es256},   {KeyType::p384, "EC", "P-384", 0, Algorithm::es384},
    {KeyType::p521, "EC", "P-521", 0, Algorithm::es512},   {KeyType::ed25519, "OKP", "Ed25519", 0, Algorithm::eddsa},
    {KeyType::oct256, "oct", "", 0, Algorithm::hs256},
};

bool fits(const TypeRow& type, Algorithm algorithm) {
  const Family family = row_of(algorithm).family;
  if (type.kty == "RSA") return family == Family::rsa_pkcs1 || family == Family::rsa_pss;
  if (type.kty == "oct") return family == Family::hmac;
  return algorithm == type.algorithm;
}

constexpr std::string_view member_alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

using Members = std::vector<std::pair<std::string_view, std::string>>;  // Values are base64url or plain ASCII.

std::string encoded_number(const EVP_PKEY* key, const char* name, std::size_t bytes = 0) {
  BIGNUM* raw = nullptr;
  KG_ASSERT(EVP_PKEY_get_bn_param(key, name, &raw) == 1);
  const BigNumberPtr number(raw);
  if (bytes == 0) bytes = static_cast<std::size_t>(BN_num_bytes(number.get()));
  SecretBytes out(std::string(bytes, '\0'));
  KG_ASSERT(BN_bn2binpad(number.get(), as_bytes(out.bytes), static_cast<int>(bytes)) >= 0);
  return base64url_encode(out.bytes);
}

void add_rsa(Members& members, unsigned bits) {
  const PkeyPtr key(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{bits}));
  KG_ASSERT(key != nullptr);
  constexpr std::pair<std::string_view, const char*> numbers[] = {
      {"n", OSSL_PKEY_PARAM_RSA_N},          {"e", OSSL_PKEY_PARAM_RSA_E},
      {"d", OSSL_PKEY_PARAM_RSA_D},          {"p", OSSL_PKEY_PARAM_RSA_FACTOR1},
      {"q", OSSL_PKEY_PARAM_RSA_FACTOR2},    {"dp", OSSL_PKEY_PARAM_RSA_EXPONENT1},
      {"dq", OSSL_PKEY_PARAM_RSA_EXPONENT2}, {"qi", OSSL_PKEY_PARAM_RSA_COEFFICIENT1}};
  for (const auto& [name, parameter] : numbers) members.emplace_back(name, encoded_number(key.get(), parameter));
}

void add_ec(Members& members, const CurveRow& curve) {
  const PkeyPtr key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", curve.group));
  KG_ASSERT(key != nullptr);
  const std::size_t bytes = curve.coordinate_bytes;
  members.emplace_back("x", encoded_number(key.get(), OSSL_PKEY_PARAM_EC_PUB_X, bytes));
  members.emplace_back("y", encoded_number(key.get(), OSSL_PKEY_PARAM_EC_PUB_Y, bytes));
  members.emplace_back("d", encoded_number(key.get(), OSSL_PKEY_PARAM_PRIV_KEY, bytes));
}

void add_okp(Members& members, const EdwardsRow& curve) {
  const PkeyPtr key(EVP_PKEY_Q_keygen(nullptr, nullptr, curve.openssl_name));
  KG_ASSERT(key != nullptr);
  SecretBytes point(std::string(curve.key_bytes, '\0')), secret(std::string(curve.key_bytes, '\0'));
  std::size_t size = curve.key_bytes;
  KG_ASSERT(EVP_PKEY_get_raw_public_key(key.get(), as_bytes(point.bytes), &size) == 1 && size == curve.key_bytes);
  KG_ASSERT(EVP_PKEY_get_raw_private_key(key.get(), as_bytes(secret.bytes), &size) == 1 && size == curve.key_bytes);
  members.emplace_back("x", base64url_encode(point.bytes));
  members.emplace_back("d", base64url_encode(secret.bytes));
}

void add_oct(Members& members, std::size_t bytes) {
  SecretBytes secret(std::string(bytes, '\0'));
  random_bytes({as_bytes(secret.bytes), secret.bytes.size()});
  members.emplace_back("k", base64url_encode(secret.bytes));
}

// RFC 7638: SHA-256 of the required members in the order of their names, without white space.
std::string thumbprint_of(std::string_view kty, const Members& members) {
  constexpr std::string_view in_order[] = {"crv", "e", "k", "kty", "n", "x", "y"};
  std::string text = "{";
  for (const std::string_view name : in_order) {
    for (const auto& [member, value] : members) {
      if (member == name && name != "kty") append(text, text.size() > 1 ? "," : "", '"', name, "\":\"", value, '"');
    }
    if (name == "kty") append(text, text.size() > 1 ? "," : "", "\"kty\":\"", kty, '"');
  }
  text.push_back('}');
  const std::array<unsigned char, 32> sum = sha256(text);
  return base64url_encode({reinterpret_cast<const char*>(sum.data()), sum.size()});
}

std::string jwk_text(std::string_view kty, std::string_view alg, std::string_view use, std::string_view key_id,
                     Members& members) {
  std::string out = cat(R"({"kty":")", kty, R"(","kid":")");
  append_json_escaped(out, key_id.empty() ? thumbprint_of(kty, members) : key_id);
  append(out, R"(","alg":")", alg, R"(","use":")", use, '"');
  for (auto& [name, value] : members) {
    append(out, ",\"", name, "\":\"", value, '"');
    OPENSSL_cleanse(value.data(), value.size());
  }
  out.push_back('}');
  return out;
}

// What is known of a private JWK before its public half goes out.
struct Kind {
  bool is_secret = false;
  std::string_view alg;  // When it names none.
};

Result<Kind> kind_of(const Json& jwk) {
  if (is_meant_for_encryption(jwk)) {
    const Result<std::shared_ptr<const EncryptionKey>> key = read_encryption_key(jwk);
    if (!key) return std::unexpected(key.error());
    return Kind{!(*key)->secret().empty(), name_of((*key)->management())};
  }
  const Result<std::shared_ptr<const Key>> key = parse_jwk(jwk.write());
  if (!key) return std::unexpected(key.error());
  return Kind{!(*key)->secret().empty(), name_of((*key)->algorithm())};
}

}  // namespace

std::optional<KeyType> key_type_for(Algorithm algorithm) {
  if (algorithm == Algorithm::none) return std::nullopt;
  const auto found = std::ranges::find_if(type_rows, [&](const TypeRow& row) { return fits(row, algorithm); });
  return found == std::end(type_rows) ? std::nullopt : std::optional(found->type);
}

std::string generate_jwk(KeyType type, Algorithm algorithm, std::string_view key_id) {
  const TypeRow& row = type_rows[static_cast<std::size_t>(type)];
  if (algorithm == Algorithm::none) algorithm = row.algorithm;
  if (!fits(row, algorithm)) return {};
  Members members;
  if (!row.crv.empty()) members.emplace_back("crv", row.crv);
  if (row.kty == "RSA") add_rsa(members, row.rsa_bits);
  if (row.kty == "EC") add_ec(members, *curve_named(row.crv));
  if (row.kty == "OKP") add_okp(members, *edwards_named(row.crv));
  // RFC 7518 §3.2: a secret as long as the hash.
  if (row.kty == "oct") add_oct(members, digest_bytes(row_of(algorithm).hash));
  return jwk_text(row.kty, name_of(algorithm), "sig", key_id, members);
}

std::string generate_encryption_jwk(KeyManagement management, ContentEncryption content, std::string_view key_id,
                                    unsigned rsa_bits) {
  const ManagementRow& row = row_of(management);
  Members members;
  switch (row.wrapping) {
    case Wrapping::rsa_oaep:
      add_rsa(members, rsa_bits);
      return jwk_text("RSA", row.name, "enc", key_id, members);
    case Wrapping::aes_kw:
    case Wrapping::aes_gcm_kw:
      add_oct(members, row.key_bytes);
      return jwk_text("oct", row.name, "enc", key_id, members);
    case Wrapping::direct:
      if (content == ContentEncryption::none) return {};
      add_oct(members, row_of(content).key_bytes);
      return jwk_text("oct", name_of(content), "enc", key_id, members);
    case Wrapping::none:
      break;
  }
  return {};
}

Result<std::string> thumbprint(const Json& jwk) {
  struct Kind {
    std::string_view type;
    std::array<std::string_view, 3> names;  // "": no more.
  };
  constexpr Kind kinds[] = {
      {"RSA", {"e", "n", ""}}, {"EC", {"crv", "x", "y"}}, {"OKP", {"crv", "x", ""}}, {"oct", {"k", "", ""}}};
  const std::optional<std::string_view> kty = jwk.string_at("kty");
  for (const auto& [type, names] : kinds) {
    if (kty != type) continue;
    Members members;
    for (const std::string_view name : names) {
      if (name.empty()) break;
      const std::optional<std::string_view> value = jwk.string_at(name);
      // What would need escaping is no value of these members.
      const bool is_plain = value && !value->empty() && value->find_first_not_of(member_alphabet) == value->npos;
      if (!is_plain) return bad_key(cat("'", name, "' is missing or no value of it"));
      members.emplace_back(name, *value);
    }
    return thumbprint_of(type, members);
  }
  return bad_key("'kty' is missing or unknown");
}

Result<std::string> public_jwk(std::string_view private_jwk_json) {
  const Result<Json> jwk = parse_json(private_jwk_json);
  if (!jwk) return std::unexpected(jwk.error());
  const Result<Kind> kind = kind_of(*jwk);
  if (!kind) return std::unexpected(kind.error());
  if (kind->is_secret) {
    return fail(ErrorKind::refused, Blame::configuration, "bad_key", "a shared secret has no public half");
  }
  // A list of what goes out, not of what stays: a private member without a name of ours cannot slip through.
  Json::Object members;
  for (const std::string_view name : {"kty", "kid", "alg", "use", "crv", "x", "y", "n", "e"}) {
    if (const Json* member = jwk->find(name)) members.emplace_back(std::string(name), *member);
    if (name == "alg" && jwk->find("alg") == nullptr) {
      members.emplace_back("alg", Json(std::string(kind->alg)));
    }
  }
  return Json(std::move(members)).write();
}

}  // namespace keepgate::crypto
