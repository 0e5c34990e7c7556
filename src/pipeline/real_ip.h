// real_ip: the client's address out of what a trusted proxy says (set_real_ip_from, real_ip_header, real_ip_recursive).
//
// A peer that is not in the trusted set changes nothing. Each request decides anew, for itself only (design: security
// checklist C19). Thread rule: its worker's; options are immutable.
#pragma once

#include <string>
#include <string_view>

#include "base/cidr.h"
#include "net/address.h"

namespace keepgate::pipeline {

class Exchange;

struct RealIpOptions {
  CidrSet trusted;
  bool trusts_unix = false;
  std::string field = "X-Real-IP";
  bool from_proxy_protocol = false;  // Instead of `field`.
  bool recursive = false;

  bool trusts(const net::Address& peer) const;
};

// Follows `value` from its right end: as long as `address` is trusted, the element to the left takes its place; just
// once unless `recursive`. Tells whether to go on with an earlier field of the same name: the leftmost element of
// `value` was reached and taken. Elements are separated by commas and spaces; what is no address ends it.
bool follow_forwarded(const RealIpOptions& options, std::string_view value, net::Address& address);

// Replaces the connection's peer for this request, if the location says so. Does nothing a second time.
void find_real_ip(Exchange& exchange);

}  // namespace keepgate::pipeline
