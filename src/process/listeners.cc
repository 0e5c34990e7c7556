#include "process/listeners.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include "base/bytes.h"
#include "base/log.h"
#include "net/socket.h"

namespace keepgate::process {

namespace {

net::ListenOptions options_of(const pipeline::ListenerConfig& config, net::Claim claim) {
  net::ListenOptions options;
  options.backlog = config.backlog;
  options.ipv6_only = config.ipv6_only;
  options.tuning = config.tuning;
  options.claim = claim;
  return options;
}

// Two of our own addresses may overlap: a wildcard and one of its addresses, or one address in two versions of IPv6.
bool overlap(const net::Address& one, const net::Address& other) {
  return !one.is_unix() && !other.is_unix() && one.port() == other.port() &&
         (one == other || one.is_wildcard() || other.is_wildcard());
}

Result<Listener> bind_first(const pipeline::ListenerConfig& config, bool overlaps_ours) {
  Listener out{config.address, config.ipv6_only, false, {}};
  const auto claim = overlaps_ours ? net::Claim::join : net::Claim::alone;
  const Result<int> descriptor = net::listen_on(config.address, options_of(config, claim));
  if (!descriptor) return std::unexpected(descriptor.error());
  out.sockets.push_back(std::make_shared<const Socket>(*descriptor));
  return out;
}

// Each worker its own socket: the kernel spreads connections. Where no more can be had, workers share those there are.
void extend(Listener& listener, const pipeline::ListenerConfig& config, unsigned workers) {
  if (listener.address.is_unix() || listener.fixed) return;
  while (listener.sockets.size() < workers) {
    const Result<int> descriptor = net::listen_on(listener.address, options_of(config, net::Claim::join));
    if (!descriptor) {
      log(LogLevel::notice, "workers share a socket: ", descriptor.error().detail);
      return;
    }
    listener.sockets.push_back(std::make_shared<const Socket>(*descriptor));
  }
}

// All or nothing; the failure names every address that could not be had.
Result<std::vector<Listener>> bind_once(const std::vector<Listener>& have,
                                        const std::vector<pipeline::ListenerConfig>& wanted,
                                        const std::vector<net::Address>& going) {
  std::vector<Listener> out, fresh;
  std::string failures;
  Retry retry = Retry::always;  // Unless one of them cannot be had later either.
  for (const pipeline::ListenerConfig& config : wanted) {
    const auto found = std::ranges::find_if(have, [&](const Listener& one) { return one.is_for(config); });
    if (found != have.end()) {
      out.push_back(*found);
      continue;
    }
    const auto overlaps = [&](const Listener& one) { return overlap(one.address, config.address); };
    const bool goes = std::ranges::any_of(going, [&](const net::Address& one) { return overlap(one, config.address); });
    auto listener =
        bind_first(config, goes || std::ranges::any_of(have, overlaps) || std::ranges::any_of(out, overlaps));
    if (listener) {
      fresh.push_back(*listener);
      out.push_back(std::move(*listener));
    } else {
      append(failures, failures.empty() ? "" : "; ", listener.error().detail);
      if (listener.error().retry == Retry::never) retry = Retry::never;
    }
  }
  if (!failures.empty()) {
    for (const Listener& one : fresh) one.unlink_path();
    return std::unexpected(Error{ErrorKind::io, Blame::configuration, retry, "listen", std::move(failures)});
  }
  return out;
}

}  // namespace

Socket::~Socket() { ::close(descriptor_); }

bool Listener::is_for(const pipeline::ListenerConfig& config) const {
  if (!(address == config.address)) return false;
  return fixed || address.family() != AF_INET6 || ipv6_only == config.ipv6_only;
}

void Listener::unlink_path() const {
  if (address.is_unix() && !fixed) ::unlink(address.text().c_str() + std::string_view("unix:").size());
}

void pause_before_next_bind() { std::this_thread::sleep_for(std::chrono::milliseconds(bind_pause_ms)); }

Result<std::vector<Listener>> bind_listeners(const std::vector<Listener>& have,
                                             const std::vector<pipeline::ListenerConfig>& wanted, unsigned workers,
                                             const std::vector<net::Address>& going,
                                             const std::function<void()>& pause) {
  auto out = bind_once(have, wanted, going);
  for (int tries = 1; !out && out.error().retry == Retry::always && tries < bind_tries_max; ++tries) {
    log(LogLevel::warn, out.error().detail, "; trying again after ", bind_pause_ms, " ms");
    pause();
    out = bind_once(have, wanted, going);
  }
  if (!out) return out;
  // INVARIANT: nothing fails from here on. A socket that joined others gets connections, and must not be closed again.
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    for (const auto& socket : (*out)[i].sockets) {
      net::set_backlog(socket->descriptor(), wanted[i].backlog);
      net::apply_tuning(socket->descriptor(), wanted[i].address, wanted[i].tuning);
    }
    extend((*out)[i], wanted[i], workers);
  }
  return out;
}

std::vector<Listener> removed_listeners(const std::vector<Listener>& before, const std::vector<Listener>& after) {
  std::vector<Listener> out;
  for (const Listener& one : before) {
    const bool stays = std::ranges::any_of(after, [&](const Listener& other) {
      return !one.sockets.empty() && !other.sockets.empty() && one.sockets[0] == other.sockets[0];
    });
    if (!stays) out.push_back(one);
  }
  return out;
}

}  // namespace keepgate::process
