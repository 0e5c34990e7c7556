// Plan: what can be worked out about a proxy_pass before any request: which fields are overridden, hidden, added.
// Thread rule: immutable.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "http/head.h"
#include "proxy/proxy_content.h"
#include "proxy/rewrites.h"

namespace keepgate::proxy {

// A set of field names, asked for every field of every message: by number for the known, by length first for others.
class NameSet {
 public:
  void add(std::string_view name);
  bool has(const http::HeaderLine& line) const {
    if (line.field != http::Field::other) return (fields_ >> static_cast<unsigned>(line.field)) & 1;
    const std::size_t length = line.name.size() < 63 ? line.name.size() : 63;
    return ((lengths_ >> length) & 1) != 0 && has_other(line.name);
  }
  bool has(http::Field field) const { return (fields_ >> static_cast<unsigned>(field)) & 1; }

 private:
  bool has_other(std::string_view name) const;
  std::uint64_t fields_ = 0;
  std::uint64_t lengths_ = 0;
  std::vector<std::string> others_;
};

struct Plan {
  explicit Plan(ProxyOptions its_options);

  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  // proxy_ignore_headers
  bool ignores(std::string_view name) const;

  ProxyOptions options;
  NameSet request_dropped;   // Hop-by-hop, framing, Host, and what proxy_set_header replaces.
  NameSet response_dropped;  // Hop-by-hop, framing, Date, Server, X-Accel-*, proxy_hide_header.
  bool sets_host = false;
  bool sets_connection = false;                   // Connection or Upgrade is among proxy_set_header.
  const route::Template* sets_upgrade = nullptr;  // In `options`.
  const Rewrites* rewrites = nullptr;             // In `options`.
};

}  // namespace keepgate::proxy
