#include "oauth/server_content.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "crypto/secret.h"
#include "oauth/endpoints.h"
#include "pipeline/respond.h"

namespace keepgate::oauth {

namespace {

using pipeline::Exchange;
using pipeline::Refusal;

constexpr std::string_view well_known = "/.well-known/oauth-authorization-server";
constexpr std::string_view form_type = "application/x-www-form-urlencoded";
constexpr std::int64_t preflight_s = 600;

Refusal refusal_with(std::uint16_t status, std::string_view code, std::string_view reason) {
  Refusal out;
  out.status = status;
  out.code = code;
  out.reason = reason;
  return out;
}

// The path behind the issuer. RFC 8414 §3.1 puts the issuer's own path behind the well-known name; nothing: not ours.
std::optional<std::string_view> path_behind_issuer(std::string_view path, std::string_view issuer_path) {
  if (issuer_path.empty()) return path;
  if (path.starts_with(well_known) && path.substr(well_known.size()) == issuer_path) return well_known;
  if (!path.starts_with(issuer_path)) return std::nullopt;
  path.remove_prefix(issuer_path.size());
  return path.starts_with('/') ? std::optional(path) : std::nullopt;
}

bool is_form(std::string_view content_type) {
  const std::string_view type = trim(content_type.substr(0, content_type.find(';')));
  return equals_ignoring_case(type, form_type);
}

bool is_registered_origin(const Settings& settings, const State& state, std::string_view origin) {
  const std::string key = to_lower(origin);
  return settings.origins.contains(key) || (state.clients && state.clients->has_origin(key));
}

// Fields for pages of other origins. Credentials of the browser (cookies) are never allowed with them.
std::string cors_fields(const Endpoint& endpoint, const Settings& settings, const State& state,
                        const Request& request) {
  if (endpoint.cors == Cors::none) return {};
  if (endpoint.cors == Cors::anybody) return "Access-Control-Allow-Origin: *\r\n";
  std::string out = "Vary: Origin\r\n";
  if (request.origin.empty() || !is_registered_origin(settings, state, request.origin)) return out;
  append(out, "Access-Control-Allow-Origin: ", request.origin,
         "\r\nAccess-Control-Expose-Headers: DPoP-Nonce, WWW-Authenticate, Retry-After\r\n");
  return out;
}

Answer preflight_answer(const Endpoint& endpoint, std::string fields) {
  Answer out;
  out.status = 204;
  out.fields = std::move(fields);
  if (out.fields.find("Access-Control-Allow-Origin") == std::string::npos) return out;
  append(out.fields, "Access-Control-Allow-Methods: ", endpoint.get ? endpoint.post ? "GET, POST" : "GET" : "POST",
         "\r\nAccess-Control-Allow-Headers: Authorization, Content-Type, DPoP\r\nAccess-Control-Max-Age: ", preflight_s,
         "\r\n");
  return out;
}

void read_fields(const Exchange& x, Request& request, std::string& cookies) {
  bool has_authorization = false;
  for (const http::HeaderLine& line : x.head().headers) {
    if (line.field == http::Field::authorization) {
      request.has_two_authorizations = std::exchange(has_authorization, true) || request.has_two_authorizations;
      request.authorization = line.value;
    } else if (equals_ignoring_case(line.name, "cookie")) {
      append(cookies, cookies.empty() ? "" : "; ", line.value);
    } else if (equals_ignoring_case(line.name, "dpop")) {
      request.dpop_proofs.push_back(line.value);
    } else if (equals_ignoring_case(line.name, "origin")) {
      request.origin = line.value;
    } else if (equals_ignoring_case(line.name, "accept")) {
      request.accept = line.value;
    } else if (equals_ignoring_case(line.name, "user-agent")) {
      request.user_agent = line.value;
    }
  }
}

// Passwords, secrets and codes come in bodies: no copy of them outlives the request. What the kernel and TLS hold is
// not ours to wipe.
struct SecretBody {
  SecretBody() = default;
  ~SecretBody() {
    crypto::wipe(body.data(), body.size());
    request.form.wipe();
  }
  SecretBody(const SecretBody&) = delete;
  SecretBody& operator=(const SecretBody&) = delete;

  std::string body;
  Request request;
};

net::Task<std::optional<Refusal>> read_body(Exchange& x, std::string& out) {
  x.body.set_bytes_max(Params::bytes_max);
  // A text that grows would leave its beginnings behind.
  const http::RequestHead& head = x.head();
  const bool tells_length = head.framing == http::BodyFraming::content_length;
  const std::uint64_t length = tells_length ? head.content_length : Params::bytes_max;
  if (!x.body.finished()) out.reserve(static_cast<std::size_t>(std::min<std::uint64_t>(length, Params::bytes_max)));
  while (!x.body.finished()) {
    const auto piece = co_await x.body.next(x.location().client_body_timeout_ms);
    if (!piece) {
      const bool is_too_large = piece.error().kind == ErrorKind::limit;
      const bool is_late = piece.error().kind == ErrorKind::timeout;
      Refusal refusal = refusal_with(is_too_large ? 413
                                     : is_late    ? 408
                                                  : 400,
                                     piece.error().code, piece.error().detail);
      refusal.close = true;
      co_return refusal;
    }
    out.append(*piece);
    // It lies in a buffer of the connection, which goes to another one next. Nobody reads this part of it again.
    crypto::wipe(const_cast<char*>(piece->data()), piece->size());
  }
  co_return std::nullopt;
}

class ServerContent final : public pipeline::Content {
 public:
  ServerContent(std::shared_ptr<const Settings> settings, std::shared_ptr<Service> service)
      : settings_(std::move(settings)), service_(std::move(service)) {}

  bool hides_arguments() const override { return true; }

  net::Task<std::optional<Refusal>> serve(Exchange& x, pipeline::Permit /*permit*/) const override {
    const auto path = path_behind_issuer(x.path.text, settings_->issuer_path);
    const Endpoint* const endpoint = path ? endpoint_at(*path) : nullptr;
    if (!endpoint) co_return refusal_with(404, "not_found", "the authorization server has no such endpoint");
    const std::shared_ptr<const State> state = service_->state().current();
    if (!state) co_return refusal_with(503, "not_started", "the authorization server has not started");

    SecretBody secret;
    Request& request = secret.request;
    std::string cookies;
    read_fields(x, request, cookies);
    request.cookie = cookies;
    request.path = *path;
    request.method = x.head().method;
    request.now = x.now();
    request.client_address = x.connection().peer_ip();
    request.tls = x.connection().tls;
    request.authority = x.head().authority;
    const auto& proof = x.connection().tls_facts().client;
    if (proof) request.certificate = proof->certificate.get();

    std::string cors = cors_fields(*endpoint, *settings_, *state, request);
    if (request.method == http::Method::options && endpoint->cors != Cors::none) {
      co_await send(x, preflight_answer(*endpoint, std::move(cors)));
      co_return std::nullopt;
    }
    const bool gets = request.method == http::Method::get || request.method == http::Method::head;
    const bool is_allowed = gets ? endpoint->get : request.method == http::Method::post && endpoint->post;
    if (!is_allowed) {
      Answer answer = answer_of({405, "invalid_request", "this endpoint is asked in another way", {}});
      append(answer.fields, "Allow: ", endpoint->get ? endpoint->post ? "GET, HEAD, POST" : "GET, HEAD" : "POST",
             "\r\n", cors);
      co_await send(x, std::move(answer));
      co_return std::nullopt;
    }
    auto refusal = co_await read_body(x, secret.body);
    if (refusal) co_return refusal;
    if (const auto fault = read_parameters(x, secret.body, request)) {
      Answer answer = answer_of(*fault);
      answer.fields += cors;
      co_await send(x, std::move(answer));
      co_return std::nullopt;
    }
    Context context{x, *settings_, settings_, *service_, *state, request};
    Answer answer = co_await endpoint->handler(context);
    answer.fields += cors;
    if (!x.aborted) co_await send(x, std::move(answer));
    co_return std::nullopt;
  }

 private:
  static std::optional<Failure> read_parameters(const Exchange& x, const std::string& body, Request& request) {
    auto query = Params::parse(x.query);
    if (!query) return Failure{400, "invalid_request", query.error().detail, {}};
    request.query = std::move(*query);
    if (request.method != http::Method::post) return std::nullopt;
    const http::HeaderLine* const type = x.head().find("content-type");
    if (!body.empty() && (!type || !is_form(type->value))) {
      return Failure{400, "invalid_request", cat("the body must be ", form_type), {}};
    }
    auto form = Params::parse(body);
    if (!form) return Failure{400, "invalid_request", form.error().detail, {}};
    request.form = std::move(*form);
    return std::nullopt;
  }

  static net::Task<void> send(Exchange& x, Answer answer) {
    if (!x.refusal.reason.empty()) {  // The log says what was answered, and whose fault it was follows from that.
      x.refusal.status = answer.status;
      x.refusal.code = "authorization_server";
    }
    pipeline::LocalAnswer out;
    out.status = answer.status;
    out.content_type = answer.content_type;
    out.body = answer.body;
    out.location = answer.location;
    out.extra_fields = answer.fields;
    co_await pipeline::respond(x, out);
  }

  std::shared_ptr<const Settings> settings_;
  std::shared_ptr<Service> service_;
};

}  // namespace

std::shared_ptr<const pipeline::Content> make_server_content(std::shared_ptr<const Settings> settings,
                                                             std::shared_ptr<Service> service) {
  return std::make_shared<ServerContent>(std::move(settings), std::move(service));
}

}  // namespace keepgate::oauth
