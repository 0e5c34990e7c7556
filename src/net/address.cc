#include "net/address.h"

#include <arpa/inet.h>
#include <netdb.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "base/bytes.h"

namespace keepgate::net {

namespace {

const sockaddr_in& as_v4(const sockaddr* native) { return *reinterpret_cast<const sockaddr_in*>(native); }
const sockaddr_in6& as_v6(const sockaddr* native) { return *reinterpret_cast<const sockaddr_in6*>(native); }

// Asked for with most requests; inet_ntop() takes its time.
std::string v4_text(const unsigned char* bytes) {
  return cat(unsigned{bytes[0]}, '.', unsigned{bytes[1]}, '.', unsigned{bytes[2]}, '.', unsigned{bytes[3]});
}

}  // namespace

std::optional<Address> Address::ip(std::string_view host, std::uint16_t port) {
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  const std::string text(host);
  if (text.find('\0') != std::string::npos) return std::nullopt;
  sockaddr_in v4{};
  if (::inet_pton(AF_INET, text.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    return from_native(reinterpret_cast<const sockaddr*>(&v4), sizeof v4);
  }
  sockaddr_in6 v6{};
  if (::inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    return from_native(reinterpret_cast<const sockaddr*>(&v6), sizeof v6);
  }
  return std::nullopt;
}

std::optional<Address> Address::ip_with_port(std::string_view text) {
  const bool has_bracket = text.starts_with('[');
  if (!has_bracket) {
    if (const auto alone = ip(text, 0)) return alone;
  }
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view host = text.substr(0, colon);
  const auto port = parse_unsigned<std::uint16_t>(text.substr(colon + 1));
  if (!port || *port == 0 || has_bracket != host.ends_with(']')) return std::nullopt;
  const auto address = ip(host, *port);
  // "::1:5" is no address with a port, and "[1.2.3.4]:5" is nothing at all.
  return address && (address->family() == AF_INET6) == has_bracket ? address : std::nullopt;
}

std::optional<Address> Address::unix_path(std::string_view path) {
  sockaddr_un local{};
  if (path.empty() || path.size() >= sizeof local.sun_path || path.find('\0') != std::string_view::npos) {
    return std::nullopt;
  }
  local.sun_family = AF_UNIX;
  std::memcpy(local.sun_path, path.data(), path.size());
  return from_native(reinterpret_cast<const sockaddr*>(&local),
                     static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1));
}

Address Address::from_native(const sockaddr* native, socklen_t bytes) {
  Address out;
  if (bytes >= sizeof native->sa_family && native->sa_family == AF_UNIX) {
    out.bytes_ = std::min<socklen_t>(bytes, sizeof(sockaddr_un));
    out.storage_.any.sa_family = AF_UNIX;
    if (out.bytes_ == offsetof(sockaddr_un, sun_path)) return out;  // Without a name, as most clients.
    auto local = std::make_shared<sockaddr_un>();
    std::memcpy(local.get(), native, out.bytes_);
    out.path_ = std::move(local);
    return out;
  }
  out.bytes_ = std::min<socklen_t>(bytes, sizeof out.storage_);
  std::memcpy(&out.storage_, native, out.bytes_);
  return out;
}

std::vector<Address> Address::resolve(std::string_view host, std::uint16_t port, std::string& error) {
  if (const auto literal = ip(host, port)) return {*literal};
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int code = ::getaddrinfo(std::string(host).c_str(), nullptr, &hints, &found);
  if (code != 0) {
    error = ::gai_strerror(code);
    return {};
  }
  std::vector<Address> out;
  for (const addrinfo* one = found; one; one = one->ai_next) {
    const Address address = from_native(one->ai_addr, one->ai_addrlen).with_port(port);
    if (std::find(out.begin(), out.end(), address) == out.end()) out.push_back(address);
  }
  ::freeaddrinfo(found);
  return out;
}

std::uint16_t Address::port() const {
  if (family() == AF_INET) return ntohs(as_v4(native()).sin_port);
  if (family() == AF_INET6) return ntohs(as_v6(native()).sin6_port);
  return 0;
}

Address Address::with_port(std::uint16_t port) const {
  Address out = *this;
  if (family() == AF_INET) out.storage_.v4.sin_port = htons(port);
  if (family() == AF_INET6) out.storage_.v6.sin6_port = htons(port);
  return out;
}

std::string Address::ip_text() const {
  char text[INET6_ADDRSTRLEN] = {};
  if (family() == AF_INET) return v4_text(reinterpret_cast<const unsigned char*>(&as_v4(native()).sin_addr));
  if (family() == AF_INET6) {
    const in6_addr& six = as_v6(native()).sin6_addr;
    // A v4 client on a dual-stack listener is the same client: one spelling for limits and logs.
    if (IN6_IS_ADDR_V4MAPPED(&six)) return v4_text(six.s6_addr + 12);
    return ::inet_ntop(AF_INET6, &six, text, sizeof text);
  }
  return "unix:";
}

// The kernel may give a path that fills all of it, without a zero at the end.
std::string_view Address::path_text() const {
  return path_ ? std::string_view(path_->sun_path, ::strnlen(path_->sun_path, sizeof path_->sun_path)) : "";
}

std::string Address::text() const {
  if (is_unix()) return cat("unix:", path_text());
  const std::string host = ip_text();
  return host.find(':') == std::string::npos ? cat(host, ':', port()) : cat('[', host, "]:", port());
}

std::string_view Address::ip_bytes() const {
  if (family() == AF_INET) return {reinterpret_cast<const char*>(&as_v4(native()).sin_addr), 4};
  if (family() == AF_INET6) {
    const in6_addr& six = as_v6(native()).sin6_addr;
    const auto* bytes = reinterpret_cast<const char*>(&six);
    return IN6_IS_ADDR_V4MAPPED(&six) ? std::string_view(bytes + 12, 4) : std::string_view(bytes, 16);
  }
  return {};
}

bool Address::is_wildcard() const {
  const std::string_view bytes = ip_bytes();
  return !bytes.empty() && bytes.find_first_not_of('\0') == std::string_view::npos;
}

bool Address::operator==(const Address& other) const {
  return bytes_ == other.bytes_ && std::memcmp(native(), other.native(), bytes_) == 0;
}

}  // namespace keepgate::net
