// Names without case → numbers: exact, longest "*.suffix", longest "prefix.*", in this order. What `map { hostnames; }`
// and server names share. Lookups allocate nothing and cost one pass over the name, however long it is.
// Thread rule: immutable after the last add.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

namespace keepgate::route {

class HostTable {
 public:
  HostTable();
  HostTable(HostTable&&) noexcept;
  HostTable& operator=(HostTable&&) noexcept;
  ~HostTable();

  // All of them: false if the name is taken, or is no such wildcard; then nothing changed.
  bool add_exact(std::string_view name, std::uint32_t value);
  bool add_suffix(std::string_view name, std::uint32_t value);  // "*.example.com", or ".example.com" for both.
  bool add_prefix(std::string_view name, std::uint32_t value);  // "www.example.*"

  std::optional<std::uint32_t> find(std::string_view name) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Is `name` one of the three wildcard forms, with nothing odd about it?
bool is_suffix_wildcard(std::string_view name);
bool is_prefix_wildcard(std::string_view name);

}  // namespace keepgate::route
