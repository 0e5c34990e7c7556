#include "auth/api_key_credential.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/percent.h"

namespace keepgate::auth {

namespace {

std::string_view name_of_pair(std::string_view pair) { return trim(pair.substr(0, pair.find('='))); }

bool is_argument(const ApiKeyOptions& options, std::string_view argument) {
  const std::string_view name = name_of_pair(argument);
  return std::ranges::any_of(options.places, [&](const ApiKeyPlace& place) {
    return place.kind == ApiKeyPlaceKind::query &&
           (equals_ignoring_case(name, place.name) ||
            (name.find('%') != std::string_view::npos && equals_ignoring_case(percent_decoded(name), place.name)));
  });
}

bool is_cookie(const ApiKeyOptions& options, std::string_view pair) {
  const std::string_view name = name_of_pair(pair);
  return std::ranges::any_of(options.places, [&](const ApiKeyPlace& place) {
    return place.kind == ApiKeyPlaceKind::cookie && equals_ignoring_case(name, place.name);
  });
}

std::string_view value_of_pair(std::string_view pair) {
  const std::size_t equals = pair.find('=');
  return equals == std::string_view::npos ? std::string_view() : trim(pair.substr(equals + 1));
}

// Calls `take` for each part between the separators.
template <typename Take>
void split(std::string_view text, char separator, Take take) {
  while (true) {
    const std::size_t end = text.find(separator);
    take(text.substr(0, end));
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

// RFC 9110 §11.4: a scheme, a space, the credential.
FoundApiKey in_authorization(std::string_view value) {
  const std::size_t space = value.find(' ');
  const std::string_view scheme = value.substr(0, space);
  const std::string_view credential = space == std::string_view::npos ? std::string_view() : trim(value.substr(space));
  if (equals_ignoring_case(scheme, "ApiKey")) return {true, credential};
  if (equals_ignoring_case(scheme, "Bearer") && credential.starts_with(api_key_prefix)) return {true, credential};
  return {};
}

FoundApiKey in_field(const ApiKeyOptions& options, const http::HeaderLine& line) {
  const bool is_listed = std::ranges::any_of(options.places, [&](const ApiKeyPlace& place) {
    return place.kind == ApiKeyPlaceKind::header && equals_ignoring_case(line.name, place.name);
  });
  if (!is_listed) return {};
  return line.field == http::Field::authorization ? in_authorization(line.value) : FoundApiKey{true, line.value};
}

bool has_place(const ApiKeyOptions& options, ApiKeyPlaceKind kind) {
  return std::ranges::any_of(options.places, [&](const ApiKeyPlace& place) { return place.kind == kind; });
}

std::string_view without(std::string_view text, char separator, std::string_view join, Arena& arena,
                         const auto& is_carrier) {
  bool is_clean = true;
  split(text, separator, [&](std::string_view part) { is_clean = is_clean && !is_carrier(part); });
  if (is_clean) return text;
  std::string out;
  split(text, separator, [&](std::string_view part) {
    if (!is_carrier(part)) append(out, out.empty() ? "" : join, join.size() > 1 ? trim(part) : part);
  });
  return arena.copy(out);
}

}  // namespace

Result<FoundApiKey> find_api_key(const ApiKeyOptions& options, const http::RequestHead& head) {
  FoundApiKey found;
  std::size_t count = 0;
  const auto take = [&](std::string_view text) {
    found = {true, text};
    ++count;
  };
  const bool in_cookies = has_place(options, ApiKeyPlaceKind::cookie);
  for (const http::HeaderLine& line : head.headers) {
    if (const FoundApiKey here = in_field(options, line); here.is_there) take(here.text);
    if (!in_cookies || line.field != http::Field::cookie) continue;
    split(line.value, ';', [&](std::string_view pair) {
      if (is_cookie(options, pair)) take(value_of_pair(pair));
    });
  }
  if (has_place(options, ApiKeyPlaceKind::query)) {
    split(head.query, '&', [&](std::string_view argument) {
      if (is_argument(options, argument)) take(value_of_pair(argument));
    });
  }
  if (count > 1) return fail(ErrorKind::refused, Blame::client, "invalid_token", "more than one API key");
  return found;
}

bool is_api_key_field(const ApiKeyOptions& options, const http::HeaderLine& line) {
  return in_field(options, line).is_there;
}

std::string_view without_api_key_arguments(const ApiKeyOptions& options, std::string_view query, Arena& arena) {
  if (!has_place(options, ApiKeyPlaceKind::query)) return query;
  return without(query, '&', "&", arena, [&](std::string_view argument) { return is_argument(options, argument); });
}

std::string_view without_api_key_cookies(const ApiKeyOptions& options, std::string_view cookies, Arena& arena) {
  if (!has_place(options, ApiKeyPlaceKind::cookie)) return cookies;
  return without(cookies, ';', "; ", arena, [&](std::string_view pair) { return is_cookie(options, pair); });
}

}  // namespace keepgate::auth
