#include "oauth/client.h"

#include <algorithm>

#include "auth/claims.h"
#include "base/bytes.h"
#include "base/percent.h"
#include "oauth/public_keys.h"

namespace keepgate::oauth {

namespace {

constexpr std::size_t redirect_uri_bytes_max = 2048;
constexpr std::string_view token_exchange_type = "urn:ietf:params:oauth:grant-type:token-exchange";

constexpr std::array<GrantRow, grant_count> grant_rows{{
    {Grant::client_credentials, "client_credentials", "client_credentials"},
    {Grant::authorization_code, "authorization_code", "authorization_code"},
    {Grant::refresh_token, "refresh_token", "refresh_token"},
    {Grant::token_exchange, "token_exchange", token_exchange_type},
    {Grant::device_code, "device_code", "urn:ietf:params:oauth:grant-type:device_code"},
    {Grant::jwt_bearer, "jwt_bearer", "urn:ietf:params:oauth:grant-type:jwt-bearer"},
}};

// RFC 3986 §3.1.
bool is_scheme(std::string_view text) {
  return !text.empty() && is_alpha(text[0]) && std::ranges::all_of(text, [](char c) {
    return is_alpha(c) || is_digit(c) || c == '+' || c == '-' || c == '.';
  });
}

bool is_uri_text(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    return c > 0x20 && c < 0x7f && std::string_view("\"<>\\^`{|}").find(c) == std::string_view::npos;
  });
}

struct UriParts {
  std::string_view scheme, authority, rest;  // rest: path and query.
};

UriParts split_uri(std::string_view text) {
  UriParts out;
  const std::size_t colon = text.find(':');
  out.scheme = text.substr(0, colon);
  out.rest = colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
  if (out.rest.starts_with("//")) {
    out.rest.remove_prefix(2);
    const std::size_t end = out.rest.find_first_of("/?");
    out.authority = out.rest.substr(0, end);
    out.rest.remove_prefix(std::min(end, out.rest.size()));
  }
  return out;
}

std::string_view without_port(std::string_view authority) {
  const std::size_t bracket = authority.rfind(']');
  const std::size_t colon = authority.rfind(':');
  if (colon == std::string_view::npos || (bracket != std::string_view::npos && colon < bracket)) return authority;
  return authority.substr(0, colon);
}

// RFC 6749 §4.1.2, §4.1.2.1, RFC 9207 §2: what we add ourselves must not be there twice.
bool has_answer_parameter(std::string_view rest) {
  constexpr std::string_view ours[] = {"code", "state", "iss", "error", "error_description", "error_uri"};
  const std::size_t question = rest.find('?');
  std::string_view query = question == std::string_view::npos ? std::string_view() : rest.substr(question + 1);
  while (!query.empty()) {
    const std::string_view argument = query.substr(0, query.find('&'));
    const std::string name = percent_decoded(argument.substr(0, argument.find('=')), '+');
    if (std::ranges::find(ours, name) != std::end(ours)) return true;
    query.remove_prefix(std::min(argument.size() + 1, query.size()));
  }
  return false;
}

// "user:*", "client:NAME": '*' stands for all names of a kind and for nothing else.
bool is_subject_pattern(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == text.size()) return false;
  const std::size_t star = text.find('*');
  return star == std::string_view::npos || (star == colon + 1 && star + 1 == text.size());
}

bool is_loopback_address(std::string_view host) { return host == "127.0.0.1" || host == "[::1]"; }

template <typename Is>
std::string fault_of_list(const std::vector<std::string>& list, std::string_view what, Is is_good) {
  for (const std::string& one : list) {
    if (!is_good(one)) return cat("'", printable(one), "' is no ", what);
  }
  return {};
}

std::string fault_of_uris(const std::vector<std::string>& uris) {
  for (const std::string& one : uris) {
    const std::string fault = fault_of_redirect_uri(one);
    if (!fault.empty()) return cat("'", printable(one), "': ", fault);
  }
  return {};
}

std::string fault_of_credentials(const Client& client) {
  const bool has_credential = !client.secrets.empty() || client.keys || client.uses_certificate();
  if (client.is_public && has_credential) return "a public client has no secret, no keys and no certificate";
  if (!client.is_public && !has_credential) {
    return "it has no credential: give it a secret, keys or the name of a certificate, or call it public";
  }
  if (client.secrets.size() > Client::secrets_max) return "it has more than 4 secrets";
  if (client.makes_old_assertions && !client.keys && client.keys_text.empty()) {
    return "it has old_assertions, and no keys that could sign any";
  }
  if (!client.keys_text.empty()) {
    if (std::string fault = fault_of_public_keys(client.keys_text); !fault.empty()) return cat("its keys: ", fault);
  }
  if (!client.is_public) return {};
  for (const Grant grant : {Grant::client_credentials, Grant::token_exchange, Grant::jwt_bearer}) {
    if (client.may(grant)) return cat("a public client cannot use the grant ", row_of(grant).name);
  }
  return client.introspects.empty() && !client.reads_revocations
             ? std::string()
             : "a public client is told nothing about tokens and revocations";
}

}  // namespace

const std::array<GrantRow, grant_count>& grants() { return grant_rows; }

const GrantRow* grant_named(std::string_view name) {
  for (const GrantRow& row : grant_rows) {
    if (row.name == name || row.grant_type == name) return &row;
  }
  return nullptr;
}

const GrantRow& row_of(Grant grant) { return grant_rows[static_cast<std::size_t>(grant)]; }

bool is_client_id(std::string_view text) {
  return !text.empty() && text.size() <= Client::id_bytes_max &&
         std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f && c != ':'; });
}

bool is_scope_token(std::string_view text) {
  return !text.empty() && text.size() <= auth::identity_bytes_max &&
         std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f && c != '"' && c != '\\'; });
}

std::string fault_of_redirect_uri(std::string_view text) {
  if (text.size() > redirect_uri_bytes_max) return "longer than 2048 bytes";
  if (!is_uri_text(text)) return "it has characters that no URI has";
  if (text.find('#') != std::string_view::npos) return "it has a fragment";
  if (text.find('*') != std::string_view::npos) return "there are no wildcards: list every one";
  const UriParts uri = split_uri(text);
  if (!is_scheme(uri.scheme) || uri.scheme.size() == text.size()) return "it is not absolute";
  if (uri.authority.find('@') != std::string_view::npos) return "it has a user name in it";
  const std::string_view host = without_port(uri.authority);
  const std::string_view port = uri.authority.substr(host.size());
  if (!port.empty() && !parse_unsigned<std::uint16_t>(port.substr(1))) return "its port is not from 0 to 65535";
  if (has_answer_parameter(uri.rest)) return "code, state, iss and error in its query are the server's to add";
  const std::string scheme = to_lower(uri.scheme);
  if (scheme == "https") return host.empty() ? "it has no host" : "";
  if (scheme == "http") {
    if (is_loopback_address(host) || host == "localhost") return {};
    return "http is for this machine only (127.0.0.1, [::1]): use https";
  }
  // RFC 8252 §7.1: private-use schemes are names of domains turned round.
  if (uri.scheme.find('.') != std::string_view::npos) return {};
  return "a private scheme needs a dot, as in com.example.app";
}

bool is_redirect_uri_of(const Client& client, std::string_view text) {
  if (std::ranges::find(client.redirect_uris, text) != client.redirect_uris.end()) return true;
  if (!is_uri_text(text) || text.find('#') != std::string_view::npos) return false;
  const UriParts asked = split_uri(text);
  const std::string_view host = without_port(asked.authority);
  if (asked.scheme != "http" || !is_loopback_address(host)) return false;
  const std::string_view port = asked.authority.substr(host.size());
  const auto number = port.empty() ? std::optional<std::uint16_t>(1) : parse_unsigned<std::uint16_t>(port.substr(1));
  if (!number || *number == 0 || port.starts_with(":0")) return false;
  return std::ranges::any_of(client.redirect_uris, [&](const std::string& known_text) {
    const UriParts known = split_uri(known_text);
    return known.scheme == "http" && without_port(known.authority) == host && known.rest == asked.rest;
  });
}

void add_origins(const Client& client, OriginSet& origins) {
  if (!client.is_public) return;
  for (const std::string& uri : client.redirect_uris) {
    const UriParts parts = split_uri(uri);
    if (!parts.authority.empty()) origins.insert(to_lower(cat(parts.scheme, "://", parts.authority)));
  }
}

std::string fault_of(const Client& client) {
  if (!is_client_id(client.id)) return "its id must be 1 to 128 visible ASCII characters without ':'";
  if (!client.name.empty() && !auth::is_identity_text(client.name)) return "its name cannot be shown";
  if (std::string fault = fault_of_credentials(client); !fault.empty()) return fault;
  if (std::string fault = fault_of_uris(client.redirect_uris); !fault.empty()) return fault;
  if (std::string fault = fault_of_uris(client.post_logout_redirect_uris); !fault.empty()) return fault;
  if (std::string fault = fault_of_list(client.scopes, "scope", is_scope_token); !fault.empty()) return fault;
  if (std::string fault = fault_of_list(client.audiences, "audience", auth::is_identity_text); !fault.empty()) {
    return fault;
  }
  for (const auto* list : {&client.exchange.subjects, &client.exchange.actors}) {
    if (std::string fault = fault_of_list(*list, "subject (user:*, client:NAME)", is_subject_pattern); !fault.empty()) {
      return fault;
    }
  }
  if (client.may(Grant::authorization_code) && client.redirect_uris.empty()) {
    return "the grant authorization_code needs a redirect_uri";
  }
  const bool starts_families = client.may(Grant::authorization_code) || client.may(Grant::device_code);
  if (client.may(Grant::refresh_token) && !starts_families) {
    return "the grant refresh_token needs authorization_code or device_code beside it";
  }
  return {};
}

}  // namespace keepgate::oauth
