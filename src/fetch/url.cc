#include "fetch/url.h"

#include <algorithm>

#include "base/bytes.h"

namespace keepgate::fetch {

namespace {

constexpr std::uint16_t https_port = 443, http_port = 80;

// RFC 3986 §2: what a path and a query are made of, as written.
bool is_url_character(char c) {
  return is_alpha(c) || is_digit(c) || std::string_view("-._~!$&'()*+,;=:@/%").find(c) != std::string_view::npos;
}

bool has_whole_escapes(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') continue;
    if (i + 2 >= text.size() || hex_value(text[i + 1]) < 0 || hex_value(text[i + 2]) < 0) return false;
    i += 2;
  }
  return true;
}

bool is_host(std::string_view host) {
  if (host.empty() || host.size() > 255) return false;
  if (host.front() == '[') {
    const auto in_address = [](char c) { return hex_value(c) >= 0 || c == ':' || c == '.'; };
    return host.size() > 4 && host.back() == ']' && std::ranges::all_of(host.substr(1, host.size() - 2), in_address);
  }
  const auto in_name = [](char c) { return is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_'; };
  return host.front() != '.' && host.front() != '-' && std::ranges::all_of(host, in_name) &&
         host.find("..") == std::string_view::npos;
}

bool take_scheme(std::string_view& rest, bool& tls) {
  for (const auto& [scheme, is_tls] : {std::pair{"https://", true}, std::pair{"http://", false}}) {
    const std::string_view prefix = scheme;
    if (!equals_ignoring_case(rest.substr(0, prefix.size()), prefix)) continue;
    rest.remove_prefix(prefix.size());
    tls = is_tls;
    return true;
  }
  return false;
}

bool take_authority(std::string_view authority, Url& url) {
  std::size_t port_at = std::string_view::npos;
  if (authority.starts_with('[')) {
    const std::size_t end = authority.find(']');
    if (end == std::string_view::npos) return false;
    if (end + 1 < authority.size()) {
      if (authority[end + 1] != ':') return false;
      port_at = end + 1;
    }
  } else {
    port_at = authority.find(':');
  }
  url.host = to_lower(authority.substr(0, port_at));
  url.port = url.tls ? https_port : http_port;
  if (port_at != std::string_view::npos) {
    const auto port = parse_unsigned<std::uint16_t>(authority.substr(port_at + 1));
    if (!port || *port == 0) return false;
    url.port = *port;
  }
  return is_host(url.host);
}

}  // namespace

std::string Url::origin() const {
  std::string out = cat(tls ? "https://" : "http://", host);
  if (port != (tls ? https_port : http_port)) append(out, ':', port);
  return out;
}

std::string Url::text() const {
  std::string out = cat(origin(), path);
  if (query) append(out, '?', *query);
  return out;
}

std::optional<Url> Url::parse(std::string_view text, std::string& why) {
  Url url;
  std::string_view rest = text;
  if (text.size() > url_bytes_max) {
    why = cat("it is longer than ", url_bytes_max, " bytes");
  } else if (!take_scheme(rest, url.tls)) {
    why = "it does not begin with https://";
  } else {
    const std::size_t authority_end = std::min(rest.find_first_of("/?#"), rest.size());
    const std::string_view behind = rest.substr(authority_end);
    const std::size_t query_at = behind.find('?');
    url.path = behind.substr(0, query_at);
    if (query_at != std::string_view::npos) url.query = behind.substr(query_at + 1);
    const auto in_query = [](char c) { return is_url_character(c) || c == '?'; };
    if (rest.substr(0, authority_end).find('@') != std::string_view::npos) {
      why = "it has user information";
    } else if (!take_authority(rest.substr(0, authority_end), url)) {
      why = "its host or port is not valid";
    } else if (behind.find('#') != std::string_view::npos) {
      why = "it has a fragment";
    } else if (!std::ranges::all_of(url.path, is_url_character) ||
               (url.query && !std::ranges::all_of(*url.query, in_query)) || !has_whole_escapes(behind)) {
      why = "it has characters that a URL cannot have";
    } else {
      return url;
    }
  }
  return std::nullopt;
}

}  // namespace keepgate::fetch
