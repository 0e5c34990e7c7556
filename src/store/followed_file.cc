#include "store/followed_file.h"

#include <sys/stat.h>

#include <algorithm>

#include "base/bytes.h"
#include "crypto/digest.h"

namespace keepgate::store {

namespace {

// File systems count time in ticks: a file that changed this shortly ago may change again without looking different.
constexpr std::int64_t settling_ms = 100;
// What may be appended between a look at the size and the reading.
constexpr std::size_t growth_bytes = 64 * 1024;

}  // namespace

bool is_settled(const FileState& state, Now now) { return state.changed_ns / 1'000'000 + settling_ms < now.wall_ms; }

FollowedText::Refreshed FollowedText::refresh(Now now) {
  const std::lock_guard lock(mutex_);
  const bool is_same = state_of_file(path_) == state_;
  if (is_same && !may_have_changed_ && now.monotonic_ms < again_at_ms_) return {};
  const Result<std::string> news = read(now);
  if (news) {
    again_at_ms_ = INT64_MAX;
    const bool had_failed = !std::exchange(failure_, {}).empty();
    if (news->empty() && !had_failed) return {};  // Only looked at again.
    return {Change::read, cat(printable(path_, 400), news->empty() ? " can be read again" : " ", *news)};
  }
  again_at_ms_ = now.monotonic_ms + retry_after_ms;
  if (failure_ == news.error().detail) return {};
  failure_ = news.error().detail;
  return {Change::failed, cat(failure_, "; ", lose())};
}

std::string FollowedText::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

// INVARIANT: state_ is what was looked at before it was read: what changes meanwhile is seen next time.
Result<std::string> FollowedText::read(Now now) {
  state_ = state_of_file(path_);
  may_have_changed_ = !is_settled(state_, now);
  Result<std::string> bytes = read_small(path_, std::min(bytes_max_, state_.bytes + growth_bytes), S_IWOTH);
  if (!bytes) {
    digest_.clear();
    return bytes;
  }
  const std::string digest = crypto::sha256_hex(*bytes);
  crypto::SecretText text{std::string_view(*bytes)};
  crypto::wipe(bytes->data(), bytes->size());
  if (digest == digest_ && (may_have_changed_ || !to_take_again_)) return std::string();
  digest_.clear();
  Result<std::string> taken = take(std::move(text), !may_have_changed_);
  if (!taken) return file_error(path_, taken.error().detail);
  digest_ = digest;
  to_take_again_ = may_have_changed_ && takes_again();
  return taken;
}

}  // namespace keepgate::store
