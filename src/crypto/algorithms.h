// What each JOSE algorithm is made of (RFC 7518 §3.1, RFC 8037 §3.1): one row each. Private to this room. Pure data.
#pragma once

#include <cstddef>
#include <string_view>

#include "crypto/jwk.h"
#include "crypto/openssl.h"

namespace keepgate::crypto {

enum class Family : std::uint8_t { none = 0, rsa_pkcs1, rsa_pss, ecdsa, eddsa, hmac };

struct AlgorithmRow {
  Algorithm algorithm = Algorithm::none;
  std::string_view name;
  Family family = Family::none;
  Hash hash = Hash::none;
  std::string_view curve;  // ECDSA only: RFC 7518 §3.4 ties each algorithm to one curve.
};

// The row of Algorithm::none has Family::none.
const AlgorithmRow& row_of(Algorithm algorithm);

struct CurveRow {
  std::string_view name;  // JWK `crv`.
  const char* group = nullptr;
  std::size_t coordinate_bytes = 0;
  Algorithm algorithm = Algorithm::none;
};

// The NIST curves; nullptr if it is none of them.
const CurveRow* curve_named(std::string_view name);

struct EdwardsRow {
  std::string_view name;
  const char* openssl_name = nullptr;
  std::size_t key_bytes = 0;
  std::size_t signature_bytes = 0;
};

// Ed25519 and Ed448; nullptr if it is neither.
const EdwardsRow* edwards_named(std::string_view name);

}  // namespace keepgate::crypto
