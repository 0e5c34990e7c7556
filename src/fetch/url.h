// The URLs that we fetch from: https (or http) with a host, strictly spelled, so that two readers see the same one.
//
// No user information, no fragment, no byte outside visible ASCII, no percent sign in the host. Thread rule: plain
// values. Bounds: url_bytes_max.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace keepgate::fetch {

inline constexpr std::size_t url_bytes_max = 2048;

struct Url {
  bool tls = false;  // https
  std::string host;  // Lower case; an IPv6 address in brackets.
  std::uint16_t port = 0;
  std::string path;                  // As written; "" or from its '/'.
  std::optional<std::string> query;  // Without its '?'.

  std::string origin() const;  // "https://host", with the port unless it is the scheme's own.
  std::string text() const;

  // On failure `why` says what is wrong.
  static std::optional<Url> parse(std::string_view text, std::string& why);
};

}  // namespace keepgate::fetch
