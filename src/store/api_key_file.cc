#include "store/api_key_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/bytes.h"
#include "store/api_key_secret.h"

namespace keepgate::store {

namespace {

constexpr std::size_t end_bytes = 256;

std::string end_before(int descriptor, std::uint64_t offset) {
  std::string out(std::min<std::uint64_t>(offset, end_bytes), '\0');
  const ssize_t count = ::pread(descriptor, out.data(), out.size(), static_cast<off_t>(offset - out.size()));
  out.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
  return out;
}

}  // namespace

ApiKeyFile::Refreshed ApiKeyFile::refresh(Now now) {
  const std::lock_guard lock(mutex_);
  const bool is_same = state_of_file(path_) == state_ && state_of_file(secret_path_) == secret_state_;
  const bool verifies = now.monotonic_ms >= again_at_ms_;
  if (is_same && !may_have_changed_ && !verifies) return {};

  const std::size_t before = current_ ? current_->size() : 0;
  const bool had_failed = !failure_.empty();
  const auto previous = current_;
  if (const Result<void> done = read(now, verifies); !done) {
    was_read_ = false;
    again_at_ms_ = now.monotonic_ms + retry_after_ms;
    if (failure_ == done.error().detail) return {};
    failure_ = done.error().detail;
    return {Change::failed,
            cat("API keys: ", failure_,
                current_ ? "; the keys that were read before stay in use" : "; locations that need them answer 503")};
  }
  failure_.clear();
  if (current_ == previous) return {};
  keys_.publish(current_);
  if (is_same && !had_failed && current_->size() == before) return {};  // Only looked at again.
  return {Change::read, cat("API keys: ", printable(path_, 400), " has ", current_->size(), " keys, ",
                            current_->memory_bytes() / 1024, " KiB")};
}

// INVARIANT: state_ and secret_state_ are what was looked at before it was read: what changes meanwhile is seen next
// time.
Result<void> ApiKeyFile::read(Now now, bool anew) {
  const FileState before = state_;
  const FileState secret_state = state_of_file(secret_path_);
  state_ = state_of_file(path_);
  may_have_changed_ = false;
  const bool same_secret = secret_state == secret_state_;
  secret_state_ = secret_state;
  const Result<Descriptor> file = open_regular(path_, O_RDONLY, S_IWOTH);
  if (!file) return std::unexpected(file.error());
  const FileState state = state_of_file(file->number());
  if (state.bytes > file_bytes_max) return file_error(path_, cat("larger than ", file_bytes_max, " bytes"));
  may_have_changed_ = !is_settled(state, now) || !is_settled(secret_state, now);
  const bool is_followed =
      state.bytes >= followed_from_bytes && state.device == before.device && state.inode == before.inode && same_secret;

  bool done = false;
  if (was_read_ && !anew && is_followed) {
    const Result<bool> appended = read_appended(file->number(), before, state);
    if (!appended) return std::unexpected(appended.error());
    done = *appended;
    if (done && again_at_ms_ == INT64_MAX) again_at_ms_ = now.monotonic_ms + verify_after_ms;
  }
  if (!done) {
    again_at_ms_ = INT64_MAX;
    if (Result<void> whole = read_whole(file->number(), state); !whole) return whole;
  }
  state_ = state;
  was_read_ = true;
  return {};
}

Result<void> ApiKeyFile::read_whole(int descriptor, const FileState& state) {
  Result<std::string> secret = read_secret(secret_path_);
  if (!secret) return std::unexpected(secret.error());
  auth::ApiKeySetBuilder builder(std::move(*secret));
  bool is_first = true;
  const auto take = [&](std::string_view lines) -> Result<void> {
    if (is_first) {
      // Room for as many as there will be if the rest looks like the beginning.
      const auto count = static_cast<std::uint64_t>(std::ranges::count(lines, '\n'));
      builder.reserve(state.bytes * count / lines.size() + 16);
      is_first = false;
    }
    return builder.add(lines);
  };
  const Result<std::uint64_t> end = read_lines(path_, descriptor, 0, auth::api_key_line_bytes_max, take);
  if (!end) {
    if (end.error().code == "file") return std::unexpected(end.error());
    return file_error(path_, end.error().detail);
  }
  auto set = builder.finish();
  if (!set) return file_error(path_, set.error().detail);
  current_ = std::move(*set);
  consumed_ = *end;
  end_ = end_before(descriptor, consumed_);
  return {};
}

Result<bool> ApiKeyFile::read_appended(int descriptor, const FileState& before, const FileState& state) {
  if (!current_ || state.bytes < consumed_ || end_before(descriptor, consumed_) != end_) return false;
  auth::ApiKeySetBuilder builder(*current_);
  bool has_more = false;
  const auto take = [&](std::string_view lines) -> Result<void> {
    has_more = true;
    return builder.add(lines);
  };
  const Result<std::uint64_t> end = read_lines(path_, descriptor, consumed_, auth::api_key_line_bytes_max, take);
  // What is wrong with an appended line may be that the lines before it are others now: the whole file tells.
  if (!end || builder.is_crowded()) return false;
  if (!has_more) return state == before;
  auto set = builder.finish();
  if (!set) return false;
  current_ = std::move(*set);
  consumed_ = *end;
  end_ = end_before(descriptor, consumed_);
  return true;
}

}  // namespace keepgate::store
