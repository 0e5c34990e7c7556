// Socket addresses as values: IPv4, IPv6 and Unix paths. Thread rule: plain values.
//
// Every connection keeps its peer's: a path, which is long and rare, lies elsewhere.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keepgate::net {

class Address {
 public:
  Address() = default;

  // "127.0.0.1", "::1" or "[::1]" with a port. Numeric only. Nothing if it is no address.
  static std::optional<Address> ip(std::string_view host, std::uint16_t port);
  // As a proxy writes a client: "1.2.3.4", "1.2.3.4:5", "::1" or "[::1]:5"; without a port it is 0.
  static std::optional<Address> ip_with_port(std::string_view text);
  static std::optional<Address> unix_path(std::string_view path);  // Nothing if too long.
  static Address from_native(const sockaddr* native, socklen_t bytes);
  // Host names too, by the system's resolver: blocks, so only while configuration is read. Empty on failure.
  static std::vector<Address> resolve(std::string_view host, std::uint16_t port, std::string& error);

  const sockaddr* native() const {
    return path_ ? reinterpret_cast<const sockaddr*>(path_.get()) : reinterpret_cast<const sockaddr*>(&storage_);
  }
  socklen_t native_bytes() const { return bytes_; }
  int family() const { return storage_.any.sa_family; }
  bool is_unix() const { return family() == AF_UNIX; }
  std::uint16_t port() const;
  Address with_port(std::uint16_t port) const;  // Of an IP address.
  std::string ip_text() const;                  // "127.0.0.1", "::1", "unix:"
  std::string text() const;                     // "127.0.0.1:80", "[::1]:80", "unix:/run/x.sock"
  std::string_view ip_bytes() const;            // 4 or 16 bytes in network order ($binary_remote_addr); "" for Unix.
  bool is_wildcard() const;
  bool operator==(const Address& other) const;

 private:
  std::string_view path_text() const;

  union Storage {
    sockaddr_in6 v6;  // The largest first: {} clears all of it.
    sockaddr_in v4;
    sockaddr any;
  } storage_{};
  socklen_t bytes_ = 0;
  std::shared_ptr<const sockaddr_un> path_;  // Of a Unix address that has one.
};

}  // namespace keepgate::net
