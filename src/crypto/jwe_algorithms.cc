#include "crypto/jwe_algorithms.h"

#include <iterator>

namespace keepgate::crypto {

namespace {

// In the order of the enumerations.
constexpr ContentRow content_rows[] = {
    {},
    {ContentEncryption::a128cbc_hs256, "A128CBC-HS256", 32, 16, 16, Hash::sha256},
    {ContentEncryption::a192cbc_hs384, "A192CBC-HS384", 48, 16, 24, Hash::sha384},
    {ContentEncryption::a256cbc_hs512, "A256CBC-HS512", 64, 16, 32, Hash::sha512},
    {ContentEncryption::a128gcm, "A128GCM", 16, gcm_iv_bytes, gcm_tag_bytes, Hash::none},
    {ContentEncryption::a192gcm, "A192GCM", 24, gcm_iv_bytes, gcm_tag_bytes, Hash::none},
    {ContentEncryption::a256gcm, "A256GCM", 32, gcm_iv_bytes, gcm_tag_bytes, Hash::none},
};
constexpr ManagementRow management_rows[] = {
    {},
    {KeyManagement::rsa_oaep, "RSA-OAEP", Wrapping::rsa_oaep, 0, Hash::sha1},
    {KeyManagement::rsa_oaep_256, "RSA-OAEP-256", Wrapping::rsa_oaep, 0, Hash::sha256},
    {KeyManagement::rsa_oaep_384, "RSA-OAEP-384", Wrapping::rsa_oaep, 0, Hash::sha384},
    {KeyManagement::rsa_oaep_512, "RSA-OAEP-512", Wrapping::rsa_oaep, 0, Hash::sha512},
    {KeyManagement::a128kw, "A128KW", Wrapping::aes_kw, 16, Hash::none},
    {KeyManagement::a192kw, "A192KW", Wrapping::aes_kw, 24, Hash::none},
    {KeyManagement::a256kw, "A256KW", Wrapping::aes_kw, 32, Hash::none},
    {KeyManagement::a128gcmkw, "A128GCMKW", Wrapping::aes_gcm_kw, 16, Hash::none},
    {KeyManagement::a192gcmkw, "A192GCMKW", Wrapping::aes_gcm_kw, 24, Hash::none},
    {KeyManagement::a256gcmkw, "A256GCMKW", Wrapping::aes_gcm_kw, 32, Hash::none},
    {KeyManagement::dir, "dir", Wrapping::direct, 0, Hash::none},
};

constexpr bool jwe_rows_are_in_order() {
  for (std::size_t i = 0; i < std::size(content_rows); ++i) {
    if (static_cast<std::size_t>(content_rows[i].content) != i) return false;
  }
  for (std::size_t i = 0; i < std::size(management_rows); ++i) {
    if (static_cast<std::size_t>(management_rows[i].management) != i) return false;
  }
  return true;
}
static_assert(jwe_rows_are_in_order());

}  // namespace

const ContentRow& row_of(ContentEncryption content) { return content_rows[static_cast<std::size_t>(content)]; }
const ManagementRow& row_of(KeyManagement management) { return management_rows[static_cast<std::size_t>(management)]; }
std::string_view name_of(KeyManagement management) { return row_of(management).name; }
std::string_view name_of(ContentEncryption content) { return row_of(content).name; }

KeyManagement key_management_named(std::string_view exact_name) {
  for (const ManagementRow& row : management_rows) {
    if (!exact_name.empty() && row.name == exact_name) return row.management;
  }
  return KeyManagement::none;
}

ContentEncryption content_encryption_named(std::string_view exact_name) {
  for (const ContentRow& row : content_rows) {
    if (!exact_name.empty() && row.name == exact_name) return row.content;
  }
  return ContentEncryption::none;
}

std::string_view why_not_used(std::string_view alg) {
  if (alg == "RSA1_5") return "RSA1_5 leaks what it protects (RFC 8725 §3.2); use RSA-OAEP-256";
  if (alg.starts_with("PBES2-")) return "PBES2 lets a token choose how long its check takes; use A256KW";
  if (alg.starts_with("ECDH-ES")) return "ECDH-ES is not built; use RSA-OAEP-256 or A256KW";
  return {};
}

}  // namespace keepgate::crypto
