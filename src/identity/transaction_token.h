// Transaction tokens: minted at the edge, demanded at the guard (design: transaction-tokens.md;
// draft-ietf-oauth-transaction-tokens).
//
// mint and verify are functions of their input; the single-use memory is identity/replay.h. Thread rule: pure.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/principal.h"
#include "base/clock.h"
#include "base/error.h"
#include "crypto/jws.h"
#include "route/template.h"

namespace keepgate::identity {

inline constexpr std::string_view transaction_token_field = "Txn-Token";
inline constexpr std::string_view transaction_token_type = "txntoken+jwt";

enum class TransactionMode : std::uint8_t { off = 0, issue, require };

struct TransactionOptions {
  TransactionMode mode = TransactionMode::off;
  std::string trust_domain;  // aud
  std::int64_t ttl_s = 30;
  std::vector<std::pair<std::string, route::Template>> claims;  // Added to tctx: name, value.
  std::shared_ptr<const crypto::Key> signing_key;   // issue
  std::shared_ptr<const crypto::KeySet> keys;       // require
  bool bind_request = false;
  bool single_use = false;
  std::vector<std::string> from;  // Allowed req_wl values (SPIFFE ids or service names); empty: any.
  std::string workload;           // req_wl that we write: the gateway's own name.
};

// What the token says of the one request it is for.
struct RequestFacts {
  std::string_view service, method, path;  // path: canonical, as the service receives it, without query.
};

struct MintInput {
  RequestFacts request;
  const auth::Principal* principal = nullptr;  // Must be identified: nobody mints for anonymous.
  std::string_view peer_address;               // rctx.req_ip
  std::string_view transport;                  // rctx.transport: "http", "https"
  std::vector<std::pair<std::string, std::string>> extra;  // Evaluated TransactionOptions::claims.
  Now now;
};

struct Minted {
  std::string token;
  std::string txn;
};
Result<Minted> mint(const MintInput& input, const TransactionOptions& options);

struct VerifiedTransaction {
  auth::Principal principal;  // method transaction_token
  std::string txn;
  std::int64_t expires_s = 0;
  std::string token_hash;
  crypto::Json payload;
};

// Signature, typ, aud, exp, iat, the required claims, `from`, and with bind_request the request facts.
// Error::detail says which check failed; Error::code is "bad_transaction_token".
Result<VerifiedTransaction> verify(std::string_view token, const RequestFacts& request,
                                   const TransactionOptions& options, Now now);

}  // namespace keepgate::identity
