// decide: the one function that lets a request pass. Values in; a Permit, a refusal or a need out.
//
// No socket, file, lock or clock inside: the target it is built in cannot link them. The token cache, the replay memory
// and the limit zones it is handed are memory, not I/O. Order: credentials → policy → single use → limits on identity.
// Thread rule: called on the worker that owns the request.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "auth/authenticate.h"
#include "base/arena.h"
#include "base/clock.h"
#include "http/head.h"
#include "http/uri.h"
#include "identity/replay.h"
#include "identity/transaction_token.h"
#include "limit/limit_req.h"
#include "pipeline/location.h"
#include "pipeline/permit.h"
#include "pipeline/refusal.h"
#include "policy/policy.h"

namespace keepgate::pipeline {

// What became known on the way; filled as far as decide() came. Variables and the decision record read it.
struct DecisionFacts {
  const auth::Principal* principal = nullptr;  // Points into `principal_owner` or `transaction`.
  std::shared_ptr<const void> principal_owner;
  std::shared_ptr<const auth::VerifiedToken> token;  // Where the identity is a JWT's.
  std::optional<identity::VerifiedTransaction> transaction;
  auth::SingleUse proof;      // A proof of possession that came with the token.
  auth::SingleUse signature;  // A signature of the request that may come once.
  std::string_view service_path;
  policy::Decision decision;
  bool policy_asked = false;
  limit::LimitOutcome identity_limit;
  std::string reason;  // Why it was refused, for the logs.
};

struct DecideInput {
  const LocationConfig& location;
  const http::RequestHead& head;
  http::CanonicalPath path;
  std::uint16_t ambiguities = 0;
  route::VariableSource& variables;
  Arena& arena;
  Now now;
  auth::TokenCache* token_cache = nullptr;  // May be absent (explain): slower, same answer.
  identity::ReplayStore* replay = nullptr;  // Absent: a single-use token is refused.
  bool dry = false;                         // explain: nothing is consumed or charged.
  bool whole_path = false;                  // A URI in proxy_pass replaces nothing: `rewrite … break`.
  bool as_get = false;                      // An error page: GET goes on, whatever the client's method was.
  auth::Channel channel = {};
  const auth::Answers* answers = nullptr;   // What needs of this request have brought so far.
  auth::TurnShare* share = nullptr;         // Absent: costly checks are not shared out.
  identity::ReplayStore* proofs = nullptr;  // Of used DPoP proofs. Absent: a token that needs one is refused.
  // The proof that this very request has used up already: an error page is decided on anew.
  std::string* used_proof = nullptr;
  identity::ReplayStore* signatures = nullptr;  // Of used signatures and the one of this request: likewise.
  std::string* used_signature = nullptr;
  auth::VerifiedPasswords* passwords = nullptr;    // May be absent (explain): slower, same answer.
  const auth::Revocations* revocations = nullptr;  // Absent: nothing is revoked.
  // A request of our own (pipeline/subrequest.h): nobody's. As in nginx no credential, address or requirement is asked
  // of it; a policy and a guard's transaction token decide as ever.
  bool is_subrequest = false;

  std::string_view method() const { return as_get ? std::string_view("GET") : head.method_text; }
};

struct Decided {
  std::optional<Permit> permit;
  std::optional<auth::Need> need;  // Without a permit: to be met, then decide() is to be asked again.
  Refusal refusal;                 // With neither.
};

Decided decide(const DecideInput& input, DecisionFacts& facts);

// What a rejected limit answers: limit_req_status, and Retry-After with limit_req_headers on.
Refusal refusal_of(const limit::LimitOutcome& outcome, const LocationConfig& location);

// The path the service will receive: the location's replacement applied to the canonical path.
std::string_view service_path_of(const LocationConfig& location, http::CanonicalPath path, Arena& arena);

}  // namespace keepgate::pipeline
