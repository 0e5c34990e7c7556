// Host and port as they stand in a Host field or in a request target.
//
// Thread rule: pure functions. Source: RFC 3986 §3.2, RFC 9110 §7.2; stricter where authority.cc says so.
#pragma once

#include <string_view>

namespace keepgate::http {

struct Authority {
  bool valid = false;
  bool has_port = false;
  std::string_view host;  // Without port and trailing dot; an IPv6 address keeps its brackets. A view of the input.
};

Authority parse_authority(std::string_view text);

}  // namespace keepgate::http
