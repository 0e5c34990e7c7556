// The credential of Basic authentication (RFC 7617): who names themselves, and the password they say.
//
// Thread rule: pure functions. Bounds: crypto::password_bytes_max, identity_bytes_max for the name. The password is
// wiped when the credential goes, and no message shows any of it.
#pragma once

#include <string>
#include <string_view>

#include "base/arena.h"
#include "base/error.h"
#include "crypto/secret.h"
#include "http/head.h"

namespace keepgate::auth {

// `is_there` is false where the request carries no credential of this scheme. user() may name somebody
// (is_identity_text) and has no colon; the password has no control characters and may be empty.
class BasicCredential {
 public:
  BasicCredential() = default;
  BasicCredential(crypto::SecretText text, std::size_t colon) : is_there(true), text_(std::move(text)), colon_(colon) {}
  std::string_view user() const { return text_.view().substr(0, colon_); }
  std::string_view password() const { return is_there ? text_.view().substr(colon_ + 1) : std::string_view(); }

  bool is_there = false;

 private:
  crypto::SecretText text_;  // "user:password"
  std::size_t colon_ = 0;
};

// Malformed, or beside another Authorization field: Error{malformed, client, "invalid_credentials"}.
Result<BasicCredential> basic_credential(const http::RequestHead& head);

// Does this field carry such a credential, whatever it is worth?
bool is_basic_field(const http::HeaderLine& line);

// $remote_user: the name, checked or not; "" without a credential that is well formed.
std::string_view basic_user(const http::RequestHead& head, Arena& arena);

}  // namespace keepgate::auth
