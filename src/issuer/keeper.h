// Keeper: keeps the keys of issuers fresh: asks before they are too old, after failures ever more slowly, and once
// more, for everybody who waits, when a token names a key that is not known.
//
// Time comes in as a value and fetches go out through a Fetcher, so that years of outages can be tried in a test.
// Thread rule: one thread calls everything; `post` brings what a fetch has found back to that thread. Bounds: see
// KeeperBounds; of documents: issuer/document.h.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "auth/issuer.h"
#include "base/clock.h"
#include "fetch/fetcher.h"

namespace keepgate::issuer {

struct KeeperBounds {
  std::int64_t refresh_ms_min = 30'000;  // Whatever an issuer says, unless the configuration asks for less.
  std::int64_t cooldown_ms = 5'000;      // Between two fetches that unknown keys led to.
  std::int64_t retry_ms_min = 1'000, retry_ms_max = 60'000;  // After a failure: doubling.
  std::int64_t metadata_ms_max = 3'600'000;                  // How long the address of the keys is believed.
  std::int64_t connect_timeout_ms = 3'000;
  std::int64_t fetch_timeout_ms = 10'000;
  std::size_t waiting = 4'096;  // For one fetch; further ones are told at once that nobody knows.
};

class Keeper {
 public:
  // Runs an action on the keeper's thread, at once or soon; handed to other threads.
  using Post = std::function<void(std::function<void(Now)>)>;
  // Between 0 and 1, so that many gateways do not ask together.
  using Chance = std::function<double()>;
  // `is_known`: what the issuer publishes is published here too. Else `why`.
  using Told = std::function<void(bool is_known, const std::string& why)>;

  Keeper(fetch::Fetcher& fetcher, Post post, Chance chance, const KeeperBounds& bounds = {});

  // These issuers from now on, and no others.
  void use(const std::vector<std::shared_ptr<auth::Issuer>>& issuers, Now now);
  // A token has a key that is not known. Told at once if there is nothing to wait for.
  void ask(const auth::Issuer& issuer, Now now, Told told);
  // Does what is due. When to call again, at the latest.
  std::int64_t advance(Now now);
  // Whoever waits is told; nothing is fetched any more.
  void stop();

 private:
  enum class Step : std::uint8_t { idle = 0, metadata, keys };
  struct Watch {
    std::shared_ptr<auth::Issuer> issuer;
    Step step = Step::idle;
    std::vector<std::string> metadata_urls;
    std::size_t metadata_number = 0;
    std::string keys_url;  // "": not known (any more).
    std::int64_t metadata_until_ms = 0;
    std::int64_t due_ms = 0;
    std::int64_t good_until_ms = INT64_MIN;
    unsigned failures = 0;  // In a row.
    bool has_expired = false;
    std::string digest;  // Of the document that the keys are from.
    auth::Issuer::State state;
    std::vector<Told> waiting;
    bool ended = false;
  };
  using WatchPointer = std::shared_ptr<Watch>;
  using Taken = void (Keeper::*)(const WatchPointer&, Result<fetch::Response>, Now);

  WatchPointer watch_of(const auth::Issuer& issuer) const;
  void begin(const WatchPointer& watch, Now now);
  void fetch_metadata(const WatchPointer& watch);
  void fetch_keys(const WatchPointer& watch);
  void fetch(const WatchPointer& watch, const std::string& url, std::size_t bytes_max, Taken taken);
  void take_metadata(const WatchPointer& watch, Result<fetch::Response> response, Now now);
  void take_keys(const WatchPointer& watch, Result<fetch::Response> response, Now now);
  void succeed(const WatchPointer& watch, std::int64_t lifetime_ms, Now now);
  void fail(const WatchPointer& watch, const std::string& why, Now now);
  void tell(Watch& watch, bool is_known, const std::string& why);
  std::int64_t lifetime_ms(const Watch& watch, const fetch::Response& response) const;

  fetch::Fetcher& fetcher_;
  Post post_;
  Chance chance_;
  KeeperBounds bounds_;
  std::vector<WatchPointer> watches_;
};

}  // namespace keepgate::issuer
