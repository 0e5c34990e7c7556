// Judge: what pipeline::decide() would say to a request of an identity at a place, without the credential itself.
//
// The same checks in the same order; what depends on facts that nobody knows here is a condition of the answer. Thread
// rule: pure, but for the policy's per-principal cache. Lifetime: the Place outlives the Judgement.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "auth/principal.h"
#include "cli/lookup.h"
#include "policy/policy.h"

namespace keepgate::cli {

// How an identity can be proven at a location.
enum class Proof : std::uint8_t {
  none = 0,           // No credential is looked at: everybody is anonymous.
  variable,           // auth_identity: optional, and names a client only.
  credential,         // Demanded.
  transaction_token,  // Demanded.
};
Proof proof_at(const pipeline::LocationConfig& location);
inline bool demanded(Proof proof) { return proof == Proof::credential || proof == Proof::transaction_token; }
// "a JWT (auth_jwt, 2 keys)"; "" for none.
std::string describe_proof(const pipeline::LocationConfig& location);
// The location demands a credential that nothing can verify: 503 for everybody.
bool keys_are_missing(const pipeline::LocationConfig& location);

// One line per auth_jwt_require; "" where there is none.
std::string describe_requirements(const pipeline::LocationConfig& location);
// "per_client: 5r/s, burst 10, nodelay, after authentication"
std::vector<std::string> describe_limits(const pipeline::LocationConfig& location);

struct Check {
  std::string name, detail;
  bool refuses = false;
};

struct Judgement {
  bool allowed = false;
  std::uint16_t status = 0;  // Without permission: what is answered. With it: only where Keepgate itself answers.
  std::string why;           // One sentence.
  std::string rule, rule_place;
  std::vector<Check> checks;
  std::vector<std::string> conditions;  // The answer holds if these do.
  std::optional<policy::Explanation> explanation;
};

Judgement judge(const Place& place, const auth::Principal& asker);

}  // namespace keepgate::cli
