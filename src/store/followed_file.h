// FollowedFile: a file whose changes are in effect a moment later, without a reload. FollowedText: one that is small
// enough to be read whole whenever it changed.
//
// Thread rule: refresh() from one thread at a time (implementations have a lock of their own). What they publish may be
// read from any.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "crypto/secret.h"
#include "store/files.h"

namespace keepgate::store {

class FollowedFile {
 public:
  virtual ~FollowedFile() = default;

  enum class Change : std::uint8_t { none = 0, failed, read };
  struct Refreshed {
    Change change = Change::none;
    std::string message;  // For the log, where something changed. A failure is told once, not at each look.
  };
  virtual Refreshed refresh(Now now) = 0;
};

// Has the file been left alone for long enough that a later change cannot look the same?
bool is_settled(const FileState& state, Now now);

class FollowedText : public FollowedFile {
 public:
  static constexpr std::int64_t retry_after_ms = 5'000;  // Where it failed and looks the same.

  const std::string& path() const { return path_; }
  Refreshed refresh(Now now) final;
  // Why it could not be used when it was looked at last; "": it can be.
  std::string failure() const;

 protected:
  FollowedText(std::string path, std::size_t bytes_max) : path_(std::move(path)), bytes_max_(bytes_max) {}

  // Publishes what the text says, all of it or nothing. Returns what to log: "has 3 users", or "" for nothing; an error
  // without the path. `is_settled`: it was not written a moment ago, so it is not still being written.
  virtual Result<std::string> take(crypto::SecretText text, bool is_settled) = 0;
  // Is a text that was taken before it had settled taken again when it has?
  virtual bool takes_again() const { return false; }
  // It cannot be read or was not taken: what that means, for the log.
  virtual std::string_view lose() = 0;

 private:
  Result<std::string> read(Now now);

  const std::string path_;
  const std::size_t bytes_max_;
  mutable std::mutex mutex_;  // Guards what follows.
  FileState state_;
  bool to_take_again_ = false;
  std::string digest_;  // Of the text that was taken last; empty: none is in use.
  bool may_have_changed_ = true;
  std::int64_t again_at_ms_ = INT64_MAX;
  std::string failure_;  // The last one that was told; empty: none since the last success.
};

}  // namespace keepgate::store
