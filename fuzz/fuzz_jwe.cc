// rooms: crypto auth route
// No input but one that a key's owner encrypted decrypts, as a JWE, as an encrypted token or as a nested one.
#include <cstdint>

#include "auth/jwt.h"
#include "base/error.h"
#include "crypto/encryption_key.h"
#include "crypto/jwe.h"

namespace {

using namespace keepgate;

struct Keys {
  std::shared_ptr<const crypto::KeySet> set;
  Keys() {
    using crypto::ContentEncryption;
    using crypto::KeyManagement;
    // Without kid, so that every token finds a key; secrets that nobody knows.
    std::string keys = crypto::generate_jwk(crypto::KeyType::oct256, crypto::Algorithm::hs256);
    for (const auto management : {KeyManagement::a128kw, KeyManagement::a256gcmkw, KeyManagement::rsa_oaep_256}) {
      keys += "," + crypto::generate_encryption_jwk(management, ContentEncryption::none, "k");
    }
    for (const auto content : {ContentEncryption::a128cbc_hs256, ContentEncryption::a256gcm}) {
      keys += "," + crypto::generate_encryption_jwk(KeyManagement::dir, content, "k");
    }
    for (std::size_t at = keys.find("\"kid\":\"k\","); at != std::string::npos; at = keys.find("\"kid\":\"k\",")) {
      keys.erase(at, 10);
    }
    Diagnostics diagnostics;
    set = crypto::KeySet::parse("{\"keys\":[" + keys + "]}", {}, diagnostics);
    KG_ASSERT(set != nullptr && set->decryption_keys.size() == 5);
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Keys keys;
  const std::string_view token(reinterpret_cast<const char*>(data), size);
  if (const auto jwe = crypto::parse_jwe(token)) {
    KG_ASSERT(crypto::looks_like_jwe(token));
    KG_ASSERT(!crypto::decrypt_jwe(*jwe, *keys.set));
  }
  auth::JwtOptions jwt;
  jwt.enabled = true;
  jwt.keys = keys.set;
  for (const auth::TokenForm form : {auth::TokenForm::jwe, auth::TokenForm::nested}) {
    jwt.form = form;
    KG_ASSERT(!auth::verify_jwt(token, jwt, {}));
  }
  static_cast<void>(crypto::parse_encryption_jwk(token));
  return 0;
}
