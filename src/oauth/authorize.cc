// The authorization endpoint for people (RFC 6749 §3.1, §4.1; OpenID Connect Core §3.1.2): the request is checked,
// somebody signs in, says yes, and the client gets its code.
//
// Forms of ours come back to the same endpoint; what they carry is sealed (oauth/flow.h), and the request in it is
// checked again each time: a client may have been changed meanwhile.
#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "oauth/access_token.h"
#include "oauth/authorization_request.h"
#include "oauth/endpoints.h"
#include "oauth/grant.h"
#include "oauth/next_step.h"
#include "oauth/sign_in.h"
#include "oauth/user_records.h"

namespace keepgate::oauth {

namespace {

constexpr std::string_view authorize_path = "/authorize";

Answer fault_page(const Visit& visit, const AuthorizationFault& fault) {
  visit.context.exchange.refusal.reason = fault.failure.description;
  if (!fault.redirect_uri.empty()) return authorization_refusal(visit.context.settings, fault);
  const bool is_redirect = fault.failure.description.starts_with("redirect_uri");
  if (is_redirect) return notice_answer(visit, Notice::error_redirect, 400, fault.failure.description);
  return failure_page(visit, fault.failure);
}

Answer refuse_client(const Visit& visit, const AuthorizationRequest& request, std::string_view error,
                     std::string_view description) {
  return fault_page(visit, {Failure{400, error, std::string(description), {}}, request.redirect_uri, request.state});
}

// What the store knows: who has signed in with this browser, and what that user has consented to.
struct Standing {
  std::optional<SessionRecord> session;
  std::vector<std::string> consented;
};
struct StandingJob {
  std::string cookie, client, audience;
};

Result<Standing> standing_job(store::Database& database, const StandingJob& job, const Settings& settings,
                              const Service& service, Now now) {
  Standing out;
  auto session = find_session(database, job.cookie, settings, now);
  if (!session) return std::unexpected(session.error());
  if (!*session) return out;
  const auto user = find_user(database, settings, service.wrapping_key(), (*session)->user);
  if (!user) return std::unexpected(user.error());
  if (!*user || (*user)->disabled) return out;
  const auto rows = database.run("SELECT scopes FROM consents WHERE user_name = $1 AND client = $2 AND audience = $3",
                                 {(*session)->user, job.client, job.audience});
  if (!rows) return std::unexpected(rows.error());
  if (!rows->empty()) out.consented = split_words(store::text_of(rows->front()[0]));
  out.session = std::move(*session);
  return out;
}

net::Task<Result<Standing>> find_standing(const Visit& visit, const AuthorizationRequest& request) {
  const Context& context = visit.context;
  const std::function<Result<Standing>(store::Database&)> job =
      [job = StandingJob{visit.session_cookie, request.client->id, request.audience},
       settings = context.shared_settings, service = &context.service, now = context.now()](store::Database& database) {
        return standing_job(database, job, *settings, *service, now);
      };
  auto standing = co_await context.record<Standing>(job);
  co_return standing;
}

bool covers(const std::vector<std::string>& consented, const std::vector<std::string>& scopes) {
  return !consented.empty() && std::ranges::all_of(scopes, [&](const std::string& one) {
    return std::ranges::find(consented, one) != consented.end();
  });
}

StepFacts facts_of(const Visit& visit, const AuthorizationRequest& request, const Flow& flow,
                   const Standing& standing) {
  StepFacts out;
  out.prompt = request.prompt;
  out.max_age_s = request.max_age_s;
  out.session = standing.session;
  out.is_fresh = standing.session && !flow.session.empty() && flow.session == standing.session->id;
  out.now_s = visit.context.now().wall_s();
  out.is_consented = is_assured(*request.client, request.redirect_uri) &&
                     (request.client->skips_consent || covers(standing.consented, request.scopes));
  if (const std::string_view hint = request.parameters.get("id_token_hint"); !hint.empty()) {
    const auto token = read_id_token_hint(hint, visit.context.settings, visit.context.state, visit.context.now());
    out.hint_is_broken = !token;
    if (token) out.required_user = user_of(token->text("sub"));
  }
  return out;
}

SignInFor wanted_by(const AuthorizationRequest& request) {
  return {std::string(request.client->shown_name()), request.redirect_uri, request.login_hint};
}

// The host that the browser will be sent to; a private-use scheme (RFC 8252 §7.1) itself.
std::string_view place_of(std::string_view redirect_uri) {
  const std::size_t scheme_end = redirect_uri.find(':');
  const std::string_view rest = redirect_uri.substr(scheme_end + 1);
  if (!rest.starts_with("//")) return redirect_uri.substr(0, scheme_end);
  return rest.substr(2, std::min(rest.find_first_of("/?", 2), rest.size()) - 2);
}

std::string_view words_for(const Settings& settings, const std::string& scope) {
  const auto found = settings.scope_texts.find(scope);
  return found == settings.scope_texts.end() ? std::string_view() : std::string_view(found->second);
}

// What the page shows is what the word of the user is about, whatever a client's defaults are by then.
std::string resolved_parameters(const AuthorizationRequest& request, const Settings& settings) {
  Params out;
  for (const auto& [name, value] : request.parameters.pairs()) {
    if (name != "scope" && name != "resource" && name != "audience") out.add(name, value);
  }
  if (!request.scopes.empty()) out.add("scope", joined(request.scopes));
  if (request.audience != settings.issuer) out.add("resource", request.audience);
  return out.write();
}

// Names what a consent page asks for. Without a scope or an audience the request means whatever the client may have:
// that may be more when the button is pressed.
std::string shown_of(const AuthorizationRequest& request) {
  return hash_of_token(cat(request.audience, '\n', joined(request.scopes)));
}

Answer consent_answer(const Visit& visit, const AuthorizationRequest& request, Flow flow,
                      const SessionRecord& session) {
  const Settings& settings = visit.context.settings;
  flow.stage = FormPurpose::consent;
  flow.session = session.id;
  flow.shown = shown_of(request);
  flow.parameters = resolved_parameters(request, settings);
  std::vector<ScopeLine> lines;
  for (const std::string& scope : request.scopes) lines.push_back({scope, words_for(settings, scope)});
  std::vector<std::string_view> audiences;
  if (request.audience != settings.issuer) audiences.push_back(request.audience);
  const CarriedFlow carried(visit, std::move(flow));
  return page_answer(consent_page(visit.frame(), {carried.form(), request.client->shown_name(), session.user,
                                                  place_of(request.redirect_uri), lines, audiences}),
                     request.redirect_uri);
}

net::Task<Answer> give_code(const Visit& visit, const AuthorizationRequest& request, const SessionRecord& session,
                            RememberConsent remember) {
  const SignedIn who{session.user, session.id, session.methods, session.authenticated_s};
  auto answer = co_await issue_code(visit.context, request, who, remember);
  if (!answer && answer.error().error == "login_required") {
    co_return refuse_client(visit, request, "login_required", "the user has signed out meanwhile");
  }
  if (!answer) co_return failure_page(visit, answer.error());
  co_return std::move(*answer);
}

// Goes on with a request that was checked, as far as it can without the user.
net::Task<Answer> go_on(const Visit& visit, const AuthorizationRequest& request, Flow flow) {
  const auto standing = co_await find_standing(visit, request);
  if (!standing) co_return failure_page(visit, store_failure(visit.context, standing.error()).error());
  switch (next_step(facts_of(visit, request, flow, *standing))) {
    case NextStep::refuse_login:
      break;
    case NextStep::refuse_consent:
      co_return refuse_client(visit, request, "consent_required", "the user has to be asked");
    case NextStep::sign_in:
      flow.stage = FormPurpose::sign_in;
      flow.session.clear();
      co_return sign_in_answer(visit, std::move(flow), wanted_by(request));
    case NextStep::consent:
      co_return consent_answer(visit, request, std::move(flow), *standing->session);
    case NextStep::issue: {
      auto answer = co_await give_code(visit, request, *standing->session, RememberConsent::no);
      co_return answer;
    }
  }
  co_return refuse_client(visit, request, "login_required", "the user has to sign in");
}

// The user's word on the consent page. It counts for the session that the page was made for, and for what it asked for.
net::Task<Answer> take_consent(const Visit& visit, const AuthorizationRequest& request, Flow flow) {
  if (visit.context.request.form.get(field::decision) != field::allow) {
    co_return refuse_client(visit, request, "access_denied", "the user does not allow it");
  }
  const auto standing = co_await find_standing(visit, request);
  if (!standing) co_return failure_page(visit, store_failure(visit.context, standing.error()).error());
  const StepFacts facts = facts_of(visit, request, flow, *standing);
  if (!facts.is_fresh || request.prompt.none) {
    flow.stage = FormPurpose::sign_in;
    flow.session.clear();
    co_return sign_in_answer(visit, std::move(flow), wanted_by(request), Problem::sign_in_again);
  }
  const NextStep step = next_step(facts);
  if (step != NextStep::consent && step != NextStep::issue) {
    co_return refuse_client(visit, request, "login_required", "the user has to sign in");
  }
  if (flow.shown != shown_of(request)) co_return consent_answer(visit, request, std::move(flow), *standing->session);
  auto answer = co_await give_code(visit, request, *standing->session, RememberConsent::yes);
  co_return answer;
}

net::Task<Answer> take_authorize_form(Visit& visit) {
  SentForm sent = read_form(visit, authorize_path);
  if (sent.fault != FormFault::none) co_return form_fault_page(visit, sent.fault);
  const auto parameters = Params::parse(sent.flow.parameters);
  if (!parameters) co_return form_fault_page(visit, FormFault::bad);
  const auto request = check_authorization_request(visit.context, *parameters, sent.flow.pushed);
  if (!request) co_return fault_page(visit, request.error());
  if (sent.flow.stage == FormPurpose::consent) {
    auto answer = co_await take_consent(visit, *request, std::move(sent.flow));
    co_return answer;
  }
  const bool is_sign_in = sent.flow.stage == FormPurpose::sign_in || sent.flow.stage == FormPurpose::second_factor;
  if (!is_sign_in) co_return form_fault_page(visit, FormFault::bad);
  const SignInFor wanted = wanted_by(*request);
  auto step = co_await take_sign_in(visit, sent.flow, wanted);
  if (!step.session) co_return std::move(step.answer);
  sent.flow.session = step.session->id;
  sent.flow.user.clear();
  auto answer = co_await go_on(visit, *request, std::move(sent.flow));
  co_return answer;
}

// RFC 9126 §4: client_id and request_uri; whatever stands beside them is not looked at.
net::Task<Answer> start_authorization(Visit& visit, Params parameters) {
  std::string pushed;
  if (parameters.has("request_uri") && parameters.get("request_uri").starts_with(request_uri_prefix)) {
    const std::string client(parameters.get("client_id")), uri(parameters.get("request_uri"));
    auto loaded = co_await load_pushed_request(visit.context, client, uri);
    if (!loaded) co_return failure_page(visit, loaded.error());
    parameters = std::move(loaded->parameters);
    pushed = std::move(loaded->hash);
  }
  const auto request = check_authorization_request(visit.context, parameters, pushed);
  if (!request) co_return fault_page(visit, request.error());
  Flow flow;
  flow.target = authorize_path;
  flow.parameters = parameters.write();
  flow.pushed = pushed;
  if (flow.parameters.size() > flow_parameters_bytes_max) {
    co_return refuse_client(visit, *request, "invalid_request", "the request is too long");
  }
  auto answer = co_await go_on(visit, *request, std::move(flow));
  co_return answer;
}

// Whatever has a field of our pages is judged as a form of ours: what somebody typed never gets into an URL.
bool is_own_form(const Params& form) {
  constexpr std::string_view ours[] = {field::flow,     field::token, field::user_name,
                                       field::password, field::code,  field::decision};
  return std::ranges::any_of(form.pairs(), [&](const auto& pair) {
    return std::ranges::find(ours, std::string_view(pair.first)) != std::end(ours);
  });
}

// A request that was posted from the client's site (OpenID Connect Core §3.1.2.1) comes without our cookies, which are
// SameSite=Lax: the browser is asked to come again by GET, which brings them.
Answer authorize_by_get(const Visit& visit) {
  const std::string query = visit.context.request.form.write();
  constexpr std::size_t query_bytes_max = 6 * 1024;  // Fits a request line.
  if (query.size() > query_bytes_max)
    return notice_answer(visit, Notice::error_request, 400, "the request is too long");
  Answer out;
  out.status = 303;
  out.location = cat(visit.context.settings.url(authorize_path), "?", query);
  out.fields = "Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\n";
  return out;
}

}  // namespace

net::Task<Answer> serve_authorize(Context& context) {
  Visit visit(context);
  const bool is_post = context.request.method == http::Method::post;
  if (is_post && !is_own_form(context.request.form)) co_return authorize_by_get(visit);
  if (is_post) {
    auto answer = co_await take_authorize_form(visit);
    co_return with_cookies(visit, std::move(answer));
  }
  auto answer = co_await start_authorization(visit, context.request.query);
  co_return with_cookies(visit, std::move(answer));
}

}  // namespace keepgate::oauth
