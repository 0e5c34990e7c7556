#include "process/inherited.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "net/socket.h"

namespace keepgate::process {

namespace {

constexpr int first_descriptor = 3;

std::string take_variable(const char* name) {
  const char* value = std::getenv(name);
  std::string out = value ? value : "";
  ::unsetenv(name);
  return out;
}

void add(Inherited& inherited, int descriptor, bool fixed, std::string_view source) {
  if (descriptor < first_descriptor || ::fcntl(descriptor, F_GETFD) < 0) {
    inherited.remarks.push_back(cat(source, " names descriptor ", descriptor, ", which is not there: ignored"));
    return;
  }
  const std::optional<net::ListenFacts> facts = net::listen_facts(descriptor);
  if (!facts) {
    inherited.remarks.push_back(
        cat(source, " names descriptor ", descriptor, ", which is not a listening socket: closed"));
    ::close(descriptor);
    return;
  }
  ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
  ::fcntl(descriptor, F_SETFL, ::fcntl(descriptor, F_GETFL) | O_NONBLOCK);
  auto& listeners = inherited.listeners;
  const auto known = std::ranges::any_of(listeners, [&](const Listener& one) {
    return std::ranges::any_of(one.sockets, [&](const auto& socket) { return socket->descriptor() == descriptor; });
  });
  if (known) return;
  const auto same = std::ranges::find_if(listeners, [&](const Listener& one) {
    return one.address == facts->address && one.ipv6_only == facts->ipv6_only && one.fixed == fixed;
  });
  Listener& listener =
      same != listeners.end() ? *same : listeners.emplace_back(Listener{facts->address, facts->ipv6_only, fixed, {}});
  listener.sockets.push_back(std::make_shared<const Socket>(descriptor));
}

void take_from_predecessor(Inherited& inherited) {
  const std::string value = take_variable("KEEPGATE");
  if (value.empty()) return;
  inherited.replaces = true;
  std::string_view rest = value;
  for (unsigned count = 0; !rest.empty() && count < Inherited::descriptors_max; ++count) {
    const std::string_view word = rest.substr(0, rest.find(';'));
    rest.remove_prefix(std::min(word.size() + 1, rest.size()));
    const bool fixed = word.starts_with('f');
    const auto number = parse_unsigned<std::uint16_t>(fixed ? word.substr(1) : word);
    if (!number) {
      inherited.remarks.push_back(
          cat("invalid socket number \"", word, "\" in the variable KEEPGATE, ignoring the rest"));
      return;
    }
    add(inherited, *number, fixed, "KEEPGATE");
  }
}

// sd_listen_fds(3): the sockets are numbered from 3 on, and for the process LISTEN_PID only.
void take_from_service_manager(Inherited& inherited) {
  const auto pid = parse_unsigned<std::uint32_t>(take_variable("LISTEN_PID"));
  const auto count = parse_unsigned<std::uint16_t>(take_variable("LISTEN_FDS"));
  ::unsetenv("LISTEN_FDNAMES");
  if (!pid || !count || *pid != static_cast<std::uint32_t>(::getpid())) return;
  for (int i = 0; i < std::min<int>(*count, Inherited::descriptors_max); ++i) {
    add(inherited, first_descriptor + i, true, "LISTEN_FDS");
  }
}

}  // namespace

Inherited take_inherited() {
  Inherited out;
  take_from_predecessor(out);
  take_from_service_manager(out);
  return out;
}

std::string inheritance_of(const std::vector<Listener>& listeners) {
  std::string out;
  for (const Listener& listener : listeners) {
    for (const auto& socket : listener.sockets) append(out, listener.fixed ? "f" : "", socket->descriptor(), ';');
  }
  return out;
}

}  // namespace keepgate::process
