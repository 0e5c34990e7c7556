// `keepgate user`: who may sign in at the authorization server. None of these verbs prints a hash.
#include "cli/user.h"
#include "oauth/revocations.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/clock.h"
#include "cli/command.h"
#include "cli/files.h"
#include "cli/output.h"
#include "cli/password_prompt.h"
#include "cli/verbs.h"
#include "crypto/password_hash.h"

namespace keepgate::cli {

namespace {

using crypto::Json;
using oauth::StoredUser;
using oauth::User;

std::string_view state_of_user(const StoredUser& stored) {
  if (!stored.user) return "damaged";
  if (stored.user->disabled) return "disabled";
  return stored.user->password_hash.empty() ? "no password" : "active";
}

Json json_of_user(const StoredUser& stored) {
  Json::Array roles;
  JsonObject claims, out;
  if (stored.user) {
    for (const std::string& role : stored.user->roles) roles.emplace_back(role);
    for (const auto& [name, value] : stored.user->claims) claims.add(name, std::string_view(value));
  }
  out.add("name", stored.name).add("state", state_of_user(stored)).add("fault", stored.fault);
  out.add("roles", Json(std::move(roles))).add("claims", claims.take());
  out.add("second_factor", stored.has_second_factor);
  out.add("created", utc_time(stored.created_s)).add("changed", utc_time(stored.changed_s));
  return out.take();
}

std::vector<std::string> user_row(const StoredUser& stored, std::int64_t now_s) {
  return {stored.name, std::string(state_of_user(stored)), stored.has_second_factor ? "totp" : "",
          stored.user ? joined(stored.user->roles, ',') : "", relative_time(stored.changed_s, now_s)};
}

// "": nothing is wrong.
std::string take_claims(const std::vector<std::string>& words, User& user) {
  for (const std::string& word : words) {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos || equals == 0) return "--claim: NAME=VALUE";
    const std::string name = word.substr(0, equals);
    const auto is_same = [&](const auto& one) { return one.first == name; };
    if (std::ranges::any_of(user.claims, is_same)) return cat("--claim ", printable(name, 60), " twice");
    user.claims.emplace_back(name, word.substr(equals + 1));
  }
  return {};
}

std::unexpected<Error> gone(std::string why) { return fail(ErrorKind::refused, Blame::us, "user", std::move(why)); }

// `disable` and `enable`.
int set_disabled(std::string_view verb, std::string_view summary, bool disabled, int argc, char** argv) {
  ServerStore store(verb);
  std::string name;
  Arguments arguments(verb, summary, {{disabled ? "keepgate user disable alice" : "keepgate user enable alice", ""}});
  arguments.operand("NAME", name, "the user's name");
  store.declare(arguments);
  if (const auto code = arguments.parse(argc, argv)) return *code;
  int code = store.open();
  if (code != exit_ok || !find_user_of_store(store, verb, name, code)) return code;
  code = change_user_of_store(
      store, verb, name, [&](User& user) { user.disabled = disabled; },
      disabled ? sign_out_job(name) : store::Transactor::Job());
  if (code == exit_ok) {
    say(disabled ? cat("user ", name, " cannot sign in any more, and is signed out everywhere")
                 : cat("user ", name, " may sign in again"));
  }
  return code;
}

}  // namespace

std::optional<StoredUser> find_user_of_store(ServerStore& store, std::string_view verb, const std::string& name,
                                             int& code) {
  std::optional<StoredUser> out;
  code = store.run([&](store::Database& database) -> Result<void> {
    auto found = oauth::find_stored_user(database, name);
    if (!found) return std::unexpected(found.error());
    out = std::move(*found);
    return {};
  });
  if (code != exit_ok || out) return out;
  const bool is_configured = store.settings().users.contains(name);
  code = failed(verb,
                is_configured ? cat("'", printable(name, 128), "' is a user of the configuration, and not of the store")
                              : cat("there is no user '", printable(name, 128), "'"),
                is_configured ? exit_failure : exit_not_found);
  return std::nullopt;
}

int change_user_of_store(ServerStore& store, std::string_view, const std::string& name,
                         const std::function<void(User&)>& change, const store::Transactor::Job& also) {
  return store.run([&](store::Database& database) -> Result<void> {
    auto stored = oauth::find_stored_user(database, name);
    if (!stored) return std::unexpected(stored.error());
    if (!*stored) return gone("the user is gone");
    if (!(*stored)->user) return gone(cat("the user is damaged: ", (*stored)->fault));
    User user = std::move(*(*stored)->user);
    change(user);
    auto changed = oauth::change_user(database, user, Now::read());
    if (!changed) return std::unexpected(changed.error());
    return also ? also(database) : Result<void>();
  });
}

store::Transactor::Job sign_out_job(const std::string& name) {
  return [name](store::Database& database) {
    const Now now = Now::read();
    return oauth::sign_out_user(database, name, oauth::revoked_until_s(now.wall_s()), now);
  };
}

int run_user_create(int argc, char** argv) {
  constexpr std::string_view verb = "user create";
  ServerStore store(verb);
  User user;
  std::vector<std::string> claims;
  bool from_stdin = false, without = false;
  Arguments arguments(verb, "Makes a user in the server's store. The password is asked for, and kept as Argon2id.",
                      {{"keepgate user create alice --role customer --claim email=alice@example.com", ""},
                       {"keepgate user create alice --password-stdin <alice.password", ""},
                       {"keepgate user create alice --no-password", "`user set-password` gives one later"}});
  arguments.operand("NAME", user.name, "its name: tokens say user:NAME");
  store.declare(arguments);
  arguments.options("--role", "NAME", user.roles, "what the claim `roles` of its tokens says");
  arguments.options("--claim", "NAME=VALUE", claims, "what /userinfo tells of it: email, name and the like");
  arguments.flag("--password-stdin", from_stdin, "read the password from standard input: one line");
  arguments.flag("--no-password", without, "it cannot sign in until it has one");
  if (const auto code = arguments.parse(argc, argv)) return *code;
  if (from_stdin && without) return arguments.usage_error("--password-stdin or --no-password");
  if (const std::string fault = take_claims(claims, user); !fault.empty()) return arguments.usage_error(fault);
  if (const std::string fault = oauth::fault_of(user); !fault.empty()) return arguments.usage_error(fault);
  int code = store.open();
  if (code != exit_ok) return code;
  if (store.settings().users.contains(user.name)) {
    return failed(verb, cat("'", user.name, "' is a user of the configuration already"));
  }
  if (!without) {
    Result<std::string> password = read_new_password(user.name, from_stdin);
    if (!password) return failed(verb, password.error().detail);
    Result<std::string> hash = crypto::make_password_hash(*password);
    wipe(*password);
    if (!hash) return failed(verb, hash.error().detail);
    user.password_hash = std::move(*hash);
  }
  bool is_added = false;
  code = store.run([&](store::Database& database) -> Result<void> {
    auto added = oauth::add_user(database, user, Now::read());
    if (!added) return std::unexpected(added.error());
    is_added = *added;
    return {};
  });
  if (code != exit_ok) return code;
  if (!is_added) return failed(verb, cat("there is a user '", user.name, "' already"));
  say(cat("user ", user.name, " is made", without ? ", without a password" : ""));
  return exit_ok;
}

int run_user_list(int argc, char** argv) {
  ServerStore store("user list");
  std::string output = "table";
  Arguments arguments("user list", "Lists the users of the store; those of the configuration stand in that.",
                      {{"keepgate user list -c keepgate.conf", ""}, {"keepgate user list --output json", ""}});
  store.declare(arguments);
  arguments.option("--output,--format", "FORMAT", output, "table or json (default: table)");
  if (const auto code = arguments.parse(argc, argv)) return *code;
  if (output != "table" && output != "json") return arguments.usage_error("--output: table or json");
  if (const int code = store.open(); code != exit_ok) return code;
  std::vector<StoredUser> users;
  const int code = store.run([&](store::Database& database) -> Result<void> {
    auto all = oauth::all_stored_users(database);
    if (!all) return std::unexpected(all.error());
    users = std::move(*all);
    return {};
  });
  if (code != exit_ok) return code;
  const std::int64_t now_s = Now::read().wall_s();
  std::vector<std::vector<std::string>> rows = {{"NAME", "STATE", "SECOND FACTOR", "ROLES", "CHANGED"}};
  Json::Array objects;
  for (const StoredUser& one : users) {
    output == "json" ? objects.push_back(json_of_user(one)) : rows.push_back(user_row(one, now_s));
  }
  return print(output == "json" ? pretty(Json(std::move(objects))) : table(rows));
}

int run_user_disable(int argc, char** argv) {
  return set_disabled("user disable", "Lets a user sign in no more, and signs it out everywhere.", true, argc, argv);
}

int run_user_enable(int argc, char** argv) {
  return set_disabled("user enable", "Lets a user sign in again that was disabled.", false, argc, argv);
}

int run_user_delete(int argc, char** argv) {
  constexpr std::string_view verb = "user delete";
  ServerStore store(verb);
  std::string name;
  Arguments arguments(verb, "Takes a user out of the store, and back all that was issued for it.",
                      {{"keepgate user delete alice -c keepgate.conf", ""}});
  arguments.operand("NAME", name, "the user's name");
  store.declare(arguments);
  if (const auto code = arguments.parse(argc, argv)) return *code;
  int code = store.open();
  if (code != exit_ok || !find_user_of_store(store, verb, name, code)) return code;
  code = store.run([&](store::Database& database) -> Result<void> {
    const Now now = Now::read();
    auto removed = oauth::remove_user(database, name, oauth::revoked_until_s(now.wall_s()), now);
    if (!removed) return std::unexpected(removed.error());
    return {};
  });
  if (code == exit_ok) say(cat("user ", name, " is gone, and what was issued for it is taken back"));
  return code;
}

namespace {

constexpr Command user_verbs[] = {
    {"create", "a new user; its password is asked for", run_user_create},
    {"list", "the users of the store", run_user_list},
    {"set-password", "another password; it is signed out everywhere", run_user_set_password},
    {"enroll-totp", "a second factor: the secret for an authenticator, this once", run_user_enroll_totp},
    {"disable", "let it sign in no more, and sign it out", run_user_disable},
    {"enable", "let it sign in again", run_user_enable},
    {"delete", "take a user out, and back what was issued for it", run_user_delete},
};
constexpr Example user_examples[] = {
    {"keepgate user create alice --role customer --claim email=alice@example.com", ""},
    {"keepgate user enroll-totp alice", "prints an otpauth:// address once"},
    {"keepgate user disable alice", "signed out everywhere within a second"},
};

}  // namespace

int run_user(int argc, char** argv) { return run_noun({"user", user_verbs, user_examples}, argc, argv); }

}  // namespace keepgate::cli
