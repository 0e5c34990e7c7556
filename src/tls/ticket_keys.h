// The keys that seal session tickets (RFC 5077, RFC 8446 section 4.6.1) of one server context.
//
// Each context has its own, so a ticket of one virtual server means nothing to another. A key seals for one period and
// opens for one more; then it is forgotten. Thread rule: callable from any thread.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>

namespace keepgate::tls {

struct TicketKey {
  TicketKey() = default;
  TicketKey(const TicketKey&) = default;
  TicketKey& operator=(const TicketKey&) = default;
  ~TicketKey();  // Wipes it.

  std::array<unsigned char, 16> name{};
  std::array<unsigned char, 32> cipher_key{};
  std::array<unsigned char, 32> mac_key{};
  std::int64_t made_at_s = 0;
};

class TicketKeys {
 public:
  // `period_s`: no shorter than a ticket lives.
  explicit TicketKeys(std::int64_t period_s) : period_s_(period_s) {}

  TicketKey sealing_key(std::int64_t now_s);
  // Nothing if the key is unknown or too old.
  std::optional<TicketKey> opening_key(std::span<const unsigned char, 16> name, std::int64_t now_s);

 private:
  void rotate(std::int64_t now_s);

  const std::int64_t period_s_;
  std::mutex mutex_;
  std::optional<TicketKey> current_, previous_;
};

}  // namespace keepgate::tls
