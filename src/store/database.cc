#include "store/database.h"

#include <algorithm>

#include "base/bytes.h"

namespace keepgate::store {

namespace {

constexpr std::string_view unavailable_code = "store_unavailable";

std::unexpected<Error> bad_address(std::string detail) {
  return fail(ErrorKind::malformed, Blame::configuration, "store_address", std::move(detail));
}

bool has_control_bytes(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return true;
  }
  return false;
}

bool consists_of(std::string_view text, std::string_view more) {
  return std::ranges::all_of(text, [more](char c) { return is_alpha(c) || is_digit(c) || more.contains(c); });
}

// "postgres://user:password@host:5432/name?sslmode=require" → "postgres://host:5432/name". What does not look like a
// host, a port and a name may be a part of a password that was not percent-encoded: then nothing is shown.
std::string shown_uri(std::string_view uri) {
  const std::string_view rest = uri.substr(uri.find("//") + 2);
  std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  std::string_view name = rest.substr(authority.size());
  name = name.substr(0, name.find_first_of("?#"));
  if (rest.substr(authority.size()).contains('@')) return "postgres";
  if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) authority.remove_prefix(at + 1);
  const std::size_t colon = authority.ends_with(']') ? std::string_view::npos : authority.rfind(':');
  const std::string_view port = colon == std::string_view::npos ? "" : authority.substr(colon + 1);
  const std::string_view host = authority.substr(0, colon);
  if (!consists_of(host, ".-_[]:%") || (!port.empty() && !parse_unsigned<std::uint16_t>(port)) ||
      !consists_of(name, "/-_")) {
    return "postgres";
  }
  return cat("postgres://", authority, name);
}

Result<StoreAddress> postgres_address(std::string_view uri) {
  const std::size_t scheme = uri.find("://");
  if (scheme == std::string_view::npos ||
      (uri.substr(0, scheme) != "postgres" && uri.substr(0, scheme) != "postgresql")) {
    return bad_address("write postgres://user@host/database");
  }
  StoreAddress out;
  out.kind = StoreKind::postgres;
  out.uri = uri;
  out.shown = shown_uri(uri);
  return out;
}

}  // namespace

std::string text_of(const Value& value) {
  const std::string* text = std::get_if<std::string>(&value);
  return text ? *text : std::string();
}

std::int64_t number_of(const Value& value) {
  const std::int64_t* number = std::get_if<std::int64_t>(&value);
  return number ? *number : 0;
}

Value text_or_null(std::string_view text) {
  if (text.empty()) return {};
  return std::string(text);
}

bool is_unavailable(const Error& error) { return error.code == unavailable_code; }

std::unexpected<Error> store_unavailable(std::string detail, ErrorKind kind) {
  return std::unexpected(Error{kind, Blame::us, Retry::always, unavailable_code, std::move(detail)});
}

std::unexpected<Error> store_conflict(std::string detail) {
  return fail(ErrorKind::refused, Blame::us, "store_conflict", std::move(detail));
}

std::unexpected<Error> store_broken(std::string detail) {
  return fail(ErrorKind::internal, Blame::us, "store_broken", std::move(detail));
}

Result<StoreAddress> parse_store_address(std::string_view text) {
  if (has_control_bytes(text)) return bad_address("control bytes in the address of the store");
  if (text.starts_with("sqlite:")) {
    StoreAddress out;
    out.kind = StoreKind::sqlite;
    out.file = text.substr(7);
    // ":memory:" and "file:…?…" mean something else to SQLite; a store is a file that stays.
    if (out.file.empty() || out.file.front() == ':' || out.file.starts_with("file:") || out.file.ends_with('/')) {
      return bad_address("write sqlite:FILE with the name of a file");
    }
    out.shown = cat("sqlite:", printable(out.file, 400));
    return out;
  }
  if (text.starts_with("postgres://") || text.starts_with("postgresql://")) return postgres_address(text);
  if (text.starts_with("postgres:")) return postgres_address(text.substr(9));
  if (text.starts_with("postgresql:")) return postgres_address(text.substr(11));
  return bad_address("a store is sqlite:FILE or postgres://user@host/database");
}

}  // namespace keepgate::store
