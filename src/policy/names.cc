#include "policy/names.h"

#include <array>
#include <utility>

#include "base/bytes.h"
#include "policy/codes.h"
#include "policy/yaml_document.h"

namespace keepgate::policy {

namespace {

struct Prefix {
  std::string_view text;
  NameKind kind;
  bool wildcard;
};

constexpr std::array prefixes{Prefix{"client", NameKind::client, true}, Prefix{"user", NameKind::user, true},
                              Prefix{"service", NameKind::service, true}, Prefix{"role", NameKind::role, false}};

constexpr std::string_view kinds_help =
    "names are client:NAME, user:NAME, service:NAME, role:NAME, spiffe://…, \"*\" or "
    "anonymous; a bare name is a client";

std::unexpected<Complaint> complain(std::string_view code, std::string message, std::string help) {
  return std::unexpected(Complaint{code, std::move(message), std::move(help)});
}

std::unexpected<Complaint> unknown_kind(std::string_view kind, std::string_view text) {
  std::array<std::string_view, prefixes.size()> known;
  for (std::size_t i = 0; i < known.size(); ++i) known[i] = prefixes[i].text;
  const std::string_view close = closest_match(to_lower(kind), known);
  return complain(code::unknown_name_kind, cat("unknown kind of name '", printable(kind, 60), "'"),
                  close.empty() ? cat(kinds_help, "; a client with a colon in its name is client:", printable(text, 60))
                                : cat("did you mean '", close, ":'?"));
}

std::expected<Name, Complaint> parse_spiffe(std::string_view text) {
  // SPIFFE-ID §2: spiffe://trust-domain/path, without query, fragment or port.
  const std::string_view rest = text.substr(std::string_view("spiffe://").size());
  if (const auto fine = check_plain_name(text, "a SPIFFE id"); !fine) return std::unexpected(fine.error());
  if (rest.empty() || rest.front() == '/' || rest.ends_with('/') || rest.find_first_of("?#@") != rest.npos) {
    return complain(code::bad_name, cat("'", printable(text, 80), "' is not a SPIFFE id"),
                    "a SPIFFE id is spiffe://TRUST-DOMAIN/PATH");
  }
  return Name{NameKind::service, std::string(text)};
}

bool take_into(const Name& name, auth::Principal& out) {
  if (name.any_of_kind()) return false;
  if (name.kind == NameKind::client) out.client = name.text;
  if (name.kind == NameKind::service) out.service = name.text;
  if (name.kind == NameKind::user) out.user = name.text;
  return name.kind == NameKind::client || name.kind == NameKind::service || name.kind == NameKind::user ||
         name.kind == NameKind::anonymous;
}

}  // namespace

std::expected<void, Complaint> check_plain_name(std::string_view text, std::string_view what) {
  if (text.empty()) return complain(code::bad_name, cat(what, " is empty"), "");
  if (text.size() > name_bytes_max) return complain(code::bad_name, cat(what, " is too long"), "at most 1024 bytes");
  if (text.find('*') != text.npos) {
    return complain(code::partial_name_wildcard, cat("'", printable(text, 80), "' holds a wildcard"),
                    "* stands alone, for every name of a kind: client:*, user:*, service:*");
  }
  if (text.find_first_of(" ,\t\r\n") != text.npos) {
    return complain(code::bad_name, cat("'", printable(text, 80), "' holds a space or a comma"),
                    "several names are written as a list: [a, b]");
  }
  if (text.find_first_of("\"'\\[]{}") != text.npos || find_hidden_character(text) != text.npos ||
      text.find("\xc2\xa0") != text.npos) {  // U+00A0 looks like a space.
    return complain(code::bad_name, cat(what, " holds a character that names do not have: '", printable(text, 80), "'"),
                    "quotes, brackets, backslashes and invisible characters are refused");
  }
  return {};
}

std::expected<Name, Complaint> parse_name(std::string_view text) {
  if (text == "*") return Name{NameKind::anybody, {}};
  if (text == "anonymous") return Name{NameKind::anonymous, {}};
  if (text.starts_with("spiffe://")) return parse_spiffe(text);
  const std::size_t colon = text.find(':');
  if (colon == text.npos) {
    if (const auto fine = check_plain_name(text, "the name"); !fine) return std::unexpected(fine.error());
    return Name{NameKind::client, std::string(text)};
  }
  const std::string_view kind = text.substr(0, colon), rest = text.substr(colon + 1);
  for (const Prefix& prefix : prefixes) {
    if (kind != prefix.text) continue;
    if (rest == "*" && prefix.wildcard) return Name{prefix.kind, "*"};
    if (const auto fine = check_plain_name(rest, cat("the name after '", kind, ":'")); !fine) {
      return std::unexpected(fine.error());
    }
    return Name{prefix.kind, std::string(rest)};
  }
  return unknown_kind(kind, text);
}

std::expected<auth::Principal, Complaint> parse_identity(std::string_view text) {
  constexpr std::string_view link = " on behalf of ";
  const std::size_t at = text.find(link);
  const auto requester = parse_name(trim(text.substr(0, at)));
  if (!requester) return std::unexpected(requester.error());
  auth::Principal out;
  if (!take_into(*requester, out)) {
    return complain(
        code::bad_test_identity, cat("'", printable(text, 80), "' is not one identity"),
        "say who asks: client:NAME, user:NAME, service:NAME, anonymous, client:NAME on behalf of user:NAME");
  }
  if (at == text.npos) return out;
  const auto customer = parse_name(trim(text.substr(at + link.size())));
  if (!customer) return std::unexpected(customer.error());
  if (customer->kind != NameKind::user || !take_into(*customer, out) || requester->kind == NameKind::user ||
      requester->kind == NameKind::anonymous) {
    return complain(code::bad_test_identity, cat("'", printable(text, 80), "' is not a requester and its customer"),
                    "a client or a service calls on behalf of a user: client:web on behalf of user:alice");
  }
  return out;
}

std::string text_of(const Name& name) {
  switch (name.kind) {
    case NameKind::nobody:
      return "nobody";
    case NameKind::anybody:
      return "*";
    case NameKind::anonymous:
      return "anonymous";
    case NameKind::client:
      return cat("client:", name.text);
    case NameKind::user:
      return cat("user:", name.text);
    case NameKind::role:
      return cat("role:", name.text);
    case NameKind::service:
      return name.text.starts_with("spiffe://") ? name.text : cat("service:", name.text);
  }
  return "nobody";
}

std::string text_of(const std::vector<Name>& names, std::string_view separator) {
  std::string out;
  for (const Name& name : names) append(out, out.empty() ? "" : separator, text_of(name));
  return out;
}

}  // namespace keepgate::policy
