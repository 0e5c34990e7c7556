// The Authorization field: bearer_token of jwt.h.
#include "auth/jwt.h"
#include "base/bytes.h"

namespace keepgate::auth {

namespace {

constexpr std::string_view scheme = "bearer";

std::unexpected<Error> bad_field(std::string detail) {
  return fail(ErrorKind::malformed, Blame::client, "bad_authorization", std::move(detail));
}

bool is_token_character(char c) {
  return is_alpha(c) || is_digit(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

// RFC 6750 §2.1: 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="
bool is_b68token(std::string_view text) {
  std::size_t i = 0;
  const auto in_alphabet = [](char c) {
    return is_alpha(c) || is_digit(c) || std::string_view("-._~+/").find(c) != std::string_view::npos;
  };
  while (i < text.size() && in_alphabet(text[i])) ++i;
  return i > 0 && text.find_first_not_of('=', i) == std::string_view::npos;
}

bool starts_with_scheme(std::string_view text) {
  return equals_ignoring_case(text.substr(0, scheme.size()), scheme) &&
         (text.size() == scheme.size() || !is_token_character(text[scheme.size()]));
}

// Another scheme first and a Bearer behind a comma: two credentials in one field.
bool lists_bearer(std::string_view text) {
  for (std::size_t comma = text.find(','); comma != std::string_view::npos; comma = text.find(',', comma + 1)) {
    if (starts_with_scheme(trim(text.substr(comma + 1)))) return true;
  }
  return false;
}

}  // namespace

Result<std::string_view> bearer_token(std::string_view authorization) {
  if (authorization.empty()) return std::string_view();
  if (!is_token_character(authorization.front())) return bad_field("the field does not start with a scheme");
  if (!starts_with_scheme(authorization)) {
    if (lists_bearer(authorization)) return bad_field("a list of credentials");
    return std::string_view();
  }
  std::string_view rest = authorization.substr(scheme.size());
  const std::size_t start = rest.find_first_not_of(' ');
  if (start == 0 || start == std::string_view::npos) return bad_field("no token after Bearer");
  rest.remove_prefix(start);
  if (!is_b68token(rest)) return bad_field("the token has characters that no token has");
  return rest;
}

}  // namespace keepgate::auth
