// `keepgate who-can METHOD PATH`: every identity that may make the call, and the rule that lets it.
#include <algorithm>

#include "base/bytes.h"
#include "cli/judge.h"
#include "cli/output.h"
#include "cli/verbs.h"

namespace keepgate::cli {

namespace {

using crypto::Json;
using pipeline::Authorize;
using pipeline::LocationConfig;
using policy::Grant;

struct Answer {
  bool open = false;  // Anybody, without a credential.
  std::string summary;
  std::vector<Grant> grants;
};

constexpr std::string_view anonymous = "anonymous";

// Whom the place lets in without asking a policy.
Answer without_policy(const LocationConfig& location, std::string_view reason) {
  Answer out;
  out.open = !demanded(proof_at(location));
  if (out.open) {
    out.summary = cat("open to anybody: ", reason);
    out.grants.push_back({"anybody", "", source_of(location), describe_requirements(location)});
    return out;
  }
  out.summary = cat("anybody with ", describe_proof(location), ": ", reason);
  out.grants.push_back(
      {cat("anybody with ", describe_proof(location)), "", source_of(location), describe_requirements(location)});
  return out;
}

bool is_workload(const Grant& grant) {
  return grant.identity.starts_with("service:") || grant.identity.starts_with("spiffe:");
}

// Can a credential of this kind make somebody who fits the grant? What it asks beside is then a condition of it.
bool can_be_proven(Grant& grant, Proof proof) {
  const bool is_anonymous = grant.identity == anonymous;
  switch (proof) {
    case Proof::none:
      return is_anonymous;
    case Proof::variable: {  // A map names a client, without customer and scopes.
      const bool asks_more =
          grant.condition.starts_with("on behalf of ") || grant.condition.starts_with("with scopes ");
      return !is_workload(grant) && !grant.identity.starts_with("user:") && !asks_more;
    }
    case Proof::credential:
      if (is_anonymous)
        append(grant.condition, grant.condition.empty() ? "" : "; ", "with a valid token that names nobody");
      return !is_workload(grant);
    case Proof::transaction_token:
      return !is_anonymous;
  }
  return false;
}

// The policy's answer, less what no credential of the location can prove.
Answer by_policy(const Place& place) {
  Answer out;
  const std::string requirements = place.location ? describe_requirements(*place.location) : std::string();
  for (Grant& grant : place.policy->who_can(place.service, place.method, place.service_path)) {
    if (place.location && !can_be_proven(grant, proof_at(*place.location))) continue;
    if (!requirements.empty()) append(grant.condition, grant.condition.empty() ? "" : "; ", requirements);
    if (grant.identity == anonymous && grant.condition.empty()) out.open = true;
    out.grants.push_back(std::move(grant));
  }
  if (out.open) out.summary = "open to anybody: the policy lets anonymous callers in";
  if (out.grants.empty()) out.summary = "nobody: no rule allows it to an identity that can be proven here";
  return out;
}

Answer answer_at(const Place& place) {
  constexpr std::uint16_t first_error = 400;
  if (place.early) {
    const bool served = place.early->status < first_error;
    Answer out{served, cat(served ? "open to anybody: " : "nobody: ", place.early->status, ", ", place.early->why), {}};
    if (served) out.grants.push_back({"anybody", "", place.location ? source_of(*place.location) : "", ""});
    return out;
  }
  if (!place.location) return by_policy(place);
  const LocationConfig& location = *place.location;
  if (keys_are_missing(location)) return {false, "nobody: 503, the key set of this location cannot be used", {}};
  if (!location.content) return {false, "nobody: 404, nothing is configured here", {}};
  if (location.authorize == Authorize::off) {
    return without_policy(location, place.policy ? "authorize off, the policy is not asked" : "no policy is in effect");
  }
  if (location.authorize == Authorize::shadow) {
    return without_policy(location, "authorize shadow: the policy is asked and refuses nobody");
  }
  if (!place.policy) return {false, "nobody: authorization is required and there is no policy", {}};
  return by_policy(place);
}

std::string header_of(const Place& place) {
  std::string out = cat(place.method, ' ', printable(place.path));
  if (place.location) append(out, "  location ", place.location->pattern, "  ", source_of(*place.location));
  if (!place.early && !place.service_path.empty() && (place.service_path != place.path || !place.service.empty())) {
    append(out, "\nasks for ", place.method, ' ', printable(place.service_path), " of ",
           place.service.empty() ? std::string_view("(no service name)") : place.service);
  }
  return out + "\n";
}

std::string as_table(const Place& place, const Answer& answer) {
  std::string out = header_of(place);
  if (!answer.summary.empty()) append(out, painted(answer.open ? Colour::yellow : Colour::none, answer.summary), "\n");
  if (answer.grants.empty()) return out;
  const bool conditions = std::ranges::any_of(answer.grants, [](const Grant& one) { return !one.condition.empty(); });
  std::vector<std::vector<std::string>> rows = {{"WHO", "RULE", "PLACE", conditions ? "PROVIDED" : ""}};
  for (const Grant& grant : answer.grants) {
    rows.push_back({grant.identity, grant.rule.empty() ? "-" : grant.rule, grant.place, grant.condition});
  }
  return cat(out, "\n", table(rows));
}

std::string as_json(const Place& place, const Answer& answer) {
  Json::Array grants;
  for (const Grant& grant : answer.grants) {
    JsonObject one;
    one.add("identity", grant.identity)
        .add("rule", grant.rule)
        .add("place", grant.place)
        .add("condition", grant.condition);
    grants.push_back(one.take());
  }
  JsonObject out;
  out.add("method", place.method).add("path", place.path).add("service", place.service);
  out.add("service_path", place.service_path);
  if (place.location) out.add("location", place.location->pattern).add("location_place", source_of(*place.location));
  out.add("open", answer.open).add("summary", answer.summary).add("grants", Json(std::move(grants)));
  return pretty(out.take());
}

struct OpenPlace {
  std::string location, place, why;
};

// What can be said of a location whatever the method and the path below it.
std::string why_open(const LocationConfig& location) {
  constexpr std::uint16_t first_error = 400;
  if (location.internal || location.pattern.starts_with('@')) return {};
  if (location.return_action) {
    return location.return_action->status < first_error ? cat("return ", location.return_action->status)
                                                        : std::string();
  }
  if (!location.content || demanded(proof_at(location))) return {};
  if (location.authorize == Authorize::off) return location.policy ? "authorize off" : "no credentials, no policy";
  if (location.authorize == Authorize::shadow) return "no credentials, authorize shadow";
  return location.policy ? "the policy decides: ask with METHOD and PATH" : std::string();
}

int list_open(const Where& where) {
  const auto snapshot = load_configuration(where);
  if (!snapshot) return exit_failure;
  std::vector<std::vector<std::string>> rows = {{"LOCATION", "PLACE", "WHY"}};
  Json::Array objects;
  for (const LocationConfig& location : snapshot->locations) {
    const std::string why = why_open(location);
    if (why.empty()) continue;
    rows.push_back({location.pattern, source_of(location), why});
    JsonObject one;
    one.add("location", location.pattern).add("place", source_of(location)).add("why", why);
    objects.push_back(one.take());
  }
  if (where.output == "json") return print(pretty(Json(std::move(objects))));
  return print(rows.size() == 1 ? "nothing is open: every location asks for a credential\n" : table(rows));
}

int answer_anonymous(const Place& place, Answer answer, const Where& where) {
  const auto needs_credential = [&](const Grant& one) { return !one.condition.empty() || one.identity != anonymous; };
  if (!answer.open) {
    std::erase_if(answer.grants, needs_credential);
    answer.summary = "not open: no caller passes without a credential";
  }
  const int code = print(where.output == "json" ? as_json(place, answer) : as_table(place, answer));
  return code != exit_ok || answer.open ? code : int{exit_denied};
}

}  // namespace

int run_who_can(int argc, char** argv) {
  Where where;
  std::string method, path;
  bool only_anonymous = false;
  Arguments arguments("who-can", "Lists every identity that may make a call, and the rule that lets it.",
                      {{"keepgate who-can DELETE /1.0/orders/7 -c keepgate.conf", ""},
                       {"keepgate who-can GET /orders/7 --service orders --policy policy.yaml", "the policy alone"},
                       {"keepgate who-can --anonymous -c keepgate.conf", "all locations that ask for no credential"}});
  arguments.operand("METHOD", method, "GET, PUT, …", Need::optional);
  arguments.operand("PATH", path, "path of the URL; a query is ignored", Need::optional);
  arguments.flag("--anonymous", only_anonymous, "what is open to callers without any credential");
  add_where(arguments, where);
  if (const auto code = arguments.parse(argc, argv)) return *code;
  if (const std::string wrong = check_where(where); !wrong.empty()) return arguments.usage_error(wrong);
  if (method.empty() && only_anonymous && !where.policy_only()) return list_open(where);
  if (method.empty() || path.empty()) return arguments.usage_error("METHOD and PATH are missing");
  if (const std::string wrong = check_method(method); !wrong.empty()) return arguments.usage_error(wrong);

  const std::expected<Place, int> place = find_place(where, method, path);
  if (!place) return place.error();
  say_choice(where, *place);
  Answer answer = answer_at(*place);
  if (only_anonymous) return answer_anonymous(*place, std::move(answer), where);
  return print(where.output == "json" ? as_json(*place, answer) : as_table(*place, answer));
}

}  // namespace keepgate::cli
