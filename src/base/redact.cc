#include "base/redact.h"

#include "base/bytes.h"

namespace keepgate {

namespace {

constexpr std::string_view mark_of_key = "kg";

bool is_base62(char c) { return is_digit(c) || is_alpha(c); }

// The length of an underscore, plain or percent-encoded, at `at`; 0: there is none.
std::size_t underscore_at(std::string_view text, std::size_t at) {
  if (at < text.size() && text[at] == '_') return 1;
  return at <= text.size() && equals_ignoring_case(text.substr(at, 3), "%5f") ? 3 : 0;
}

// Where the secret of a key that begins at `at` begins; npos: no key begins there.
std::size_t secret_of(std::string_view text, std::size_t at) {
  at += mark_of_key.size();
  const std::size_t first = underscore_at(text, at);
  if (first == 0) return std::string_view::npos;
  at += first;
  for (const std::size_t end = at + api_key_id_length; at < end; ++at) {
    if (at >= text.size() || !is_base62(text[at])) return std::string_view::npos;
  }
  const std::size_t second = underscore_at(text, at);
  return second == 0 ? std::string_view::npos : at + second;
}

}  // namespace

// From the right, so that a key is found that stands where the secret of another would.
void redact_api_keys(std::string& text) {
  for (std::size_t at = text.rfind(mark_of_key); at != std::string::npos;) {
    const std::size_t begin = secret_of(text, at);
    if (begin != std::string_view::npos) {
      std::size_t end = begin;
      while (end < text.size() && is_base62(text[end])) ++end;
      if (end > begin) text.replace(begin, end - begin, redacted_mark);
    }
    at = at == 0 ? std::string::npos : text.rfind(mark_of_key, at - 1);
  }
}

}  // namespace keepgate
