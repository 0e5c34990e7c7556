#include "oauth/sign_in.h"

#include <algorithm>

#include "auth/password_check.h"
#include "base/bytes.h"
#include "crypto/digest.h"
#include "crypto/password_hash.h"
#include "crypto/totp.h"
#include "oauth/grant_records.h"
#include "oauth/user_records.h"
#include "pipeline/needs.h"

namespace keepgate::oauth {

namespace {

// Of a password that nobody knows, as costly as those that make_password_hash() makes.
constexpr std::string_view nobodys_hash =
    "$argon2id$v=19$m=65536,t=3,p=1$UmQwU1ZvM2lzMDdNQk1QNw$4QIGrgm7qQqepM4SIuzl3NGBtX6KxtFSl0n+JudFa1c";
constexpr std::uint16_t wrong_status = 403, too_many_status = 429, busy_status = 503, stale_status = 400;
constexpr std::string_view method_password = "pwd", method_code = "otp", method_both = "mfa";  // RFC 8176 §2
constexpr std::size_t proof_length = 16;

std::uint16_t status_of(Problem problem) {
  switch (problem) {
    case Problem::none:
    case Problem::sign_in_again:
      return 200;
    case Problem::wrong:
      return wrong_status;
    case Problem::too_many:
      return too_many_status;
    case Problem::stale:
      return stale_status;
    case Problem::busy:
      return busy_status;
  }
  return wrong_status;
}

Answer with_retry(Answer answer, Problem problem, std::int64_t retry_after_s) {
  constexpr std::int64_t busy_s = 5;
  if (problem == Problem::busy) retry_after_s = busy_s;
  if (retry_after_s > 0) append(answer.fields, "Retry-After: ", retry_after_s, "\r\n");
  return answer;
}

Answer sign_in_again(const Visit& visit, Flow flow, const SignInFor& wanted, std::string_view user_name,
                     Problem problem, std::int64_t retry_after_s = 0) {
  flow.stage = FormPurpose::sign_in;
  flow.user.clear();
  flow.proof.clear();
  const CarriedFlow carried(visit, std::move(flow));
  Answer out =
      page_answer(sign_in_page(visit.frame(), {carried.form(problem, retry_after_s), wanted.client_name, user_name}),
                  wanted.redirect_uri, status_of(problem));
  return with_retry(std::move(out), problem, retry_after_s);
}

Answer factor_answer(const Visit& visit, Flow flow, const SignInFor& wanted, Problem problem,
                     std::int64_t retry_after_s = 0) {
  const std::string user = flow.user;
  const std::int64_t made_s = flow.made_s;
  const CarriedFlow carried(visit, std::move(flow), made_s);
  Answer out = page_answer(second_factor_page(visit.frame(), {carried.form(problem, retry_after_s), user}),
                           wanted.redirect_uri, status_of(problem));
  return with_retry(std::move(out), problem, retry_after_s);
}

// Names the hash without telling anything of it: one that was changed meanwhile is another.
std::string proof_of(std::string_view password_hash) { return hash_of_token(password_hash).substr(0, proof_length); }

constexpr std::string_view costly_kind = "$argon2id$";

// The hashes that are worked out for one try, so that time tells nothing: users of the store have Argon2id, those of
// the configuration may have something cheaper. Where there is any such user every try costs one of both kinds; which
// of them decides, if any, is the first.
std::vector<std::string> hashes_to_try(const Context& context, std::string_view name, const std::string* own) {
  std::vector<std::string_view> cheap;
  for (const auto& [key, user] : context.settings.users) {
    const std::string& hash = user->password_hash;
    if (!hash.empty() && !hash.starts_with(costly_kind)) cheap.push_back(hash);
  }
  std::vector<std::string> out{own ? *own : std::string(nobodys_hash)};
  if (cheap.empty()) return out;
  if (!out[0].starts_with(costly_kind)) {
    out.emplace_back(nobodys_hash);
    return out;
  }
  std::ranges::sort(cheap);
  const auto choice = crypto::hmac_sha256(context.service.derived_key("stand-in users"), name);
  out.emplace_back(cheap[(choice[0] | std::size_t{choice[1]} << 8) % cheap.size()]);
  return out;
}

// "good" false: it was not worked out.
// `password` stays where the form has it, which is wiped (oauth/server_content.cc).
net::Task<auth::Answer> check_password(Context& context, std::string user, std::string_view password,
                                       std::string stored) {
  auth::Answer out;
  pipeline::Supplier* const supplier =
      context.exchange.worker().suppliers[static_cast<std::size_t>(auth::NeedKind::password)];
  if (!supplier) {
    out.reason = "nobody works out passwords here";
    co_return out;
  }
  const auth::Need need{auth::NeedKind::password, auth::password_check_id(user, password, stored),
                        std::make_shared<const auth::PasswordNeed>(password, stored)};
  out = co_await supplier->supply(context.exchange, need);
  co_return out;
}

// What the store says at the end: by then the user may be gone, disabled, or have another password or factor.
struct BeginJob {
  NewSession session;
  std::string proof, code;  // code: six digits where there is a second factor.
  bool has_factor = false;
};
struct Begun {
  std::optional<SessionRecord> session;
  std::string_view reason;  // Why not; a literal.
};

Result<Begun> begin_job(store::Database& database, const BeginJob& job, const Settings& settings,
                        const Service& service, Now now) {
  const auto user = find_user(database, settings, service.wrapping_key(), job.session.user);
  if (!user) return std::unexpected(user.error());
  if (!*user || (*user)->disabled || proof_of((*user)->password_hash) != job.proof) {
    return Begun{std::nullopt, "the user has changed meanwhile"};
  }
  const std::string& secret_text = (*user)->totp_secret;
  if (secret_text.empty() == job.has_factor) return Begun{std::nullopt, "the second factor has changed meanwhile"};
  if (job.has_factor) {
    const auto secret = crypto::read_totp_secret(secret_text);
    if (!secret) return Begun{std::nullopt, "the second factor's secret is none"};
    const auto step = crypto::matching_totp_step(secret->view(), job.code, now.wall_s(), -1);
    if (!step) return Begun{std::nullopt, "the code is wrong"};
    // RFC 6238 §5.2: once. One statement decides between two that come at the same time.
    const auto won = database.run(
        "INSERT INTO totp_steps (user_name, step) VALUES ($1, $2) ON CONFLICT (user_name) DO UPDATE SET"
        " step = excluded.step WHERE totp_steps.step < excluded.step RETURNING step",
        {job.session.user, *step});
    if (!won) return std::unexpected(won.error());
    if (won->empty()) return Begun{std::nullopt, "the code was used before"};
  }
  auto begun = begin_session(database, job.session, settings, now);
  if (!begun) return std::unexpected(begun.error());
  return Begun{std::move(*begun), {}};
}

net::Task<Result<Begun>> begin(Visit& visit, BeginJob job) {
  const Context& context = visit.context;
  const std::function<Result<Begun>(store::Database&)> run =
      [job, settings = context.shared_settings, service = &context.service,
       now = context.now()](store::Database& database) { return begin_job(database, job, *settings, *service, now); };
  auto begun = co_await context.record<Begun>(run);
  if (begun && begun->session) visit.set_session(job.session.cookie);
  co_return begun;
}

BeginJob job_for(const Visit& visit, const std::string& user, const std::string& proof) {
  BeginJob out;
  out.session.cookie = make_session_cookie();
  out.session.old_cookie = visit.session_cookie;
  out.session.user = user;
  out.session.methods = {std::string(method_password)};
  out.proof = proof;
  return out;
}

void note(const Visit& visit, std::string_view user, std::string_view why) {
  visit.context.exchange.refusal.reason = cat("sign-in of \"", printable(user, user_name_bytes_max), "\": ", why);
}

net::Task<SignInStep> take_password(Visit& visit, Flow flow, SignInFor wanted) {
  Context& context = visit.context;
  const std::string name(context.request.form.get(field::user_name).substr(0, user_name_bytes_max + 1));
  const std::string_view password = context.request.form.get(field::password);
  const auto again = [&](Problem problem, std::int64_t retry_after_s = 0) {
    return SignInStep{std::nullopt, sign_in_again(visit, flow, wanted, name, problem, retry_after_s)};
  };
  if (name.empty() || password.empty()) co_return again(Problem::wrong);
  const Attempt attempt = visit.attempt(Guessed::password, name);
  AttemptLimits& limits = context.service.attempts();
  const AttemptVerdict verdict = limits.charge(attempt, context.now().monotonic_ms);
  if (!verdict.is_allowed) {
    note(visit, name, "too many tries");
    co_return again(Problem::too_many, verdict.retry_after_s);
  }
  const std::function<Result<std::optional<User>>(store::Database&)> look =
      [name, settings = context.shared_settings, service = &context.service](store::Database& database) {
        return find_user(database, *settings, service->wrapping_key(), name);
      };
  const auto user = co_await context.record<std::optional<User>>(look);
  if (!user) {
    limits.give_back(attempt, context.now().monotonic_ms);
    co_return SignInStep{std::nullopt, failure_page(visit, store_failure(context, user.error()).error())};
  }
  const bool may_sign_in = *user && !(*user)->disabled && !(*user)->password_hash.empty();
  const std::vector<std::string> hashes = hashes_to_try(context, name, may_sign_in ? &(*user)->password_hash : nullptr);
  const std::string& stored = hashes.front();
  auth::Answer checked = co_await check_password(context, name, password, stored);
  if (hashes.size() > 1) {
    const auth::Answer other = co_await check_password(context, name, password, hashes[1]);
    checked.is_good = checked.is_good && other.is_good;
  }
  const auto* value = dynamic_cast<const auth::PasswordAnswer*>(checked.value.get());
  if (!checked.is_good || !value) {
    // Whoever goes away does not get the try back: else nothing would limit those who never wait.
    if (!context.exchange.aborted) limits.give_back(attempt, context.now().monotonic_ms);
    note(visit, name, checked.reason);
    co_return again(Problem::busy);
  }
  if (!value->matches || !may_sign_in) {
    note(visit, name, *user ? (*user)->disabled ? "disabled" : "password mismatch" : "was not found");
    co_return again(Problem::wrong);
  }
  limits.give_back(attempt, context.now().monotonic_ms);
  const std::string proof = proof_of(stored);
  if (!(*user)->totp_secret.empty()) {
    flow.stage = FormPurpose::second_factor;
    flow.user = name;
    flow.proof = proof;
    flow.made_s = context.now().wall_s();
    co_return SignInStep{std::nullopt, factor_answer(visit, std::move(flow), wanted, Problem::none)};
  }
  const BeginJob job = job_for(visit, name, proof);
  auto begun = co_await begin(visit, job);
  if (!begun) co_return SignInStep{std::nullopt, failure_page(visit, store_failure(context, begun.error()).error())};
  if (!begun->session) {
    note(visit, name, begun->reason);
    co_return again(Problem::wrong);
  }
  limits.signed_in(attempt, context.now().monotonic_ms);
  co_return SignInStep{std::move(begun->session), {}};
}

// As people type it: "123 456".
std::string digits_of(std::string_view typed) {
  std::string out;
  for (const char c : typed.substr(0, 4 * crypto::totp_digits)) {
    if (c != ' ') out.push_back(c);
  }
  return out;
}

net::Task<SignInStep> take_second_factor(Visit& visit, Flow flow, SignInFor wanted) {
  Context& context = visit.context;
  const Now now = context.now();
  if (now.wall_s() - flow.made_s >= second_factor_lifetime_s) {
    co_return SignInStep{std::nullopt, sign_in_again(visit, flow, wanted, flow.user, Problem::stale)};
  }
  const std::string name = flow.user;
  const Attempt attempt = visit.attempt(Guessed::second_factor, name);
  AttemptLimits& limits = context.service.attempts();
  const AttemptVerdict verdict = limits.charge(attempt, now.monotonic_ms);
  if (!verdict.is_allowed) {
    note(visit, name, "too many tries of the second factor");
    co_return SignInStep{std::nullopt, factor_answer(visit, flow, wanted, Problem::too_many, verdict.retry_after_s)};
  }
  BeginJob job = job_for(visit, name, flow.proof);
  job.has_factor = true;
  job.code = digits_of(context.request.form.get(field::code));
  job.session.methods = {std::string(method_password), std::string(method_code), std::string(method_both)};
  auto begun = co_await begin(visit, job);
  if (!begun) {
    limits.give_back(attempt, context.now().monotonic_ms);
    co_return SignInStep{std::nullopt, failure_page(visit, store_failure(context, begun.error()).error())};
  }
  if (!begun->session) {
    note(visit, name, begun->reason);
    co_return SignInStep{std::nullopt, factor_answer(visit, flow, wanted, Problem::wrong)};
  }
  limits.give_back(attempt, context.now().monotonic_ms);
  limits.signed_in(attempt, context.now().monotonic_ms);
  co_return SignInStep{std::move(begun->session), {}};
}

}  // namespace

Answer sign_in_answer(const Visit& visit, Flow flow, const SignInFor& wanted, Problem problem) {
  const std::string_view hint =
      is_user_name(wanted.login_hint) ? std::string_view(wanted.login_hint) : std::string_view();
  return sign_in_again(visit, std::move(flow), wanted, hint, problem);
}

net::Task<SignInStep> take_sign_in(Visit& visit, Flow flow, SignInFor wanted) {
  if (flow.stage == FormPurpose::second_factor) {
    auto step = co_await take_second_factor(visit, std::move(flow), std::move(wanted));
    co_return step;
  }
  auto step = co_await take_password(visit, std::move(flow), std::move(wanted));
  co_return step;
}

}  // namespace keepgate::oauth
