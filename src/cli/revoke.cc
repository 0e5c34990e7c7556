// `keepgate revoke`: takes back what the authorization server issued; gateways and guards refuse it within a second.
#include <algorithm>

#include "auth/revocations.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/server_store.h"
#include "cli/verbs.h"
#include "oauth/key_ring.h"
#include "oauth/revocations.h"
#include "oauth/stored_clients.h"
#include "oauth/stored_users.h"

namespace keepgate::cli {

namespace {

// What no list can say would make the whole list unreadable.
bool may_stand_in_list(std::string_view kind, std::string_view value) {
  std::string line = cat("{\"", kind, "\":\"");
  append_json_escaped(line, value);
  const auto list = auth::RevocationList::parse(line + "\"}\n");
  return list && (*list)->size() == 1;
}

enum class GrantState : std::uint8_t { unknown = 0, live, revoked };

Result<GrantState> state_of_grant(store::Database& database, const std::string& id) {
  const auto rows = database.run("SELECT revoked_s FROM grants WHERE id = $1", {id});
  if (!rows) return std::unexpected(rows.error());
  if (rows->empty()) return GrantState::unknown;
  return store::is_null(rows->front()[0]) ? GrantState::live : GrantState::revoked;
}

int retire_signing_key(std::string_view verb, ServerStore& store, const std::string& id) {
  const auto wrapping_key = store.wrapping_key();
  if (!wrapping_key) return failed(verb, wrapping_key.error().detail);
  bool is_known = false;
  const int code = store.run([&](store::Database& database) -> Result<void> {
    const auto retired = oauth::retire_key(database, store.settings(), *wrapping_key, id, Now::read());
    if (!retired) return std::unexpected(retired.error());
    is_known = *retired;
    return {};
  });
  if (code != exit_ok) return code;
  if (!is_known) say("note: the server's store has no such key (any more)");
  say(cat("signing key ", id, ": all that it signed is revoked", is_known ? ", and the next one signs" : ""));
  return exit_ok;
}

// "": it may be somebody of a trusted issuer.
std::string fault_of_subject(const std::string& subject) {
  const std::size_t colon = subject.find(':');
  const std::string_view kind = std::string_view(subject).substr(0, colon);
  if (colon == std::string::npos || colon == 0 || colon + 1 == subject.size()) {
    return "--subject takes KIND:NAME, as in the claim sub";
  }
  if (kind == "user") return "users have --user";
  if (kind == "client") return "clients have --client";
  return {};
}

int revoke_foreign_subject(ServerStore& store, const std::string& subject) {
  const int code = store.run([&](store::Database& database) -> Result<void> {
    const Now now = Now::read();
    return oauth::revoke_subject(database, subject, oauth::revoked_until_s(now.wall_s()), now);
  });
  if (code != exit_ok) return code;
  const std::string_view kind = std::string_view(subject).substr(0, subject.find(':'));
  if (std::ranges::find(store.settings().trusted_issuers, kind, &oauth::TrustedIssuer::subject_kind) ==
      store.settings().trusted_issuers.end()) {
    say("note: no trusted issuer has subjects of this kind (any more)");
  }
  say(cat("subject ", subject, ": what was issued up to now is revoked, here and by its issuer"));
  return exit_ok;
}

int revoke_one_grant(std::string_view verb, ServerStore& store, const std::string& id) {
  GrantState state = GrantState::unknown;
  const int code = store.run([&](store::Database& database) -> Result<void> {
    const auto found = state_of_grant(database, id);
    if (!found) return std::unexpected(found.error());
    state = *found;
    const Now now = Now::read();
    if (state != GrantState::live) return {};
    return oauth::revoke_grant(database, id, oauth::revoked_until_s(now.wall_s()), now, oauth::Share::unbounded);
  });
  if (code != exit_ok) return code;
  if (state == GrantState::unknown) return failed(verb, cat("there is no grant '", printable(id), "'"), exit_not_found);
  say(state == GrantState::live ? cat("grant ", id, " is revoked: its refresh tokens and its access tokens")
                                : cat("grant ", id, " was revoked before"));
  return exit_ok;
}

}  // namespace

int run_revoke(int argc, char** argv) {
  constexpr std::string_view verb = "revoke";
  ServerStore store(verb);
  std::string token, client, user, grant, subject, key;
  Arguments arguments(verb,
                      "Takes back what the authorization server issued. Its gateways and guards refuse it within a "
                      "second; what is issued afterwards is good.",
                      {{"keepgate revoke --user alice -c keepgate.conf", "signed out everywhere"},
                       {"keepgate revoke --client old-app", "all tokens that it has"},
                       {"keepgate revoke --grant 4tXqk2mJw0ZaQ1", "claim grant_id: a refresh token's whole family"},
                       {"keepgate revoke --token-id 8fJ2…", "claim jti: this access token"},
                       {"keepgate revoke --signing-key 1kQz…", "somebody else may have it: it is gone at once"}});
  arguments.option(
      "--token-id", "JTI", token,
      "one access token, and what was exchanged from it without a grant, by its claim jti: the id, never the token");
  arguments.option("--client", "ID", client, "all that was issued to this client up to now");
  arguments.option("--user", "NAME", user, "all that was issued for this user up to now, and its sessions");
  arguments.option("--grant", "ID", grant, "all tokens of one consent, by their claim grant_id");
  arguments.option("--subject", "KIND:NAME", subject, "all that was issued up to now for somebody of a trusted issuer");
  arguments.option("--signing-key", "KID", key, "a key of the server: all that it signed, and it signs no more");
  store.declare(arguments);
  if (const auto code = arguments.parse(argc, argv)) return *code;
  const std::string* const given[] = {&token, &client, &user, &grant, &subject, &key};
  if (std::ranges::count_if(given, [](const std::string* one) { return !one->empty(); }) != 1) {
    return arguments.usage_error("exactly one of --token-id, --client, --user, --grant, --subject and --signing-key");
  }
  if (token.find("eyJ") == 0 && token.find('.') != std::string::npos) {
    return arguments.usage_error("--token-id takes the token's claim jti. A token never comes as an argument");
  }
  const std::string fault = subject.empty() ? std::string() : fault_of_subject(subject);
  if (!fault.empty()) return arguments.usage_error(fault);
  const std::pair<std::string_view, const std::string*> named[] = {
      {"jti", &token}, {"client", &client}, {"sub", &user}, {"grant", &grant}, {"sub", &subject}, {"kid", &key}};
  for (const auto& [kind, value] : named) {
    if (!value->empty() && !may_stand_in_list(kind, *value)) return arguments.usage_error("this is no name or id");
  }
  if (const int code = store.open(); code != exit_ok) return code;
  if (!grant.empty()) return revoke_one_grant(verb, store, grant);
  if (!key.empty()) return retire_signing_key(verb, store, key);
  if (!subject.empty()) return revoke_foreign_subject(store, subject);
  bool is_known = true;
  const int code = store.run([&](store::Database& database) -> Result<void> {
    const Now now = Now::read();
    const std::int64_t until_s = oauth::revoked_until_s(now.wall_s());
    if (!token.empty()) return oauth::revoke_lone_token(database, token, until_s);
    if (!client.empty()) {
      const auto found = oauth::find_stored_client(database, client);
      if (!found) return std::unexpected(found.error());
      is_known = found->has_value() || store.settings().clients.contains(client);
      return oauth::revoke_client(database, client, until_s, now);
    }
    const auto found = oauth::find_stored_user(database, user);
    if (!found) return std::unexpected(found.error());
    is_known = found->has_value() || store.settings().users.contains(user);
    return oauth::sign_out_user(database, user, until_s, now);
  });
  if (code != exit_ok) return code;
  if (!is_known) say(cat("note: the server knows no such ", client.empty() ? "user" : "client", " (any more)"));
  say(!token.empty()    ? cat("token ", token, " is revoked")
      : !client.empty() ? cat("client ", client, ": what was issued up to now is revoked")
                        : cat("user ", user, ": signed out, and what was issued up to now is revoked"));
  return exit_ok;
}

}  // namespace keepgate::cli
