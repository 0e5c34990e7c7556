// health_check: the request that is sent, and the function that judges the answer.
#include <algorithm>

#include "base/arena.h"
#include "base/bytes.h"
#include "conf/codes.h"
#include "conf/compile/compiler.h"
#include "proxy/proxy_content.h"
#include "route/regex.h"
#include "upstream/health_check.h"

namespace keepgate::conf {

namespace {

using route::Variable;

// A probe belongs to no client: what is known is the upstream's name and, once there is one, its answer.
class ProbeVariables final : public route::VariableSource {
 public:
  ProbeVariables(std::string_view host, std::uint16_t port, const http::ResponseHead* head)
      : host_(host), port_(cat(port)), head_(head), status_(head ? cat(head->status) : std::string()) {}

  std::string_view variable(const route::VariableRef& reference) override {
    switch (reference.variable) {
      case Variable::proxy_host:
      case Variable::host:
        return host_;
      case Variable::proxy_port:
        return port_;
      case Variable::status:
      case Variable::upstream_status:
        return status_;
      case Variable::upstream_http_:
        return field(reference.argument);
      default:
        return {};
    }
  }

 private:
  std::string_view field(std::string_view name) const {
    if (!head_) return {};
    for (const http::HeaderLine& line : head_->headers) {
      const bool same = line.name.size() == name.size() &&
                        std::ranges::equal(line.name, name, {}, [](char c) { return c == '-' ? '_' : to_lower(c); });
      if (same) return line.value;
    }
    return {};
  }

  std::string_view host_;
  std::string port_;
  const http::ResponseHead* head_;
  std::string status_;
};

bool known_to_probes(Variable variable) {
  return variable == Variable::status || variable == Variable::upstream_status || variable == Variable::upstream_http_;
}

struct HeaderCondition {
  std::string name;
  MatchOperator how = MatchOperator::present;
  std::string value;
  std::optional<route::Regex> regex;

  bool holds(const http::ResponseHead& head) const {
    bool present = false, hit = false, failed = false;
    for (const http::HeaderLine& line : head.headers) {
      if (!equals_ignoring_case(line.name, name)) continue;
      present = true;
      if (regex) {
        const route::Regex::Match match = regex->match(line.value);
        hit = hit || match == route::Regex::Match::yes;
        failed = failed || match == route::Regex::Match::failed;
      } else {
        hit = hit || line.value == value;
      }
    }
    switch (how) {
      case MatchOperator::present:
        return present;
      case MatchOperator::absent:
        return !present;
      case MatchOperator::equal:
      case MatchOperator::regex:
        return hit;
      case MatchOperator::not_equal:
      case MatchOperator::not_regex:
        return !hit && !failed;
    }
    return false;
  }
};

struct Conditions {
  MatchStatusModel status;
  std::vector<HeaderCondition> headers;
  std::optional<route::Regex> body;
  bool body_negated = false;
  std::vector<route::Template> require;
  std::string host;
  std::uint16_t port = 80;

  std::string_view trouble(const http::ResponseHead& head, std::string_view text) const {
    const bool listed = std::ranges::any_of(
        status.ranges, [&](const auto& range) { return head.status >= range.first && head.status <= range.second; });
    if (!status.ranges.empty() && listed == status.negated) return "status code";
    for (const HeaderCondition& one : headers) {
      if (!one.holds(head)) return "response headers";
    }
    if (body) {
      const route::Regex::Match match = body->match(text);
      const bool good = match == (body_negated ? route::Regex::Match::no : route::Regex::Match::yes);
      if (!good) return "response body";
    }
    ProbeVariables variables(host, port, &head);
    Arena arena;
    for (const route::Template& one : require) {
      const std::string_view value = one.evaluate(variables, arena);
      if (value.empty() || value == "0") return "required variables";
    }
    return {};
  }
};

}  // namespace

const MatchModel* Compiler::match_named(const std::optional<Word>& name) {
  if (!name) return nullptr;
  const auto found = std::ranges::find(model_.matches, name->text, [](const MatchModel& one) { return one.name.text; });
  if (found != model_.matches.end()) return &*found;
  error(code::unknown_name, cat("unknown match '", printable(name->text), "'"), name->at, "match NAME { … } in http");
  return nullptr;
}

std::optional<route::Regex> Compiler::match_regex(const Word& word) {
  std::string why;
  auto regex = route::Regex::compile(word.text, false, why);
  if (!regex) error(code::bad_regex, std::move(why), word.at);
  return regex;
}

// Nothing in `check.judge` where there was a mistake; it is told.
void Compiler::set_judge(upstream::HealthCheck& check, const MatchModel* match, const proxy::ProxyOptions& proxy) {
  auto conditions = std::make_shared<Conditions>();
  conditions->host = proxy.host;
  conditions->port = proxy.port;
  if (!match) {
    conditions->status.ranges = {{200, 399}};
  } else {
    if (match->status) conditions->status = *match->status;
    conditions->body_negated = match->body_negated;
    if (match->body) {
      conditions->body = match_regex(*match->body);
      if (!conditions->body) return;
    }
    for (const MatchHeaderModel& model : match->headers) {
      HeaderCondition condition{model.name.text, model.how, model.value.text, std::nullopt};
      if (model.how == MatchOperator::regex || model.how == MatchOperator::not_regex) {
        condition.regex = match_regex(model.value);
        if (!condition.regex) return;
      }
      conditions->headers.push_back(std::move(condition));
    }
    for (const Word& word : match->require) {
      route::Template value = text(word);
      for (const route::Template::Part& part : value.parts()) {
        if (!part.is_variable() || known_to_probes(part.reference.variable)) continue;
        return error(code::not_built, cat("'require ", printable(word.text, 60), "' in 'match' is not built yet"),
                     word.at, "$status, $upstream_status and $upstream_http_NAME are known there");
      }
      conditions->require.push_back(std::move(value));
    }
  }
  check.reads_body = conditions->body.has_value();
  check.judge = [conditions](const http::ResponseHead& head, std::string_view body) {
    return conditions->trouble(head, body);
  };
}

// As a request of this location to this upstream, but for what only a client could say.
std::string Compiler::probe_request(const HealthCheckModel& model, const proxy::ProxyOptions& proxy) {
  ProbeVariables variables(proxy.host, proxy.port, nullptr);
  Arena arena;
  std::string out = cat("GET ", model.uri ? model.uri->text : "/", " HTTP/1.1\r\n");
  bool has_host = false;
  for (const auto& [name, value] : proxy.set_headers) {
    has_host = has_host || equals_ignoring_case(name, "Host");
    const std::string_view content = value.evaluate(variables, arena);
    const bool skipped = content.empty() || content.find_first_of("\r\n") != std::string_view::npos ||
                         equals_ignoring_case(name, "Connection") || equals_ignoring_case(name, "Upgrade");
    if (!skipped) append(out, name, ": ", content, "\r\n");
  }
  if (!has_host) append(out, "Host: ", proxy.host, "\r\n");
  return out += "Connection: close\r\n\r\n";
}

void Compiler::compile_health_check(const Level& level, const proxy::ProxyOptions& proxy) {
  const HealthCheckModel& model = *level.location->health_check;
  if (proxy.group->zone.empty()) {
    return error(code::missing_section,
                 cat("'health_check' needs 'zone' in upstream '", printable(proxy.group->name), "'"), model.at,
                 "zone NAME SIZE; in the upstream");
  }
  const MatchModel* match = match_named(model.match);
  if (model.match && !match) return;
  auto check = std::make_shared<upstream::HealthCheck>();
  check->group = proxy.group;
  check->interval_ms = model.interval_ms;
  check->jitter_ms = model.jitter_ms;
  check->fails = model.fails;
  check->passes = model.passes;
  check->port = model.port;
  check->request = probe_request(model, proxy);
  set_judge(*check, match, proxy);
  if (!check->judge) return;
  if (match) check->name = match->name.text;
  check->tls = proxy.tls;
  check->tls_name = proxy.tls_name;
  check->connect_timeout_ms = proxy.connect_timeout_ms;
  check->send_timeout_ms = proxy.send_timeout_ms;
  check->read_timeout_ms = proxy.read_timeout_ms;
  check->timeout_ms = level.options.health_check_timeout_ms.value_or(check->timeout_ms);
  check->key = cat(level.server.names.empty() ? "" : level.server.names[0].text, ' ', level.location->written, ' ',
                   check->name, ' ', check->port.value_or(0), '\n', check->request);
  check->mandatory = model.mandatory;
  // Before it is published; a group that is in use already is not touched by a configuration that may yet be refused.
  const bool in_use =
      options_.previous && std::ranges::find(options_.previous->groups, proxy.group) != options_.previous->groups.end();
  if (model.mandatory && !in_use) proxy.group->peers->hold_all();
  out_->health_checks.push_back(std::move(check));
}

}  // namespace keepgate::conf
