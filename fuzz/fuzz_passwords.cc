// rooms: auth
// Files of users, stored hashes and Basic credentials from hostile hands: what is not a user lets nobody in, a plain
// password lets in itself alone, and a credential that is read names somebody who may be named.
#include <cstdint>

#include "auth/basic_credential.h"
#include "auth/claims.h"
#include "auth/user_set.h"
#include "base/bytes.h"
#include "crypto/base64.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace keepgate;
  const std::string_view text(reinterpret_cast<const char*>(data), size);

  const http::HeaderLine lines[] = {{"Authorization", text, {}, http::Field::authorization}};
  http::RequestHead head;
  head.headers = lines;
  Arena arena;
  if (const auto found = auth::basic_credential(head); found && found->is_there) {
    KG_ASSERT(auth::is_identity_text(found->user()) && found->user().find(':') == std::string_view::npos);
    KG_ASSERT(found->password().size() <= crypto::password_bytes_max && auth::is_basic_field(lines[0]));
    KG_ASSERT(auth::basic_user(head, arena) == found->user());
  } else {
    KG_ASSERT(auth::basic_user(head, arena).empty());
  }
  if (const auto decoded = crypto::base64_decode(text))
    KG_ASSERT(decoded->size() == text.substr(0, text.find('=')).size() * 3 / 4);

  const crypto::PasswordForm form = crypto::password_form(text);
  // What is slow by its nature would only slow this down.
  if (!crypto::is_slow(form) && crypto::matches_password("hunter2", text)) {
    KG_ASSERT(form != crypto::PasswordForm::none);
    KG_ASSERT(form != crypto::PasswordForm::plain || text == "{PLAIN}hunter2");
  }

  if (const auto set = auth::UserSet::parse(crypto::SecretText(text))) {
    const std::string_view name = text.substr(0, text.find(':'));
    if (const auth::UserSet::User* user = (*set)->find(name)) {
      KG_ASSERT(user->name == name && auth::is_identity_text(name) && user->form != crypto::PasswordForm::none);
    }
    KG_ASSERT(((*set)->stand_in(name) != nullptr) == ((*set)->size() > 0));
  }
  return 0;
}
