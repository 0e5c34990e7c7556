// Which server answers for a host name on one listener: exact → longest *.suffix → longest prefix.* → regexes in file
// order → the listener's default server. Names compare without case. Thread rule: immutable after build.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "route/regex.h"

namespace keepgate::route {

class ServerNames {
 public:
  ServerNames();
  ServerNames(ServerNames&&) noexcept;
  ServerNames& operator=(ServerNames&&) noexcept;
  ~ServerNames();

  // "example.com", "*.example.com", ".example.com", "www.example.*", "~^www\d+\.example\.com$", "" (no Host).
  // The first server that claims a name keeps it: false tells the caller to warn, as nginx does. A bad name or regex
  // sets `error` as well.
  bool add(std::string_view name, std::uint32_t server, std::string& error);
  void set_default(std::uint32_t server);
  std::uint32_t find(std::string_view host) const;
  // As find(); `sink` learns what groups took. `lower_host` is in lower case.
  std::uint32_t find(std::string_view lower_host, CaptureSink& sink) const;
  // Is there a regex with groups, so that find() with a sink makes sense?
  bool has_groups() const;
  // Which groups go to which slots. Before the names are shared; false: a group has too high a number.
  bool bind_groups(const SlotOf& slot_of);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace keepgate::route
