// The Authorization field: token_credential and bearer_token of jwt.h.
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "auth/jwt.h"
#include "base/bytes.h"

namespace keepgate::auth {

namespace {

struct SchemeRow {
  TokenScheme scheme;
  std::string_view name;
};
constexpr SchemeRow schemes[] = {{TokenScheme::bearer, "Bearer"}, {TokenScheme::dpop, "DPoP"}};

std::unexpected<Error> bad_field(std::string detail) {
  return fail(ErrorKind::malformed, Blame::client, "bad_authorization", std::move(detail));
}

bool is_token_character(char c) {
  return is_alpha(c) || is_digit(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool in_alphabet(char c) {
  return is_alpha(c) || is_digit(c) || std::string_view("-._~+/").find(c) != std::string_view::npos;
}

#ifdef __SSE2__
// All of sixteen bytes at once: a token of a kilobyte is looked at on every request. '-', '.', '/' and the digits are
// neighbours in ASCII; comparisons are signed, so bytes from 0x80 are below everything.
bool all_in_alphabet(const char* at) {
  const auto within = [](__m128i bytes, char low, char high) {
    return _mm_and_si128(_mm_cmpgt_epi8(bytes, _mm_set1_epi8(static_cast<char>(low - 1))),
                         _mm_cmplt_epi8(bytes, _mm_set1_epi8(static_cast<char>(high + 1))));
  };
  const auto equals = [](__m128i bytes, char one) { return _mm_cmpeq_epi8(bytes, _mm_set1_epi8(one)); };
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  const __m128i letters = within(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), 'a', 'z');
  const __m128i marks = _mm_or_si128(equals(bytes, '_'), _mm_or_si128(equals(bytes, '~'), equals(bytes, '+')));
  const __m128i good = _mm_or_si128(_mm_or_si128(letters, within(bytes, '-', '9')), marks);
  return _mm_movemask_epi8(good) == 0xffff;
}
#endif

// RFC 6750 §2.1: 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="
bool is_b68token(std::string_view text) {
  std::size_t i = 0;
#ifdef __SSE2__
  while (i + 16 <= text.size() && all_in_alphabet(text.data() + i)) i += 16;
#endif
  while (i < text.size() && in_alphabet(text[i])) ++i;
  return i > 0 && text.find_first_not_of('=', i) == std::string_view::npos;
}

// The scheme of ours that the text starts with; nullptr: none.
const SchemeRow* scheme_of(std::string_view text) {
  for (const SchemeRow& row : schemes) {
    const std::size_t size = row.name.size();
    if (equals_ignoring_case(text.substr(0, size), row.name) &&
        (text.size() == size || !is_token_character(text[size]))) {
      return &row;
    }
  }
  return nullptr;
}

// Another scheme first and one of ours behind a comma: two credentials in one field.
bool lists_token(std::string_view text) {
  for (std::size_t comma = text.find(','); comma != std::string_view::npos; comma = text.find(',', comma + 1)) {
    if (scheme_of(trim(text.substr(comma + 1))) != nullptr) return true;
  }
  return false;
}

}  // namespace

Result<TokenCredential> token_credential(std::string_view authorization) {
  if (authorization.empty()) return TokenCredential();
  if (!is_token_character(authorization.front())) return bad_field("the field does not start with a scheme");
  const SchemeRow* row = scheme_of(authorization);
  if (row == nullptr) {
    if (lists_token(authorization)) return bad_field("a list of credentials");
    return TokenCredential();
  }
  std::string_view rest = authorization.substr(row->name.size());
  const std::size_t start = rest.find_first_not_of(' ');
  if (start == 0 || start == std::string_view::npos) return bad_field(cat("no token after ", row->name));
  rest.remove_prefix(start);
  if (!is_b68token(rest)) return bad_field("the token has characters that no token has");
  return TokenCredential{row->scheme, rest};
}

Result<std::string_view> bearer_token(std::string_view authorization) {
  const Result<TokenCredential> found = token_credential(authorization);
  if (!found) return std::unexpected(found.error());
  return found->scheme == TokenScheme::bearer ? found->token : std::string_view();
}

}  // namespace keepgate::auth
