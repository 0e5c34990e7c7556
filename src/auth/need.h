// What an authenticator must know before it can answer, and the answers that a request has collected.
//
// An authenticator does no I/O: it returns a Need. The serving loop has it met (pipeline/needs.h), keeps the Answer and
// asks again; the authenticator finds the answer under the same kind and key. So a decision stays a function of values.
// Thread rule: plain values, of one request. Bounds: Answers::count_max answers a request.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace keepgate::auth {

enum class NeedKind : std::uint8_t {
  none = 0,
  turn,            // This turn's share of costly checks is used up: ask again in the loop's next turn.
  issuer_keys,     // The newest keys of an issuer; the key names the issuer.
  introspection,   // What an issuer says about an opaque token.
  password,        // Whether a password matches a slow hash.
  subrequest,      // What a location of ours says about this request; the key is its URI.
  requested_keys,  // Keys that locations of ours serve (auth_jwt_key_request).
  body_digest,     // The digests of the whole request body, which is read for it.
};
inline constexpr std::size_t need_kinds = 8;

std::string_view name_of(NeedKind kind);  // "turn", "issuer-keys", …

// What meets a need has to know beyond its key, and what it found: each kind has its own.
struct NeedDetail {
  virtual ~NeedDetail() = default;
};
struct AnswerValue {
  virtual ~AnswerValue() = default;
};

struct Need {
  NeedKind kind = NeedKind::none;
  std::string key;
  std::shared_ptr<const NeedDetail> detail;
};

struct Answer {
  NeedKind kind = NeedKind::none;
  std::string key;
  bool is_good = false;  // Else `reason` says why there is no value: what needed it decides what that means.
  std::string reason;    // For the log.
  std::shared_ptr<const AnswerValue> value;
};

class Answers {
 public:
  static constexpr std::size_t count_max = 8;

  // nullptr: not asked yet.
  const Answer* find(NeedKind kind, std::string_view key) const;
  bool full() const { return answers_.size() >= count_max; }
  void add(Answer answer) { answers_.push_back(std::move(answer)); }
  void forget(NeedKind kind) {
    if (!answers_.empty()) std::erase_if(answers_, [kind](const Answer& one) { return one.kind == kind; });
  }
  void clear() { answers_.clear(); }

 private:
  std::vector<Answer> answers_;
};

// A turn's share of costly checks (signatures seen for the first time): what is above it waits for the next turn, so
// that a flood of new tokens cannot hold up what else the worker does. Thread rule: one worker's.
class TurnShare {
 public:
  explicit TurnShare(unsigned checks_per_turn) : checks_per_turn_(checks_per_turn) {}
  // `turn`: a number that is another one in each turn of the loop.
  void begin(std::uint64_t turn) {
    if (turn == turn_) return;
    turn_ = turn;
    used_ = 0;
  }
  bool take() {
    if (used_ >= checks_per_turn_) return false;
    ++used_;
    return true;
  }

 private:
  unsigned checks_per_turn_;
  unsigned used_ = 0;
  std::uint64_t turn_ = 0;
};

}  // namespace keepgate::auth
