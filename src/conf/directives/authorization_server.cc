// authorization_server { }: who issues tokens here, and by which rules.
#include <algorithm>

#include "auth/claims.h"
#include "base/bytes.h"
#include "conf/authorization_model.h"
#include "conf/directives/row.h"
#include "fetch/url.h"
#include "oauth/revocations.h"
#include "store/database.h"

namespace keepgate::conf {

namespace {

using A = AuthorizationModel;

constexpr std::int64_t minute_s = 60, hour_s = 3600, day_s = 86'400;

A& server_of(Reader& reader) { return *reader.model().authorization_server; }

void read_authorization_server(Reader& reader, const Scope&, const Directive& directive) {
  if (reader.model().authorization_server) return reader.duplicate(directive);
  if (!reader.count_level(directive) || !reader.count_level(directive)) return;
  auto model = std::make_shared<A>();
  model->at = directive.name.at;
  auto& servers = reader.model().servers;
  ServerModel& server = *servers.emplace_back(std::make_unique<ServerModel>());
  server.at = directive.name.at;
  server.issues_tokens = true;
  LocationModel& location = *server.locations.emplace_back(std::make_unique<LocationModel>());
  location.at = directive.name.at;
  location.written = location.pattern = "/";
  // Each endpoint asks for its own kind of proof, and lets nobody do anything without.
  location.options.authorize = Placed<AuthorizeSetting>{AuthorizeSetting::off, directive.name.at};
  model->server = &server;
  model->location = &location;
  reader.model().authorization_server = std::move(model);
  Scope inner;
  inner.context = in_authorization_server;
  inner.server = &server;
  inner.level = &server.options;
  reader.read(directive.block, inner);
}

template <auto Member>
void set_place(Reader& reader, const Directive& directive) {
  auto& place = server_of(reader).*Member;
  if (place) return reader.duplicate(directive);
  place = directive.arguments[0];
}

template <auto Member>
void set_file(Reader& reader, const Scope&, const Directive& directive) {
  set_place<Member>(reader, directive);
}

template <auto Member, std::int64_t Least, std::int64_t Most>
void set_span(Reader& reader, const Scope&, const Directive& directive) {
  auto& place = server_of(reader).*Member;
  if (place) return reader.duplicate(directive);
  const Word& word = directive.arguments[0];
  const auto value = reader.time_s(directive, word, word.text);
  if (!value) return;
  if (*value < Least || *value > Most) {
    return reader.invalid_value(directive, word, cat("from ", Least, " to ", Most, " seconds"));
  }
  place = *value;
}

// A second time behind a name: `refresh_token_lifetime 30d absolute=365d`.
template <auto Member, std::int64_t Most>
bool set_named_span(Reader& reader, const Directive& directive, std::string_view name) {
  if (directive.arguments.size() < 2) return true;
  const Word& word = directive.arguments[1];
  const auto text = parameter(word, name);
  if (!text) {
    reader.invalid_parameter(directive, word, cat(name, "TIME"));
    return false;
  }
  const auto value = reader.time_s(directive, word, *text);
  if (value && (*value < minute_s || *value > Most)) {
    reader.invalid_parameter(directive, word, cat("from 60 to ", Most, " seconds"));
    return false;
  }
  if (value) server_of(reader).*Member = *value;
  return value.has_value();
}

void set_refresh_lifetime(Reader& reader, const Scope& scope, const Directive& directive) {
  if (!set_named_span<&A::grant_lifetime_s, 10 * 366 * day_s>(reader, directive, "absolute=")) return;
  set_span<&A::refresh_token_lifetime_s, minute_s, 366 * day_s>(reader, scope, directive);
}

void set_session_lifetime(Reader& reader, const Scope& scope, const Directive& directive) {
  if (!set_named_span<&A::session_idle_s, 30 * day_s>(reader, directive, "idle=")) return;
  set_span<&A::session_lifetime_s, minute_s, 30 * day_s>(reader, scope, directive);
}

void set_issuer(Reader& reader, const Scope&, const Directive& directive) {
  const Word& word = directive.arguments[0];
  std::string why;
  const auto url = fetch::Url::parse(word.text, why);
  if (!url) return reader.invalid_value(directive, word, cat("an URL is expected: ", why));
  if (url->query || word.text.find('#') != std::string::npos || word.text.ends_with('/')) {
    return reader.invalid_value(directive, word, "without a query, a fragment and a slash at its end (RFC 8414)");
  }
  const bool is_local = url->host == "127.0.0.1" || url->host == "[::1]" || url->host == "localhost";
  if (!url->tls && !is_local) return reader.invalid_value(directive, word, "https outside of this machine");
  if (url->path.find_first_of("%;\\") != std::string::npos || url->path.find("//") != std::string::npos) {
    return reader.invalid_value(directive, word, "a plain path");
  }
  set_place<&A::issuer>(reader, directive);
}

void set_store(Reader& reader, const Scope& scope, const Directive& directive) {
  const Word& word = directive.arguments[0];
  const auto address = store::parse_store_address(word.text);
  if (!address) {  // Not quoted: it may hold a password, and logs show what is complained of.
    return reader.error(code::bad_value, "'store' is no address of a store", word.at, "sqlite:FILE or postgres:URI");
  }
  if (scope.context == in_authorization_server) return set_place<&A::store>(reader, directive);
  if (reader.model().store) return reader.duplicate(directive);
  reader.model().store = word;
}

void set_trust_domain(Reader& reader, const Scope&, const Directive& directive) {
  const Word& word = directive.arguments[0];
  if (!auth::is_identity_text(word.text)) return reader.invalid_value(directive, word, "a name: shop.internal");
  set_place<&A::trust_domain>(reader, directive);
}

void set_title(Reader& reader, const Scope&, const Directive& directive) {
  if (server_of(reader).title) return reader.duplicate(directive);
  if (!auth::is_identity_text(directive.arguments[0].text)) {
    return reader.invalid_value(directive, directive.arguments[0], "a name for people");
  }
  server_of(reader).title = directive.arguments[0].text;
}

void set_algorithm(Reader& reader, const Scope&, const Directive& directive) {
  if (server_of(reader).signing_algorithm) return reader.duplicate(directive);
  const Word& word = directive.arguments[0];
  for (const crypto::Algorithm one : {crypto::Algorithm::es256, crypto::Algorithm::eddsa, crypto::Algorithm::rs256}) {
    if (crypto::name_of(one) != word.text) continue;
    server_of(reader).signing_algorithm = one;
    return;
  }
  reader.invalid_value(directive, word, "ES256, EdDSA or RS256");
}

void set_nonces(Reader& reader, const Scope&, const Directive& directive) {
  if (server_of(reader).dpop_nonces) return reader.duplicate(directive);
  server_of(reader).dpop_nonces = reader.flag(directive);
}

// `resource orders orders:read orders:write;`
void add_resource(Reader& reader, const Scope&, const Directive& directive) {
  const Word& name = directive.arguments[0];
  if (!auth::is_identity_text(name.text)) return reader.invalid_value(directive, name, "a name or an URL");
  oauth::Resource resource;
  resource.name = name.text;
  for (std::size_t i = 1; i < directive.arguments.size(); ++i) {
    const Word& word = directive.arguments[i];
    if (!oauth::is_scope_token(word.text)) return reader.invalid_value(directive, word, "a scope");
    resource.scopes.push_back(word.text);
  }
  auto& all = server_of(reader).resources;
  if (std::ranges::any_of(all, [&](const auto& one) { return one.second.name == name.text; })) {
    return reader.duplicate(directive);
  }
  all.emplace_back(name, std::move(resource));
}

// `scope orders:read "See your orders";`
void add_scope(Reader& reader, const Scope&, const Directive& directive) {
  const Word& name = directive.arguments[0];
  const Word& text = directive.arguments[1];
  if (!oauth::is_scope_token(name.text)) return reader.invalid_value(directive, name, "a scope");
  if (!auth::is_identity_text(text.text)) return reader.invalid_value(directive, text, "words for people");
  auto& all = server_of(reader).scopes;
  if (std::ranges::any_of(all, [&](const auto& one) { return one.first.text == name.text; })) {
    return reader.duplicate(directive);
  }
  all.emplace_back(name, text.text);
}

// `trusted_issuer https://idp.example jwks=idp.jwks subject=user;`
void add_trusted_issuer(Reader& reader, const Scope&, const Directive& directive) {
  TrustedIssuerModel model;
  model.url = directive.arguments[0];
  for (std::size_t i = 1; i < directive.arguments.size(); ++i) {
    const Word& word = directive.arguments[i];
    if (const auto file = parameter(word, "jwks="); file && !file->empty() && !model.keys_file) {
      model.keys_file = word;
      model.keys_file->text = *file;
    } else if (const auto kind = parameter(word, "subject=");
               kind && oauth::is_user_name(*kind) && model.subject_kind.empty()) {
      model.subject_kind = *kind;
    } else {
      return reader.invalid_parameter(directive, word, "jwks=FILE subject=user");
    }
  }
  if (!model.keys_file || model.subject_kind.empty()) {
    return reader.error(code::argument_count, "trusted_issuer needs jwks=FILE and subject=KIND", directive.name.at,
                        "subject=user: its `sub` NAME is our user:NAME");
  }
  auto& all = server_of(reader).trusted_issuers;
  if (std::ranges::any_of(all, [&](const auto& one) { return one.url.text == model.url.text; })) {
    return reader.duplicate(directive);
  }
  all.push_back(std::move(model));
}

constexpr auto here = in_authorization_server;

constexpr DirectiveRow authorization_server_table[] = {
    {"authorization_server",
     in_main,
     {0, 0, true},
     Support::built,
     read_authorization_server,
     "",
     "Issues tokens: OAuth 2.1 and OpenID Connect. It listens, limits and logs by the directives of a server: listen, "
     "ssl_…, client_…, limit_req, access_log and the like."},
    {"issuer",
     here,
     {1, 1},
     Support::built,
     set_issuer,
     "",
     "Its own URL, as clients see it: https outside of this machine; all endpoints lie below."},
    {"store",
     in_main | here,
     {1, 1},
     Support::built,
     set_store,
     "sqlite:keepgate.db",
     "Where it keeps what a signature does not prove: sqlite:FILE or postgres:URI. Made at the first start."},
    {"key_file",
     here,
     {1, 1},
     Support::built,
     set_file<&A::key_file>,
     "keepgate.key",
     "The key that wraps its signing keys in the store; made at the first start, readable by its owner alone."},
    {"trust_domain",
     here,
     {1, 1},
     Support::built,
     set_trust_domain,
     "",
     "Makes it the Transaction Token Service of this trust domain as well."},
    {"transaction_token_key",
     here,
     {1, 1},
     Support::built,
     set_file<&A::transaction_key>,
     "",
     "A private JWK that signs transaction tokens; without it the server's own keys do."},
    {"title", here, {1, 1}, Support::built, set_title, "the host of the issuer", "What its pages call it."},
    {"access_token_lifetime",
     here,
     {1, 1},
     Support::built,
     set_span<&A::access_token_lifetime_s, 30, oauth::token_lifetime_s_max>,  // What revocations cover.
     "10m",
     "How long an access token lives."},
    {"id_token_lifetime",
     here,
     {1, 1},
     Support::built,
     set_span<&A::id_token_lifetime_s, 30, day_s>,
     "10m",
     "How long an ID token lives."},
    {"refresh_token_lifetime",
     here,
     {1, 2},
     Support::built,
     set_refresh_lifetime,
     "30d absolute=365d",
     "How long a refresh token lives unused, and its whole family however often it is refreshed."},
    {"refresh_token_grace",
     here,
     {1, 1},
     Support::built,
     set_span<&A::refresh_token_grace_s, 0, 10>,
     "0s",
     "For so long (at most 10s) a refresh token that was used gives the same successor once more; then it ends its "
     "family."},
    {"authorization_code_lifetime",
     here,
     {1, 1},
     Support::built,
     set_span<&A::authorization_code_lifetime_s, 5, 60>,
     "60s",
     "How long a code lives."},
    {"pushed_request_lifetime",
     here,
     {1, 1},
     Support::built,
     set_span<&A::pushed_request_lifetime_s, 5, 600>,
     "60s",
     "How long a pushed request (RFC 9126) may wait for its user."},
    {"device_code_lifetime",
     here,
     {1, 1},
     Support::built,
     set_span<&A::device_code_lifetime_s, minute_s, hour_s>,
     "10m",
     "How long a device waits for its user (RFC 8628)."},
    {"transaction_token_lifetime",
     here,
     {1, 1},
     Support::built,
     set_span<&A::transaction_token_lifetime_s, 1, 600>,
     "30s",
     "How long a transaction token lives."},
    {"session_lifetime",
     here,
     {1, 2},
     Support::built,
     set_session_lifetime,
     "12h idle=2h",
     "How long a user stays signed in, and how long without doing anything."},
    {"signing_algorithm", here, {1, 1}, Support::built, set_algorithm, "ES256", "ES256, EdDSA or RS256."},
    {"key_rotation",
     here,
     {1, 1},
     Support::built,
     set_span<&A::key_rotation_s, hour_s, 366 * day_s>,
     "30d",
     "How long a key signs; the next one is published as long before."},
    {"dpop_nonce",
     here,
     {1, 1},
     Support::built,
     set_nonces,
     "on",
     "Demand a nonce of ours in DPoP proofs (RFC 9449 §8)."},
    {"resource",
     here,
     {1, many},
     Support::built,
     add_resource,
     "",
     "NAME [SCOPE …]: what tokens may be for, and its scopes. With one there are no others."},
    {"scope",
     here,
     {2, 2},
     Support::built,
     add_scope,
     "",
     "SCOPE WORDS: what people read when they are asked to allow it."},
    {"trusted_issuer",
     here,
     {3, 3},
     Support::built,
     add_trusted_issuer,
     "",
     "URL jwks=FILE subject=KIND: whose tokens may be exchanged and whose assertions are believed (RFC 7523); its "
     "`sub` "
     "NAME is our KIND:NAME."},
};

constexpr std::string_view server_directives[] = {"listen",
                                                  "server_name",
                                                  "ssl_certificate",
                                                  "ssl_certificate_key",
                                                  "ssl_protocols",
                                                  "ssl_ciphers",
                                                  "ssl_prefer_server_ciphers",
                                                  "ssl_session_timeout",
                                                  "ssl_session_cache",
                                                  "ssl_session_tickets",
                                                  "ssl_verify_client",
                                                  "ssl_client_certificate",
                                                  "ssl_trusted_certificate",
                                                  "ssl_crl",
                                                  "ssl_verify_depth",
                                                  "access_log",
                                                  "client_header_timeout",
                                                  "client_header_buffer_size",
                                                  "large_client_header_buffers",
                                                  "client_body_timeout",
                                                  "send_timeout",
                                                  "keepalive_timeout",
                                                  "keepalive_requests",
                                                  "keepalive_time",
                                                  "keepalive_min_timeout",
                                                  "lingering_close",
                                                  "lingering_time",
                                                  "lingering_timeout",
                                                  "reset_timedout_connection",
                                                  "limit_req",
                                                  "limit_req_status",
                                                  "limit_req_log_level",
                                                  "limit_req_dry_run",
                                                  "limit_req_headers",
                                                  "limit_conn",
                                                  "limit_conn_status",
                                                  "limit_conn_log_level",
                                                  "limit_conn_dry_run",
                                                  "set_real_ip_from",
                                                  "real_ip_header",
                                                  "real_ip_recursive",
                                                  "allow",
                                                  "deny",
                                                  "add_header",
                                                  "tcp_nodelay",
                                                  "merge_slashes",
                                                  "decision_log"};

}  // namespace

bool holds_in_authorization_server(std::string_view name) {
  return std::ranges::find(server_directives, name) != std::end(server_directives);
}

std::span<const DirectiveRow> authorization_server_rows() { return authorization_server_table; }

}  // namespace keepgate::conf
