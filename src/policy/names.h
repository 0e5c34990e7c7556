// Names in a policy and on the command line: "client:web", "user:*", "spiffe://…", "*", "anonymous", "web".
//
// Whatever could be a slip is refused with a hint instead of becoming a name that matches nobody: an unknown kind, a
// partial wildcard, a list in one string. Thread rule: pure functions.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "auth/principal.h"
#include "policy/ir.h"

namespace keepgate::policy {

inline constexpr std::size_t name_bytes_max = 1024;

struct Complaint {
  std::string_view code;
  std::string message, help;
};

std::expected<Name, Complaint> parse_name(std::string_view text);
// The part after the colon, and the names of services, scopes and roles; `what` is for the message: "a client's name".
std::expected<void, Complaint> check_plain_name(std::string_view text, std::string_view what);
// "client:web on behalf of user:alice"; nothing that stands for many.
std::expected<auth::Principal, Complaint> parse_identity(std::string_view text);

}  // namespace keepgate::policy
