#include "auth/requested_keys.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "auth/jwt.h"
#include "base/bytes.h"
#include "base/log.h"
#include "crypto/digest.h"
#include "crypto/jwe.h"
#include "crypto/jws.h"

namespace keepgate::auth {

namespace {

constexpr unsigned verifier_bits = 32;
constexpr std::uint64_t requested_mark = 1ULL << 63;  // Generations of issuers are counted apart.
constexpr std::size_t remarks_max = 8;                // Lines in the log about one new set.

std::unexpected<Error> unusable(std::string detail) {
  return fail(ErrorKind::malformed, Blame::upstream, "unusable_keys", std::move(detail));
}

std::string digest_of(const std::vector<std::string>& documents) {
  std::string all;
  for (const std::string& one : documents) append(all, one.size(), '\n', one);
  return crypto::sha256_hex(all);
}

// As for issuers (issued.cc): a verifier's number is small and a generation is never 0.
std::uint64_t requested_cache_id(const JwtOptions& options, std::uint64_t generation) {
  return options.verifier_id | generation << verifier_bits | requested_mark;
}

// What can be said without a key.
Result<void> check_shape(std::string_view token, TokenForm form) {
  if (form == TokenForm::jws) {
    const Result<crypto::Jws> jws = crypto::parse_jws(token);
    if (!jws) return std::unexpected(jws.error());
    return {};
  }
  const Result<crypto::Jwe> jwe = crypto::parse_jwe(token);
  if (!jwe) return std::unexpected(jwe.error());
  return {};
}

}  // namespace

RequestedKeys::RequestedKeys(Options options) : options_(std::move(options)) {
  static std::atomic<std::uint64_t> last{0};
  for (const std::string& uri : options_.uris) append(uris_, uris_.empty() ? "" : " ", uri);
  name_ = cat(uris_, " #", ++last);
}

std::shared_ptr<const RequestedKeySet> RequestedKeys::kept(Now now) const {
  if (options_.cache_ms == 0) return nullptr;
  const std::lock_guard lock(mutex_);
  return now.monotonic_ms - asked_ms_ < options_.cache_ms ? current_ : nullptr;
}

Result<std::shared_ptr<const crypto::KeySet>> RequestedKeys::merged(const std::vector<std::string>& documents) const {
  auto all = std::make_shared<crypto::KeySet>();
  const auto add = [&](const crypto::KeySet& set) {
    all->keys.insert(all->keys.end(), set.keys.begin(), set.keys.end());
    all->decryption_keys.insert(all->decryption_keys.end(), set.decryption_keys.begin(), set.decryption_keys.end());
  };
  if (options_.files) add(*options_.files);
  for (std::size_t i = 0; i < documents.size(); ++i) {
    const std::string& uri = options_.uris[i];
    Diagnostics found;
    SourcePlace place;
    place.file = uri;
    const auto set = crypto::KeySet::parse(documents[i], place, found);
    for (const Diagnostic& one : found.all()) {
      if (one.severity == Severity::error) return unusable(cat("the keys of ", uri, " cannot be used: ", one.message));
    }
    if (!set) return unusable(cat("the keys of ", uri, " cannot be used"));
    for (std::size_t k = 0; k < found.all().size() && k < remarks_max; ++k) {
      log(LogLevel::warn, "auth_jwt_key_request ", uri, ": ", found.all()[k].message);
    }
    add(*set);
  }
  if (!has_keys_for(*all, options_.form)) {
    return unusable(cat("no key in ", uris_, " is for ", name_of(options_.form), " tokens"));
  }
  return all;
}

Result<std::shared_ptr<const RequestedKeySet>> RequestedKeys::take(const std::vector<std::string>& documents,
                                                                   std::int64_t asked_ms) {
  static std::atomic<std::uint64_t> last_generation{0};
  std::string digest = digest_of(documents);
  {
    const std::lock_guard lock(mutex_);
    if (current_ && (asked_ms < asked_ms_ || digest == digest_)) {
      asked_ms_ = std::max(asked_ms_, asked_ms);
      return current_;
    }
  }
  auto set = merged(documents);
  const std::lock_guard lock(mutex_);
  if (current_ && asked_ms < asked_ms_) return current_;  // Another worker knows better meanwhile.
  asked_ms_ = asked_ms;
  if (!set) {
    current_ = nullptr;
    return std::unexpected(set.error());
  }
  auto keys = std::make_shared<RequestedKeySet>();
  keys->set = std::move(*set);
  keys->generation = ++last_generation;
  current_ = std::move(keys);
  digest_ = std::move(digest);
  return current_;
}

AuthResult authenticate_requested(std::string_view token, const JwtOptions& options, Now now, TokenCache* cache,
                                  TurnShare* share, const Answers* answers) {
  if (!options.enabled || token.empty()) return AuthResult::is_not_mine();
  std::shared_ptr<const RequestedKeySet> keys = options.requested->kept(now);
  if (!keys) {
    const Answer* answer = answers ? answers->find(NeedKind::requested_keys, options.requested->name()) : nullptr;
    if (!answer) {
      if (const auto shape = check_shape(token, options.form); !shape) return AuthResult::is_bad(shape.error().detail);
      return AuthResult::needs({NeedKind::requested_keys, options.requested->name(),
                                std::make_shared<RequestedKeysNeed>(options.requested)});
    }
    const auto* brought = dynamic_cast<const RequestedKeysAnswer*>(answer->value.get());
    if (!answer->is_good || !brought || !brought->keys) {
      return AuthResult::is_unavailable(cat("auth_jwt_key_request: ", answer->reason), "keys_unavailable", 500);
    }
    keys = brought->keys;
  }
  const std::uint64_t id = requested_cache_id(options, keys->generation);
  if (cache != nullptr) {
    if (auto known = cache->find(token, id, now)) return good_token(std::move(known));
  }
  if (share != nullptr && !share->take()) return AuthResult::needs({NeedKind::turn, {}, nullptr});
  auto verified = verify_jwt(token, options, *keys->set, now);
  if (!verified) return AuthResult::is_bad(std::move(verified.error().detail));
  if (cache != nullptr) cache->insert(token, id, *verified);
  return good_token(std::move(*verified));
}

}  // namespace keepgate::auth
