// Permit: the proof that a request was decided. Only decide() can make one; content cannot be served without.
//
// Thread rule: moves with its request. Lifetime: views live as long as the exchange.
#pragma once

#include <cstdint>
#include <string_view>

namespace keepgate::auth {
struct Principal;
}

namespace keepgate::pipeline {

struct DecideInput;
struct DecisionFacts;
struct Decided;
Decided decide(const DecideInput& input, DecisionFacts& facts);

class Permit {
 public:
  Permit(Permit&&) = default;
  Permit& operator=(Permit&&) = default;
  Permit(const Permit&) = delete;
  Permit& operator=(const Permit&) = delete;

  const auth::Principal* principal() const { return principal_; }  // nullptr: anonymous.
  // The path that was decided on, as the service receives it: canonical, decoded, without query.
  std::string_view service_path() const { return service_path_; }
  // The decided path must be what is forwarded (a policy or a bound token decided), not the client's spelling.
  bool forward_canonical() const { return forward_canonical_; }
  // Wait so long before serving: a limit on verified identity asks for it.
  std::uint64_t delay_ms() const { return delay_ms_; }

 private:
  friend Decided decide(const DecideInput& input, DecisionFacts& facts);
  Permit() = default;
  const auth::Principal* principal_ = nullptr;
  std::string_view service_path_;
  std::uint64_t delay_ms_ = 0;
  bool forward_canonical_ = false;
};

}  // namespace keepgate::pipeline
