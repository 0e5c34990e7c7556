// proxy_pass and what belongs to it.
#include <algorithm>
#include <limits>

#include "base/bytes.h"
#include "conf/directives/row.h"
#include "proxy/next_upstream.h"

namespace keepgate::conf {

namespace {

using O = LevelOptions;

void set_proxy_pass(Reader& reader, const Scope& scope, const Directive& directive) {
  auto& place = scope.location->proxy_pass;
  if (place) return reader.duplicate(directive);
  place = directive.arguments[0];
}

void add_set_header(Reader& reader, const Scope& scope, const Directive& directive) {
  const std::vector<Word>& words = directive.arguments;
  if (!is_field_name(words[0].text))
    return reader.invalid_value(directive, words[0], "a header field name is expected");
  if (words[1].text.find_first_of("\r\n") != std::string::npos) {
    return reader.invalid_value(directive, words[1], "a field value has no line breaks");
  }
  constexpr std::string_view framing[] = {"Transfer-Encoding", "Content-Length", "TE", "Trailer", "Expect"};
  for (const std::string_view name : framing) {
    if (!equals_ignoring_case(words[0].text, name) || words[1].text.empty()) continue;
    return reader.not_built(words[0], cat("setting '", name, "'"), "framing is Keepgate's own business");
  }
  auto& headers = scope.level->proxy_set_headers;
  if (!headers) headers.emplace();
  headers->push_back({words[0].text, words[1]});
}

template <auto Member>
void add_name(Reader& reader, const Scope& scope, const Directive& directive) {
  const Word& word = directive.arguments[0];
  if (!is_field_name(word.text)) return reader.invalid_value(directive, word, "a header field name is expected");
  auto& names = scope.level->*Member;
  if (!names) names.emplace();
  names->push_back(word.text);
}

void check_version(Reader& reader, const Scope&, const Directive& directive) {
  const Word& word = directive.arguments[0];
  if (word.text == "1.1") return;
  if (word.text == "1.0" || word.text == "2") {
    return reader.not_built(word, cat("'proxy_http_version ", word.text, "'"), "use 1.1");
  }
  reader.invalid_value(directive, word, "1.1");
}

void set_verify(Reader& reader, const Scope& scope, const Directive& directive) {
  const auto value = reader.flag(directive);
  std::optional<Placed<bool>> placed;
  if (value) placed = Placed<bool>{*value, directive.name.at};
  detail::set_once<&O::proxy_ssl_verify>(reader, scope, directive, placed);
}

void set_proxy_protocols(Reader& reader, const Scope& scope, const Directive& directive) {
  auto& place = scope.level->proxy_ssl_protocols;
  if (place) return reader.duplicate(directive);
  place.emplace();
  for (const Word& word : directive.arguments) {
    if (word.text == "TLSv1.2" || word.text == "TLSv1.3") {
      place->push_back(word.text);
    } else {
      reader.invalid_value(directive, word, "TLSv1.2 and TLSv1.3 are built; older protocols are broken");
    }
  }
}

void set_next_upstream(Reader& reader, const Scope& scope, const Directive& directive) {
  auto& place = scope.level->proxy_next_upstream;
  if (place) return reader.duplicate(directive);
  NextUpstreamModel model;
  bool off = false;
  for (const Word& word : directive.arguments) {
    if (word.text == "off") {
      off = true;
    } else if (word.text == "non_idempotent") {
      model.non_idempotent = true;
    } else if (const auto failure = proxy::failure_named(word.text)) {
      model.failures = static_cast<std::uint16_t>(model.failures | static_cast<std::uint16_t>(*failure));
    } else if (word.text == "updating" || word.text == "denied") {
      return reader.not_built(word, cat("'", word.text, "' of 'proxy_next_upstream'"), "remove it");
    } else {
      return reader.invalid_value(directive, word);
    }
  }
  if (off) model.failures = 0;
  place = model;
}

void set_ignore_headers(Reader& reader, const Scope& scope, const Directive& directive) {
  constexpr std::string_view known[] = {"X-Accel-Redirect",  "X-Accel-Expires", "X-Accel-Limit-Rate",
                                        "X-Accel-Buffering", "X-Accel-Charset", "Expires",
                                        "Cache-Control",     "Set-Cookie",      "Vary"};
  auto& place = scope.level->proxy_ignore_headers;
  if (place) return reader.duplicate(directive);
  place.emplace();
  for (const Word& word : directive.arguments) {
    const bool listed =
        std::ranges::any_of(known, [&](std::string_view name) { return equals_ignoring_case(name, word.text); });
    if (!listed) return reader.invalid_value(directive, word);
    place->push_back(word.text);
  }
}

void set_proxy_protocol(Reader& reader, const Scope& scope, const Directive& directive) {
  const Word& word = directive.arguments[0];
  std::optional<ProxyProtocolSetting> setting;
  if (word.text == "off") setting = ProxyProtocolSetting::off;
  if (word.text == "v1") setting = ProxyProtocolSetting::v1;
  if (word.text == "v2") setting = ProxyProtocolSetting::v2;
  if (!setting) reader.invalid_value(directive, word, "one of off, v1, v2");
  detail::set_once<&O::proxy_protocol>(reader, scope, directive, setting);
}

void set_bind(Reader& reader, const Scope& scope, const Directive& directive) {
  auto& place = scope.level->proxy_bind;
  if (place) return reader.duplicate(directive);
  const std::vector<Word>& words = directive.arguments;
  BindModel model;
  model.off = words.size() == 1 && words[0].text == "off";
  model.address = words[0];
  if (words.size() == 2 && words[1].text != "transparent") return reader.invalid_parameter(directive, words[1]);
  model.transparent = words.size() == 2;
  place = std::move(model);
}

constexpr DirectiveRow proxy_table[] = {
    {"proxy_pass",
     in_location | in_if | in_limit_except,
     {1, 1},
     Support::built,
     set_proxy_pass,
     "",
     "Forwards to http:// or https:// and an upstream, an address or unix:PATH; a URI replaces the matched part."},
    {"proxy_protocol",
     in_levels,
     {1, 1},
     Support::built,
     set_proxy_protocol,
     "off",
     "A PROXY header of version v1 or v2 in front of each connection to the upstream; it then carries one request and "
     "is not kept."},
    {"proxy_bind",
     in_levels,
     {1, 2},
     Support::built,
     set_bind,
     "off",
     "The address, perhaps with a port, that connections to upstreams come from; variables are allowed. transparent: "
     "also one that is not this machine's."},
    {"proxy_socket_keepalive",
     in_levels,
     {1, 1},
     Support::built,
     set_flag<&O::proxy_socket_keepalive>,
     "off",
     "Whether TCP probes connections to upstreams that are silent (SO_KEEPALIVE)."},
    {"proxy_set_header",
     in_levels,
     {2, 2},
     Support::built,
     add_set_header,
     "Host $proxy_host; Connection close",
     "Sets a field of the forwarded request; an empty value drops it; inherited only where none is set."},
    {"proxy_hide_header",
     in_levels,
     {1, 1},
     Support::built,
     add_name<&O::proxy_hide_headers>,
     "",
     "A field of the upstream's answer that is not passed on."},
    {"proxy_pass_header",
     in_levels,
     {1, 1},
     Support::built,
     add_name<&O::proxy_pass_headers>,
     "",
     "A field that would be hidden otherwise (Date, Server, X-Accel-*, X-Pad) and is passed on."},
    {"proxy_pass_request_headers",
     in_levels,
     {1, 1},
     Support::built,
     set_flag<&O::proxy_pass_request_headers>,
     "on",
     "Whether the client's fields are forwarded."},
    {"proxy_pass_request_body",
     in_levels,
     {1, 1},
     Support::built,
     set_flag<&O::proxy_pass_request_body>,
     "on",
     "Whether the client's body is forwarded; off: neither it nor its length is."},
    {"proxy_http_version",
     in_levels,
     {1, 1},
     Support::built,
     check_version,
     "1.1",
     "The HTTP version spoken to upstreams: 1.1 only."},
    {"proxy_connect_timeout",
     in_levels,
     {1, 1},
     Support::built,
     set_time_ms<&O::proxy_connect_timeout_ms>,
     "60s",
     "How long to wait for a connection to an upstream."},
    {"proxy_send_timeout",
     in_levels,
     {1, 1},
     Support::built,
     set_time_ms<&O::proxy_send_timeout_ms>,
     "60s",
     "How long to wait between two writes to an upstream."},
    {"proxy_read_timeout",
     in_levels,
     {1, 1},
     Support::built,
     set_time_ms<&O::proxy_read_timeout_ms>,
     "60s",
     "How long to wait between two reads from an upstream; then 504."},
    {"proxy_intercept_errors",
     in_levels,
     {1, 1},
     Support::built,
     set_flag<&O::proxy_intercept_errors>,
     "off",
     "Whether answers from 300 on that have an error_page are replaced by it."},
    {"proxy_ssl_verify",
     in_levels,
     {1, 1},
     Support::built,
     set_verify,
     "off",
     "Whether the certificate of an https upstream is verified; off warns, under `strict on` it is an error."},
    {"proxy_ssl_trusted_certificate",
     in_levels,
     {1, 1},
     Support::built,
     set_word<&O::proxy_ssl_trusted_certificate>,
     "",
     "PEM file with the authorities that upstream certificates are verified against; without it the system's."},
    {"proxy_ssl_verify_depth",
     in_levels,
     {1, 1},
     Support::built,
     set_number<&O::proxy_ssl_verify_depth, 0, 100>,
     "1",
     "How long the chain of an upstream's certificate may be."},
    {"proxy_ssl_name",
     in_levels,
     {1, 1},
     Support::built,
     set_word<&O::proxy_ssl_name>,
     "the host of proxy_pass",
     "The name that an upstream's certificate must be for."},
    {"proxy_ssl_server_name",
     in_levels,
     {1, 1},
     Support::built,
     set_flag<&O::proxy_ssl_server_name>,
     "off",
     "Whether the name is sent to the upstream (SNI)."},
    {"proxy_ssl_certificate",
     in_levels,
     {1, 1},
     Support::built,
     set_word<&O::proxy_ssl_certificate>,
     "",
     "PEM file with the certificate that Keepgate shows to upstreams."},
    {"proxy_ssl_certificate_key",
     in_levels,
     {1, 1},
     Support::built,
     set_word<&O::proxy_ssl_certificate_key>,
     "",
     "PEM file with the key of that certificate."},
    {"proxy_ssl_protocols",
     in_levels,
     {1, many},
     Support::built,
     set_proxy_protocols,
     "TLSv1.2 TLSv1.3",
     "TLS versions spoken to upstreams."},
    {"proxy_next_upstream",
     in_levels,
     {1, many},
     Support::built,
     set_next_upstream,
     "error timeout",
     "After which failures a request goes to another server: error, timeout, invalid_header, http_500, http_502, "
     "http_503, http_504, http_403, http_404, http_429; non_idempotent allows it for POST, LOCK and PATCH; off."},
    {"proxy_next_upstream_tries",
     in_levels,
     {1, 1},
     Support::built,
     set_number<&O::proxy_next_upstream_tries, 0, 1'000'000>,
     "0",
     "How many servers are tried for one request; 0: every one."},
    {"proxy_next_upstream_timeout",
     in_levels,
     {1, 1},
     Support::built,
     set_time_ms<&O::proxy_next_upstream_timeout_ms>,
     "0",
     "How long after the first attempt another one may begin; 0: no limit."},
    {"proxy_ignore_client_abort",
     in_levels,
     {1, 1},
     Support::built,
     set_flag<&O::proxy_ignore_client_abort>,
     "off",
     "Whether a request is finished although its client has gone."},
    {"proxy_ignore_headers",
     in_levels,
     {1, many},
     Support::built,
     set_ignore_headers,
     "",
     "Fields of an upstream's answer that tell nothing here: X-Accel-Buffering, X-Accel-Limit-Rate; others never do."},
};

}  // namespace

std::span<const DirectiveRow> proxy_rows() { return proxy_table; }

}  // namespace keepgate::conf
