#include "auth/claims.h"

#include <cmath>

#include "base/bytes.h"

namespace keepgate::auth {

namespace {

constexpr std::int64_t date_max = (std::int64_t{1} << 53) - 1;

std::unexpected<Error> bad_claim(std::string_view claim, std::string_view why) {
  return fail(ErrorKind::malformed, Blame::client, "bad_claim", cat("claim '", printable(claim, 60), "' ", why));
}

// Looks at the encoded forms of U+0080–009F, U+200E–200F, U+2028–202E and U+2066–2069; `text` is UTF-8.
bool has_hidden_characters(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 || byte == 0x7f) return true;
    if (byte == 0xc2 && static_cast<unsigned char>(text[i + 1]) < 0xa0) return true;
    if (byte != 0xe2) continue;
    const auto second = static_cast<unsigned char>(text[i + 1]), third = static_cast<unsigned char>(text[i + 2]);
    if (second == 0x80 && ((third >= 0x8e && third <= 0x8f) || (third >= 0xa8 && third <= 0xae))) return true;
    if (second == 0x81 && third >= 0xa6 && third <= 0xa9) return true;
  }
  return false;
}

bool separates(char c, ListKind kind) { return c == ' ' || (c == ',' && kind == ListKind::roles); }

bool is_list_element(std::string_view text, ListKind kind) {
  return is_identity_text(text) && text.find(kind == ListKind::roles ? ',' : ' ') == std::string_view::npos;
}

// Runs of separators count as one.
std::vector<std::string> split(std::string_view text, ListKind kind) {
  std::vector<std::string> out;
  std::size_t start = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && !separates(text[i], kind)) continue;
    if (i > start) out.emplace_back(text.substr(start, i - start));
    start = i + 1;
  }
  return out;
}

}  // namespace

std::unexpected<Error> bad_token(std::string detail) {
  return fail(ErrorKind::refused, Blame::client, "bad_token", std::move(detail));
}

Result<std::optional<std::int64_t>> numeric_date(const crypto::Json& payload, std::string_view claim,
                                                 Rounding rounding) {
  const crypto::Json* value = payload.find(claim);
  if (value == nullptr) return std::nullopt;
  if (const std::int64_t* whole = value->integer()) {
    if (*whole > date_max || *whole < -date_max) return bad_claim(claim, "is out of range");
    return *whole;
  }
  if (const double* real = value->real()) {
    const double seconds = rounding == Rounding::up ? std::ceil(*real) : std::floor(*real);
    if (!(std::fabs(seconds) <= static_cast<double>(date_max))) return bad_claim(claim, "is out of range");
    return static_cast<std::int64_t>(seconds);
  }
  return bad_claim(claim, "is not a number");
}

bool is_identity_text(std::string_view text) {
  return !text.empty() && text.size() <= identity_bytes_max && text.front() != ' ' && text.back() != ' ' &&
         crypto::is_utf8(text) && !has_hidden_characters(text);
}

Result<std::vector<std::string>> identity_list(const crypto::Json& object, std::string_view claim, ListKind kind) {
  const crypto::Json* value = object.find(claim);
  std::vector<std::string> out;
  if (value == nullptr) return out;
  if (const std::string* text = value->string()) {
    out = split(*text, kind);
  } else if (const crypto::Json::Array* elements = value->array()) {
    for (const crypto::Json& element : *elements) {
      if (element.string() == nullptr) return bad_claim(claim, "holds something else than strings");
      out.push_back(*element.string());
    }
  } else {
    return bad_claim(claim, "is neither a string nor an array");
  }
  for (const std::string& one : out) {
    if (!is_list_element(one, kind)) return bad_claim(claim, "holds a text that may name nobody");
  }
  return out;
}

}  // namespace keepgate::auth
