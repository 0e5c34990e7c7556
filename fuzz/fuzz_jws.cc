// rooms: crypto auth route identity
// No input but a properly signed one verifies, as a JWS, as a client's JWT or as a transaction token.
#include <cstdint>

#include "auth/jwt.h"
#include "base/error.h"
#include "crypto/jws.h"
#include "identity/transaction_token.h"

namespace {

using namespace keepgate;

struct Keys {
  std::shared_ptr<const crypto::KeySet> set;
  Keys() {
    // The key pair dies here, so nobody can sign for it; a secret nobody knows joins it.
    const std::string jwk = *crypto::public_jwk(crypto::generate_jwk(crypto::KeyType::p256, crypto::Algorithm::es256));
    const std::string secret = crypto::generate_jwk(crypto::KeyType::oct256, crypto::Algorithm::hs256);
    Diagnostics diagnostics;
    set = crypto::KeySet::parse("{\"keys\":[" + jwk + "," + secret + "]}", {}, diagnostics);
    KG_ASSERT(set != nullptr);
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Keys keys;
  const std::string_view token(reinterpret_cast<const char*>(data), size);
  static_cast<void>(auth::bearer_token(token));
  if (const auto jws = crypto::parse_jws(token)) KG_ASSERT(!crypto::verify_jws(*jws, *keys.set));
  if (const auto payload = crypto::parse_json(token)) {
    static_cast<void>(auth::read_principal(*payload, {}, auth::AuthMethod::jwt));
    if (const auto* members = payload->object()) {
      for (const auto& [name, value] : *members) static_cast<void>(auth::claim_text(*payload, name));
    }
  }
  auth::JwtOptions jwt;
  jwt.enabled = true;
  jwt.keys = keys.set;
  KG_ASSERT(auth::authenticate_jwt(token, jwt, {}, nullptr).verdict != auth::AuthVerdict::good);
  identity::TransactionOptions transaction;
  transaction.keys = keys.set;
  transaction.trust_domain = "t";
  KG_ASSERT(!identity::verify(token, {}, transaction, {}));
  return 0;
}
