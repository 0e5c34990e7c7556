#include "route/server_names.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "route/host_table.h"
#include "route/regex.h"

namespace keepgate::route {

struct ServerNames::Impl {
  HostTable names;
  std::vector<std::pair<Regex, std::uint32_t>> regexes;
  std::uint32_t default_server = 0;

  bool add_regex(std::string_view pattern, std::uint32_t server, std::string& error);
  std::uint32_t find_regex(std::string_view lower_host, CaptureSink* sink) const;
};

ServerNames::ServerNames() : impl_(std::make_unique<Impl>()) {}
ServerNames::ServerNames(ServerNames&&) noexcept = default;
ServerNames& ServerNames::operator=(ServerNames&&) noexcept = default;
ServerNames::~ServerNames() = default;

bool ServerNames::Impl::add_regex(std::string_view pattern, std::uint32_t server, std::string& error) {
  if (pattern.empty()) {
    error = "empty regex in server name \"~\"";
    return false;
  }
  // Hosts are lower-cased before they are matched, so a capital in the pattern could not match otherwise.
  const bool has_capital = std::ranges::any_of(pattern, [](char c) { return c >= 'A' && c <= 'Z'; });
  std::optional<Regex> regex = Regex::compile(pattern, has_capital, error);
  if (!regex) return false;
  regexes.emplace_back(*std::move(regex), server);
  return true;
}

bool ServerNames::add(std::string_view name, std::uint32_t server, std::string& error) {
  if (name.starts_with('~')) return impl_->add_regex(name.substr(1), server, error);
  const bool is_wildcard = name.starts_with('.') || name.find('*') != std::string_view::npos;
  if (!is_wildcard) return impl_->names.add_exact(name.ends_with('.') ? name.substr(0, name.size() - 1) : name, server);
  if (is_suffix_wildcard(name)) return impl_->names.add_suffix(name, server);
  if (is_prefix_wildcard(name)) return impl_->names.add_prefix(name, server);
  error = cat("invalid server name or wildcard \"", printable(name), "\"");
  return false;
}

void ServerNames::set_default(std::uint32_t server) { impl_->default_server = server; }

std::uint32_t ServerNames::find(std::string_view host) const {
  if (host.ends_with('.')) host.remove_suffix(1);
  if (const auto server = impl_->names.find(host)) return *server;
  if (host.empty() || impl_->regexes.empty()) return impl_->default_server;
  constexpr std::size_t host_bytes_usual = 255;  // The longest DNS name.
  if (host.size() > host_bytes_usual) return impl_->find_regex(to_lower(host), nullptr);
  std::array<char, host_bytes_usual> lower;
  std::ranges::transform(host, lower.begin(), [](char c) { return to_lower(c); });
  return impl_->find_regex({lower.data(), host.size()}, nullptr);
}

std::uint32_t ServerNames::find(std::string_view lower_host, CaptureSink& sink) const {
  if (lower_host.ends_with('.')) lower_host.remove_suffix(1);
  if (const auto server = impl_->names.find(lower_host)) return *server;
  return lower_host.empty() ? impl_->default_server : impl_->find_regex(lower_host, &sink);
}

bool ServerNames::has_groups() const {
  return std::ranges::any_of(impl_->regexes, [](const auto& one) { return one.first.group_count() > 0; });
}

bool ServerNames::bind_groups(const SlotOf& slot_of) {
  return std::ranges::all_of(impl_->regexes, [&](auto& one) { return one.first.bind(slot_of); });
}

std::uint32_t ServerNames::Impl::find_regex(std::string_view lower_host, CaptureSink* sink) const {
  for (const auto& [regex, server] : regexes) {
    const Regex::Match match = regex.match_for(lower_host, sink);
    if (match == Regex::Match::yes) return server;
    if (match == Regex::Match::failed) break;
  }
  return default_server;
}

}  // namespace keepgate::route
