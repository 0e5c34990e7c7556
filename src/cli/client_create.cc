// `keepgate client create`: from options to a client without faults, its record, and its secret shown once.
#include <algorithm>

#include "base/bytes.h"
#include "base/clock.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/files.h"
#include "cli/output.h"
#include "cli/token.h"
#include "crypto/jwk.h"
#include "oauth/revocations.h"

namespace keepgate::cli {

namespace {

using oauth::Client;

constexpr std::size_t keys_bytes_max = 64 * 1024;

struct NewClient {
  Client client;
  std::vector<std::string> grants;
  std::string keys_file, certificate, lifetime;
  bool asks_no_consent = false;
  std::string secret_file = "-", output = "text";
};

void declare_client(Arguments& arguments, NewClient& made) {
  Client& client = made.client;
  arguments.operand("ID", client.id, "its id: visible ASCII without ':'");
  arguments.option("--name", "TEXT", client.name, "what people are told it is (default: the id)");
  arguments.options("--grant", "GRANT", made.grants,
                    "client_credentials, authorization_code, refresh_token, token_exchange, device_code, jwt_bearer");
  arguments.options("--scope", "SCOPE", client.scopes, "the most it may ask for");
  arguments.options("--audience", "NAME", client.audiences, "what its tokens may be for; a lone one is the default");
  arguments.options("--redirect-uri", "URI", client.redirect_uris, "where people are sent back to: byte for byte");
  arguments.options("--post-logout-redirect-uri", "URI", client.post_logout_redirect_uris,
                    "where people are sent after they signed out");
  arguments.flag("--public", client.is_public, "it can keep no secret: an app, a page");
  arguments.option("--jwks", "FILE", made.keys_file, "its public keys, for private_key_jwt; then it has no secret");
  arguments.option("--certificate", "NAME", made.certificate,
                   "san_uri=URI, san_dns=NAME or subject=DN of its TLS certificate; then it has no secret");
  arguments.options("--introspects", "AUDIENCE", client.introspects, "audiences whose tokens it may ask about, or *");
  arguments.options("--exchange-subject", "SUBJECT", client.exchange.subjects,
                    "whose tokens it may exchange: user:*, client:NAME");
  arguments.options("--exchange-audience", "NAME", client.exchange.audiences, "what for");
  arguments.options("--exchange-actor", "SUBJECT", client.exchange.actors, "through whose hands they may have come");
  arguments.flag("--revocations", client.reads_revocations, "it may follow the list of what was taken back");
  arguments.flag("--require-pushed-requests", client.needs_pushed_requests, "RFC 9126");
  arguments.flag("--bind-tokens", client.binds_tokens, "no token that is not bound to a key or a certificate of its");
  arguments.flag("--old-assertions", client.makes_old_assertions,
                 "with --jwks: assertions for an endpoint, or for an hour, do as well");
  arguments.flag("--no-consent", made.asks_no_consent, "people are not asked: for clients of your own");
  arguments.option("--access-token-lifetime", "TIME", made.lifetime,
                   "how long its tokens live (default: the server's)");
  arguments.option("--secret-file", "FILE", made.secret_file,
                   "write the secret to a new file, mode 0600, instead of printing it");
  arguments.option("--output,--format", "FORMAT", made.output, "text or json (default: text)");
}

// "": nothing is wrong.
std::string take_certificate(std::string_view text, Client& client) {
  const std::pair<std::string_view, std::string*> forms[] = {
      {"san_uri=", &client.tls_san_uri}, {"san_dns=", &client.tls_san_dns}, {"subject=", &client.tls_subject_dn}};
  for (const auto& [name, place] : forms) {
    if (!text.starts_with(name) || text.size() == name.size()) continue;
    *place = text.substr(name.size());
    return {};
  }
  return "--certificate: san_uri=URI, san_dns=NAME or subject=DN";
}

// "user:*", "client:NAME", as in the configuration.
bool is_subject_pattern(std::string_view text) {
  const std::size_t colon = text.find(':');
  return colon != std::string_view::npos && colon > 0 && colon + 1 < text.size() &&
         text.substr(0, colon).find('*') == std::string_view::npos;
}

std::string take_options(NewClient& made) {
  Client& client = made.client;
  for (const std::string& name : made.grants) {
    const oauth::GrantRow* row = oauth::grant_named(name);
    if (!row) return cat("--grant: there is no grant '", printable(name, 60), "'");
    client.may_use[static_cast<std::size_t>(row->grant)] = true;
  }
  client.skips_consent = made.asks_no_consent;
  if (!made.certificate.empty()) {
    if (std::string fault = take_certificate(made.certificate, client); !fault.empty()) return fault;
  }
  if (!made.lifetime.empty()) {
    constexpr std::int64_t least_s = 30, most_s = 86'400;
    const auto seconds = parse_duration(made.lifetime);
    if (!seconds || *seconds < least_s || *seconds > most_s) return "--access-token-lifetime: from 30s to 1d";
    client.access_token_lifetime_s = *seconds;
  }
  for (const auto* list : {&client.exchange.subjects, &client.exchange.actors}) {
    if (!std::ranges::all_of(*list, is_subject_pattern)) return "--exchange-subject: user:*, client:NAME";
  }
  return made.output == "text" || made.output == "json" ? "" : "--output: text or json";
}

Result<void> read_client_keys(NewClient& made) {
  if (made.keys_file.empty()) return {};
  Result<std::string> text = read_text(made.keys_file, keys_bytes_max);
  if (!text) return std::unexpected(text.error());
  Diagnostics complaints;
  made.client.keys = crypto::KeySet::parse(*text, {}, complaints);
  const auto wrong = [&](std::string_view why) {
    return fail(ErrorKind::configuration, Blame::configuration, "keys", cat(made.keys_file, ": ", why));
  };
  if (!made.client.keys) return wrong("is no usable set of keys");
  const auto is_private = [](const auto& key) { return key->is_private(); };
  if (std::ranges::any_of(made.client.keys->keys, is_private)) return wrong("has a private key in it");
  made.client.keys_text = std::move(*text);
  return {};
}

// Shows the secret, or takes the client back whose secret nobody would know.
int hand_client_out(std::string_view verb, ServerStore& store, const NewClient& made, std::string_view secret) {
  std::string text = secret.empty() ? std::string() : cat(secret, "\n");
  if (made.output == "json") {
    JsonObject object;
    object.add("client_id", made.client.id);
    if (!secret.empty()) object.add("client_secret", secret);
    text = pretty(object.add("client", json_of(made.client)).take());
  }
  const bool is_shown = text.empty() || show_secret(verb, made.secret_file, text);
  wipe(text);
  if (is_shown) return exit_ok;
  const int code = store.run([&](store::Database& database) -> Result<void> {
    const Now now = Now::read();
    auto removed = oauth::remove_client(database, made.client.id, oauth::revoked_until_s(now.wall_s()), now);
    if (!removed) return std::unexpected(removed.error());
    return {};
  });
  say(code == exit_ok ? "the client was taken out again" : "the client is there: rotate its secret");
  return exit_failure;
}

}  // namespace

int run_client_create(int argc, char** argv) {
  constexpr std::string_view verb = "client create";
  ServerStore store(verb);
  NewClient made;
  Arguments arguments(
      verb, "Makes a client in the server's store and prints its secret: this once. The store has only a hash of it.",
      {{"keepgate client create orders --grant client_credentials --scope orders:read --audience orders", ""},
       {"keepgate client create web --public --grant authorization_code --grant refresh_token "
        "--redirect-uri https://shop.example/cb --scope openid",
        ""},
       {"keepgate client create gateway --revocations --introspects '*' --secret-file gateway.secret", ""}});
  declare_client(arguments, made);
  store.declare(arguments);
  if (const auto code = arguments.parse(argc, argv)) return *code;
  if (const std::string fault = take_options(made); !fault.empty()) return arguments.usage_error(fault);
  if (const Result<void> keys = read_client_keys(made); !keys) return failed(verb, keys.error().detail);
  Client& client = made.client;
  std::string secret;
  const WipedAtEnd wiped{secret};
  if (!client.is_public && !client.keys && !client.uses_certificate()) {
    secret = oauth::make_client_secret();
    client.secrets = {oauth::hash_of_secret(secret)};
  }
  if (const std::string fault = oauth::fault_of(client); !fault.empty()) return arguments.usage_error(fault);
  int code = store.open();
  if (code != exit_ok) return code;
  if (store.settings().clients.contains(client.id)) {
    return failed(verb, cat("'", client.id, "' is a client of the configuration already"));
  }
  bool is_added = false;
  code = store.run([&](store::Database& database) -> Result<void> {
    auto added = oauth::add_client(database, client, Now::read());
    if (!added) return std::unexpected(added.error());
    is_added = *added;
    return {};
  });
  if (code != exit_ok) return code;
  if (!is_added) return failed(verb, cat("there is a client '", client.id, "' already"));
  code = hand_client_out(verb, store, made, secret);
  if (code == exit_ok) {
    say(cat("client ", client.id, " is made", secret.empty() ? "" : ". Its secret is not shown again."));
  }
  return code;
}

}  // namespace keepgate::cli
