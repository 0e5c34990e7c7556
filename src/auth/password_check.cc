#include "auth/password_check.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <unordered_map>

#include "base/bytes.h"
#include "base/error.h"
#include "crypto/digest.h"
#include "crypto/random.h"

namespace keepgate::auth {

namespace {

constexpr std::size_t id_bytes = 32;
constexpr std::size_t shard_count = 16;

using CheckId = std::array<char, id_bytes>;

// An id is a keyed hash already: eight bytes of it spread as well as any.
struct FirstBytes {
  std::size_t operator()(const CheckId& id) const {
    std::uint64_t out = 0;
    std::memcpy(&out, id.data(), sizeof out);
    return out;
  }
};

CheckId to_id(std::string_view text) {
  KG_ASSERT(text.size() == id_bytes);
  CheckId out;
  std::ranges::copy(text, out.begin());
  return out;
}

struct Shard {
  mutable std::mutex mutex;  // Held for a look-up, or for a walk when the shard is full.
  std::unordered_map<CheckId, std::int64_t, FirstBytes> ends_ms;
};

const crypto::SecretText& check_key() {
  static const crypto::SecretText* const key = [] {
    auto* made = new crypto::SecretText(id_bytes);
    crypto::random_bytes({reinterpret_cast<unsigned char*>(made->data()), made->size()});
    return made;
  }();
  return *key;
}

}  // namespace

// Each part behind its length: no two triples read alike.
std::string password_check_id(std::string_view user, std::string_view password, std::string_view stored) {
  crypto::SecretText text(3 * sizeof(std::uint64_t) + user.size() + password.size() + stored.size());
  char* at = text.data();
  for (const std::string_view part : {user, password, stored}) {
    const std::uint64_t size = part.size();
    std::memcpy(at, &size, sizeof size);
    at = std::ranges::copy(part, at + sizeof size).out;
  }
  const auto id = crypto::hmac_sha256(check_key().view(), text.view());
  return {reinterpret_cast<const char*>(id.data()), id.size()};
}

struct VerifiedPasswords::Impl {
  std::array<Shard, shard_count> shards;
  Shard& of(const CheckId& id) { return shards[static_cast<unsigned char>(id.back()) % shard_count]; }
};

VerifiedPasswords::VerifiedPasswords() : impl_(std::make_unique<Impl>()) {}
VerifiedPasswords::~VerifiedPasswords() = default;

bool VerifiedPasswords::knows(std::string_view text, Now now) const {
  const CheckId id = to_id(text);
  const Shard& shard = impl_->of(id);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.ends_ms.find(id);
  return found != shard.ends_ms.end() && now.monotonic_ms < found->second;
}

void VerifiedPasswords::remember(std::string_view text, Now now) {
  const CheckId id = to_id(text);
  Shard& shard = impl_->of(id);
  const std::lock_guard lock(shard.mutex);
  auto& ends_ms = shard.ends_ms;
  if (ends_ms.size() >= entries_max / shard_count && !ends_ms.contains(id)) {
    std::erase_if(ends_ms, [&](const auto& one) { return one.second <= now.monotonic_ms; });
    if (ends_ms.size() >= entries_max / shard_count) {
      ends_ms.erase(std::ranges::min_element(ends_ms, {}, [](const auto& one) { return one.second; }));
    }
  }
  ends_ms[id] = now.monotonic_ms + lifetime_ms;
}

std::size_t VerifiedPasswords::size() const {
  std::size_t count = 0;
  for (const Shard& shard : impl_->shards) {
    const std::lock_guard lock(shard.mutex);
    count += shard.ends_ms.size();
  }
  return count;
}

}  // namespace keepgate::auth
