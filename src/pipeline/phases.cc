#include "pipeline/phases.h"

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "limit/limit_req.h"
#include "pipeline/client_certificate.h"
#include "pipeline/real_ip.h"
#include "pipeline/record.h"
#include "pipeline/rewrite.h"

namespace keepgate::pipeline {

namespace {

PhaseResult refused(Exchange& x, std::uint16_t status, std::string_view code, std::string_view reason) {
  x.refusal = {};
  x.refusal.status = status;
  x.refusal.code = code;
  x.refusal.reason = std::string(reason);
  return {Next::refuse};
}

PhaseResult real_ip(Exchange& x) {
  if (x.subrequest()) return {Next::phase};  // The connection is the main request's, and so is its address.
  find_real_ip(x);
  return {Next::phase};
}

// Behind the server's own program a location is looked for in any case: that is no change of the path that counts.
PhaseResult run_rewrites(Exchange& x, const RewriteProgram& program, Next changed) {
  const RewriteResult result = run_program(x, program);
  switch (result.end) {
    case RewriteResult::End::refuse:
      return {Next::refuse};
    case RewriteResult::End::go_on:
      return {Next::phase};
    case RewriteResult::End::route:
      return {changed};
    case RewriteResult::End::answer:
      break;
  }
  return {Next::answer_return, 0, result.action};
}

PhaseResult server_rewrite(Exchange& x) {
  if (x.server().program) return run_rewrites(x, *x.server().program, Next::phase);
  const auto& action = x.server().return_action;
  if (!action) return {Next::phase};
  return {Next::answer_return, 0, &*action};
}

bool allows_method(const Exchange& x, const MethodLimit& limit) {
  return (limit.allowed & method_bit(x.method_text())) != 0;
}

PhaseResult find_location(Exchange& x) {
  const route::LocationTree::Found found = x.server().locations.find(x.path.text, &x);
  if (found.failed) return refused(x, 500, "internal", "a location regex reached its match limit");
  if (!found.location) {
    x.set_location(x.snapshot().locations[x.server().own_location]);
    return {Next::phase};
  }
  const LocationConfig& location = x.snapshot().locations[*found.location];
  // Outsiders get 404; what an error_page or another redirect of ours leads to may enter.
  if (location.internal && !x.internal) return refused(x, 404, "not_found", "the location is internal");
  x.set_location(location);
  if (location.method_limit && !allows_method(x, *location.method_limit)) {
    x.set_location(x.snapshot().locations[location.method_limit->location]);
  }
  if (found.add_slash) {
    const std::string_view arguments = x.query.empty() ? std::string_view() : x.arena.join("?", x.query);
    x.redirect.status = 301;
    x.redirect.has_text = true;
    x.redirect.text = route::Template::literal(cat(http::encode_path(x.path.text, x.arena), '/', arguments));
    return {Next::answer_return, 0, &x.redirect};
  }
  return {Next::phase};
}

PhaseResult rewrite(Exchange& x) {
  // The server's own level had its turn before a location was looked for.
  if (x.location().index == x.server().own_location) return {Next::phase};
  if (x.location().program) return run_rewrites(x, *x.location().program, Next::find_location);
  const auto& action = x.location().return_action;
  if (!action) return {Next::phase};
  return {Next::answer_return, 0, &*action};
}

void log_limit(Exchange& x, const limit::LimitOutcome& outcome) {
  const bool rejected =
      outcome.status == limit::LimitStatus::rejected || outcome.status == limit::LimitStatus::rejected_dry_run;
  auto level = x.location().limit_log_level;
  if (!rejected)
    level = static_cast<LogLevel>(std::min(static_cast<int>(level) + 1, static_cast<int>(LogLevel::debug)));
  if (!log_enabled(level)) return;
  const std::uint64_t rest = outcome.excess_milli % 1000;
  log(level, rejected ? "limiting" : "delaying", " requests, excess: ", outcome.excess_milli / 1000, '.',
      rest < 100 ? "0" : "", rest < 10 ? "0" : "", rest, " by zone \"", outcome.zone,
      "\", client: ", x.connection().peer_ip(), ", request: \"", printable(x.head().method_text), ' ',
      printable(x.path.text), '"');
}

// Once per request: the first location that has limits decides (nginx: r->main->limit_req_status).
PhaseResult preaccess(Exchange& x) {
  const std::vector<limit::Limit>& limits = x.location().limits;
  if (limits.empty() || x.limits_checked) return {Next::phase};
  x.limits_checked = true;
  std::array<std::string_view, limit::limits_max> keys;
  KG_ASSERT(limits.size() <= keys.size());
  for (std::size_t i = 0; i < limits.size(); ++i) keys[i] = x.evaluate(limits[i].zone->key());
  x.limit = limit::check_limits(limits, {keys.data(), limits.size()}, x.now().monotonic_ms, x.location().limit_dry_run);
  switch (x.limit.status) {
    case limit::LimitStatus::rejected:
      log_limit(x, x.limit);
      x.refusal = refusal_of(x.limit, x.location());
      return {Next::refuse};
    case limit::LimitStatus::delayed:
      log_limit(x, x.limit);
      return {Next::delay, x.limit.delay_ms};
    case limit::LimitStatus::rejected_dry_run:
    case limit::LimitStatus::delayed_dry_run:
      log_limit(x, x.limit);
      return {Next::phase};
    case limit::LimitStatus::none:
    case limit::LimitStatus::passed:
      break;
  }
  return {Next::phase};
}

// nginx: the key is looked at once the whole head was read; a request counts from here until it ends.
PhaseResult count_connections(Exchange& x, const std::vector<limit::ConnLimit>& limits, bool& counted) {
  if (limits.empty() || counted) return {Next::phase};
  std::array<std::string_view, limit::limits_max> keys;
  KG_ASSERT(limits.size() <= keys.size());
  for (std::size_t i = 0; i < limits.size(); ++i) keys[i] = x.evaluate(limits[i].zone->key());
  const bool dry_run = x.location().conn_dry_run;
  const limit::ConnOutcome outcome = limit::hold_connection(limits, {keys.data(), limits.size()}, dry_run, x.conn_hold);
  if (outcome.status == limit::ConnStatus::none) return {Next::phase};
  counted = true;
  x.conn_status = outcome.status;
  if (outcome.status == limit::ConnStatus::passed) return {Next::phase};
  log(x.location().conn_log_level, "limiting connections", dry_run ? ", dry run," : "", " by zone \"", outcome.zone,
      "\", client: ", x.connection().peer_ip(), ", request: \"", printable(x.head().method_text), ' ',
      printable(x.path.text), '"');
  if (dry_run) return {Next::phase};
  return refused(x, x.location().conn_status, "too_many_connections", {});
}

PhaseResult limit_connections(Exchange& x) {
  return count_connections(x, x.location().conn_limits, x.connections_counted);
}

PhaseResult limit_identity_connections(Exchange& x) {
  return count_connections(x, x.location().identity_conn_limits, x.identity_connections_counted);
}

PhaseResult access(Exchange& x) {
  const DecideInput input{x.location(),
                          x.head(),
                          x.path,
                          x.ambiguities,
                          x,
                          x.arena,
                          x.now(),
                          &x.worker().token_cache,
                          x.snapshot().replay.get(),
                          false,
                          x.path_is_whole,
                          x.method_is_get,
                          {x.connection().peer.ip_bytes(), x.connection().tls, client_certificate(x)},
                          &x.answers,
                          &x.worker().auth_share,
                          x.snapshot().proofs.get(),
                          &x.used_proof,
                          x.snapshot().signatures.get(),
                          &x.used_signature,
                          x.snapshot().passwords.get(),
                          x.worker().revocations(),
                          x.subrequest() != nullptr};
  x.worker().auth_share.begin(x.worker().loop.turn());
  if (x.decided) {  // An error page asks again: what was decided before stays on record by itself.
    record_decision(x);
    x.answers.forget(auth::NeedKind::subrequest);
  }
  x.begin_decision();
  Decided decided = decide(input, x.facts);
  if (decided.need) {
    x.need = std::move(*decided.need);
    x.decided = false;  // Not yet.
    x.facts = {};
    return {Next::need};
  }
  if (x.facts.identity_limit.status != limit::LimitStatus::none &&
      x.facts.identity_limit.status != limit::LimitStatus::passed) {
    log_limit(x, x.facts.identity_limit);
  }
  // Of a refused request too: no log shows it.
  const auth::BasicOptions& basic = x.location().auth.basic;
  if (basic.enabled && !basic.forwards) x.withhold_password();
  if (!decided.permit) {
    x.refusal = std::move(decided.refusal);
    // nginx's auth_delay: how long a refused credential takes says nothing about why it was refused.
    const std::int64_t delay_ms = x.refusal.status == 401 ? x.location().auth_delay_ms : 0;
    return {Next::refuse, static_cast<std::uint64_t>(delay_ms)};
  }
  x.permitted = true;
  const auth::ApiKeyOptions& api_key = x.location().auth.api_key;
  if (api_key.enabled && !api_key.forwards) x.withhold_api_key(api_key);
  const std::uint64_t delay_ms = decided.permit->delay_ms();
  x.permit = std::move(decided.permit);
  return delay_ms == 0 ? PhaseResult{Next::phase} : PhaseResult{Next::delay, delay_ms};
}

PhaseResult content(Exchange& x) {
  if (!x.location().content) return refused(x, 404, "not_found", "nothing is configured here");
  const std::uint64_t bytes_max = x.body_given_up ? 0 : x.location().client_body_bytes_max;
  if (bytes_max != 0 && x.body.framing() == http::BodyFraming::content_length && x.body.content_length() > bytes_max) {
    refused(x, 413, "body_too_large", "the body is larger than client_max_body_size");
    x.refusal.close = true;  // As nginx: nobody reads on to see whether it really is.
    return {Next::refuse};
  }
  if (!x.location().mirrors.empty() && !x.subrequest() && !x.in_error_page) x.mirrored_by = &x.location();
  x.body.set_bytes_max(bytes_max);
  return {Next::content};
}

constexpr Phase phase_table[] = {
    {"post_read", real_ip},                    // Who the client is, by what the server's own level trusts.
    {"server_rewrite", server_rewrite},        // The server's own program: before anything else.
    {"find_location", find_location},          // The longest prefix, regexes, nesting.
    {"rewrite", rewrite},                      // The location's: before limits and before every credential check.
    {"real_ip", real_ip},                      // Likewise by what the location trusts.
    {"preaccess", preaccess},                  // limit_req: before costly crypto.
    {"limit_connections", limit_connections},  // limit_conn: after limit_req and its delay.
    {"access", access},                        // decide(): credentials, policy, single use, limits on identity.
    {"limit_identity_connections", limit_identity_connections},  // limit_conn on the identity that is now verified.
    {"content", content},                                        // What the location serves, with the Permit.
};
static_assert(std::string_view(phase_table[server_rewrite_phase].name) == "server_rewrite");
static_assert(std::string_view(phase_table[find_location_phase].name) == "find_location");
static_assert(std::string_view(phase_table[rewrite_phase].name) == "rewrite");

// RFC 9110 §9.3.6: a tunnel is not what a reverse proxy is for. TRACE would echo credentials.
bool method_is_refused(http::Method method) { return method == http::Method::connect || method == http::Method::trace; }

}  // namespace

std::span<const Phase> phases() { return phase_table; }

bool prepare(Exchange& x) {
  Connection& c = x.connection();
  const route::ServerNames& names = c.listener->names;
  // What groups take of the host has to live as long as the request.
  const std::uint32_t server =
      names.has_groups() ? names.find(x.arena.copy(to_lower(x.head().host)), x) : names.find(x.head().host);
  x.set_server(c.snapshot->servers[server]);
  x.keep_alive = true;
  if (method_is_refused(x.head().method)) {
    refused(x, 405, "method_not_allowed", "CONNECT and TRACE are not served");
    return false;
  }
  const http::Canonicalized canonical =
      x.head().raw_path == "*" ? http::Canonicalized{true, {x.head().raw_path}, 0, {}}
                               : http::canonicalize({x.head().raw_path}, x.server().merge_slashes, x.arena);
  if (!canonical.valid) {
    refused(x, 400, "bad_path", canonical.reason);
    return false;
  }
  x.path = canonical.path;
  x.ambiguities = canonical.ambiguities;
  x.query = x.head().query;
  if (c.plain_on_tls) {
    refused(x, 497, "plain_http", "client sent plain HTTP request to HTTPS port");
    x.refusal.close = true;
    x.keep_alive = false;
    return false;
  }
  if (auto refusal = check_client_certificate(x)) {
    log(LogLevel::info, refusal->reason, ", client: ", c.peer_ip());
    x.refusal = *std::move(refusal);
    return false;
  }
  return true;
}

ErrorPageResult apply_error_page(Exchange& x, std::uint16_t status) {
  if (x.in_error_page) return {};
  if (status == 413 || x.body.broken()) x.body_given_up = true;
  for (const ErrorPage& page : x.location().error_pages) {
    if (page.status != status && !(status == 494 && page.status == 431)) continue;
    x.in_error_page = true;
    x.error_status = page.take_status_of_target ? 0 : page.new_status != 0 ? page.new_status : status;
    x.status = status;  // $status, in the target and where it leads.
    const std::string_view target = x.evaluate(page.target);
    x.permit.reset();
    if (page.named) {
      const auto found = x.server().locations.find_named(target);
      if (!found) {
        log(LogLevel::error, "error_page: there is no location ", target);
        x.error_status = 0;
        refused(x, 500, "internal", "error_page names a location that is not there");  // As nginx.
        return {};
      }
      x.set_location(x.snapshot().locations[*found]);
      x.internal = true;
      return {true, rewrite_phase, {}, 0};
    }
    if (!target.starts_with('/')) {
      const bool is_redirect =
          page.new_status == 301 || page.new_status == 303 || page.new_status == 307 || page.new_status == 308;
      return {true, 0, target, is_redirect ? page.new_status : std::uint16_t{302}};
    }
    const auto question = target.find('?');
    x.query = question == std::string_view::npos ? std::string_view() : target.substr(question + 1);
    // The target may hold what a client sent: routing and policy see one spelling of it, as of any other path.
    const std::string_view path = http::encode_path(target.substr(0, question), x.arena);
    const http::Canonicalized canonical = http::canonicalize({path}, x.server().merge_slashes, x.arena);
    if (!canonical.valid) {
      log(LogLevel::error, "error_page: bad path \"", printable(path), "\": ", canonical.reason);
      return {};
    }
    x.path = canonical.path;
    x.ambiguities = canonical.ambiguities;
    x.uri_changed = x.internal = true;
    x.path_is_whole = false;
    x.method_is_get = x.head().method != http::Method::head;
    // As nginx: what the server's own level says of any request holds for this one too.
    x.set_location(x.snapshot().locations[x.server().own_location]);
    return {true, server_rewrite_phase, {}, 0};
  }
  return {};
}

}  // namespace keepgate::pipeline
