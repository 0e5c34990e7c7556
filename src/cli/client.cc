// `keepgate client`: who may ask the authorization server for tokens. None of these verbs prints a hash.
#include "cli/client.h"
#include "oauth/revocations.h"

#include <algorithm>
#include <optional>

#include "base/bytes.h"
#include "base/clock.h"
#include "cli/command.h"
#include "cli/files.h"
#include "cli/output.h"
#include "cli/verbs.h"

namespace keepgate::cli {

namespace {

using crypto::Json;
using oauth::Client;
using oauth::StoredClient;

Json texts_of(const std::vector<std::string>& texts) {
  Json::Array out;
  for (const std::string& one : texts) out.emplace_back(one);
  return Json(std::move(out));
}

std::vector<std::string> grants_of(const Client& client) {
  std::vector<std::string> out;
  for (const oauth::GrantRow& row : oauth::grants()) {
    if (client.may(row.grant)) out.emplace_back(row.name);
  }
  return out;
}

std::string proof_of(const Client& client) {
  if (client.is_public) return "public";
  std::vector<std::string> out;
  if (!client.secrets.empty())
    out.push_back(client.secrets.size() == 1 ? "secret" : cat(client.secrets.size(), " secrets"));
  if (client.keys) out.push_back("keys");
  if (client.uses_certificate()) out.push_back("certificate");
  return joined(out, ',');
}

std::vector<std::string> client_row(const StoredClient& stored, std::int64_t now_s) {
  if (!stored.client) return {stored.id, "damaged", "", "", "", relative_time(stored.changed_s, now_s)};
  const Client& client = *stored.client;
  return {stored.id,
          proof_of(client),
          joined(grants_of(client), ' '),
          joined(client.scopes, ' '),
          joined(client.audiences, ' '),
          relative_time(stored.changed_s, now_s)};
}

std::string client_lines(const StoredClient& stored, std::int64_t now_s) {
  std::vector<std::vector<std::string>> lines;
  const auto add = [&](std::string_view name, std::string value) {
    if (!value.empty()) lines.push_back({std::string(name), std::move(value)});
  };
  add("id", stored.id);
  add("damaged", stored.fault);
  if (stored.client) {
    const Client& client = *stored.client;
    add("name", client.name);
    add("proves itself by", proof_of(client));
    add("grants", joined(grants_of(client), ' '));
    add("scopes", joined(client.scopes, ' '));
    add("audiences", joined(client.audiences, ' '));
    add("redirect URIs", joined(client.redirect_uris, ' '));
    add("after sign-out", joined(client.post_logout_redirect_uris, ' '));
    add("introspects", joined(client.introspects, ' '));
    add("exchanges tokens of", joined(client.exchange.subjects, ' '));
    add("exchanges for", joined(client.exchange.audiences, ' '));
    add("follows revocations", client.reads_revocations ? "yes" : "");
  }
  for (const auto& [name, seconds] : {std::pair("created", stored.created_s), std::pair("changed", stored.changed_s)}) {
    if (seconds != 0) add(name, cat(utc_time(seconds), " (", relative_time(seconds, now_s), ")"));
  }
  return table(lines);
}

// Nothing: it was said why, and `code` is the exit code.
std::optional<StoredClient> find_client(ServerStore& store, std::string_view verb, const std::string& id, int& code) {
  std::optional<StoredClient> out;
  code = store.run([&](store::Database& database) -> Result<void> {
    auto found = oauth::find_stored_client(database, id);
    if (!found) return std::unexpected(found.error());
    out = std::move(*found);
    return {};
  });
  if (code != exit_ok || out) return out;
  const bool is_configured = store.settings().clients.contains(id);
  code = failed(verb,
                is_configured ? cat("'", printable(id, 128), "' is a client of the configuration, and not of the store")
                              : cat("there is no client '", printable(id, 128), "'"),
                is_configured ? exit_failure : exit_not_found);
  return std::nullopt;
}

bool is_output(std::string_view output) { return output == "table" || output == "json"; }

}  // namespace

Json json_of(const Client& client) {
  JsonObject exchange;
  exchange.add("subjects", texts_of(client.exchange.subjects)).add("audiences", texts_of(client.exchange.audiences));
  exchange.add("actors", texts_of(client.exchange.actors)).add("impersonate", client.exchange.impersonate);
  JsonObject out;
  out.add("client_id", client.id).add("client_name", client.name).add("public", client.is_public);
  out.add("secrets", static_cast<std::int64_t>(client.secrets.size())).add("has_keys", client.keys != nullptr);
  out.add("tls_client_auth_subject_dn", client.tls_subject_dn).add("tls_client_auth_san_dns", client.tls_san_dns);
  out.add("tls_client_auth_san_uri", client.tls_san_uri).add("grants", texts_of(grants_of(client)));
  out.add("redirect_uris", texts_of(client.redirect_uris));
  out.add("post_logout_redirect_uris", texts_of(client.post_logout_redirect_uris));
  out.add("scopes", texts_of(client.scopes)).add("audiences", texts_of(client.audiences));
  out.add("introspects", texts_of(client.introspects)).add("exchange", exchange.take());
  out.add("reads_revocations", client.reads_revocations).add("binds_tokens", client.binds_tokens);
  out.add("require_pushed_authorization_requests", client.needs_pushed_requests);
  out.add("old_assertions", client.makes_old_assertions);
  out.add("skips_consent", client.skips_consent).add("access_token_lifetime", client.access_token_lifetime_s);
  return out.take();
}

Json json_of(const StoredClient& stored) {
  JsonObject out;
  out.add("id", stored.id).add("usable", stored.client.has_value());
  stored.client ? out.add("client", json_of(*stored.client)) : out.add("fault", stored.fault);
  out.add("created", utc_time(stored.created_s)).add("changed", utc_time(stored.changed_s));
  return out.take();
}

int run_client_list(int argc, char** argv) {
  ServerStore store("client list");
  std::string output = "table";
  Arguments arguments("client list", "Lists the clients of the store; those of the configuration stand in that.",
                      {{"keepgate client list -c keepgate.conf", ""}, {"keepgate client list --output json", ""}});
  store.declare(arguments);
  arguments.option("--output,--format", "FORMAT", output, "table or json (default: table)");
  if (const auto code = arguments.parse(argc, argv)) return *code;
  if (!is_output(output)) return arguments.usage_error("--output: table or json");
  if (const int code = store.open(); code != exit_ok) return code;
  std::vector<StoredClient> clients;
  const int code = store.run([&](store::Database& database) -> Result<void> {
    auto all = oauth::all_stored_clients(database);
    if (!all) return std::unexpected(all.error());
    clients = std::move(*all);
    return {};
  });
  if (code != exit_ok) return code;
  const std::int64_t now_s = Now::read().wall_s();
  std::vector<std::vector<std::string>> rows = {{"ID", "PROOF", "GRANTS", "SCOPES", "AUDIENCES", "CHANGED"}};
  Json::Array objects;
  for (const StoredClient& one : clients) {
    output == "json" ? objects.push_back(json_of(one)) : rows.push_back(client_row(one, now_s));
  }
  return print(output == "json" ? pretty(Json(std::move(objects))) : table(rows));
}

int run_client_show(int argc, char** argv) {
  ServerStore store("client show");
  std::string id, output = "table";
  Arguments arguments("client show", "All that is known of one client, but for its secrets.",
                      {{"keepgate client show web -c keepgate.conf", ""}});
  arguments.operand("ID", id, "the client's id");
  store.declare(arguments);
  arguments.option("--output,--format", "FORMAT", output, "table or json (default: table)");
  if (const auto code = arguments.parse(argc, argv)) return *code;
  if (!is_output(output)) return arguments.usage_error("--output: table or json");
  int code = store.open();
  if (code != exit_ok) return code;
  const std::optional<StoredClient> found = find_client(store, "client show", id, code);
  if (!found) return code;
  return print(output == "json" ? pretty(json_of(*found)) : client_lines(*found, Now::read().wall_s()));
}

int run_client_rotate_secret(int argc, char** argv) {
  constexpr std::string_view verb = "client rotate-secret";
  ServerStore store(verb);
  std::string id, file = "-";
  bool keeps_old = false, drops_old = false;
  Arguments arguments(verb, "Makes a new secret for a client and prints it: this once. The old one ends at once.",
                      {{"keepgate client rotate-secret orders -c keepgate.conf --secret-file orders.secret", ""},
                       {"keepgate client rotate-secret orders --keep-old", "the old one stays valid …"},
                       {"keepgate client rotate-secret orders --drop-old", "… until the client has the new one"}});
  arguments.operand("ID", id, "the client's id");
  store.declare(arguments);
  arguments.flag("--keep-old", keeps_old, "the secrets that it has stay valid; at most 4 are");
  arguments.flag("--drop-old", drops_old, "make none: all but the newest end");
  arguments.option("--secret-file", "FILE", file, "write the secret to a new file, mode 0600, instead of printing it");
  if (const auto code = arguments.parse(argc, argv)) return *code;
  if (keeps_old && drops_old) return arguments.usage_error("--keep-old or --drop-old");
  int code = store.open();
  if (code != exit_ok) return code;
  const std::optional<StoredClient> found = find_client(store, verb, id, code);
  if (!found) return code;
  if (!found->client) return failed(verb, cat("the client is damaged: ", found->fault));
  if (found->client->secrets.empty()) return failed(verb, "this client has no secret: it proves itself otherwise");
  if (keeps_old && found->client->secrets.size() >= Client::secrets_max) {
    return failed(verb, cat("it has ", Client::secrets_max, " secrets already: --drop-old ends all but the newest"));
  }
  std::string secret = drops_old ? std::string() : oauth::make_client_secret();
  const WipedAtEnd wiped{secret};
  // Shown before it counts: the old one does not end for one that got lost.
  if (!drops_old && !show_secret(verb, file, cat(secret, "\n"))) {
    say("the old secret is valid as before");
    return exit_failure;
  }
  code = store.run([&](store::Database& database) -> Result<void> {
    // Read again: it is one transaction, and somebody else may have changed it.
    auto stored = oauth::find_stored_client(database, id);
    if (!stored) return std::unexpected(stored.error());
    if (!*stored || !(*stored)->client) return fail(ErrorKind::refused, Blame::us, "client", "the client is gone");
    Client client = std::move(*(*stored)->client);
    const bool keeps_all = keeps_old && client.secrets.size() < Client::secrets_max;
    if (!keeps_all) client.secrets.erase(client.secrets.begin(), client.secrets.end() - (drops_old ? 1 : 0));
    if (!secret.empty()) client.secrets.push_back(oauth::hash_of_secret(secret));
    auto changed = oauth::change_client(database, client, Now::read());
    if (!changed) return std::unexpected(changed.error());
    return {};
  });
  if (code != exit_ok) {
    if (!drops_old) say("the secret that was shown does not count");
    return code;
  }
  say(drops_old   ? cat("client ", id, ": only the newest secret is valid")
      : keeps_old ? cat("client ", id, ": the new secret is valid beside the old. It is not shown again.")
                  : cat("client ", id, ": only the new secret is valid. It is not shown again."));
  return exit_ok;
}

int run_client_delete(int argc, char** argv) {
  constexpr std::string_view verb = "client delete";
  ServerStore store(verb);
  std::string id;
  Arguments arguments(verb, "Takes a client out of the store, and back all that was issued to it.",
                      {{"keepgate client delete old-app -c keepgate.conf", ""}});
  arguments.operand("ID", id, "the client's id");
  store.declare(arguments);
  if (const auto code = arguments.parse(argc, argv)) return *code;
  int code = store.open();
  if (code != exit_ok) return code;
  if (!find_client(store, verb, id, code)) return code;
  code = store.run([&](store::Database& database) -> Result<void> {
    const Now now = Now::read();
    auto removed = oauth::remove_client(database, id, oauth::revoked_until_s(now.wall_s()), now);
    if (!removed) return std::unexpected(removed.error());
    return {};
  });
  if (code == exit_ok) say(cat("client ", id, " is gone, and its tokens are taken back"));
  return code;
}

namespace {

constexpr Command client_verbs[] = {
    {"create", "a new client; its secret is shown this once", run_client_create},
    {"list", "the clients of the store", run_client_list},
    {"show", "one client, by its id", run_client_show},
    {"rotate-secret", "a new secret for an old one", run_client_rotate_secret},
    {"delete", "take a client out, and back what was issued to it", run_client_delete},
};
constexpr Example client_examples[] = {
    {"keepgate client create orders --grant client_credentials --scope orders:read --audience orders", ""},
    {"keepgate client create web --public --grant authorization_code --redirect-uri https://shop.example/cb", ""},
    {"keepgate client list --output json", ""},
    {"keepgate client rotate-secret orders --keep-old", "both are valid until --drop-old"},
};

}  // namespace

int run_client(int argc, char** argv) { return run_noun({"client", client_verbs, client_examples}, argc, argv); }

}  // namespace keepgate::cli
