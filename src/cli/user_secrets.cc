// `keepgate user set-password` and `enroll-totp`: what a user proves itself by.
#include "base/bytes.h"
#include "base/clock.h"
#include "cli/command.h"
#include "cli/files.h"
#include "cli/output.h"
#include "cli/password_prompt.h"
#include "cli/user.h"
#include "crypto/base32.h"
#include "crypto/password_hash.h"
#include "crypto/seal.h"
#include "crypto/totp.h"

namespace keepgate::cli {

int run_user_set_password(int argc, char** argv) {
  constexpr std::string_view verb = "user set-password";
  ServerStore store(verb);
  std::string name;
  bool from_stdin = false, stays_signed_in = false;
  Arguments arguments(verb, "Gives a user another password. Whoever is signed in with the old one is signed out.",
                      {{"keepgate user set-password alice -c keepgate.conf", ""},
                       {"keepgate user set-password alice --password-stdin <alice.password", ""}});
  arguments.operand("NAME", name, "the user's name");
  store.declare(arguments);
  arguments.flag("--password-stdin", from_stdin, "read the password from standard input: one line");
  arguments.flag("--stay-signed-in", stays_signed_in, "sessions and tokens go on");
  if (const auto code = arguments.parse(argc, argv)) return *code;
  int code = store.open();
  if (code != exit_ok || !find_user_of_store(store, verb, name, code)) return code;
  Result<std::string> password = read_new_password(name, from_stdin);
  if (!password) return failed(verb, password.error().detail);
  const Result<std::string> hash = crypto::make_password_hash(*password);
  wipe(*password);
  if (!hash) return failed(verb, hash.error().detail);
  code = change_user_of_store(
      store, verb, name, [&](oauth::User& user) { user.password_hash = *hash; },
      stays_signed_in ? store::Transactor::Job() : sign_out_job(name));
  if (code == exit_ok) say(cat("user ", name, " has another password", stays_signed_in ? "" : ", and is signed out"));
  return code;
}

int run_user_enroll_totp(int argc, char** argv) {
  constexpr std::string_view verb = "user enroll-totp";
  ServerStore store(verb);
  std::string name, file = "-";
  bool removes = false;
  Arguments arguments(
      verb,
      "Gives a user a second factor: prints the otpauth:// address that an authenticator program reads, "
      "this once. One that it had before ends.",
      {{"keepgate user enroll-totp alice -c keepgate.conf", ""},
       {"keepgate user enroll-totp alice | qrencode -t ansiutf8", "as a picture on the terminal"},
       {"keepgate user enroll-totp alice --remove", "the password alone again"}});
  arguments.operand("NAME", name, "the user's name");
  store.declare(arguments);
  arguments.flag("--remove", removes, "take the second factor away");
  arguments.option("--secret-file", "FILE", file, "write the address to a new file, mode 0600, instead of printing it");
  if (const auto code = arguments.parse(argc, argv)) return *code;
  int code = store.open();
  if (code != exit_ok || !find_user_of_store(store, verb, name, code)) return code;
  const crypto::SecretText secret = crypto::make_totp_secret();
  std::string sealed;
  if (!removes) {
    const Result<crypto::SecretText> key = store.wrapping_key();
    if (!key) return failed(verb, key.error().detail);
    sealed = crypto::seal(key->view(), crypto::base32_encode(secret.view()).view(), oauth::second_factor_purpose(name));
    // Shown before it counts: nobody is shut out by an address that got lost.
    const crypto::SecretText address = crypto::totp_uri(store.settings().title, name, secret.view());
    std::string line = cat(address.view(), "\n");
    const WipedAtEnd wiped{line};
    if (!show_secret(verb, file, line)) return exit_failure;
  }
  code = store.run([&](store::Database& database) -> Result<void> {
    auto changed = oauth::set_second_factor(database, name, sealed, Now::read());
    if (!changed) return std::unexpected(changed.error());
    if (!*changed) return fail(ErrorKind::refused, Blame::us, "user", "the user is gone");
    return {};
  });
  if (code != exit_ok) return code;
  say(removes ? cat("user ", name, " has no second factor any more")
              : cat("user ", name, " is asked for a second factor from now on. Its address is not shown again."));
  return exit_ok;
}

}  // namespace keepgate::cli
