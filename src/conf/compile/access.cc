// Who may pass: tokens, identity, transaction tokens, policy; and what is open or unsafe about a location.
#include <algorithm>
#include <atomic>

#include "auth/methods.h"
#include "base/bytes.h"
#include "conf/codes.h"
#include "conf/compile/compiler.h"
#include "crypto/encryption_key.h"

namespace keepgate::conf {

namespace {

using identity::TransactionMode;
using pipeline::Authorize;

bool same_claims(const auth::IdentityClaims& a, const auth::IdentityClaims& b) {
  return a.client == b.client && a.user == b.user && a.roles == b.roles && a.scopes == b.scopes;
}

}  // namespace

bool Compiler::asks_for_credential_at(const Location& location) {
  return auth::asks_for_credential(location.auth) || location.transaction.mode == TransactionMode::require;
}

bool Compiler::Level::is_internal() const {
  return location && (location->internal || location->match == route::LocationMatch::named);
}

std::string Compiler::Level::described() const {
  return location ? cat("location '", printable(location->written), "'") : std::string("server");
}

// The cache of verified tokens answers for one verifier only: a number never stands for two of them, over reloads too.
std::uint64_t Compiler::verifier_id(const auth::JwtOptions& jwt) {
  static std::atomic<std::uint64_t> last{0};
  for (const Verifier& known : verifiers_) {
    if (known.keys == jwt.keys && known.requested == jwt.requested && known.issuers == jwt.issuers &&
        known.form == jwt.form && known.leeway_s == jwt.leeway_s && same_claims(known.claims, jwt.claims)) {
      return known.id;
    }
  }
  return verifiers_
      .emplace_back(Verifier{jwt.keys, jwt.requested, jwt.issuers, jwt.form, jwt.leeway_s, jwt.claims, ++last})
      .id;
}

void Compiler::compile_addresses(Location& out, const Level& level) {
  const LevelOptions& options = level.options;
  if (options.satisfy_any.value_or(false)) out.auth.satisfy = auth::Satisfy::any;
  for (const AddressRuleModel& rule : options.address_rules.value_or(std::vector<AddressRuleModel>{})) {
    using Who = auth::AddressRules::Who;
    out.auth.addresses.add(rule.allows,
                           rule.is_everybody ? Who::everybody
                           : rule.is_unix    ? Who::unix_socket
                                             : Who::network,
                           rule.network);
  }
}

void Compiler::compile_jwt(Location& out, const Level& level) {
  const LevelOptions& options = level.options;
  if (options.identity_claims) {
    const IdentityClaimsModel& claims = *options.identity_claims;
    if (claims.client) out.auth.jwt.claims.client = *claims.client;
    if (claims.user) out.auth.jwt.claims.user = *claims.user;
    if (claims.roles) out.auth.jwt.claims.roles = *claims.roles;
    if (claims.scopes) out.auth.jwt.claims.scopes = *claims.scopes;
  }
  compile_introspection(out, level);
  if (options.jwt_requires && !options.auth_jwt && !options.auth_introspect) {
    error(code::missing_keys, "'auth_jwt_require' without 'auth_jwt' would never be checked",
          options.jwt_requires->front().values.front().at, "say auth_jwt REALM; or auth_jwt off;");
  }
  out.requirements = requirements(options.auth_requires);
  out.auth_delay_ms = options.auth_delay_ms.value_or(0);
  out.auth.dpop_over_tls = options.dpop_over_tls;
  out.auth.jwt.enabled = options.auth_jwt && !options.auth_jwt->off;
  compile_issuers(out.auth.jwt, level);
  if (options.auth_jwt && options.auth_jwt->token) out.auth.jwt.token = variable(*options.auth_jwt->token);
  if (out.auth.asks_for_token()) out.auth.jwt.require = requirements(options.jwt_requires);
  if (!out.auth.jwt.enabled) return;
  out.auth.jwt.realm = text(options.auth_jwt->realm);
  if (options.jwt_form) out.auth.jwt.form = options.jwt_form->value;
  if (!out.auth.jwt.issuers.empty() && out.auth.jwt.form != auth::TokenForm::jws) {
    error(code::not_built, "'auth_jwt_issuer' with encrypted tokens is not built yet", options.jwt_form->at,
          "say auth_jwt_type signed; where tokens of issuers are accepted");
  }
  out.auth.jwt.leeway_s = options.jwt_leeway_s.value_or(0);
  if (options.jwt_key_files) {
    out.auth.jwt.keys = key_set(*options.jwt_key_files, false);
    if (!options.jwt_key_requests) check_token_form(out.auth.jwt, level);
  } else if (options.jwt_key_requests) {
    // Below.
  } else if (out.auth.jwt.issuers.empty() && (level.location || level.server.locations.empty())) {
    warning(code::missing_keys, cat("auth_jwt without auth_jwt_key_file: ", level.described(), " answers 503"),
            options.auth_jwt->at, "auth_jwt_key_file FILE; or auth_jwt_issuer URL;");
  }
  if (options.jwt_key_requests && (out.auth.jwt.keys || !options.jwt_key_files)) {
    out.auth.jwt.requested = requested_keys(out.auth.jwt, level);
  }
  out.auth.jwt.verifier_id = verifier_id(out.auth.jwt);
}

std::vector<auth::Requirement> Compiler::requirements(const std::optional<std::vector<JwtRequireModel>>& models) {
  std::vector<auth::Requirement> out;
  if (!models) return out;
  for (const JwtRequireModel& model : *models) {
    auth::Requirement& require = out.emplace_back();
    require.status = model.status;
    for (const Word& value : model.values) require.values.push_back(text(value));
  }
  return out;
}

// The keys have to suit the form of tokens that is expected; what anybody may encrypt is no credential by itself.
void Compiler::check_token_form(auth::JwtOptions& jwt, const Level& level) {
  if (!jwt.keys) return;
  const Position& at = level.options.jwt_form ? level.options.jwt_form->at : level.options.auth_jwt->at;
  if (!auth::has_keys_for(*jwt.keys, jwt.form)) {
    jwt.keys = nullptr;
    return warning(
        code::missing_keys,
        cat("no keys for ", auth::name_of(jwt.form), " tokens in the key files: ", level.described(), " answers 503"),
        at, jwt.form == auth::TokenForm::jws ? "add a key that verifies" : "add a private key with use enc");
  }
  if (jwt.form != auth::TokenForm::jwe) return;
  for (const auto& key : jwt.keys->decryption_keys) {
    if (!key->secret().empty()) continue;
    return unsafe(code::unsigned_tokens,
                  cat("key '", printable(key->id(), 60),
                      "' decrypts what anybody may encrypt with its public half: ", "nothing says who made the token"),
                  at, "auth_jwt_type nested; or a shared secret");
  }
}

void Compiler::compile_identity(Location& out, const Level& level) {
  const auto& setting = level.options.auth_identity;
  if (!setting || setting->off) return;
  out.auth.identity_variable = variable(setting->path);
  if (!out.auth.identity_variable || (level.location == nullptr && !level.server.locations.empty())) return;
  const bool jwt_verified = claims_are_verified(out);
  const Word& word = setting->path;
  if (out.auth.identity_variable->variable != route::Variable::map_) {
    const std::string source = find_unverified(text(word), jwt_verified);
    if (source.empty()) return;
    return unsafe(code::unverified_identity, cat("the identity is ", source, ", which a client may choose freely"),
                  word.at, "take it from a map over a secret: map $http_apikey $name { ~^…$ client1; }");
  }
  // A map over a secret is a check; what its values copy from the request is none.
  std::set<std::uint32_t> seen;
  std::vector<std::uint32_t> open = {out.auth.identity_variable->index};
  while (!open.empty()) {
    const std::uint32_t index = open.back();
    open.pop_back();
    if (!seen.insert(index).second) continue;
    const MapFacts& facts = map_facts_[index];
    for (const route::VariableRef& value : facts.values) {
      const std::string source = find_unverified(value, jwt_verified);
      if (!source.empty()) {
        unsafe(code::unverified_identity, cat("the identity may be ", source, ", which a client may choose freely"),
               word.at);
      }
    }
    if (facts.has_exact_letters && !find_unverified(out_->maps[index].source, jwt_verified).empty()) {
      unsafe(code::case_blind_keys,
             "keys of this map compare without case: an API key has fewer different values than it seems",
             facts.exact_at, "write each key as a regex, which compares case: \"~^KEY$\"");
    }
    for (const route::VariableRef& source : facts.source) {
      if (source.variable == route::Variable::map_) open.push_back(source.index);
    }
  }
}

void Compiler::compile_transaction(Location& out, const Level& level) {
  const LevelOptions& options = level.options;
  if (!options.transaction || options.transaction->setting == TransactionSetting::off) return;
  const TransactionModel& model = *options.transaction;
  const bool issues = model.setting == TransactionSetting::issue;
  out.transaction.mode = issues ? TransactionMode::issue : TransactionMode::require;
  out.transaction.ttl_s = model.ttl_s;
  out.transaction.bind_request = model.bind_request;
  out.transaction.bind_caller = model.bind_caller;
  out.transaction.single_use = model.single_use;
  if (model.bind_caller && verify_client(level.server.options) == tls::VerifyClient::off) {
    error(code::missing_certificate, "'bind=caller' needs 'ssl_verify_client' in its server", model.at,
          "ssl_verify_client on; and ssl_client_certificate FILE;");
  }
  out.transaction.from = model.from;
  out.transaction.workload = workload_of(level.server);
  if (!model_.trust_domain) {
    error(code::incomplete_transaction, "'transaction_token' needs 'trust_domain'", model.at,
          "trust_domain NAME; in http");
  } else {
    out.transaction.trust_domain = model_.trust_domain->text;
  }
  // The server's own level answers nothing that needs a key; its locations may name theirs.
  const bool is_used = level.location != nullptr;
  if (issues && options.transaction_key) out.transaction.signing_key = signing_key(*options.transaction_key);
  if (!issues && options.transaction_key_files) out.transaction.keys = key_set(*options.transaction_key_files, true);
  if (is_used && issues && !options.transaction_key) {
    error(code::incomplete_transaction, "'transaction_token issue' needs 'transaction_token_key'", model.at,
          "transaction_token_key FILE; with a private JWK");
  }
  if (is_used && !issues && !options.transaction_key_files) {
    error(code::incomplete_transaction, "'transaction_token require' needs 'transaction_token_key_file'", model.at,
          "transaction_token_key_file FILE; with the gateway's public JWK Set");
  }
  for (const auto& [name, word] : model.claims) {
    route::Template value = text(word);
    const std::string source = find_unverified(value, claims_are_verified(out));
    if (!source.empty() && is_used) {
      unsafe(code::unverified_claim, cat("claim '", name, "' comes from ", source, ", which is not verified"), word.at);
    }
    out.transaction.claims.emplace_back(name, std::move(value));
  }
  if (out.transaction.single_use && !out_->replay) out_->replay = std::make_shared<identity::ReplayStore>();
}

void Compiler::compile_authorize(Location& out, const Level& level) {
  const LevelOptions& options = level.options;
  if (options.policies) out.policy = policy(*options.policies);
  if (options.authorize) {
    switch (options.authorize->value) {
      case AuthorizeSetting::on:
        out.authorize = Authorize::required;
        break;
      case AuthorizeSetting::shadow:
        out.authorize = Authorize::shadow;
        break;
      case AuthorizeSetting::off:
        out.authorize = Authorize::off;
        break;
    }
  } else {
    out.authorize = options.policies || strict_ ? Authorize::required : Authorize::off;
  }
  const bool decides = options.policies && out.authorize != Authorize::off;
  out.keepgate_features = strict_ || decides || out.transaction.mode != TransactionMode::off;
  out.refuse_ambiguous_paths = decides || out.transaction.mode == TransactionMode::require;
}

void Compiler::check_access(const Location& out, const Level& level) {
  const LevelOptions& options = level.options;
  if (out.transaction.mode == TransactionMode::require && out.auth.asks_for_token()) {
    error(code::two_credentials, cat(level.described(), " asks for a transaction token and for a client's token"),
          options.transaction->at,
          "a guard believes the transaction token alone: say `auth_jwt off` and `auth_introspect off` there");
  }
  if (out.transaction.mode == TransactionMode::require && out.auth.signature) {
    error(code::two_credentials, cat(level.described(), " asks for a transaction token and for a signed request"),
          options.transaction->at, "say `auth_http_signature off` there");
  }
  if (out.transaction.mode == TransactionMode::require && out.auth.api_key.enabled) {
    error(code::two_credentials, cat(level.described(), " asks for a transaction token and for an API key"),
          options.transaction->at, "a guard believes the transaction token alone: say `auth_api_key off` there");
  }
  if (out.transaction.mode == TransactionMode::require && out.auth.basic.enabled) {
    error(code::two_credentials, cat(level.described(), " asks for a transaction token and for a password"),
          options.transaction->at, "a guard believes the transaction token alone: say `auth_basic off` there");
  }
  if (out.transaction.mode == TransactionMode::require && out.auth.identity_variable) {
    error(code::two_credentials, cat(level.described(), " asks for a transaction token and takes `auth_identity`"),
          options.transaction->at, "say `auth_identity off` there");
  }
  if (out.transaction.mode == TransactionMode::require && out.auth.certificate.enabled) {
    error(code::two_credentials,
          cat(level.described(), " asks for a transaction token and for a client certificate's name"),
          options.transaction->at,
          "say `transaction_token require bind=caller`, and `auth_client_certificate off` there");
  }
  const auto& action = level.location ? level.location->return_action : level.server.return_action;
  const bool has_content = level.location && (level.location->proxy_pass || level.location->stub_status);
  // A `return` that refuses opens nothing, wherever it stands.
  if ((!action && !has_content) || (action && action->status >= 400)) return;
  const bool asks_service = !out.auth.request_uri.empty();
  const bool explicitly_off = options.authorize && options.authorize->value == AuthorizeSetting::off;
  const bool internal_return = level.is_internal() && action;
  if (action && (asks_for_credential_at(out) || asks_service) && !internal_return) {
    unsafe(code::return_before_auth,
           cat("'return' in ", level.described(), " answers before any credential is looked at"), action->at,
           "say `authorize off` if the answer is for everybody");
  }
  if (strict_ && !asks_for_credential_at(out) && !asks_service && !explicitly_off && !internal_return) {
    error(code::open_location, cat(level.described(), " is open"), level.at,
          "say `authorize off`, or ask for a credential: auth_jwt, auth_introspect, auth_http_signature, "
          "auth_api_key, auth_basic, auth_client_certificate, auth_identity or transaction_token require");
  }
  if (action) return;
  if (out.authorize == Authorize::required && !options.policies) {
    warning(code::refuses_everybody, cat("no policy is in effect for ", level.described(), ": it refuses everybody"),
            level.at, "policy FILE; or authorize off;");
  }
  if (out.transaction.mode == TransactionMode::issue && !asks_for_credential_at(out)) {
    warning(code::incomplete_transaction,
            cat(level.described(), " issues transaction tokens but asks for no credential: there is nobody to name"),
            options.transaction->at, "say auth_jwt, or transaction_token off");
  }
}

}  // namespace keepgate::conf
