// RFC 8693 by the contract of the design: a confidential client with a list of whose tokens it may exchange, for which
// audiences. The subject stays; the caller becomes the actor; scope, audience and lifetime only shrink; what comes out
// is bound to the caller, and no refresh token does.
#include <algorithm>

#include "base/bytes.h"
#include "base/log.h"
#include "oauth/grant.h"
#include "oauth/subject_token.h"
#include "oauth/transaction.h"

namespace keepgate::oauth {

namespace {

// An explicit actor token says no more than who authenticated: it must be the caller's own.
Checked<void> check_actor_token(const Context& context, const Client& client) {
  const Params& form = context.request.form;
  if (form.has("actor_token") != form.has("actor_token_type")) {
    return refuse("invalid_request", "actor_token and actor_token_type go together");
  }
  if (!form.has("actor_token")) return {};
  const auto kind = token_type_named(form.get("actor_token_type"));
  if (kind != "access_token" && kind != "jwt") {
    return refuse("invalid_request", "this type of actor token is not accepted here");
  }
  const auto own = read_access_token(form.get("actor_token"), context.settings, *context.state.keys, context.now());
  const bool holds = own && !is_revoked(*own, context.state, context.now());
  if (!holds || own->text("sub") != client.subject()) {
    return refuse("invalid_request", "the actor token is not the client's own");
  }
  return {};
}

// requested ∩ the subject's ∩ the caller's ceiling. An empty rest of what was asked for is a refusal.
Checked<std::vector<std::string>> narrowed_scopes(const Params& form, const Client& client,
                                                  const SubjectToken& subject) {
  std::vector<std::string> out;
  const auto has = [](const std::vector<std::string>& list, const std::string& one) {
    return std::ranges::find(list, one) != list.end();
  };
  const auto asked = form.find("scope");
  const std::vector<std::string> wanted = asked ? split_words(*asked) : subject.scopes;
  for (const std::string& one : wanted) {
    if (has(subject.scopes, one) && has(client.scopes, one) && !has(out, one) && !is_openid_scope(one)) {
      out.push_back(one);
    }
  }
  if (asked && out.empty()) return refuse("invalid_scope", "nothing of this scope is left");
  if (!asked && out.empty() && !subject.scopes.empty()) {
    return refuse("invalid_scope", "the client may have nothing of the subject token's scope");
  }
  return out;
}

Checked<std::string> actor_claim(const Client& client, const SubjectToken& subject) {
  if (actors_of(subject.actor).size() >= actors_max) {
    return refuse("invalid_request", "the token has passed through too many hands");
  }
  crypto::Json::Object out;
  out.emplace_back("sub", crypto::Json(client.subject()));
  if (!subject.actor.is_null()) out.emplace_back("act", subject.actor);
  return crypto::Json(std::move(out)).write();
}

}  // namespace

Checked<void> check_exchange_subject(const Context& context, const Client& client, const SubjectToken& subject) {
  const auto denied = [&](std::string_view why) {
    context.exchange.refusal.reason = why;
    return refuse("invalid_request", "this client may not exchange this token");
  };
  const auto names_us = [&](const std::string& one) {
    if (one == context.settings.issuer) return true;
    // The names of another issuer's clients and audiences are not ours.
    if (subject.is_foreign) return false;
    const auto& accepts = client.exchange.accepts.empty() ? client.audiences : client.exchange.accepts;
    return one == client.id || std::ranges::find(accepts, one) != accepts.end();
  };
  if (!std::ranges::any_of(subject.audiences, names_us))
    return denied("the token is neither for us nor for the caller");
  if (!matches_pattern(client.exchange.subjects, subject.subject))
    return denied("the subject is not on the client's list");
  if (!subject.may_act.is_null()) {
    const auto allowed = subject.may_act.string_at("sub");
    const auto allowed_client = subject.may_act.string_at("client_id");
    const bool is_caller = allowed == client.subject() || (allowed && *allowed == client.id) ||
                           (allowed_client && *allowed_client == client.id);
    if (!is_caller) return denied("may_act names another");
  }
  for (const std::string& actor : actors_of(subject.actor)) {
    if (actor != client.subject() && !matches_pattern(client.exchange.actors, actor)) {
      return denied("an actor before is not on the client's list");
    }
  }
  return {};
}

net::Task<Checked<Answer>> grant_token_exchange(Context& context, const TokenRequest& request) {
  const Params& form = context.request.form;
  const Client& client = request.client();
  if (request.who.proof == ClientProofKind::none)
    co_return refuse("unauthorized_client", "a public client proves nothing");
  if (!form.has("subject_token") || !form.has("subject_token_type")) {
    co_return refuse("invalid_request", "subject_token and subject_token_type are needed");
  }
  const auto wanted = form.find("requested_token_type");
  const std::string_view kind = wanted ? token_type_named(*wanted) : std::string_view("access_token");
  if (kind == "txn_token") {
    auto answer = co_await exchange_for_transaction(context, request);
    co_return answer;
  }
  if (kind != "access_token" && kind != "jwt") {
    co_return refuse("invalid_request", "this type of token is not issued here");
  }
  auto subject = read_subject_token(context, form.get("subject_token"), form.get("subject_token_type"));
  if (!subject) co_return std::unexpected(std::move(subject.error()));
  if (const auto good = check_exchange_subject(context, client, *subject); !good)
    co_return std::unexpected(good.error());
  if (subject->is_foreign) {
    const auto good = co_await check_local_user(context, subject->subject);
    if (!good) co_return std::unexpected(good.error());
  }
  if (const auto good = check_actor_token(context, client); !good) co_return std::unexpected(good.error());
  if (client.exchange.audiences.empty()) co_return refuse("invalid_target", "the client may exchange for no audience");
  auto audience = requested_audience(form, client.exchange.audiences, context.settings);
  if (!audience) co_return std::unexpected(std::move(audience.error()));
  auto scopes = narrowed_scopes(form, client, *subject);
  if (!scopes) co_return std::unexpected(std::move(scopes.error()));
  const bool had_scopes = !scopes->empty();
  scopes = scopes_at(*audience, std::move(*scopes), form, context.settings);
  if (!scopes) co_return std::unexpected(std::move(scopes.error()));
  if (had_scopes && scopes->empty())
    co_return refuse("invalid_scope", "nothing of this scope is left at this audience");

  TokenAnswer out;
  out.facts = facts_for(context, request);
  out.facts.subject = subject->subject;
  out.facts.audience = std::move(*audience);
  out.facts.scopes = std::move(*scopes);
  out.facts.roles = subject->roles;
  out.facts.grant = subject->grant;
  out.facts.methods = subject->methods;
  out.facts.authenticated_s = subject->authenticated_s;
  out.facts.expires_s = std::min(out.facts.expires_s, subject->expires_s);
  if (client.exchange.impersonate) {
    if (!subject->actor.is_null()) out.facts.actor = subject->actor.write();
    log(LogLevel::notice, "authorization server: client '", printable(client.id), "' impersonates '",
        printable(subject->subject), "' at '", printable(out.facts.audience), "'");
  } else {
    auto actor = actor_claim(client, *subject);
    if (!actor) co_return std::unexpected(std::move(actor.error()));
    out.facts.actor = std::move(*actor);
  }
  out.issued_token_type = cat(token_type_prefix, kind);
  co_return token_answer(context, std::move(out));
}

}  // namespace keepgate::oauth
