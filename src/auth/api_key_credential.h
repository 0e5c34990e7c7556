// Where a request carries its API key, and how it goes on without it.
//
// Thread rule: pure functions. What they return points into the request or the arena.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/api_key_set.h"
#include "base/arena.h"
#include "base/error.h"
#include "base/published.h"
#include "http/head.h"
#include "route/template.h"

namespace keepgate::auth {

enum class ApiKeyPlaceKind : std::uint8_t {
  header = 0,  // Authorization: the credential of the scheme ApiKey, or of Bearer when it begins as a key does.
  query,
  cookie,
};

struct ApiKeyPlace {
  ApiKeyPlaceKind kind = ApiKeyPlaceKind::header;
  std::string name;  // Compared without case, in a query after percent-decoding.
};

struct ApiKeyOptions {
  bool enabled = false;
  route::Template realm;
  std::vector<ApiKeyPlace> places;
  std::shared_ptr<const Published<ApiKeySet>> keys;  // nullptr, or nothing published: unusable → 503.
  bool forwards = false;                             // The service sees the key (auth_api_key_forward on).
};

// The text of the one key that the request carries, whatever it looks like. `is_there` is false where it carries none.
// More than one, in one place or in several, the same or not, is an error: two programs would choose differently.
struct FoundApiKey {
  bool is_there = false;
  std::string_view text;
};
Result<FoundApiKey> find_api_key(const ApiKeyOptions& options, const http::RequestHead& head);

// Does this field carry a key and nothing else? A field that only has one among its cookies does not.
bool is_api_key_field(const ApiKeyOptions& options, const http::HeaderLine& line);
// Without the arguments and cookies that carry keys; the same text where there are none.
std::string_view without_api_key_arguments(const ApiKeyOptions& options, std::string_view query, Arena& arena);
std::string_view without_api_key_cookies(const ApiKeyOptions& options, std::string_view cookies, Arena& arena);

}  // namespace keepgate::auth
