// RevocationFeed: a server whose list of revocations is followed (directive `revocations https://…`), and what is known
// of that list.
//
// Thread rule: options are immutable; list() and known() from any thread; the rest is called by whoever follows the
// feed (issuer/feed_keeper.h), one thread at a time. Lifetime: feeds of one URL share what is known, over reloads.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "auth/revocations.h"
#include "base/error.h"
#include "base/published.h"

namespace keepgate::issuer {

// Equal options are one RevocationFeed.
struct FeedOptions {
  std::string url;
  std::string client_id;                             // "": asks without credentials.
  std::shared_ptr<const std::string> client_secret;  // With client_id: client_secret_basic (RFC 6749 §2.3.1).
  bool allow_private = false;
  bool allow_plain = false;                        // http://, on this machine only.
  std::shared_ptr<const std::string> authorities;  // PEM; nullptr: the system's.
  std::int64_t wait_s = 30;                        // How long the server may hold an answer back.
  std::string cache;                               // Where the last list is kept on disk; "": nowhere.
  bool is_optional = false;                        // Credentials are good before its list is known.

  bool same_as(const FeedOptions& other) const;
};

class RevocationFeed {
 public:
  static constexpr std::size_t epoch_bytes_max = 128;

  // Which list is in force. No version: there is none, or it is not one to go on from.
  struct Known {
    bool has_list = false;
    std::optional<std::uint64_t> version;
    std::string epoch;
  };

  // `before`: a feed of the same URL with other options, whose list stays in force; nullptr: nothing is known.
  explicit RevocationFeed(FeedOptions options, const RevocationFeed* before = nullptr);
  RevocationFeed(const RevocationFeed&) = delete;
  RevocationFeed& operator=(const RevocationFeed&) = delete;

  const FeedOptions& options() const { return options_; }
  // nullptr is published until a list is known.
  const Published<auth::RevocationList>& list() const { return state_->list; }
  Known known() const;

  // Reads the copy on disk, if there is one and nothing is known yet. By whoever made the feed, before it is followed.
  void restore();
  // Why the copy that is there was not used; "": it was, or there is none.
  const std::string& restore_fault() const { return restore_fault_; }
  void take(std::shared_ptr<const auth::RevocationList> list, std::uint64_t version, std::string_view epoch);
  void forget_version();  // The list stays in force until a whole new one is there.

  // Was the server asked once, in vain or not?
  bool was_asked() const { return was_asked_.load(std::memory_order_acquire); }
  void note_asked() { was_asked_.store(true, std::memory_order_release); }

 private:
  struct State {
    Published<auth::RevocationList> list;
    mutable std::mutex mutex;
    Known known;
  };

  const FeedOptions options_;
  const std::shared_ptr<State> state_;
  std::string restore_fault_;
  std::atomic<bool> was_asked_{false};
};

}  // namespace keepgate::issuer
