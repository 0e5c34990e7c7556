#include "auth/basic_credential.h"

#include <algorithm>
#include <optional>

#include "auth/claims.h"
#include "base/bytes.h"
#include "crypto/base64.h"
#include "crypto/password_hash.h"

namespace keepgate::auth {

namespace {

constexpr std::string_view basic_scheme = "Basic";
// What is longer is not decoded: no user with a password that is short enough makes it.
constexpr std::size_t basic_text_max = (identity_bytes_max + 1 + crypto::password_bytes_max + 2) / 3 * 4;

std::unexpected<Error> bad_credential(std::string_view detail) {
  return fail(ErrorKind::malformed, Blame::client, "invalid_credentials", cat("Basic credential: ", detail));
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

// RFC 7617 §2: token68 behind the scheme; neither part has control characters.
Result<BasicCredential> read_credential(std::string_view value) {
  std::string_view encoded = value.substr(basic_scheme.size());
  while (encoded.starts_with(' ')) encoded.remove_prefix(1);
  if (encoded.size() > basic_text_max) return bad_credential("too long");
  std::optional<crypto::SecretText> text = crypto::base64_decode_secret(encoded);
  if (!text) return bad_credential("not base64");
  const std::size_t colon = text->view().find(':');
  if (colon == std::string_view::npos) return bad_credential("no colon");
  if (!is_identity_text(text->view().substr(0, colon))) return bad_credential("the user name may name nobody");
  const std::string_view password = text->view().substr(colon + 1);
  if (password.size() > crypto::password_bytes_max) return bad_credential("the password is too long");
  if (std::ranges::any_of(password, is_control)) return bad_credential("the password has control characters");
  return BasicCredential(std::move(*text), colon);
}

}  // namespace

// RFC 9110 §11.1: the scheme in any case.
bool is_basic_field(const http::HeaderLine& line) {
  if (line.field != http::Field::authorization) return false;
  if (!equals_ignoring_case(line.value.substr(0, basic_scheme.size()), basic_scheme)) return false;
  return line.value.size() == basic_scheme.size() || line.value[basic_scheme.size()] == ' ';
}

Result<BasicCredential> basic_credential(const http::RequestHead& head) {
  const http::HeaderLine* found = nullptr;
  std::size_t count = 0;
  for (const http::HeaderLine& line : head.headers) {
    if (line.field != http::Field::authorization) continue;
    ++count;
    if (is_basic_field(line)) found = &line;
  }
  if (!found) return BasicCredential();
  if (count > 1) return bad_credential("more than one Authorization field");
  return read_credential(found->value);
}

std::string_view basic_user(const http::RequestHead& head, Arena& arena) {
  const Result<BasicCredential> found = basic_credential(head);
  return found && found->is_there ? arena.copy(found->user()) : std::string_view();
}

}  // namespace keepgate::auth
