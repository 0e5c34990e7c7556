#include "process/service_manager.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/bytes.h"

namespace keepgate::process {

namespace {

constexpr std::int64_t watchdog_ms_max = 24 * 3600 * 1000;

std::uint64_t monotonic_us() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 + static_cast<std::uint64_t>(now.tv_nsec) / 1000;
}

// A line of its own: the text must not begin another one.
std::string status_line(std::string_view text) {
  std::string out = cat("STATUS=", text.substr(0, 400));
  std::ranges::replace_if(out, [](char c) { return c == '\n' || c == '\r'; }, ' ');
  return out;
}

}  // namespace

ServiceManager::ServiceManager() {
  if (const char* path = std::getenv("NOTIFY_SOCKET")) find_socket(path);
  const char* period = std::getenv("WATCHDOG_USEC");
  const char* whose = std::getenv("WATCHDOG_PID");
  const bool ours = !whose || parse_unsigned<std::uint32_t>(whose) == static_cast<std::uint32_t>(::getpid());
  const auto us = parse_unsigned<std::uint64_t>(period ? period : "");
  if (descriptor_ >= 0 && ours && us)
    watchdog_ms_ = std::min<std::int64_t>(static_cast<std::int64_t>(*us / 1000), watchdog_ms_max);
}

ServiceManager::~ServiceManager() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

// "@name" is a name of the abstract kind.
void ServiceManager::find_socket(std::string_view path) {
  if (path.size() < 2 || path.size() >= sizeof address_.sun_path || (path[0] != '/' && path[0] != '@')) return;
  address_.sun_family = AF_UNIX;
  std::memcpy(address_.sun_path, path.data(), path.size());
  if (path[0] == '@') address_.sun_path[0] = '\0';
  address_bytes_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  descriptor_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

void ServiceManager::tell(std::string_view lines) const {
  if (descriptor_ < 0) return;
  const auto* address = reinterpret_cast<const sockaddr*>(&address_);
  ::sendto(descriptor_, lines.data(), lines.size(), MSG_NOSIGNAL | MSG_DONTWAIT, address, address_bytes_);
}

void ServiceManager::ready(std::string_view text) { tell(cat("READY=1\n", status_line(text))); }
void ServiceManager::reloading() { tell(cat("RELOADING=1\nMONOTONIC_USEC=", monotonic_us())); }
void ServiceManager::stopping(std::string_view text) { tell(cat("STOPPING=1\n", status_line(text))); }
void ServiceManager::main_process(pid_t pid) { tell(cat("MAINPID=", pid)); }
void ServiceManager::status(std::string_view text) { tell(status_line(text)); }
void ServiceManager::alive() { tell("WATCHDOG=1"); }

}  // namespace keepgate::process
