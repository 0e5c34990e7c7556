// FeedKeeper: follows the lists of revocations of servers, each by one long question after the other.
//
//   GET URL?after=VERSION&wait=SECONDS[&epoch=EPOCH]   Authorization: Basic …   Accept: text/plain
// 200 with `Revocation-Version: N` is the whole list, as text/plain, or, with `Revocation-After: VERSION`, what was
// added to it; 304 with the same field says that it is as it was after `wait`. Whatever else comes leaves the last list
// in force, and so does a version older than the one in force, unless `Revocation-Epoch` says that the server began
// anew. Time comes in as a value and questions go out through a Fetcher, so that outages can be tried in a test. Thread
// rule: one thread calls everything, and reads, parses and writes whole lists there: it is no worker's; `post` brings
// answers to it. Bounds: FeedBounds; of a list: auth/revocations.h.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "fetch/fetcher.h"
#include "issuer/revocation_feed.h"
#include "store/files.h"

namespace keepgate::issuer {

struct FeedBounds {
  std::int64_t connect_timeout_ms = 3'000;
  std::int64_t silence_s = 5;                              // Beyond `wait`: then nobody is there any more.
  std::int64_t transfer_ms_max = 120'000;                  // Beyond `wait`, for all of a list.
  std::int64_t retry_ms_min = 500, retry_ms_max = 15'000;  // After a failure: doubling.
  std::int64_t pause_ms = 100;                             // Behind a new list.
  std::int64_t again_ms = 1'000;        // Between two questions whose answers were not held back and told nothing new.
  std::int64_t log_pause_ms = 60'000;   // Between two complaints about the same.
  std::int64_t save_again_ms = 10'000;  // Where the copy on disk could not be written.
  std::size_t added_max = 10'000;       // So much more than double of the whole list: then it is asked for anew.
};

class FeedKeeper {
 public:
  // Runs an action on the keeper's thread, at once or soon; handed to other threads.
  using Post = std::function<void(std::function<void(Now)>)>;
  // Between 0 and 1, so that many gateways do not ask together.
  using Chance = std::function<double()>;

  FeedKeeper(fetch::Fetcher& fetcher, Post post, Chance chance, const FeedBounds& bounds = {});

  // These feeds from now on, and no others.
  void use(const std::vector<std::shared_ptr<RevocationFeed>>& feeds, Now now);
  // Does what is due. When to call again, at the latest.
  std::int64_t advance(Now now);
  // Nothing is asked any more.
  void stop();

 private:
  struct Watch {
    std::shared_ptr<RevocationFeed> feed;
    bool is_asking = false, ended = false;
    std::int64_t asked_ms = 0, due_ms = 0;
    unsigned failures = 0;  // In a row.
    std::string complaint;  // The last one that was logged.
    std::int64_t quiet_until_ms = INT64_MIN;
    bool wants_whole = false;                    // What was added last cannot be used, or would be too much.
    std::size_t whole_count = 0;                 // Entries of the last whole list.
    std::string unsaved;                         // A list whose copy is still to be written, or what was added to it.
    std::optional<std::uint64_t> unsaved_after;  // Behind which version that was; nothing: it is whole.
    bool has_unsaved = false, save_failed = false;
    std::int64_t save_ms = 0;
    store::FileState copy_state;  // As we left it.
  };
  using WatchPointer = std::shared_ptr<Watch>;

  void ask(const WatchPointer& watch, Now now);
  fetch::Request request_for(const Watch& watch, const RevocationFeed::Known& known) const;
  void take(const WatchPointer& watch, Result<fetch::Response> response, Now now);
  // "": it was taken.
  std::string take_list(Watch& watch, std::string& body, std::uint64_t version, std::string_view epoch, Now now);
  std::string take_additions(Watch& watch, const fetch::Response& response, std::uint64_t version,
                             std::string_view epoch, Now now);
  std::string take_unchanged(Watch& watch, std::uint64_t version, bool began_anew, Now now);
  void be_unchanged(Watch& watch, Now now) const;
  void succeed(Watch& watch);
  void fail(Watch& watch, const std::string& why, Now now);
  void note_unsaved(Watch& watch, std::string text, std::optional<std::uint64_t> after, Now now) const;
  void save(Watch& watch, Now now) const;

  fetch::Fetcher& fetcher_;
  Post post_;
  Chance chance_;
  FeedBounds bounds_;
  std::vector<WatchPointer> watches_;
};

}  // namespace keepgate::issuer
