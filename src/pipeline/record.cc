#include "pipeline/record.h"

#include <ctime>

#include "base/bytes.h"
#include "base/redact.h"
#include "logs/access_format.h"
#include "logs/log_file.h"

namespace keepgate::pipeline {

namespace {

void append_member(std::string& out, std::string_view name, std::string_view value) {
  append(out, ",\"", name, "\":\"");
  append_json_escaped(out, value);
  out += '"';
}

void append_time(std::string& out, std::int64_t wall_ms) {
  const auto second = static_cast<std::time_t>(wall_ms / 1000);
  std::tm utc{};
  ::gmtime_r(&second, &utc);
  char text[32];
  out.append(text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc));
  const std::int64_t rest = wall_ms % 1000;
  append(out, '.', rest < 100 ? "0" : "", rest < 10 ? "0" : "", rest, 'Z');
}

std::string requester(const auth::Principal* principal) {
  if (!principal || !principal->identified()) return "anonymous";
  if (!principal->client.empty()) return cat("client:", principal->client);
  if (!principal->service.empty()) return cat("service:", principal->service);
  return cat("user:", principal->user);
}

// The decision that a refused error page or redirect was about: what was asked of whom, and what came of it.
std::string_view verdict(const Exchange& x) { return x.permitted ? "allow" : "deny"; }

// An error page may have led elsewhere since.
const LocationConfig& decided_by(const Exchange& x) {
  return x.decision_location ? *x.decision_location : x.location();
}

void write_access_logs(Exchange& x) {
  for (const AccessLog& one : x.location().access_logs) {
    if (one.condition) {
      const std::string_view value = x.evaluate(*one.condition);
      if (value.empty() || value == "0") continue;
    }
    std::string& line = x.worker().scratch;
    line.clear();
    logs::format_access_line(*one.format, x, x.arena, line);
    redact_api_keys(line);
    one.file->write(line);
  }
}

}  // namespace

void log_refusal(Exchange& x) {
  if (x.refusal.reason.empty() || !log_enabled(LogLevel::info)) return;
  log(x.refusal.status >= 500 ? LogLevel::error : LogLevel::info, x.refusal.code, ": ", x.refusal.reason,
      ", client: ", x.connection().peer_ip(), ", server: ", x.server().name, ", request: \"",
      printable(x.head().method_text), ' ', printable(x.head().raw_path), "\", status: ", x.refusal.status);
}

void append_decision_record(Exchange& x, std::string& out) {
  const DecisionFacts& facts = x.facts;
  const LocationConfig& location = decided_by(x);
  out += "{\"time\":\"";
  append_time(out, x.now().wall_ms);
  out += '"';
  append_member(out, "decision_id", x.decision_id());
  append_member(out, "verdict", verdict(x));
  append(out, ",\"status\":", x.status != 0 ? x.status : x.refusal.status);
  append_member(out, "requester", requester(facts.principal));
  append_member(out, "on_behalf_of",
                facts.principal && !facts.principal->user.empty() && !facts.principal->client.empty()
                    ? cat("user:", facts.principal->user)
                    : std::string());
  append_member(out, "authenticated_by",
                auth::name_of(facts.principal ? facts.principal->method : auth::AuthMethod::none));
  if (facts.principal && !facts.principal->assurance.empty()) {
    append_member(out, "assurance", facts.principal->assurance);
  }
  append_member(out, "service", location.service);
  append_member(out, "method", x.method_is_get ? std::string_view("GET") : x.head().method_text);
  append_member(out, "path", facts.service_path);
  append_member(out, "location", location.pattern);
  append_member(out, "rule", facts.decision.rule);
  if (!facts.decision.shadow_rule.empty()) append_member(out, "shadow_rule", facts.decision.shadow_rule);
  if (location.authorize == Authorize::shadow) {
    append_member(out, "shadow_verdict", policy::name_of(facts.decision.verdict));
  }
  append_member(out, "reason", facts.reason);
  append_member(out, "policy_hash", location.policy ? std::string_view(location.policy->hash()) : std::string_view());
  if (facts.token) append_member(out, "token_sha256", facts.token->token_hash);
  if (facts.transaction) append_member(out, "txn", facts.transaction->txn);
  if (!x.minted_transaction.empty()) append_member(out, "txn", x.minted_transaction);
  append_member(out, "remote_addr", x.connection().peer_ip());
  out += "}\n";
}

void record_decision(Exchange& x) {
  if (!x.decided || !decided_by(x).decision_log) return;
  std::string& line = x.worker().scratch;
  line.clear();
  append_decision_record(x, line);
  redact_api_keys(line);
  decided_by(x).decision_log->write(line);
}

void record(Exchange& x) {
  log_refusal(x);
  record_decision(x);
  write_access_logs(x);
}

}  // namespace keepgate::pipeline
