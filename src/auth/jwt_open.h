// The layers of a client's token: a signature, an encryption, or a signed token inside an encrypted one (RFC 7519
// §5.2).
//
// Each form is what auth_jwt_type asks for and nothing else: a signed token where encrypted ones are expected is
// refused, and so is the reverse. Thread rule: pure functions over immutable keys.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "crypto/json.h"
#include "crypto/jwk.h"

namespace keepgate::auth {

enum class TokenForm : std::uint8_t { jws = 0 /* signed */, jwe /* encrypted */, nested };

std::string_view name_of(TokenForm form);  // "signed", "encrypted", "nested"

struct OpenedToken {
  std::string header_text;  // Of the signature; of the encryption if there is no other layer.
  crypto::Json header;
  std::string payload;
  std::string enclosed;  // nested: the signed token inside.
  std::string key_id;    // Of the key that verified it, else as the token names it.
};

// Every layer has held: nothing of the payload was looked at before.
Result<OpenedToken> open_jwt(std::string_view token, TokenForm form, const crypto::KeySet& keys);

// Does the set hold the kinds of keys that this form needs?
bool has_keys_for(const crypto::KeySet& keys, TokenForm form);

}  // namespace keepgate::auth
