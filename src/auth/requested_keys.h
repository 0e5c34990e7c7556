// RequestedKeys: the keys of a level that says auth_jwt_key_request: those of its key files, and those in the documents
// that locations of ours serve. And tokens that they verify.
//
// One object for each server, list of URIs and list of files in a configuration. Whatever a key verified is forgotten
// with the set: its generation is part of the cache's key, and changes only when the documents do. Thread rule: any
// thread. Bounds: keys_document_bytes_max a document; the decision does no I/O, it says what it needs.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "auth/jwt_open.h"
#include "auth/need.h"
#include "auth/result.h"
#include "base/clock.h"
#include "base/error.h"
#include "crypto/jwk.h"

namespace keepgate::auth {

class TokenCache;
struct JwtOptions;

inline constexpr std::size_t keys_document_bytes_max = 1 << 20;

struct RequestedKeySet {
  std::shared_ptr<const crypto::KeySet> set;
  std::uint64_t generation = 0;  // Another one for every set there ever was in this process; never 0.
};

class RequestedKeys {
 public:
  struct Options {
    std::vector<std::string> uris;
    std::shared_ptr<const crypto::KeySet> files;  // nullptr: none.
    TokenForm form = TokenForm::jws;
    std::int64_t cache_ms = 0;  // auth_jwt_key_cache; 0: the documents are asked for with every token.
  };
  explicit RequestedKeys(Options options);
  RequestedKeys(const RequestedKeys&) = delete;
  RequestedKeys& operator=(const RequestedKeys&) = delete;

  const Options& options() const { return options_; }
  const std::string& uris() const { return uris_; }  // With spaces between them: for people.
  const std::string& name() const { return name_; }  // Of this object alone: the key of its need.

  // What auth_jwt_key_cache still holds; nullptr: the documents have to be asked for.
  std::shared_ptr<const RequestedKeySet> kept(Now now) const;
  // The documents of all URIs, in their order, asked for at `asked_ms` (monotonic): what was asked for before the ones
  // that are here counts no more. The same ones as before are the same set. Error: one of them is no key set, or there
  // is no key of the kind that tokens need; the last set is forgotten then.
  Result<std::shared_ptr<const RequestedKeySet>> take(const std::vector<std::string>& documents, std::int64_t asked_ms);

 private:
  Result<std::shared_ptr<const crypto::KeySet>> merged(const std::vector<std::string>& documents) const;

  const Options options_;
  std::string uris_, name_;
  mutable std::mutex mutex_;  // Of what follows. Held for a copy of a pointer.
  std::shared_ptr<const RequestedKeySet> current_;
  std::string digest_;
  std::int64_t asked_ms_ = 0;
};

struct RequestedKeysNeed final : NeedDetail {
  explicit RequestedKeysNeed(std::shared_ptr<RequestedKeys> its_keys) : keys(std::move(its_keys)) {}
  std::shared_ptr<RequestedKeys> keys;
};

struct RequestedKeysAnswer final : AnswerValue {
  std::shared_ptr<const RequestedKeySet> keys;
};

// `options.requested` is set. A document that cannot be had or used is 500, whatever the token, as in NGINX Plus; what
// is no token at all makes nobody ask for one.
AuthResult authenticate_requested(std::string_view token, const JwtOptions& options, Now now, TokenCache* cache,
                                  TurnShare* share, const Answers* answers);

}  // namespace keepgate::auth
