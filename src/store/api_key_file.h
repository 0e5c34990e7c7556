// ApiKeyFile: a file of API keys that is followed: what `keepgate key` changes is in effect a moment later.
//
// A file that changed is read anew; of one that is big and only grew, what was appended. That nothing else changed in
// it is taken on trust for `verify_after_ms` at most: then the whole file is read again. A file that cannot be used
// leaves the keys that were there in use. Thread rule: refresh() from one thread at a time (it has a lock of its own);
// keys() from any.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "auth/api_key_set.h"
#include "base/clock.h"
#include "base/published.h"
#include "store/files.h"
#include "store/followed_file.h"

namespace keepgate::store {

class ApiKeyFile final : public FollowedFile {
 public:
  static constexpr std::uint64_t file_bytes_max = std::uint64_t{2} << 30;
  static constexpr std::uint64_t followed_from_bytes = std::uint64_t{1} << 20;
  static constexpr std::int64_t verify_after_ms = 30'000;
  static constexpr std::int64_t retry_after_ms = 5'000;  // Where it failed and looks the same.

  ApiKeyFile(std::string path, std::string secret_path)
      : path_(std::move(path)), secret_path_(std::move(secret_path)) {}

  const std::string& path() const { return path_; }
  const std::string& secret_path() const { return secret_path_; }
  // nullptr is published until the file could be read once.
  const Published<auth::ApiKeySet>& keys() const { return keys_; }

  Refreshed refresh(Now now) override;

 private:
  Result<void> read(Now now, bool anew);
  Result<void> read_whole(int descriptor, const FileState& state);
  // false: it has to be read whole.
  Result<bool> read_appended(int descriptor, const FileState& before, const FileState& state);

  const std::string path_, secret_path_;
  Published<auth::ApiKeySet> keys_;

  std::mutex mutex_;  // Guards what follows.
  FileState state_, secret_state_;
  std::shared_ptr<const auth::ApiKeySet> current_;
  bool was_read_ = false;  // The file as it was looked at last is what `current_` holds.
  // Never looked at, or written so shortly before that a later change may look the same.
  bool may_have_changed_ = true;
  std::uint64_t consumed_ = 0;  // Where the last line that was read ends, and the bytes before it.
  std::string end_;
  std::int64_t again_at_ms_ = INT64_MAX;  // To be read whole then, whatever it looks like.
  std::string failure_;                   // The last one that was told; empty: none since the last success.
};

}  // namespace keepgate::store
