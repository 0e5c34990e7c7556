// The end-session endpoint (OpenID Connect RP-Initiated Logout 1.0): signs the user out of this browser's session, and
// sends the browser back to the client where it is registered to be sent.
//
// Without an id_token_hint of the very session the user is asked: nobody else's link signs anybody out (§6). A
// post_logout_redirect_uri that is not registered for the client, byte for byte, is never followed (§3).
#include <algorithm>

#include "base/bytes.h"
#include "oauth/access_token.h"
#include "oauth/endpoints.h"
#include "oauth/flow.h"
#include "oauth/grant.h"
#include "oauth/revocations.h"
#include "oauth/session_records.h"

namespace keepgate::oauth {

namespace {

constexpr std::string_view end_session_path = "/end-session";

struct LogoutRequest {
  std::shared_ptr<const Client> client;  // nullptr: nobody known asks.
  std::string redirect_uri, state;       // redirect_uri: one to follow; "": none.
  std::string hinted_session, hinted_user;
  bool has_hint = false;
};

// §2: the hint may have expired. `aud` says whose it is; client_id, if it is sent too, has to say the same.
Checked<LogoutRequest> check_logout_request(const Context& context, const Params& parameters) {
  LogoutRequest out;
  if (const std::string_view name = parameters.first_repeated(); !name.empty()) {
    return refuse("invalid_request", cat("the parameter ", printable(name, 60), " was sent twice"));
  }
  std::string client_id(parameters.get("client_id"));
  if (const auto hint = parameters.find("id_token_hint")) {
    const auto token = read_id_token_hint(*hint, context.settings, context.state, context.now());
    if (!token) return refuse("invalid_request", "id_token_hint is none of ours");
    const std::string audience = token->text("aud");
    if (!client_id.empty() && client_id != audience) {
      return refuse("invalid_request", "id_token_hint was given to another client");
    }
    client_id = audience;
    out.has_hint = true;
    out.hinted_session = token->text("sid");
    out.hinted_user = user_of(token->text("sub"));
  }
  if (!client_id.empty()) {
    out.client = context.find_client(client_id);
    if (!out.client) return refuse("invalid_client", "there is no such client");
  }
  const auto uri = parameters.find("post_logout_redirect_uri");
  if (!uri) return out;
  if (!out.client) return refuse("invalid_request", "post_logout_redirect_uri needs id_token_hint or client_id");
  const auto& registered = out.client->post_logout_redirect_uris;
  if (std::ranges::find(registered, *uri) == registered.end()) {
    return refuse("invalid_request", "post_logout_redirect_uri is not registered for this client");
  }
  out.redirect_uri = *uri;
  out.state = parameters.get("state");
  return out;
}

Answer signed_out_answer(const Visit& visit, const LogoutRequest& request) {
  if (request.redirect_uri.empty()) return notice_answer(visit, Notice::signed_out, 200);
  Answer out;
  out.status = 303;
  out.location = request.redirect_uri;
  if (!request.state.empty()) {
    append(out.location, request.redirect_uri.find('?') == std::string::npos ? '?' : '&',
           "state=", form_encoded(request.state));
  }
  out.fields = "Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\n";
  return out;
}

Answer ask_to_sign_out(const Visit& visit, const LogoutRequest& request, const Params& parameters,
                       const SessionRecord& session) {
  Flow flow;
  flow.stage = FormPurpose::sign_out;
  flow.target = end_session_path;
  flow.parameters = parameters.write();
  flow.session = session.id;
  if (flow.parameters.size() > flow_parameters_bytes_max) {
    return notice_answer(visit, Notice::error_request, 400, "the request is too long");
  }
  const CarriedFlow carried(visit, std::move(flow));
  return page_answer(
      sign_out_page(visit.frame(), {carried.form(), request.client ? request.client->shown_name() : "", session.user}),
      request.redirect_uri);
}

// The session, its grants that are not for a user who is away (offline_access, OpenID Connect Core §11), and their
// tokens.
Result<bool> end_job(store::Database& database, const std::string& cookie, const SessionRecord& session,
                     std::int64_t until_s, Now now) {
  if (const auto ended = end_session(database, cookie); !ended) return std::unexpected(ended.error());
  const auto rows =
      database.run("SELECT id, scopes FROM grants WHERE session = $1 AND revoked_s IS NULL AND expires_s > $2",
                   {session.id, now.wall_s()});
  if (!rows) return std::unexpected(rows.error());
  for (const store::Row& row : *rows) {
    const std::vector<std::string> scopes = split_words(store::text_of(row[1]));
    if (std::ranges::find(scopes, "offline_access") != scopes.end()) continue;
    const auto revoked = revoke_grant(database, store::text_of(row[0]), until_s, now);
    if (!revoked) return std::unexpected(revoked.error());
  }
  return true;
}

net::Task<Answer> sign_out(Visit& visit, const LogoutRequest& request, const SessionRecord& session) {
  const Context& context = visit.context;
  const Now now = context.now();
  const std::int64_t until_s = revoked_until_s(now.wall_s());
  const std::function<Result<bool>(store::Database&)> job = [cookie = visit.session_cookie, session, until_s,
                                                             now](store::Database& database) {
    return end_job(database, cookie, session, until_s, now);
  };
  const auto done = co_await context.record<bool>(job);
  if (!done) co_return failure_page(visit, store_failure(context, done.error()).error());
  visit.forget_session();
  co_return signed_out_answer(visit, request);
}

net::Task<Result<std::optional<SessionRecord>>> present_session(const Visit& visit) {
  const Context& context = visit.context;
  using Found = std::optional<SessionRecord>;
  const std::function<Result<Found>(store::Database&)> job =
      [cookie = visit.session_cookie, settings = context.shared_settings,
       now = context.now()](store::Database& database) { return find_session(database, cookie, *settings, now); };
  auto found = co_await context.record<Found>(job);
  co_return found;
}

// A POST of a client's page comes without our cookies, which are SameSite=Lax: the browser is asked to come again by
// GET, which brings them. The hint stays out of the URL, so that the user is asked.
Answer logout_by_get(const Settings& settings, const LogoutRequest& request) {
  Params parameters;
  if (request.client) parameters.add("client_id", request.client->id);
  if (!request.redirect_uri.empty()) parameters.add("post_logout_redirect_uri", request.redirect_uri);
  if (!request.state.empty()) parameters.add("state", request.state);
  Answer out;
  out.status = 303;
  out.location = cat(settings.url(end_session_path), "?", parameters.write());
  out.fields = "Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\n";
  return out;
}

net::Task<Answer> start_logout(Visit& visit, const Params& parameters) {
  const auto request = check_logout_request(visit.context, parameters);
  if (!request) co_return failure_page(visit, request.error());
  if (visit.context.request.method == http::Method::post && visit.session_cookie.empty()) {
    visit.set_cookies.clear();  // What the browser has and did not show is not to be replaced.
    co_return logout_by_get(visit.context.settings, *request);
  }
  const auto session = co_await present_session(visit);
  if (!session) co_return failure_page(visit, store_failure(visit.context, session.error()).error());
  if (!*session) {
    if (!visit.session_cookie.empty()) visit.forget_session();
    // §4: without a hint nothing says that the client may send people here: then they stay.
    LogoutRequest shown = *request;
    if (!shown.has_hint) shown.redirect_uri.clear();
    co_return signed_out_answer(visit, shown);
  }
  const bool is_this_session = request->has_hint && request->hinted_user == (*session)->user &&
                               !request->hinted_session.empty() && request->hinted_session == (*session)->id;
  if (!is_this_session) co_return ask_to_sign_out(visit, *request, parameters, **session);
  auto answer = co_await sign_out(visit, *request, **session);
  co_return answer;
}

net::Task<Answer> take_logout_form(Visit& visit) {
  const SentForm sent = read_form(visit, end_session_path);
  if (sent.fault != FormFault::none || sent.flow.stage != FormPurpose::sign_out) {
    co_return form_fault_page(visit, sent.fault == FormFault::none ? FormFault::bad : sent.fault);
  }
  const auto parameters = Params::parse(sent.flow.parameters);
  if (!parameters) co_return form_fault_page(visit, FormFault::bad);
  const auto request = check_logout_request(visit.context, *parameters);
  if (!request) co_return failure_page(visit, request.error());
  if (visit.context.request.form.get(field::decision) != field::allow) {
    co_return notice_answer(visit, Notice::stayed_signed_in, 200);
  }
  const auto session = co_await present_session(visit);
  if (!session) co_return failure_page(visit, store_failure(visit.context, session.error()).error());
  if (!*session) {
    visit.forget_session();
    co_return signed_out_answer(visit, *request);
  }
  auto answer = co_await sign_out(visit, *request, **session);
  co_return answer;
}

}  // namespace

net::Task<Answer> serve_end_session(Context& context) {
  Visit visit(context);
  const Request& request = context.request;
  const bool is_post = request.method == http::Method::post;
  if (is_post && request.form.has(field::flow)) {
    auto answer = co_await take_logout_form(visit);
    co_return with_cookies(visit, std::move(answer));
  }
  const Params& parameters = is_post ? request.form : request.query;
  auto answer = co_await start_logout(visit, parameters);
  co_return with_cookies(visit, std::move(answer));
}

}  // namespace keepgate::oauth
