// Issuer: an authorization server whose tokens are believed, and the keys that it publishes just now.
//
// One object for each issuer and way to its keys, shared by the locations that accept it and kept over reloads. Thread
// rule: what is read may be read from any thread; what writes belongs to whoever keeps the keys fresh
// (issuer/keeper.h). A decision only reads: it finds keys, or that there are none it may use, or that newer ones may be
// had.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "crypto/jwk.h"

namespace keepgate::auth {

// auth_jwt_issuer: whom, and how its keys are come by. Equal options are one Issuer.
struct IssuerOptions {
  std::string issuer;     // As `iss` must say it.
  std::string keys_url;   // jwks=URL; "": found out by asking the issuer (discovery).
  std::string keys_file;  // jwks=FILE: read with the configuration, never fetched.
  bool allow_private = false;
  bool allow_plain = false;                        // http://, on this machine only.
  std::string authorities_file;                    // ca=FILE
  std::shared_ptr<const std::string> authorities;  // What was in it; nullptr: the system's.
  std::int64_t refresh_ms = 600'000;  // How long keys are used before they are asked for again, at the most.
  std::int64_t keep_ms = 3'600'000;   // How long they are used while they cannot be had again.

  bool same_as(const IssuerOptions& other) const;
};

struct IssuerKeys {
  std::shared_ptr<const crypto::KeySet> set;
  std::uint64_t generation = 0;  // Another one for every set there ever was in this process; never 0.
};

class Issuer {
 public:
  explicit Issuer(IssuerOptions options) : options_(std::move(options)) {}
  Issuer(const Issuer&) = delete;
  Issuer& operator=(const Issuer&) = delete;

  const IssuerOptions& options() const { return options_; }
  bool is_fetched() const { return options_.keys_file.empty(); }

  // What may be used at `now`: nullptr, and 0, if there was never any or it is too old.
  std::shared_ptr<const IssuerKeys> keys(Now now) const;
  std::uint64_t generation(Now now) const;  // Of these keys, without a lock.

  // What to think of a key that is not among them.
  enum class News : std::uint8_t {
    unknown = 0,  // The issuer could not be asked: nobody knows.
    possible,     // Asking it may bring the key.
    none,         // It was asked just now.
  };
  News news(Now now) const;

  // ---- whoever keeps the keys fresh

  void publish(std::shared_ptr<const crypto::KeySet> set, std::int64_t good_until_ms);  // Other keys than before.
  void extend(std::int64_t good_until_ms);                                              // The same ones.
  struct State {
    bool was_asked = false;         // At least once, to the end.
    bool is_asked = false;          // Just now.
    bool failed = false;            // The last time.
    std::int64_t ask_after_ms = 0;  // Before, nobody asks because of an unknown key.
  };
  void set_state(const State& state);

 private:
  const IssuerOptions options_;
  mutable std::mutex mutex_;  // Of keys_. Held for a copy of a pointer.
  std::shared_ptr<const IssuerKeys> keys_;
  std::atomic<std::uint64_t> generation_{0};
  std::atomic<std::int64_t> good_until_ms_{INT64_MIN};
  std::atomic<bool> was_asked_{false}, is_asked_{false}, failed_{false};
  std::atomic<std::int64_t> ask_after_ms_{0};
};

// What one location demands of an issuer's tokens.
struct AcceptedIssuer {
  std::shared_ptr<const Issuer> issuer;
  std::vector<std::string> audiences;         // The token must be for one of them; empty: for anybody.
  std::vector<crypto::Algorithm> algorithms;  // Empty: any but HMAC, whose keys cannot be published.
  bool only_access_tokens = false;            // typ=at+jwt: RFC 9068; a token that says nothing is refused.

  bool accepts(crypto::Algorithm algorithm) const;
  bool operator==(const AcceptedIssuer&) const = default;
};

}  // namespace keepgate::auth
