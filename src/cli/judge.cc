#include "cli/judge.h"

#include <algorithm>

#include "auth/methods.h"
#include "base/bytes.h"
#include "cli/assumed.h"
#include "identity/transaction_token.h"
#include "pipeline/content.h"

namespace keepgate::cli {

namespace {

using identity::TransactionMode;
using pipeline::Authorize;
using pipeline::LocationConfig;

bool may_name_workload(const auth::AuthOptions& options) {
  return std::ranges::any_of(auth::methods(), [&](const auth::Method& method) {
    return method.names_workloads && method.is_asked_for(options);
  });
}

std::string describe_methods(const auth::AuthOptions& options) {
  std::string out;
  const bool needs_all = options.satisfy == auth::Satisfy::all;
  for (const auth::Method& method : auth::methods()) {
    if (!method.is_asked_for(options)) continue;
    // What only names those whom nothing else names is no proof beside one.
    if (method.challenge == nullptr && !out.empty()) continue;
    append(out, out.empty() ? "" : needs_all ? " and " : " or ", method.describe(options));
  }
  return out;
}

// One question on its way through the checks. false: refused, the judgement is complete.
class Judge {
 public:
  Judge(const Place& place, const auth::Principal& asker) : place_(place) {
    if (asker.identified()) principal_ = asker;
  }

  Judgement run() {
    note_rewrites();
    if (place_.early) {
      answer_early(*place_.early);
    } else if (!place_.location) {
      ask_policy(true);
    } else if (authenticate(*place_.location) && meets_requirements(*place_.location) && authorize(*place_.location)) {
      reach_content(*place_.location);
    }
    if (!out_.allowed) out_.conditions.clear();  // A refusal holds whatever they are.
    return std::move(out_);
  }

 private:
  const auth::Principal* principal() const { return principal_ ? &*principal_ : nullptr; }
  bool refuse(std::uint16_t status, std::string why) {
    out_.allowed = false;
    out_.status = status;
    out_.why = std::move(why);
    return false;
  }
  bool note(std::string name, std::string detail, bool refuses = false) {
    out_.checks.push_back({std::move(name), std::move(detail), refuses});
    return !refuses;
  }

  void note_rewrites();
  void answer_early(const EarlyAnswer& early);
  bool authenticate(const LocationConfig& location);
  bool lose_what_cannot_be_proven(Proof proof);
  bool meets_requirements(const LocationConfig& location);
  bool meets_each(const std::vector<auth::Requirement>& requirements, std::string_view directive);
  bool authorize(const LocationConfig& location);
  bool ask_policy(bool enforced);
  void reach_content(const LocationConfig& location);

  const Place& place_;
  std::optional<auth::Principal> principal_;
  Judgement out_;
};

// What if, set and rewrite do depends on more than is known here: they are not followed.
void Judge::note_rewrites() {
  const bool at_server = place_.server && place_.server->program;
  const bool at_location = place_.location && place_.location->program;
  if (!at_server && !at_location) return;
  note("rewrite", cat("if, set and rewrite of the ", at_server ? "server" : "location", " run first: not followed"));
  out_.conditions.push_back("no if or rewrite answers first, or leads elsewhere");
}

void Judge::answer_early(const EarlyAnswer& early) {
  constexpr std::uint16_t first_error = 400;
  out_.status = early.status;
  out_.allowed = early.status < first_error;
  out_.why = early.why;
}

// What the identity would lose on the way: a map names clients only, a client's token names no workload.
bool Judge::lose_what_cannot_be_proven(Proof proof) {
  if (!principal_) return true;
  if (proof == Proof::none) {
    note("credentials", "none is asked for here: everybody is anonymous, whoever they are");
    principal_.reset();
    return true;
  }
  const bool workload_alone = principal_->client.empty() && principal_->user.empty();
  if (proof == Proof::credential && workload_alone && !may_name_workload(place_.location->auth)) {
    note("credentials", cat(describe_proof(*place_.location), " names no workload"), true);
    return refuse(401, "the credential that is asked for cannot prove this identity");
  }
  if (proof != Proof::variable) return true;
  auth::Principal client;
  client.method = auth::AuthMethod::variable;
  client.client = principal_->client;
  if (client.client.empty()) {
    note("credentials", "auth_identity names clients only: this identity is anonymous here");
    principal_.reset();
  } else {
    note("credentials", cat("auth_identity, as ", client.describe()));
    principal_ = std::move(client);
  }
  return true;
}

bool Judge::authenticate(const LocationConfig& location) {
  if (!location.auth.addresses.empty()) {
    const bool is_enough = location.auth.satisfy == auth::Satisfy::any;
    note("address", is_enough ? "allow and deny: an allowed address is enough" : "allow and deny decide by address");
    out_.conditions.push_back(is_enough ? "the address is allowed, or the credential is valid"
                                        : "the client's address is allowed");
  }
  if (const std::string& uri = location.auth.request_uri; !uri.empty()) {
    note("auth_request", cat("the service at ", uri, " is asked"));
    out_.conditions.push_back(cat("the service at ", uri, " (auth_request) allows it"));
  }
  const Proof proof = proof_at(location);
  if (keys_are_missing(location)) {
    note("credentials", cat(describe_proof(location), ": its keys cannot be used"), true);
    return refuse(503, "the key set of this location cannot be used");
  }
  if (!principal_ && demanded(proof)) {
    note("credentials", cat(describe_proof(location), " is demanded"), true);
    return refuse(401, cat("no credential: ", describe_proof(location), " is demanded"));
  }
  if (principal_ && demanded(proof)) {
    note("credentials", cat(describe_proof(location), ", taken as valid for ", principal_->describe()));
    out_.conditions.push_back(proof == Proof::transaction_token ? "the transaction token is valid"
                              : location.auth.asks_for_token()  ? "the token is valid"
                                                                : "the credential is valid");
  } else if (!principal_) {
    note("credentials", proof == Proof::none ? "none is asked for here" : "auth_identity names nobody");
  }
  return lose_what_cannot_be_proven(proof);
}

bool Judge::meets_requirements(const LocationConfig& location) {
  return (!location.auth.asks_for_token() || meets_each(location.auth.jwt.require, "auth_jwt_require")) &&
         meets_each(location.requirements, "auth_require");
}

bool Judge::meets_each(const std::vector<auth::Requirement>& requirements, std::string_view directive) {
  AssumedRequest request(place_, principal());
  for (const auth::Requirement& require : requirements) {
    for (const route::Template& value : require.values) {
      request.forget_unknown();
      const std::string text(request.evaluate(value));
      const std::string name = cat(directive, ' ', value.text());
      if (!request.unknown().empty()) {
        note(name, cat("depends on ", request.unknown().front()));
        out_.conditions.push_back(cat(name, " holds (it depends on ", request.unknown().front(), ")"));
        continue;
      }
      const bool holds = !text.empty() && text != "0";
      note(name, cat("is \"", printable(text), "\" for a token of this identity"), !holds);
      if (!holds) return refuse(require.status, cat(name, " does not hold"));
    }
  }
  return true;
}

bool Judge::authorize(const LocationConfig& location) {
  if (location.authorize == Authorize::off) {
    const bool open = !demanded(proof_at(location));
    note("policy", place_.policy ? "not asked: authorize off" : "none is in effect here");
    out_.why = open ? "open to anybody: nothing is checked here" : "any valid credential will do: no policy is asked";
    return true;
  }
  if (place_.policy) return ask_policy(location.authorize == Authorize::required);
  note("policy", "authorization is required and there is no policy", location.authorize == Authorize::required);
  if (location.authorize == Authorize::shadow) return true;
  return refuse(principal_ ? 403 : 401, "authorization is required and there is no policy");
}

bool Judge::ask_policy(bool enforced) {
  const policy::Request request{principal(), place_.service, place_.method, place_.service_path};
  out_.explanation = place_.policy->explain(request);
  const policy::Decision& decision = out_.explanation->decision;
  out_.rule = decision.rule;
  for (const policy::Explanation::Step& step : out_.explanation->steps) {
    if (step.decided) out_.rule_place = step.place;
  }
  const bool allowed = decision.verdict == policy::Verdict::allow;
  // A rule without an id is called by its place.
  const bool named = !out_.rule_place.empty() && out_.rule_place != out_.rule;
  const std::string where = named ? cat(" (", out_.rule_place, ")") : std::string();
  const std::string why =
      out_.rule.empty() ? "no rule allows it" : cat("rule ", out_.rule, where, allowed ? " allows it" : " denies it");
  if (!allowed && !enforced) {
    note("policy", cat(why, "; authorize shadow: logged, not refused"));
    out_.why = "the policy denies it, and authorize shadow lets it pass";
    out_.allowed = true;
    return true;
  }
  note("policy", why, !allowed);
  if (!allowed) return refuse(principal_ ? 403 : 401, why);
  out_.allowed = true;
  out_.why = why;
  return true;
}

void Judge::reach_content(const LocationConfig& location) {
  if (!location.content) {
    note("content", "nothing is configured here: 404", true);
    refuse(404, "nothing is configured here");
    return;
  }
  out_.allowed = true;
  const std::string_view upstream = location.content->upstream_name();
  note("content", cat("forwarded to ", upstream.empty() ? "the service" : upstream, " as ", place_.service_path));
}

std::string rate_text(std::uint64_t rate_milli) {
  constexpr std::uint64_t milli = 1000, seconds_per_minute = 60;
  if (rate_milli % milli == 0) return cat(rate_milli / milli, "r/s");
  return cat(rate_milli * seconds_per_minute / milli, "r/m");
}

void append_limits(std::vector<std::string>& out, const std::vector<limit::Limit>& limits, std::string_view when) {
  for (const limit::Limit& one : limits) {
    std::string text =
        cat("zone ", one.zone->name(), " on ", one.zone->key().text(), ": ", rate_text(one.zone->rate_milli()));
    if (one.burst > 0) append(text, ", burst ", one.burst);
    if (one.burst > 0 && one.delay >= one.burst) append(text, ", nodelay");
    append(text, ", ", when);
    out.push_back(std::move(text));
  }
}

}  // namespace

Proof proof_at(const LocationConfig& location) {
  if (location.transaction.mode == TransactionMode::require) return Proof::transaction_token;
  if (std::ranges::any_of(auth::methods(), [&](const auth::Method& method) {
        return method.challenge != nullptr && method.is_asked_for(location.auth);
      })) {
    return Proof::credential;
  }
  return auth::asks_for_credential(location.auth) ? Proof::variable : Proof::none;
}

std::string describe_proof(const LocationConfig& location) {
  switch (proof_at(location)) {
    case Proof::none:
      return {};
    case Proof::variable:
    case Proof::credential:
      return describe_methods(location.auth);
    case Proof::transaction_token:
      return cat("a transaction token", location.transaction.bind_request ? " bound to this request" : "",
                 location.transaction.single_use ? ", used once" : "");
  }
  return {};
}

bool keys_are_missing(const LocationConfig& location) {
  switch (proof_at(location)) {
    case Proof::credential:
      return std::ranges::any_of(auth::methods(), [&](const auth::Method& method) {
        return method.is_unusable != nullptr && method.is_asked_for(location.auth) && method.is_unusable(location.auth);
      });
    case Proof::transaction_token:
      return !location.transaction.keys;
    default:
      return false;
  }
}

std::string describe_requirements(const LocationConfig& location) {
  const auto values_of = [](const std::vector<auth::Requirement>& requirements) {
    std::string out;
    for (const auth::Requirement& require : requirements) {
      for (const route::Template& value : require.values) append(out, ' ', value.text());
    }
    return out;
  };
  const std::string of_token = location.auth.asks_for_token() ? values_of(location.auth.jwt.require) : std::string();
  const std::string general = values_of(location.requirements);
  std::string out = of_token.empty() ? of_token : cat("auth_jwt_require", of_token, " holds");
  if (!general.empty()) append(out, out.empty() ? "" : ", ", "auth_require", general, " holds");
  return out;
}

std::vector<std::string> describe_limits(const LocationConfig& location) {
  std::vector<std::string> out;
  append_limits(out, location.limits, "before authentication");
  append_limits(out, location.identity_limits, "after authorization");
  return out;
}

Judgement judge(const Place& place, const auth::Principal& asker) { return Judge(place, asker).run(); }

}  // namespace keepgate::cli
