#include "pipeline/respond.h"

#include "base/bytes.h"
#include "http/status.h"
#include "pipeline/content_type.h"
#include "pipeline/subrequest.h"

namespace keepgate::pipeline {

namespace {

// nginx's rule for add_header without `always`.
bool takes_added_headers(std::uint16_t status) {
  switch (status) {
    case 200:
    case 201:
    case 204:
    case 206:
    case 301:
    case 302:
    case 303:
    case 304:
    case 307:
    case 308:
      return true;
    default:
      return false;
  }
}

bool is_redirect(std::uint16_t status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// A client that names HTML and no JSON gets nginx's page; others of a Keepgate location get problem+json.
bool wants_problem_json(const Exchange& x) {
  if (!x.location().keepgate_features) return false;
  const http::HeaderLine* accept = x.head().find(http::Field::accept);
  if (!accept) return true;
  if (accept->value.find("json") != std::string_view::npos) return true;
  return accept->value.find("text/html") == std::string_view::npos;
}

std::string problem_json(Exchange& x, std::uint16_t status, std::string_view code) {
  std::string out = "{\"type\":\"about:blank\",\"title\":\"";
  append_json_escaped(out, http::reason_phrase(status));
  append(out, "\",\"status\":", status, ",\"code\":\"");
  append_json_escaped(out, code);
  out += '"';
  if (x.decided) append(out, ",\"decision_id\":\"", x.decision_id(), '"');
  return out + "}\n";
}

// Wire status of nginx's internal codes.
std::uint16_t wire_status(std::uint16_t status) {
  if (status == 494) return 431;
  return status >= 495 && status <= 497 ? 400 : status;
}

// A field value that came from a request may hold anything: what would end the line does not get in.
void append_field(std::string& out, std::string_view name, std::string_view value) {
  if (!http::is_field_value(value)) return;
  append(out, name, ": ", value, "\r\n");
}

// What a refusal asks of the client goes out whatever page an error_page puts in the place of ours.
void append_refusal_fields(Exchange& x, std::uint16_t status, std::string& out) {
  const Refusal& refusal = x.refusal;
  if (status == 401) append_challenge(x, out);
  if (refusal.status == status && refusal.retry_after_s != 0)
    append(out, "Retry-After: ", refusal.retry_after_s, "\r\n");
}

}  // namespace

void append_challenge(const Exchange& x, std::string& out) {
  if (!x.refusal.challenge.empty()) append_field(out, "WWW-Authenticate", x.refusal.challenge);
}

bool may_keep_alive(const Exchange& x) {
  const LocationConfig& location = x.location();
  if (x.worker().draining || x.connection().leaving || location.keepalive_timeout_ms == 0) return false;
  if (x.now().monotonic_ms - x.connection().accepted_ms > location.keepalive_time_ms) return false;
  if (!x.head().keep_alive || x.connection().request_count >= location.keepalive_requests) return false;
  if (x.body.broken()) return false;
  // A body that nobody read: a small one is drained, a client that waits for 100 may or may not send it.
  return x.body.finished() || !x.body.waits_for_continue();
}

std::string_view connection_line(const Exchange& x) {
  if (!x.keep_alive) return "Connection: close\r\n";
  if (!x.location().keepalive_lines.empty()) return x.location().keepalive_lines;
  return x.head().version_minor == 0 ? "Connection: keep-alive\r\n" : "";
}

void append_added_headers(Exchange& x, std::uint16_t status, std::string& out) {
  for (const AddHeader& one : x.location().add_headers) {
    if (!one.always && !takes_added_headers(status)) continue;
    const std::string_view value = x.evaluate(one.value);
    if (!value.empty()) append_field(out, one.name, value);
  }
  if (!x.location().limit_headers) return;
  const limit::LimitOutcome& limit =
      x.facts.identity_limit.status != limit::LimitStatus::none ? x.facts.identity_limit : x.limit;
  if (limit.status == limit::LimitStatus::none) return;
  append(out, "RateLimit-Limit: ", limit.limit, "\r\nRateLimit-Remaining: ", limit.remaining, "\r\n");
}

std::uint16_t final_status(const Exchange& x, std::uint16_t status) {
  return x.in_error_page && x.error_status != 0 ? x.error_status : status;
}

net::Task<void> respond(Exchange& x, LocalAnswer answer) {
  x.status = answer.status;
  x.keep_alive = x.keep_alive && may_keep_alive(x);
  x.response_started = true;
  const bool body_allowed = http::has_body(answer.status);
  const bool send_body = body_allowed && x.head().method != http::Method::head;

  std::string head;
  head.reserve(512);
  std::string scratch;
  append(head, http::status_line(answer.status, scratch), "Server: keepgate\r\n", x.worker().date_line());
  if (body_allowed) {
    if (!answer.content_type.empty()) append_field(head, "Content-Type", answer.content_type);
    append(head, "Content-Length: ", answer.body.size(), "\r\n");
  }
  if (!answer.location.empty()) append_field(head, "Location", answer.location);
  append(head, answer.extra_fields, connection_line(x));
  append_refusal_fields(x, answer.status, head);
  append_added_headers(x, answer.status, head);
  head += "\r\n";
  x.keep_sent_head(head);

  iovec pieces[2] = {{head.data(), head.size()}, {const_cast<char*>(answer.body.data()), answer.body.size()}};
  const int count = send_body && !answer.body.empty() ? 2 : 1;
  bool sent = true;
  if (Subrequest* const own = x.subrequest()) {
    sent = own->take(pieces, count).status == net::Io::ok;
  } else {
    const auto written = co_await net::write_all(x.client(), pieces, count, x.location().send_timeout_ms);
    sent = written.has_value();
  }
  if (!sent) {
    x.aborted = true;
    x.keep_alive = false;
    co_return;
  }
  x.head_bytes_sent = head.size();
  x.bytes_sent += head.size() + (send_body ? answer.body.size() : 0);
}

net::Task<void> respond_refusal(Exchange& x, const Refusal& refusal) {
  const std::uint16_t status = wire_status(refusal.status);
  if (refusal.close || x.body.broken()) x.keep_alive = false;
  std::string fields;
  if (x.decided && x.location().keepgate_features) append(fields, "Decision-Id: ", x.decision_id(), "\r\n");
  const bool json = wants_problem_json(x);
  const std::string body =
      json ? problem_json(x, status, refusal.code) : http::error_page_html(status == 400 ? refusal.status : status);
  LocalAnswer answer;
  answer.status = status;
  answer.content_type = json ? "application/problem+json" : with_charset(x.location(), "text/html", x.arena);
  answer.body = body;
  answer.extra_fields = fields;
  co_await respond(x, answer);
  x.status = refusal.status;
}

std::string absolute_url(const Exchange& x, std::string_view path) {
  if (!x.location().absolute_redirect) return std::string(path);
  return cat(x.connection().tls ? "https://" : "http://",
             x.head().authority.empty() ? std::string_view(x.server().name) : x.head().authority, path);
}

net::Task<void> respond_return(Exchange& x, const ReturnAction& action) {
  if (action.status == 444) {  // nginx: close without an answer.
    x.status = 444;
    x.keep_alive = false;
    co_return;
  }
  LocalAnswer answer;
  answer.status = x.status = final_status(x, action.status);  // $status may be in the text.
  const std::string_view text = x.evaluate(action.text);
  answer.content_type = with_charset(x.location(), content_type_of(x.location(), x.path.text), x.arena);
  std::string page;
  std::string absolute;
  if (is_redirect(action.status)) {
    if (text.starts_with('/')) absolute = absolute_url(x, text);
    answer.location = absolute.empty() ? text : std::string_view(absolute);
    page = http::error_page_html(action.status);
    answer.content_type = "text/html";
    answer.body = page;
  } else if (action.has_text) {
    answer.body = text;
  } else if (action.status >= 300) {
    Refusal refusal;
    refusal.status = answer.status;
    refusal.code = "returned";
    co_await respond_refusal(x, refusal);
    co_return;
  }
  co_await respond(x, answer);
}

}  // namespace keepgate::pipeline
