// The page of the device flow (RFC 8628 §3.3): somebody signs in, enters the code of a device, sees what it asks for,
// and says yes or no. verification_uri_complete only fills in the code (§3.3.1): nothing is decided without a form of
// ours.
#include <algorithm>

#include "base/bytes.h"
#include "oauth/device_records.h"
#include "oauth/endpoints.h"
#include "oauth/grant.h"
#include "oauth/sign_in.h"
#include "oauth/user_records.h"

namespace keepgate::oauth {

namespace {

constexpr std::string_view device_path = "/device";
constexpr std::size_t typed_code_bytes_max = 32;
constexpr std::uint16_t wrong_code_status = 403, too_many_codes_status = 429;

std::string shown_code(std::string_view user_code) {
  const std::string letters = normalized_user_code(user_code);
  return letters.empty() ? letters
                         : cat(letters.substr(0, letters.size() / 2), '-', letters.substr(letters.size() / 2));
}

Flow device_flow(FormPurpose stage, std::string_view user_code, std::string_view session) {
  Params parameters;
  parameters.add(std::string(field::user_code), std::string(user_code.substr(0, typed_code_bytes_max)));
  Flow out;
  out.stage = stage;
  out.target = device_path;
  out.parameters = parameters.write();
  out.session = session;
  return out;
}

std::string code_in(const Flow& flow) {
  const auto parameters = Params::parse(flow.parameters);
  return parameters ? std::string(parameters->get(field::user_code)) : std::string();
}

Answer code_answer(const Visit& visit, const SessionRecord& session, std::string_view typed,
                   Problem problem = Problem::none, std::int64_t retry_after_s = 0) {
  const CarriedFlow carried(visit, device_flow(FormPurpose::device_code, {}, session.id));
  const std::string known = shown_code(typed);
  const std::uint16_t status = problem == Problem::wrong      ? wrong_code_status
                               : problem == Problem::too_many ? too_many_codes_status
                                                              : 200;
  Answer out = page_answer(device_code_page(visit.frame(), {carried.form(problem, retry_after_s),
                                                            known.empty() ? typed.substr(0, typed_code_bytes_max)
                                                                          : std::string_view(known)}),
                           {}, status);
  if (retry_after_s > 0) append(out.fields, "Retry-After: ", retry_after_s, "\r\n");
  return out;
}

net::Task<Result<std::optional<SessionRecord>>> session_of_visit(const Visit& visit) {
  const Context& context = visit.context;
  using Found = std::optional<SessionRecord>;
  const std::function<Result<Found>(store::Database&)> job =
      [cookie = visit.session_cookie, settings = context.shared_settings, service = &context.service,
       now = context.now()](store::Database& database) -> Result<Found> {
    auto session = find_session(database, cookie, *settings, now);
    if (!session || !*session) return session;
    const auto user = find_user(database, *settings, service->wrapping_key(), (*session)->user);
    if (!user) return std::unexpected(user.error());
    return *user && !(*user)->disabled ? std::move(*session) : Found();
  };
  auto found = co_await context.record<Found>(job);
  co_return found;
}

net::Task<Answer> show_device(const Visit& visit, const SessionRecord& session, std::string typed) {
  const Context& context = visit.context;
  AttemptLimits& limits = context.service.attempts();
  const Attempt attempt = visit.attempt(Guessed::user_code, session.user);
  const AttemptVerdict verdict = limits.charge(attempt, context.now().monotonic_ms);
  if (!verdict.is_allowed) {
    co_return code_answer(visit, session, typed, Problem::too_many, verdict.retry_after_s);
  }
  using Found = std::optional<DeviceRecord>;
  const std::function<Result<Found>(store::Database&)> job = [typed, now = context.now()](store::Database& database) {
    return find_device(database, typed, now);
  };
  const auto device = co_await context.record<Found>(job);
  if (!device) {
    limits.give_back(attempt, context.now().monotonic_ms);
    co_return failure_page(visit, store_failure(context, device.error()).error());
  }
  const auto client = *device ? context.find_client((*device)->client) : nullptr;
  if (!client) co_return code_answer(visit, session, typed, Problem::wrong);
  limits.give_back(attempt, context.now().monotonic_ms);
  std::vector<ScopeLine> lines;
  for (const std::string& scope : (*device)->scopes) {
    const auto words = context.settings.scope_texts.find(scope);
    lines.push_back({scope, words == context.settings.scope_texts.end() ? std::string_view() : words->second});
  }
  const std::string code = shown_code((*device)->user_code);
  const CarriedFlow carried(visit, device_flow(FormPurpose::device_confirm, code, session.id));
  co_return page_answer(
      device_confirm_page(visit.frame(), {carried.form(), client->shown_name(), session.user, code, lines}));
}

// The device is looked for again: it may have been decided on, or be too old by now.
struct DecideJob {
  std::string user_code;
  bool is_allowed = false;
  SessionRecord session;
  std::int64_t grant_lifetime_s = 0;
};
Result<bool> decide_job(store::Database& database, const DecideJob& job, Now now) {
  const auto device = find_device(database, job.user_code, now);
  if (!device) return std::unexpected(device.error());
  if (!*device) return false;
  const auto signed_in = is_signed_in(database, job.session.id, job.session.user, now);
  if (!signed_in) return std::unexpected(signed_in.error());
  if (!*signed_in) return false;
  if (!job.is_allowed) return decide_device(database, **device, nullptr, now);
  GrantRecord grant;
  grant.id = make_token("");
  grant.client = (*device)->client;
  grant.subject = cat("user:", job.session.user);
  grant.audience = (*device)->audience;
  grant.scopes = (*device)->scopes;
  grant.methods = job.session.methods;
  grant.authenticated_s = job.session.authenticated_s;
  grant.created_s = now.wall_s();
  grant.expires_s = now.wall_s() + job.grant_lifetime_s;
  // Of no session: signing out of this browser does not switch the device off.
  return decide_device(database, **device, &grant, now);
}

net::Task<Answer> take_decision(const Visit& visit, const SessionRecord& session, const Flow& flow) {
  const Context& context = visit.context;
  const bool is_allowed = context.request.form.get(field::decision) == field::allow;
  const std::function<Result<bool>(store::Database&)> job =
      [job = DecideJob{code_in(flow), is_allowed, session, context.settings.grant_lifetime_s},
       now = context.now()](store::Database& database) { return decide_job(database, job, now); };
  const auto decided = co_await context.record<bool>(job);
  if (!decided) co_return failure_page(visit, store_failure(context, decided.error()).error());
  if (!*decided) co_return code_answer(visit, session, {}, Problem::wrong);
  co_return notice_answer(visit, is_allowed ? Notice::device_allowed : Notice::device_refused, 200);
}

net::Task<Answer> take_device_form(Visit& visit) {
  SentForm sent = read_form(visit, device_path);
  if (sent.fault != FormFault::none) co_return form_fault_page(visit, sent.fault);
  const FormPurpose stage = sent.flow.stage;
  if (stage == FormPurpose::sign_in || stage == FormPurpose::second_factor) {
    SignInFor nobody_asks;  // Named: g++ 12 destroys a temporary of an awaited call twice.
    auto step = co_await take_sign_in(visit, sent.flow, nobody_asks);
    if (!step.session) co_return std::move(step.answer);
    co_return code_answer(visit, *step.session, code_in(sent.flow));
  }
  const auto session = co_await session_of_visit(visit);
  if (!session) co_return failure_page(visit, store_failure(visit.context, session.error()).error());
  if (!*session || (*session)->id != sent.flow.session) {
    co_return sign_in_answer(visit, device_flow(FormPurpose::sign_in, code_in(sent.flow), {}), {},
                             Problem::sign_in_again);
  }
  if (stage == FormPurpose::device_confirm) {
    auto answer = co_await take_decision(visit, **session, sent.flow);
    co_return answer;
  }
  if (stage != FormPurpose::device_code) co_return form_fault_page(visit, FormFault::bad);
  const std::string typed(visit.context.request.form.get(field::user_code).substr(0, typed_code_bytes_max));
  auto answer = co_await show_device(visit, **session, typed);
  co_return answer;
}

net::Task<Answer> start_device_page(const Visit& visit) {
  const std::string_view typed = visit.context.request.query.get(field::user_code);
  const auto session = co_await session_of_visit(visit);
  if (!session) co_return failure_page(visit, store_failure(visit.context, session.error()).error());
  if (!*session) co_return sign_in_answer(visit, device_flow(FormPurpose::sign_in, typed, {}), {});
  co_return code_answer(visit, **session, typed);
}

}  // namespace

net::Task<Answer> serve_device_page(Context& context) {
  Visit visit(context);
  if (context.request.method == http::Method::post) {
    auto answer = co_await take_device_form(visit);
    co_return with_cookies(visit, std::move(answer));
  }
  auto answer = co_await start_device_page(visit);
  co_return with_cookies(visit, std::move(answer));
}

}  // namespace keepgate::oauth
