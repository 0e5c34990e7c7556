#include "proxy/heads.h"

#include "base/bytes.h"
#include "http/status.h"
#include "http/uri.h"
#include "pipeline/client_certificate.h"
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
  void flush() {
    out_.append(run_);
    run_ = {};
  }

  // In the place of a line.
  template <typename... Pieces>
  void write(const Pieces&... pieces) {
    flush();
    run_ = {};
    append(out_, pieces...);
  }

 private:
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
    if (const std::optional<std::string_view> query = x.shown_query()) append(out, '?', *query);
    return;
  }
  const auto& replacement = x.location().path_replacement;
  const bool is_replaced = replacement && !x.path_is_whole && x.path.text.starts_with(replacement->matched);
  const bool is_written = is_replaced && !replacement->written.empty();
  out.append(is_written ? std::string_view(replacement->written) : http::encode_path(permit.service_path(), x.arena));
  if (is_replaced && replacement->query) append(out, '?', *replacement->query);
  if (is_written || (is_replaced && replacement->query)) {
    out.append(http::encode_path(x.path.text.substr(replacement->matched.size()), x.arena));
  }
  // nginx: a lone '?' goes on only with the path as it was sent.
  const bool as_sent = !x.uri_changed && !plan.options.has_uri;
  if (as_sent ? x.shown_query().has_value() : !x.query.empty()) append(out, '?', x.query);
}

void append_framing(const RequestHeadInput& input, std::string& out) {
  switch (input.framing) {
    case http::BodyFraming::content_length:
      append(out, "Content-Length: ", input.content_length, "\r\n");
      break;
    case http::BodyFraming::chunked:
      out += "Transfer-Encoding: chunked\r\n";
      break;
    case http::BodyFraming::none:
    case http::BodyFraming::until_close:
      break;
  }
}

// The fields of proxy_set_header. An Upgrade goes up only with a request that asks for this very protocol and may have
// it: a tunnel that nobody asked for would carry requests that nobody decided.
SentHead append_set_fields(Exchange& x, const Plan& plan, const RequestHeadInput& input, std::string& out) {
  SentHead sent;
  if (plan.sets_upgrade && !input.upgrade.empty()) {
    const std::string_view value = x.evaluate(*plan.sets_upgrade);
    sent.upgrade = equals_ignoring_case(value, input.upgrade);
    if (sent.upgrade) append_field(out, "Upgrade", value);
  }
  for (const auto& [name, value] : plan.options.set_headers) {
    const http::Field field = plan.sets_connection ? http::field_of(name) : http::Field::other;
    if (field == http::Field::upgrade) continue;
    const std::string_view text = x.evaluate(value);
    if (field == http::Field::connection) {
      if (!sent.upgrade && equals_ignoring_case(text, "upgrade")) continue;
      sent.close = sent.close || equals_ignoring_case(text, "close");
    }
    append_field(out, name, text);
  }
  return sent;
}

// RFC 9440 §2.2. Only what was verified: services believe these fields.
void append_client_cert(const Exchange& x, const Plan& plan, std::string& out) {
  if (plan.options.client_cert == ClientCert::off) return;
  const crypto::PresentedCertificate* const shown = pipeline::client_certificate(x);
  if (!shown || !shown->verified) return;
  append(out, "Client-Cert: ", pipeline::client_cert_value(*shown), "\r\n");
  if (plan.options.client_cert == ClientCert::chain && !shown->chain.empty()) {
    append(out, "Client-Cert-Chain: ", pipeline::client_cert_chain_value(*shown), "\r\n");
  }
}

// Tells whether the line can pass as it is; else what may pass of it was copied.
bool pass_without_credential(Exchange& x, const http::HeaderLine& line, RunCopier& copier) {
  if (x.is_withheld(line)) return false;
  const std::string_view shown = x.shown_value(line);
  if (shown == line.value) return true;
  if (!shown.empty()) copier.write("Cookie: ", shown, "\r\n");
  return false;
}

void append_client_fields(Exchange& x, const Plan& plan, std::string& out) {
  const http::RequestHead& head = x.head();
  RunCopier copier(out);
  for (const http::HeaderLine& line : head.headers) {
    if (plan.request_dropped.has(line)) continue;
    if (x.stripped_by_airlock(line)) continue;
    if (head.names_hop_fields && head.connection_lists(line.name)) continue;
    if (!x.withholds_credential() || pass_without_credential(x, line, copier)) copier.pass(line.raw);
  }
}

}  // namespace

SentHead write_request_head(Exchange& x, const pipeline::Permit& permit, const Plan& plan,
                            const RequestHeadInput& input, std::string& out) {
  out.clear();
  out.append(x.method_is_get ? std::string_view("GET") : x.head().method_text);
  out.push_back(' ');
  append_target(x, permit, plan, out);
  out += " HTTP/1.1\r\n";
  if (!plan.sets_host) append(out, "Host: ", plan.options.host, "\r\n");
  const SentHead sent = append_set_fields(x, plan, input, out);
  append_framing(input, out);
  if (!input.transaction_token.empty()) {
    append(out, identity::transaction_token_field, ": ", input.transaction_token, "\r\n");
  }
  append_client_cert(x, plan, out);
  if (plan.options.pass_request_headers) append_client_fields(x, plan, out);
  out += "\r\n";
  return sent;
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

// A value that became something else: what would end the line does not get in (security checklist B14).
void append_rewritten(std::string_view name, std::string_view value, std::string& out) {
  if (!http::is_field_value(value)) {
    log(LogLevel::error, "rewritten ", name, ": the value has control bytes and was left out");
    return;
  }
  append(out, name, ": ", value, "\r\n");
}

void append_location(Exchange& x, const http::HeaderLine& line, const Plan& plan, std::string& out) {
  const auto url = plan.rewrites ? rewritten_url(x, plan.rewrites->redirects, line.value) : std::nullopt;
  if (!url) {
    out.append(line.raw);
    return;
  }
  append_rewritten(line.name, url->starts_with('/') ? absolute_url(x, *url) : *url, out);
}

// The new value of a field that proxy_redirect or proxy_cookie_* may change; nothing: it passes as it is.
std::optional<std::string> rewritten_value(Exchange& x, const http::HeaderLine& line, const Rewrites& rewrites) {
  if (line.field != http::Field::other) return std::nullopt;
  if (rewrites.touches_cookies() && equals_ignoring_case(line.name, "Set-Cookie")) {
    return rewritten_cookie(x, rewrites, line.value);
  }
  if (!rewrites.redirects.empty() && equals_ignoring_case(line.name, "Refresh")) {
    return rewritten_refresh(x, rewrites, line.value);
  }
  return std::nullopt;
}

// The fields that pass to the client, in their order. Without an exchange nothing is rewritten.
void append_passed_fields(Exchange* x, const http::ResponseHead& response, const Plan& plan, bool drops_length,
                          std::string& out) {
  RunCopier copier(out);
  for (const http::HeaderLine& line : response.headers) {
    if (drops_length && line.field == http::Field::content_length) continue;
    // Neither proxy_hide_header nor Connection can take the framing away.
    const bool framing_field = line.field == http::Field::content_length;
    if (!framing_field && plan.response_dropped.has(line)) continue;
    if (line.field == http::Field::x_accel) continue;
    if (response.names_hop_fields && !framing_field && response.connection_lists(line.name)) continue;
    if (line.field == http::Field::location) continue;
    if (x && plan.rewrites) {
      if (const auto value = rewritten_value(*x, line, *plan.rewrites)) {
        copier.flush();
        append_rewritten(line.name, *value, out);
        continue;
      }
    }
    copier.pass(line.raw);
  }
}

// A trailer must not say what a head says about the message or the connection (RFC 9110 §6.5.1).
bool may_be_trailer(http::Field field) {
  if (http::is_hop_by_hop(field)) return false;
  switch (field) {
    case http::Field::content_length:
    case http::Field::content_type:
    case http::Field::expect:
    case http::Field::host:
    case http::Field::authorization:
    case http::Field::cookie:
    case http::Field::date:
    case http::Field::forwarded:
    case http::Field::location:
    case http::Field::server:
    case http::Field::txn_token:
    case http::Field::www_authenticate:
    case http::Field::x_accel:
      return false;
    default:
      return true;
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
  append_passed_fields(&x, response, plan, drops_length, out);
  const http::HeaderLine* const location = response.find(http::Field::location);
  if (location && !plan.response_dropped.has(*location)) append_location(x, *location, plan, out);
  if (gains_body) out += "Content-Length: 0\r\n";
  // RFC 9110 §15.5.2: a 401 whose page comes from an upstream asks for credentials all the same.
  if (x.in_error_page && status == 401 && !response.find(http::Field::www_authenticate)) {
    pipeline::append_challenge(x, out);
  }
  if (framing == ClientFraming::chunked) out += "Transfer-Encoding: chunked\r\n";
  out.append(pipeline::connection_line(x));
  pipeline::append_added_headers(x, status, out);
  out += "\r\n";
}

void write_switching_head(Exchange& x, const http::ResponseHead& response, const Plan& plan, std::string_view protocol,
                          std::string& out) {
  out.clear();
  x.status = response.status;
  append(out, "HTTP/1.1 101 ", response.reason, "\r\n");
  if (plan.response_dropped.has(http::Field::server)) out += "Server: keepgate\r\n";
  if (plan.response_dropped.has(http::Field::date)) out.append(x.worker().date_line());
  append(out, "Connection: upgrade\r\nUpgrade: ", protocol, "\r\n");
  append_passed_fields(&x, response, plan, true, out);
  pipeline::append_added_headers(x, response.status, out);
  out += "\r\n";
}

void write_interim_head(const http::ResponseHead& response, const Plan& plan, std::string& out) {
  out.clear();
  append(out, "HTTP/1.1 ", response.status, ' ', response.reason, "\r\n");
  append_passed_fields(nullptr, response, plan, true, out);
  out += "\r\n";
}

void append_passed_trailers(const Plan& plan, std::string_view trailers, std::string& out) {
  while (!trailers.empty()) {
    const std::size_t end = trailers.find("\r\n") + 2;  // INVARIANT: the decoder checked each line.
    http::HeaderLine line;
    line.raw = trailers.substr(0, end);
    trailers.remove_prefix(end);
    line.name = line.raw.substr(0, line.raw.find(':'));
    line.field = http::field_of(line.name);
    if (may_be_trailer(line.field) && !plan.response_dropped.has(line)) out.append(line.raw);
  }
}

}  // namespace keepgate::proxy
