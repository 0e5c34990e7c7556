// What a service manager wants to know (sd_notify(3)): ready, reloading, stopping, alive, and who is the main process.
//
// Speaks to the datagram socket in NOTIFY_SOCKET; without one, says nothing. Never waits. Thread rule: the main
// thread's.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include <cstdint>
#include <string_view>

namespace keepgate::process {

class ServiceManager {
 public:
  ServiceManager();  // Reads the environment.
  ~ServiceManager();
  ServiceManager(const ServiceManager&) = delete;
  ServiceManager& operator=(const ServiceManager&) = delete;

  void ready(std::string_view status);
  void reloading();
  void stopping(std::string_view status);
  void main_process(pid_t pid);
  void status(std::string_view text);
  void alive();

  // How often alive() is to be said, at least. 0: nobody asks.
  std::int64_t watchdog_ms() const { return watchdog_ms_; }

 private:
  void find_socket(std::string_view path);
  void tell(std::string_view lines) const;
  int descriptor_ = -1;
  sockaddr_un address_{};
  socklen_t address_bytes_ = 0;
  std::int64_t watchdog_ms_ = 0;
};

}  // namespace keepgate::process
