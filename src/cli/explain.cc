// `keepgate explain METHOD PATH --as IDENTITY`: the location, each check, the rule that decided, the nearest that
// might.
#include <algorithm>

#include "base/bytes.h"
#include "cli/judge.h"
#include "cli/output.h"
#include "cli/verbs.h"

namespace keepgate::cli {

namespace {

using crypto::Json;
using Rows = std::vector<std::vector<std::string>>;

struct Question {
  Where where;
  std::string method, path, identity;
  std::vector<std::string> roles, scopes;
  auth::Principal asker;
};

std::string verdict_of(const Judgement& judgement) { return judgement.allowed ? "allow" : "deny"; }

Rows location_rows(const Place& place) {
  Rows rows;
  if (!place.server) return rows;
  std::string listening;
  for (const std::string& address : place.addresses) append(listening, listening.empty() ? "" : ", ", address);
  const std::string& name = place.server->name;
  rows.push_back({"server", cat(listening, name.empty() ? "" : cat(" (", name, ')'))});
  if (!place.location) return rows;
  const bool own_level = place.location->index == place.server->own_location;
  rows.push_back({"location", cat(own_level ? "none matches: the server's own level" : place.location->pattern, "  ",
                                  source_of(*place.location))});
  for (const route::LocationStep& step : place.steps) {
    const std::string& pattern = place.snapshot->locations[step.location].pattern;
    rows.push_back({"", cat(step.won ? "chosen: " : "not ", pattern, " (", step.why, ')')});
  }
  return rows;
}

Rows check_rows(const Place& place, const Judgement& judgement) {
  Rows rows;
  if (place.location && !place.early) {
    for (const std::string& limit : describe_limits(*place.location)) rows.push_back({"limit", limit});
  }
  for (const Check& check : judgement.checks) {
    const std::string_view mark = check.refuses ? "refused: " : "";
    rows.push_back({check.name, cat(painted(check.refuses ? Colour::red : Colour::none, mark), check.detail)});
  }
  if (place.location && judgement.allowed && !place.early &&
      place.location->transaction.mode == identity::TransactionMode::issue) {
    rows.push_back(
        {"mints", cat("a transaction token for ", place.service, ", ", place.location->transaction.ttl_s, " s")});
  }
  return rows;
}

Rows policy_rows(const Judgement& judgement) {
  Rows rows;
  if (!judgement.explanation) return rows;
  constexpr std::size_t steps_max = 12;
  std::size_t shown = 0;
  for (const policy::Explanation::Step& step : judgement.explanation->steps) {
    if (++shown > steps_max) break;
    const std::string name = step.rule == step.place ? step.place : cat(step.rule, " (", step.place, ')');
    rows.push_back({step.decided ? "decided"
                    : shown == 1 ? "rules"
                                 : "",
                    cat(step.forbids ? "deny " : "allow ", name, ": ", step.why)});
  }
  if (!judgement.explanation->nearest.empty()) rows.push_back({"nearest", judgement.explanation->nearest});
  if (!judgement.explanation->decision.shadow_rule.empty()) {
    rows.push_back({"shadow", cat("rule ", judgement.explanation->decision.shadow_rule, " would decide otherwise")});
  }
  return rows;
}

std::string as_table(const Question& question, const Place& place, const Judgement& judgement) {
  const std::string status = judgement.status == 0 ? std::string() : cat(" (", judgement.status, ')');
  const Colour colour = judgement.allowed ? Colour::green : Colour::red;
  std::string out = cat(painted(colour, cat(verdict_of(judgement), status)), "  ", printable(question.method), ' ',
                        printable(question.path), " as ", question.asker.describe(), "\n");
  if (!judgement.why.empty()) append(out, judgement.why, "\n");
  out.push_back('\n');
  Rows rows = location_rows(place);
  if (!place.ambiguities.empty()) rows.push_back({"path", cat("it has ", place.ambiguities)});
  if (!place.early && !place.service_path.empty()) {
    const std::string_view service = place.service.empty() ? std::string_view("(no service name)") : place.service;
    rows.push_back({"asks for", cat(question.method, ' ', printable(place.service_path), " of ", service)});
  }
  std::ranges::move(check_rows(place, judgement), std::back_inserter(rows));
  std::ranges::move(policy_rows(judgement), std::back_inserter(rows));
  for (const std::string& condition : judgement.conditions) rows.push_back({"provided", condition});
  return out + table(rows);
}

Json candidates_json(const Place& place) {
  Json::Array out;
  for (const route::LocationStep& step : place.steps) {
    JsonObject one;
    one.add("location", place.snapshot->locations[step.location].pattern).add("won", step.won).add("why", step.why);
    out.push_back(one.take());
  }
  return Json(std::move(out));
}

Json checks_json(const Judgement& judgement) {
  Json::Array out;
  for (const Check& check : judgement.checks) {
    JsonObject one;
    one.add("name", check.name).add("detail", check.detail).add("refuses", check.refuses);
    out.push_back(one.take());
  }
  return Json(std::move(out));
}

Json steps_json(const Judgement& judgement) {
  Json::Array out;
  if (!judgement.explanation) return Json(std::move(out));
  for (const policy::Explanation::Step& step : judgement.explanation->steps) {
    JsonObject one;
    one.add("rule", step.rule).add("place", step.place).add("effect", step.forbids ? "deny" : "allow");
    one.add("decided", step.decided).add("why", step.why);
    out.push_back(one.take());
  }
  return Json(std::move(out));
}

Json texts_json(const std::vector<std::string>& texts) {
  Json::Array out;
  for (const std::string& text : texts) out.emplace_back(text);
  return Json(std::move(out));
}

std::string as_json(const Question& question, const Place& place, const Judgement& judgement) {
  JsonObject out;
  out.add("verdict", verdict_of(judgement)).add("status", std::int64_t{judgement.status}).add("why", judgement.why);
  out.add("rule", judgement.rule).add("rule_place", judgement.rule_place);
  out.add("nearest", judgement.explanation ? judgement.explanation->nearest : std::string());
  out.add("method", question.method).add("path", place.path).add("identity", question.asker.describe());
  out.add("service", place.service).add("service_path", place.service_path);
  if (place.server) out.add("server", place.server->name).add("listen", texts_json(place.addresses));
  if (place.location) {
    out.add("location", place.location->pattern).add("location_place", source_of(*place.location));
    out.add("limits", texts_json(describe_limits(*place.location)));
  }
  out.add("candidates", candidates_json(place)).add("checks", checks_json(judgement));
  out.add("rules", steps_json(judgement)).add("conditions", texts_json(judgement.conditions));
  if (place.policy) out.add("policy_hash", place.policy->hash());
  return pretty(out.take());
}

// "" or what is wrong with the question.
std::string read_question(Question& question) {
  if (std::string wrong = check_where(question.where); !wrong.empty()) return wrong;
  if (std::string wrong = check_method(question.method); !wrong.empty()) return wrong;
  std::string error;
  if (!policy::Policy::parse_identity(question.identity, question.asker, error)) return cat("--as: ", error);
  std::ranges::copy(question.roles, std::back_inserter(question.asker.roles));
  std::ranges::copy(question.scopes, std::back_inserter(question.asker.scopes));
  return {};
}

}  // namespace

int run_explain(int argc, char** argv) {
  Question question;
  Arguments arguments("explain",
                      "Says why a request is allowed or denied; exits 0 or 4. The identity is taken as proven.",
                      {{"keepgate explain GET /1.0/orders/7 --as client1 -c keepgate.conf", ""},
                       {"keepgate explain DELETE /1.0/orders/7 --as 'client:web on behalf of user:alice'", ""},
                       {"keepgate explain GET /orders/7 --as anonymous --service orders --policy policy.yaml",
                        "the policy alone, with the path that the service sees"}});
  arguments.operand("METHOD", question.method, "GET, PUT, …");
  arguments.operand("PATH", question.path, "path of the URL; a query is ignored");
  arguments.option("--as", "IDENTITY", question.identity,
                   "client1, client:web, user:alice, 'client:web on behalf of user:alice', anonymous", Need::required);
  arguments.options("--role", "NAME", question.roles, "roles that the token carries");
  arguments.options("--scope", "SCOPE", question.scopes, "scopes that the token carries");
  add_where(arguments, question.where);
  if (const auto code = arguments.parse(argc, argv)) return *code;
  if (const std::string wrong = read_question(question); !wrong.empty()) return arguments.usage_error(wrong);

  const std::expected<Place, int> place = find_place(question.where, question.method, question.path);
  if (!place) return place.error();
  say_choice(question.where, *place);
  const Judgement judgement = judge(*place, question.asker);
  const bool json = question.where.output == "json";
  const int code = print(json ? as_json(question, *place, judgement) : as_table(question, *place, judgement));
  return code != exit_ok || judgement.allowed ? code : int{exit_denied};
}

}  // namespace keepgate::cli
