// client NAME { } and user NAME { } of an authorization_server.
#include <algorithm>

#include "base/bytes.h"
#include "conf/authorization_model.h"
#include "conf/directives/row.h"
#include "oauth/revocations.h"

namespace keepgate::conf {

namespace {

AuthorizationModel& model_of(Reader& reader) { return *reader.model().authorization_server; }

void read_client(Reader& reader, const Scope&, const Directive& directive) {
  OauthClientModel model;
  model.id = directive.arguments[0];
  model.client.id = model.id.text;
  const auto is_same = [&](const OauthClientModel& one) { return one.client.id == model.client.id; };
  if (std::ranges::any_of(model_of(reader).clients, is_same)) {
    return reader.error(code::taken_name, cat("there is a client '", printable(model.id.text), "' already"),
                        model.id.at);
  }
  Scope inner;
  inner.context = in_oauth_client;
  inner.oauth_client = &model;
  reader.read(directive.block, inner);
  model_of(reader).clients.push_back(std::move(model));
}

void read_user(Reader& reader, const Scope&, const Directive& directive) {
  OauthUserModel model;
  model.name = directive.arguments[0];
  model.user.name = model.name.text;
  const auto is_same = [&](const OauthUserModel& one) { return one.user.name == model.user.name; };
  if (std::ranges::any_of(model_of(reader).users, is_same)) {
    return reader.error(code::taken_name, cat("there is a user '", printable(model.name.text), "' already"),
                        model.name.at);
  }
  Scope inner;
  inner.context = in_oauth_user;
  inner.oauth_user = &model;
  reader.read(directive.block, inner);
  model_of(reader).users.push_back(std::move(model));
}

// false: it stands there a second time, and the complaint is made.
bool is_first(Reader& reader, const Scope& scope, const Directive& directive) {
  auto& seen = scope.oauth_client->seen;
  if (std::ranges::find(seen, directive.name.text) != seen.end()) {
    reader.duplicate(directive);
    return false;
  }
  seen.push_back(directive.name.text);
  return true;
}

template <auto Member>
void add_texts(Reader&, const Scope& scope, const Directive& directive) {
  for (const Word& word : directive.arguments) (scope.oauth_client->client.*Member).push_back(word.text);
}

template <auto Member>
void set_client_text(Reader& reader, const Scope& scope, const Directive& directive) {
  if (is_first(reader, scope, directive)) scope.oauth_client->client.*Member = directive.arguments[0].text;
}

// A flag, which the field holds as it is or turned round.
template <auto Member, bool On = true>
void set_client_flag(Reader& reader, const Scope& scope, const Directive& directive) {
  if (!is_first(reader, scope, directive)) return;
  const auto value = reader.flag(directive);
  if (value) scope.oauth_client->client.*Member = *value == On;
}

void set_public(Reader& reader, const Scope& scope, const Directive& directive) {
  if (is_first(reader, scope, directive)) scope.oauth_client->client.is_public = true;
}

void add_secret_file(Reader&, const Scope& scope, const Directive& directive) {
  scope.oauth_client->secret_files.push_back(directive.arguments[0]);
}

void set_keys_file(Reader& reader, const Scope& scope, const Directive& directive) {
  if (is_first(reader, scope, directive)) scope.oauth_client->keys_file = directive.arguments[0];
}

void add_grants(Reader& reader, const Scope& scope, const Directive& directive) {
  for (const Word& word : directive.arguments) {
    const oauth::GrantRow* row = oauth::grant_named(word.text);
    if (!row) {
      return reader.invalid_value(directive, word,
                                  "client_credentials, authorization_code, refresh_token, token_exchange, device_code "
                                  "or jwt_bearer; implicit, password and hybrid flows do not exist here");
    }
    scope.oauth_client->client.may_use[static_cast<std::size_t>(row->grant)] = true;
  }
}

// `certificate san_uri=spiffe://shop/svc2;`
void set_certificate(Reader& reader, const Scope& scope, const Directive& directive) {
  if (!is_first(reader, scope, directive)) return;
  const Word& word = directive.arguments[0];
  oauth::Client& client = scope.oauth_client->client;
  if (const auto uri = parameter(word, "san_uri="); uri && !uri->empty()) {
    client.tls_san_uri = *uri;
  } else if (const auto name = parameter(word, "san_dns="); name && !name->empty()) {
    client.tls_san_dns = *name;
  } else if (const auto subject = parameter(word, "subject="); subject && !subject->empty()) {
    client.tls_subject_dn = *subject;
  } else {
    reader.invalid_parameter(directive, word, "san_uri=URI, san_dns=NAME or subject=DN");
  }
}

std::vector<std::string> listed(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    if (comma != 0) out.emplace_back(text.substr(0, comma));
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
  }
  return out;
}

// "user:*", "client:NAME": a kind and a name, or all of a kind. '*' anywhere else would match nobody.
bool are_subjects(const std::vector<std::string>& texts) {
  return !texts.empty() && std::ranges::all_of(texts, [](const std::string& one) {
    const std::size_t colon = one.find(':'), star = one.find('*');
    return colon != std::string::npos && colon > 0 && colon + 1 < one.size() &&
           (star == std::string::npos || (star == colon + 1 && star + 1 == one.size()));
  });
}

void set_exchange(Reader& reader, const Scope& scope, const Directive& directive) {
  if (!is_first(reader, scope, directive)) return;
  oauth::ExchangeRules rules;
  for (const Word& word : directive.arguments) {
    if (const auto subjects = parameter(word, "subjects=")) {
      rules.subjects = listed(*subjects);
      if (!are_subjects(rules.subjects))
        return reader.invalid_parameter(directive, word, "subjects=user:*,client:NAME");
    } else if (const auto audiences = parameter(word, "audiences="); audiences && !audiences->empty()) {
      rules.audiences = listed(*audiences);
    } else if (const auto actors = parameter(word, "actors=")) {
      rules.actors = listed(*actors);
      if (!are_subjects(rules.actors)) return reader.invalid_parameter(directive, word, "actors=client:NAME");
    } else if (const auto accepts = parameter(word, "from="); accepts && !accepts->empty()) {
      rules.accepts = listed(*accepts);
    } else if (word.text == "impersonate") {
      rules.impersonate = true;
    } else {
      return reader.invalid_parameter(directive, word, "subjects=… audiences=… [from=…] [actors=…] [impersonate]");
    }
  }
  if (rules.subjects.empty()) {
    return reader.error(code::argument_count, "exchange needs subjects=", directive.name.at, "subjects=user:*");
  }
  scope.oauth_client->client.exchange = std::move(rules);
}

void set_lifetime(Reader& reader, const Scope& scope, const Directive& directive) {
  if (!is_first(reader, scope, directive)) return;
  constexpr std::int64_t least_s = 30, most_s = oauth::token_lifetime_s_max;  // What revocations cover.
  const auto value = reader.time_s(directive, directive.arguments[0], directive.arguments[0].text);
  if (!value) return;
  if (*value < least_s || *value > most_s) {
    return reader.invalid_value(directive, directive.arguments[0], "from 30 to 86400 seconds");
  }
  scope.oauth_client->client.access_token_lifetime_s = *value;
}

template <auto Member>
void set_user_file(Reader& reader, const Scope& scope, const Directive& directive) {
  auto& place = scope.oauth_user->*Member;
  if (place) return reader.duplicate(directive);
  place = directive.arguments[0];
}

void add_roles(Reader&, const Scope& scope, const Directive& directive) {
  for (const Word& word : directive.arguments) scope.oauth_user->user.roles.push_back(word.text);
}

void add_claim(Reader& reader, const Scope& scope, const Directive& directive) {
  const Word& name = directive.arguments[0];
  if (oauth::is_reserved_claim(name.text)) {
    return reader.invalid_value(directive, name, "this claim is written by the server alone");
  }
  auto& claims = scope.oauth_user->user.claims;
  if (std::ranges::any_of(claims, [&](const auto& one) { return one.first == name.text; })) {
    return reader.duplicate(directive);
  }
  claims.emplace_back(name.text, directive.arguments[1].text);
}

using C = oauth::Client;
using U = OauthUserModel;

constexpr DirectiveRow authorization_client_table[] = {
    {"client",
     in_authorization_server,
     {1, 1, true},
     Support::built,
     read_client,
     "",
     "A client, by its id. More of them may live in the store (keepgate client)."},
    {"user",
     in_authorization_server,
     {1, 1, true},
     Support::built,
     read_user,
     "",
     "Somebody who may sign in. More of them may live in the store (keepgate user)."},
    {"public",
     in_oauth_client,
     {0, 0},
     Support::built,
     set_public,
     "",
     "It can keep no secret (an app, a page): PKCE is all it proves."},
    {"secret_file",
     in_oauth_client,
     {1, 1},
     Support::built,
     add_secret_file,
     "",
     "A file with its secret, or with the hash that `keepgate client create` writes; readable by its owner alone. Up "
     "to "
     "four, while one is replaced."},
    {"jwks_file", in_oauth_client, {1, 1}, Support::built, set_keys_file, "", "Its public keys, for private_key_jwt."},
    {"certificate",
     in_oauth_client,
     {1, 1},
     Support::built,
     set_certificate,
     "",
     "san_uri=URI, san_dns=NAME or subject=DN: whom the verified TLS certificate of its connection has to name."},
    {"grants",
     in_oauth_client,
     {1, many},
     Support::built,
     add_grants,
     "",
     "client_credentials, authorization_code, refresh_token, token_exchange, device_code, jwt_bearer."},
    {"scopes", in_oauth_client, {1, many}, Support::built, add_texts<&C::scopes>, "", "The most it may ask for."},
    {"audience",
     in_oauth_client,
     {1, many},
     Support::built,
     add_texts<&C::audiences>,
     "",
     "What its tokens may be for; a lone one is meant where the request names none."},
    {"redirect_uri",
     in_oauth_client,
     {1, many},
     Support::built,
     add_texts<&C::redirect_uris>,
     "",
     "Where people are sent back to: compared byte for byte."},
    {"post_logout_redirect_uri",
     in_oauth_client,
     {1, many},
     Support::built,
     add_texts<&C::post_logout_redirect_uris>,
     "",
     "Where people are sent after they signed out."},
    {"exchange",
     in_oauth_client,
     {1, 5},
     Support::built,
     set_exchange,
     "",
     "subjects=user:*,client:NAME audiences=NAME,… [from=NAME,…] [actors=client:NAME] [impersonate]: whose tokens it "
     "may "
     "exchange, for what, whom these may have been for besides the server and the client itself (from=; without it the "
     "client's audience), and through whose hands they may have come before. impersonate: as the user, without `act`, "
     "and with "
     "nothing but its own word for a transaction token; logged each time."},
    {"introspects",
     in_oauth_client,
     {1, many},
     Support::built,
     add_texts<&C::introspects>,
     "",
     "Audiences whose tokens it may ask about, or *."},
    {"revocations",
     in_oauth_client,
     {1, 1},
     Support::built,
     set_client_flag<&C::reads_revocations>,
     "off",
     "It may follow the list of what was taken back: for gateways and guards."},
    {"require_pushed_requests",
     in_oauth_client,
     {1, 1},
     Support::built,
     set_client_flag<&C::needs_pushed_requests>,
     "off",
     "It has to push its authorization requests (RFC 9126)."},
    {"bind_tokens",
     in_oauth_client,
     {1, 1},
     Support::built,
     set_client_flag<&C::binds_tokens>,
     "off",
     "No token without a DPoP proof or a certificate that it is bound to."},
    {"old_assertions",
     in_oauth_client,
     {1, 1},
     Support::built,
     set_client_flag<&C::makes_old_assertions>,
     "off",
     "Its assertions may be for the token endpoint, /par or a list with one of these or the issuer in it, and live an "
     "hour, as older software makes them (RFC 7523): for a client of no other server than this."},
    {"consent",
     in_oauth_client,
     {1, 1},
     Support::built,
     set_client_flag<&C::skips_consent, false>,
     "on",
     "off: people are not asked; for clients of the operator's own. A public client whose redirect_uri is not https is "
     "asked about all the same: anybody could pose as it (RFC 8252, 8.6)."},
    {"client_name",
     in_oauth_client,
     {1, 1},
     Support::built,
     set_client_text<&C::name>,
     "the id",
     "What people are told it is."},
    {"access_token_lifetime",
     in_oauth_client,
     {1, 1},
     Support::built,
     set_lifetime,
     "as the server's",
     "How long its access tokens live."},
    {"password_hash_file",
     in_oauth_user,
     {1, 1},
     Support::built,
     set_user_file<&U::password_hash_file>,
     "",
     "A file with the hash of the password: $argon2id$…, or what crypt(3) knows; readable by its owner alone."},
    {"totp_secret_file",
     in_oauth_user,
     {1, 1},
     Support::built,
     set_user_file<&U::totp_secret_file>,
     "",
     "A file with the base32 secret of the second factor (RFC 6238)."},
    {"roles", in_oauth_user, {1, many}, Support::built, add_roles, "", "What the claim `roles` of tokens says."},
    {"claim",
     in_oauth_user,
     {2, 2},
     Support::built,
     add_claim,
     "",
     "NAME VALUE: what /userinfo tells of the user: email… by the scope email, phone_number… by phone, address by "
     "address, all others by profile."},
};

}  // namespace

std::span<const DirectiveRow> authorization_client_rows() { return authorization_client_table; }

}  // namespace keepgate::conf
