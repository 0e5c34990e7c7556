#include "proxy/heads.h"

#include "base/bytes.h"
#include "http/status.h"
#include "http/uri.h"
#include "pipeline/respond.h"

namespace keepgate::proxy {

using pipeline::Exchange;

namespace {

// Copies the lines that pass, adjacent ones in one piece.
class RunCopier {
 public:
  explicit RunCopier(std::string& out) : out_(out) {}
  ~RunCopier() { flush(); }
  RunCopier(const RunCopier&) = delete;
  RunCopier& operator=(const RunCopier&) = delete;

  void pass(std::string_view raw) {
    if (run_.data() + run_.size() == raw.data()) {
      run_ = {run_.data(), run_.size() + raw.size()};
      return;
    }
    flush();
    run_ = raw;
  }

 private:
  void flush() { out_.append(run_); }
  std::string& out_;
  std::string_view run_;
};

// The value came from a request or a map: what would end the line does not get in (security checklist B14, C20).
void append_field(std::string& out, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  if (!http::is_field_value(value)) {
    log(LogLevel::error, "proxy_set_header ", name, ": the value has control bytes and was left out");
    return;
  }
  append(out, name, ": ", value, "\r\n");
}

void append_target(Exchange& x, const pipeline::Permit& permit, const Plan& plan, std::string& out) {
  if (!x.target_uri.empty()) {
    out.append(x.target_uri);
    return;
  }
  if (!permit.forward_canonical() && !plan.options.has_uri && !x.uri_changed) {
    // nginx: without a URI in proxy_pass the original goes on exactly as sent; of an absolute form only its path.
    out.append(x.head().raw_path);
    if (x.head().has_query) append(out, '?', x.head().query);
    return;
  }
  out.append(http::encode_path(permit.service_path(), x.arena));
  const auto& replacement = x.location().path_replacement;
  if (replacement && replacement->query && x.path.text.starts_with(replacement->matched)) {
    append(out, '?', *replacement->query);
    out.append(http::encode_path(x.path.text.substr(replacement->matched.size()), x.arena));
  }
  if (x.uri_changed ? !x.query.empty() : x.head().has_query) append(out, '?', x.query);
}

void append_framing(const Exchange& x, std::string& out) {
  if (x.method_is_get) return;  // An error page is asked for without the body of what failed.
  switch (x.body.framing()) {
    case http::BodyFraming::content_length:
      append(out, "Content-Length: ", x.body.content_length(), "\r\n");
      break;
    case http::BodyFraming::chunked:
      out += "Transfer-Encoding: chunked\r\n";
      break;
    case http::BodyFraming::none:
    case http::BodyFraming::until_close:
      break;
  }
}

void append_client_fields(Exchange& x, const Plan& plan, std::string& out) {
  const http::RequestHead& head = x.head();
  RunCopier copier(out);
  for (const http::HeaderLine& line : head.headers) {
    if (plan.request_dropped.has(line)) continue;
    if (x.stripped_by_airlock(line)) continue;
    if (head.names_hop_fields && head.connection_lists(line.name)) continue;
    copier.pass(line.raw);
  }
}

}  // namespace

void write_request_head(Exchange& x, const pipeline::Permit& permit, const Plan& plan,
                        std::string_view transaction_token, std::string& out) {
  out.clear();
  out.append(x.method_is_get ? std::string_view("GET") : x.head().method_text);
  out.push_back(' ');
  append_target(x, permit, plan, out);
  out += " HTTP/1.1\r\n";
  if (!plan.sets_host) append(out, "Host: ", plan.options.host, "\r\n");
  for (const auto& [name, value] : plan.options.set_headers) append_field(out, name, x.evaluate(value));
  append_framing(x, out);
  if (!transaction_token.empty()) append(out, identity::transaction_token_field, ": ", transaction_token, "\r\n");
  if (plan.options.pass_request_headers) append_client_fields(x, plan, out);
  out += "\r\n";
}

ClientFraming client_framing(const Exchange& x, const http::ResponseHead& response) {
  // The client judges by the status it gets, which an error_page may have changed.
  const std::uint16_t status = pipeline::final_status(x, response.status);
  if (x.head().method == http::Method::head || !http::has_body(status)) return ClientFraming::none;
  if (response.framing == http::BodyFraming::content_length) return ClientFraming::content_length;
  if (response.framing == http::BodyFraming::none) return ClientFraming::none;
  return x.head().version_minor == 0 ? ClientFraming::until_close : ClientFraming::chunked;
}

namespace {

// proxy_redirect default: a Location that names the upstream is turned back into one that the client can follow.
void append_location(Exchange& x, const http::HeaderLine& line, const Plan& plan, std::string& out) {
  std::string_view value = line.value;
  if (!plan.options.turns_redirects || !value.starts_with(plan.redirect_from)) {
    out.append(line.raw);
    return;
  }
  value.remove_prefix(plan.redirect_from.size());
  const auto& replacement = x.location().path_replacement;
  if (replacement && value.starts_with(replacement->uri)) {
    append(out, "Location: ", replacement->matched, value.substr(replacement->uri.size()), "\r\n");
  } else if (!replacement && value.starts_with('/')) {
    append(out, "Location: ", value, "\r\n");
  } else {
    out.append(line.raw);
  }
}

}  // namespace

void write_response_head(Exchange& x, const http::ResponseHead& response, const Plan& plan, ClientFraming framing,
                         std::string& out) {
  out.clear();
  const std::uint16_t status = pipeline::final_status(x, response.status);
  x.status = status;
  if (status == response.status) {
    append(out, "HTTP/1.1 ", status, ' ', response.reason, "\r\n");
  } else {
    std::string scratch;
    out.append(http::status_line(status, scratch));
  }
  if (plan.response_dropped.has(http::Field::server)) out += "Server: keepgate\r\n";
  if (plan.response_dropped.has(http::Field::date)) out.append(x.worker().date_line());
  // RFC 9110 §8.6: never with 204. Of an answer without a body that now has a status with one, it would be a promise.
  const bool gains_body =
      framing == ClientFraming::none && x.head().method != http::Method::head && http::has_body(status);
  const bool drops_length = status == 204 || gains_body;
  {
    RunCopier copier(out);
    for (const http::HeaderLine& line : response.headers) {
      if (drops_length && line.field == http::Field::content_length) continue;
      if (plan.response_dropped.has(line) || line.field == http::Field::x_accel) continue;
      // Connection cannot list the framing away.
      const bool framing_field = line.field == http::Field::content_length;
      if (response.names_hop_fields && !framing_field && response.connection_lists(line.name)) continue;
      if (line.field == http::Field::location) continue;
      copier.pass(line.raw);
    }
  }
  if (const http::HeaderLine* location = response.find(http::Field::location)) append_location(x, *location, plan, out);
  if (gains_body) out += "Content-Length: 0\r\n";
  if (framing == ClientFraming::chunked) out += "Transfer-Encoding: chunked\r\n";
  out.append(pipeline::connection_line(x));
  pipeline::append_added_headers(x, status, out);
  out += "\r\n";
}

}  // namespace keepgate::proxy
