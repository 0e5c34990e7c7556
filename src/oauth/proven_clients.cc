#include "oauth/proven_clients.h"

#include "base/bytes.h"

namespace keepgate::oauth {

namespace {

constexpr std::int64_t hour_ms = 3'600'000;
constexpr std::uint64_t hour_mask = (std::uint64_t{1} << 24) - 1;

std::uint64_t hour_of(std::int64_t now_ms) { return static_cast<std::uint64_t>(now_ms / hour_ms + 1) & hour_mask; }

}  // namespace

// The client's length stands before it: no two pairs read alike.
std::uint64_t ProvenClients::hash(std::string_view client, std::string_view network) const {
  return crypto::siphash13(key_, cat(client.size(), ":", client, network));
}

bool ProvenClients::knows(std::string_view client, std::string_view network, std::int64_t now_ms) const {
  const std::uint64_t wanted = hash(client, network);
  const std::uint64_t entry = entries_[wanted % entries_max].load(std::memory_order_relaxed);
  const auto age = static_cast<std::int64_t>(hour_of(now_ms)) - static_cast<std::int64_t>(entry & hour_mask);
  return entry != 0 && (entry & ~hour_mask) == (wanted & ~hour_mask) && age <= lifetime_hours;
}

void ProvenClients::remember(std::string_view client, std::string_view network, std::int64_t now_ms) {
  const std::uint64_t known = hash(client, network);
  std::atomic<std::uint64_t>& place = entries_[known % entries_max];
  const std::uint64_t entry = (known & ~hour_mask) | hour_of(now_ms);
  // Nearly always it stands there already, and threads share the line.
  if (place.load(std::memory_order_relaxed) != entry) place.store(entry, std::memory_order_relaxed);
}

}  // namespace keepgate::oauth
