// Methods and paths as a policy writes them: what may be written, and what would never match and is therefore refused.
//
// A pattern is compared with the canonical path (http/uri.h), byte by byte and with case. It ends in '/': every path
// below, "/orders/" itself among them but not "/orders". `*` alone in a segment: exactly one segment that is not
// empty. `**` as the last segment: the same as ending in '/'. Anything else: exactly this path.
// Thread rule: pure functions.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "policy/names.h"

namespace keepgate::policy {

inline constexpr std::size_t path_bytes_max = 4096;
inline constexpr std::size_t path_segments_max = 64;

// The pattern with a trailing "**" taken off.
std::expected<std::string, Complaint> parse_path_pattern(std::string_view text);
// A segment that another tool would read as a placeholder (":id", "{id}"); "" if there is none.
std::string_view foreign_placeholder(std::string_view pattern);
// One path of a request, as it would be after canonicalization; no wildcard.
std::expected<void, Complaint> check_concrete_path(std::string_view path);

// "PUT/GET", "PUT, GET", "GET", "*". Nothing in the list: every method.
std::expected<std::vector<std::string>, Complaint> parse_methods(std::string_view text);
std::expected<void, Complaint> check_method(std::string_view method);
bool is_registered_method(std::string_view method);
std::string_view closest_method(std::string_view method);

}  // namespace keepgate::policy
