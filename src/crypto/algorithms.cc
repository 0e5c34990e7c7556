#include "crypto/algorithms.h"

namespace keepgate::crypto {

namespace {

// In the order of the enumeration.
constexpr AlgorithmRow rows[] = {
    {Algorithm::none, "", Family::none, Hash::none, ""},
    {Algorithm::rs256, "RS256", Family::rsa_pkcs1, Hash::sha256, ""},
    {Algorithm::rs384, "RS384", Family::rsa_pkcs1, Hash::sha384, ""},
    {Algorithm::rs512, "RS512", Family::rsa_pkcs1, Hash::sha512, ""},
    {Algorithm::ps256, "PS256", Family::rsa_pss, Hash::sha256, ""},
    {Algorithm::ps384, "PS384", Family::rsa_pss, Hash::sha384, ""},
    {Algorithm::ps512, "PS512", Family::rsa_pss, Hash::sha512, ""},
    {Algorithm::es256, "ES256", Family::ecdsa, Hash::sha256, "P-256"},
    {Algorithm::es384, "ES384", Family::ecdsa, Hash::sha384, "P-384"},
    {Algorithm::es512, "ES512", Family::ecdsa, Hash::sha512, "P-521"},
    {Algorithm::eddsa, "EdDSA", Family::eddsa, Hash::none, ""},
    {Algorithm::hs256, "HS256", Family::hmac, Hash::sha256, ""},
    {Algorithm::hs384, "HS384", Family::hmac, Hash::sha384, ""},
    {Algorithm::hs512, "HS512", Family::hmac, Hash::sha512, ""},
};

constexpr bool rows_are_in_order() {
  for (std::size_t i = 0; i < std::size(rows); ++i) {
    if (static_cast<std::size_t>(rows[i].algorithm) != i) return false;
  }
  return true;
}
static_assert(rows_are_in_order());

constexpr CurveRow curves[] = {
    {"P-256", "P-256", 32, Algorithm::es256},
    {"P-384", "P-384", 48, Algorithm::es384},
    {"P-521", "P-521", 66, Algorithm::es512},
};

constexpr EdwardsRow edwards_curves[] = {
    {"Ed25519", "ED25519", 32, 64},
    {"Ed448", "ED448", 57, 114},
};

template <typename Row, std::size_t n>
const Row* find_row(const Row (&table)[n], std::string_view name) {
  for (const Row& row : table) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

}  // namespace

const AlgorithmRow& row_of(Algorithm algorithm) { return rows[static_cast<std::size_t>(algorithm)]; }
const CurveRow* curve_named(std::string_view name) { return find_row(curves, name); }
const EdwardsRow* edwards_named(std::string_view name) { return find_row(edwards_curves, name); }

std::string_view name_of(Algorithm algorithm) { return row_of(algorithm).name; }

Algorithm algorithm_named(std::string_view exact_name) {
  if (exact_name.empty()) return Algorithm::none;
  if (exact_name == "Ed25519") return Algorithm::eddsa;  // RFC 9864: the name of EdDSA with this curve.
  const AlgorithmRow* row = find_row(rows, exact_name);
  return row == nullptr ? Algorithm::none : row->algorithm;
}

}  // namespace keepgate::crypto
