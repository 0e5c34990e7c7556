// Introspector: asks endpoints about opaque tokens (RFC 7662), once for everybody who asks about the same one, and
// remembers for a while what they said.
//
// Thread rule: everything from any thread; whoever is told, is told on the fetcher's thread, or at once. Lifetime: the
// fetcher stops first. Bounds: IntrospectorBounds; of answers: auth/introspection.h, issuer/answer_cache.h. A token is
// kept in memory while it is asked about, and wiped then.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "auth/introspection.h"
#include "auth/need.h"
#include "base/clock.h"
#include "fetch/fetcher.h"
#include "issuer/answer_cache.h"

namespace keepgate::issuer {

struct IntrospectorBounds {
  AnswerCacheBounds cache;
  std::size_t calls = 256;             // Tokens asked about at a time, of all endpoints; a further one is answered 503.
  std::size_t waiting = 4'096;         // Requests that wait for one call.
  std::size_t endpoints = 1'024;       // Whose failures are remembered.
  unsigned failures = 3;               // In a row: then an endpoint counts as down …
  std::int64_t pause_ms = 1'000;       // … and is asked by one request in this time, until it answers.
  std::int64_t log_pause_ms = 10'000;  // Between two complaints about one endpoint.
  std::int64_t connect_timeout_ms = 3'000;
};

class Introspector {
 public:
  using Clock = std::function<Now()>;
  using Told = std::function<void(auth::Answer)>;

  explicit Introspector(fetch::Fetcher& fetcher, Clock clock = Now::read, const IntrospectorBounds& bounds = {});

  // What is known already.
  std::optional<auth::Answer> find(const auth::IntrospectionNeed& need);
  // Told once: what the endpoint says, or why nobody knows.
  void ask(const auth::IntrospectionNeed& need, const Told& told);

 private:
  using Key = AnswerCache::Key;
  struct Call {
    std::int64_t cache_ms = 0;  // The most that somebody who waits allows.
    std::vector<Told> waiting;
  };
  struct Health {
    unsigned failures = 0;  // In a row: no answer at all.
    std::int64_t ask_after_ms = 0;
    std::int64_t quiet_until_ms = INT64_MIN;
    bool complained = false;
  };

  static Key key_of(const auth::IntrospectionNeed& need);
  fetch::Request request_for(const auth::IntrospectionNeed& need) const;
  std::string fault_of_asking(const auth::IntrospectionEndpoint& endpoint, const Key& key, Now now);
  void take(const std::shared_ptr<const auth::IntrospectionEndpoint>& endpoint, const Key& key,
            Result<fetch::Response> response);
  void judge_endpoint(const auth::IntrospectionEndpoint& endpoint, bool is_silent, const std::string& fault, Now now);

  fetch::Fetcher& fetcher_;
  Clock clock_;
  IntrospectorBounds bounds_;
  std::mutex mutex_;  // Of what follows. Nobody is told and nothing is fetched under it.
  AnswerCache cache_;
  std::map<Key, Call> calls_;
  std::map<std::uint64_t, Health> health_;  // By the endpoint's number; of those that failed last.
};

}  // namespace keepgate::issuer
