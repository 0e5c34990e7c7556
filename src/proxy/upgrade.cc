#include "proxy/upgrade.h"

#include "base/bytes.h"
#include "crypto/digest.h"

namespace keepgate::proxy {

namespace {

constexpr std::string_view websocket = "websocket";
constexpr std::string_view websocket_guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
constexpr std::size_t key_bytes = 24;  // 16 bytes in base64.

bool is_base64(std::string_view text) {
  for (const char c : text) {
    if (!is_alpha(c) && !is_digit(c) && c != '+' && c != '/') return false;
  }
  return true;
}

// RFC 6455 §4.1: 16 bytes, base64 with its padding.
bool is_websocket_key(std::string_view key) {
  return key.size() == key_bytes && key.ends_with("==") && is_base64(key.substr(0, key_bytes - 2));
}

// A name that occurs once; nullptr when it is absent or repeated.
template <typename Head>
const http::HeaderLine* only(const Head& head, std::string_view name) {
  const http::HeaderLine* found = nullptr;
  for (const http::HeaderLine& line : head.headers) {
    if (!equals_ignoring_case(line.name, name)) continue;
    if (found) return nullptr;
    found = &line;
  }
  return found;
}

bool asks_for_websocket(const http::RequestHead& request) {
  const http::HeaderLine* key = only(request, "Sec-WebSocket-Key");
  const http::HeaderLine* version = only(request, "Sec-WebSocket-Version");
  return key && version && version->value == "13" && is_websocket_key(key->value);
}

// RFC 9113 §3.1 took "h2c" out of use; "HTTP/2.0" and TLS upgrades would hide requests just as well.
bool hides_requests(std::string_view protocol) {
  const std::string lower = to_lower(protocol);
  return lower.starts_with("h2") || lower.starts_with("http") || lower.starts_with("tls");
}

}  // namespace

std::string_view wanted_upgrade(const http::RequestHead& request) {
  if (!request.upgrade || request.method != http::Method::get || request.version_minor == 0) return {};
  if (request.framing != http::BodyFraming::none) return {};
  const http::HeaderLine* line = only(request, "Upgrade");
  if (!line || !http::is_token(line->value) || hides_requests(line->value)) return {};
  if (equals_ignoring_case(line->value, websocket) && !asks_for_websocket(request)) return {};
  return line->value;
}

std::string_view fault_of_upgrade(const http::RequestHead& request, std::string_view protocol,
                                  const http::ResponseHead& response) {
  if (protocol.empty()) return "the upstream switched protocols unasked";
  const http::HeaderLine* line = only(response, "Upgrade");
  if (!line || !equals_ignoring_case(line->value, protocol)) return "the upstream switched to another protocol";
  if (!equals_ignoring_case(protocol, websocket)) return {};
  const http::HeaderLine* accept = only(response, "Sec-WebSocket-Accept");
  const http::HeaderLine* key = only(request, "Sec-WebSocket-Key");
  if (!accept || !key || accept->value != websocket_accept(key->value)) return "the upstream does not speak WebSocket";
  return {};
}

std::string websocket_accept(std::string_view key) { return crypto::sha1_base64(cat(key, websocket_guid)); }

}  // namespace keepgate::proxy
