#include "oauth/subject_token.h"

#include <algorithm>

#include "auth/claims.h"
#include "base/bytes.h"
#include "crypto/jws.h"
#include "oauth/access_token.h"
#include "oauth/user_records.h"

namespace keepgate::oauth {

namespace {

constexpr std::int64_t leeway_s = 5;
constexpr std::size_t id_bytes_max = 256;

std::unexpected<Failure> bad_subject(const Context& context, std::string_view why) {
  context.exchange.refusal.reason = why;
  return refuse("invalid_request", "the subject token does not hold");
}

const TrustedIssuer* trusted(const Settings& settings, std::string_view issuer) {
  const auto found = std::ranges::find(settings.trusted_issuers, issuer, &TrustedIssuer::issuer);
  return found == settings.trusted_issuers.end() ? nullptr : &*found;
}

// `aud`: one string or several.
std::vector<std::string> audiences_of(const crypto::Json& payload) {
  const crypto::Json* aud = payload.find("aud");
  if (!aud) return {};
  if (aud->string()) return {*aud->string()};
  std::vector<std::string> out;
  if (!aud->array()) return {};
  for (const crypto::Json& one : *aud->array()) {
    if (one.string()) out.push_back(*one.string());
  }
  return out;
}

std::vector<std::string> texts_of(const crypto::Json& payload, std::string_view claim) {
  const crypto::Json* list = payload.find(claim);
  std::vector<std::string> out;
  if (!list || !list->array()) return out;
  for (const crypto::Json& one : *list->array()) {
    if (one.string()) out.push_back(*one.string());
  }
  return out;
}

SubjectToken facts_of(const crypto::Json& payload) {
  SubjectToken out;
  out.subject = payload.string_at("sub").value_or("");
  out.client = payload.string_at("client_id").value_or("");
  out.grant = payload.string_at("grant_id").value_or("");
  out.audiences = audiences_of(payload);
  const auto scope = payload.string_at("scope");
  out.scopes = split_words(scope.value_or(""));
  out.roles = texts_of(payload, "roles");
  out.methods = texts_of(payload, "amr");
  if (const crypto::Json* act = payload.find("act")) out.actor = *act;
  if (const crypto::Json* may_act = payload.find("may_act")) out.may_act = *may_act;
  if (const crypto::Json* time = payload.find("auth_time"); time && time->integer()) {
    out.authenticated_s = *time->integer();
  }
  return out;
}

// RFC 8725 §3.11: a list of what passes, so that no kind that is made for something else does.
bool is_plain_type(const crypto::Json& header) {
  const crypto::Json* type = header.find("typ");
  if (!type) return true;
  if (!type->string()) return false;
  std::string_view text = *type->string();
  constexpr std::string_view media = "application/";
  if (equals_ignoring_case(text.substr(0, media.size()), media)) text.remove_prefix(media.size());
  return equals_ignoring_case(text, "JWT") || equals_ignoring_case(text, "at+jwt");
}

// What an operator took back of somebody else's tokens: under the name that the subject has here (`keepgate revoke
// --subject`), or by the token's id or its key.
bool is_taken_back(const crypto::Json& payload, const std::string& subject, const std::string& key_id,
                   const Context& context) {
  if (!context.state.revocations || !context.state.revocations->list) return true;  // Nobody knows.
  auth::RevocableNames names;
  names.take_claims(payload);
  names.subject = subject;
  names.token_key = key_id;
  names.grant = {};
  return context.state.revocations->list->find(names, context.now()).has_value();
}

struct ForeignToken {
  crypto::Json payload;
  std::string subject;
  std::int64_t expires_s = 0;
};

// Signature, issuer and times of a trusted issuer's token. Its name of a subject is put under its kind, so that it is
// never one of our own by accident.
Result<ForeignToken> read_foreign(const Context& context, std::string_view token) {
  const auto jws = crypto::parse_jws(token);
  if (!jws) return std::unexpected(jws.error());
  auto payload = crypto::parse_json(jws->payload, auth::payload_limits);
  if (!payload || !payload->object()) return auth::bad_token("its claims are no JSON object");
  const TrustedIssuer* issuer = trusted(context.settings, payload->string_at("iss").value_or(""));
  if (!issuer || !issuer->keys) return auth::bad_token("its issuer is not trusted");
  const auto key = crypto::verify_jws(*jws, *issuer->keys);
  if (!key) return std::unexpected(key.error());
  if (!is_plain_type(jws->header)) return auth::bad_token("typ is of another kind of token");
  // Who had it before is somebody of whom nothing is known here (RFC 8693 §4.1).
  if (payload->find("act")) return auth::bad_token("it was delegated already (act)");
  const std::int64_t now_s = context.now().wall_s();
  const auto expires = auth::numeric_date(*payload, "exp");
  if (!expires || !*expires || **expires <= now_s) return auth::bad_token("it has expired, or never does");
  const auto not_before = auth::numeric_date(*payload, "nbf", auth::Rounding::up);
  if (!not_before || (*not_before && **not_before > now_s + leeway_s)) return auth::bad_token("it is not valid yet");
  const auto subject = payload->string_at("sub");
  if (!subject || !is_user_name(*subject)) return auth::bad_token("sub names nobody");
  ForeignToken out;
  out.subject = cat(issuer->subject_kind, ':', *subject);
  if (is_taken_back(*payload, out.subject, (*key)->id(), context)) return auth::bad_token("it was taken back");
  out.payload = std::move(*payload);
  out.expires_s = **expires;
  return out;
}

}  // namespace

std::string_view token_type_named(std::string_view urn) {
  return urn.starts_with(token_type_prefix) ? urn.substr(token_type_prefix.size()) : std::string_view();
}

Checked<SubjectToken> read_subject_token(const Context& context, std::string_view token, std::string_view type) {
  const std::string_view kind = token_type_named(type);
  if (kind != "access_token" && kind != "jwt" && kind != "id_token") {
    return refuse("invalid_request", "this type of subject token is not exchanged here");
  }
  if (kind != "id_token") {
    const auto own = read_access_token(token, context.settings, *context.state.keys, context.now());
    if (own) {
      if (is_revoked(*own, context.state, context.now())) return bad_subject(context, "the subject token was revoked");
      SubjectToken out = facts_of(own->payload);
      out.expires_s = own->number("exp");
      // A token of no grant stands for one: what takes it back takes back what was made of it (revoke_lone_token()).
      if (out.grant.empty()) out.grant = own->text("jti");
      return out;
    }
  }
  auto foreign = read_foreign(context, token);
  if (!foreign) return bad_subject(context, foreign.error().detail);
  SubjectToken out = facts_of(foreign->payload);
  out.subject = foreign->subject;
  out.expires_s = foreign->expires_s;
  out.is_foreign = true;
  // Its names of clients, grants and roles are not ours, and how well it knows somebody is its word, not ours.
  out.client.clear();
  out.grant.clear();
  out.roles.clear();
  out.methods.clear();
  out.authenticated_s = 0;
  return out;
}

Checked<IssuerAssertion> read_issuer_assertion(const Context& context, std::string_view token) {
  const auto bad = [&](std::string_view why) {
    context.exchange.refusal.reason = why;
    return refuse("invalid_grant", "the assertion does not hold");
  };
  const auto foreign = read_foreign(context, token);
  if (!foreign) return bad(foreign.error().detail);
  if (foreign->payload.string_at("aud") != context.settings.issuer) return bad("aud is not this issuer alone");
  if (foreign->expires_s > context.now().wall_s() + assertion_lifetime_s_max + leeway_s)
    return bad("it lives too long");
  const auto issued = auth::numeric_date(foreign->payload, "iat");
  if (!issued || (*issued && **issued > context.now().wall_s() + leeway_s)) return bad("it was issued in the future");
  const auto id = foreign->payload.string_at("jti");
  if (!id || id->empty() || id->size() > id_bytes_max) return bad("jti is missing, empty or too long");
  const std::string unique = cat(foreign->payload.string_at("iss").value_or(""), ' ', *id);
  return IssuerAssertion{foreign->subject, unique, foreign->expires_s};
}

net::Task<Checked<void>> check_local_user(Context& context, std::string subject) {
  const std::string name(user_of(subject));
  if (name.empty()) co_return Checked<void>();
  const std::function<Result<std::optional<User>>(store::Database&)> job =
      [name, settings = context.shared_settings, service = &context.service](store::Database& database) {
        return find_user(database, *settings, service->wrapping_key(), name);
      };
  const auto user = co_await context.record<std::optional<User>>(job);
  if (!user) co_return store_failure(context, user.error());
  if (*user && !(*user)->disabled) co_return Checked<void>();
  context.exchange.refusal.reason = *user ? "the user is disabled" : "the issuer names a user who is not here";
  co_return refuse("invalid_request", "the subject token does not hold");
}

bool matches_pattern(const std::vector<std::string>& patterns, std::string_view subject) {
  return std::ranges::any_of(patterns, [&](std::string_view pattern) {
    if (!pattern.ends_with(":*")) return pattern == subject;
    pattern.remove_suffix(1);
    return subject.starts_with(pattern) && subject.size() > pattern.size();
  });
}

std::vector<std::string> actors_of(const crypto::Json& actor) {
  std::vector<std::string> out;
  for (const crypto::Json* one = &actor; one && one->object(); one = one->find("act")) {
    out.emplace_back(one->string_at("sub").value_or(""));
  }
  return out;
}

}  // namespace keepgate::oauth
