// Transaction tokens: minted at the edge, demanded at the guard (design: transaction-tokens.md;
// draft-ietf-oauth-transaction-tokens).
//
// mint and verify are functions of their input; the single-use memory is identity/replay.h. Thread rule: pure.
//
// What mint writes:  iat, exp, aud = the trust domain, txn, req_wl = the workload that asked;
//   sub    "user:NAME" with a customer, else "client:NAME" or "service:NAME";
//   scope  the principal's scopes, or without any the purpose "SERVICE:METHOD" in lower case: "orders:get"; then tctx
//          has an empty `scopes`, and the guard takes the purpose for no scope;
//   tctx   method, path, service; client_id, client_service, customer, roles as far as known; grant_id and grant_iss,
//          where the client's token had a grant that may be taken back (auth/revocations.h); the location's claims;
//   rctx   req_ip, authn (how the requester proved itself), transport.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/principal.h"
#include "auth/revocations.h"
#include "base/clock.h"
#include "base/error.h"
#include "crypto/jws.h"
#include "route/template.h"

namespace keepgate::identity {

inline constexpr std::string_view transaction_token_field = "Txn-Token";
inline constexpr std::string_view transaction_token_type = "txntoken+jwt";

inline constexpr std::int64_t lifetime_s_max = 600;  // Of a token that we mint or accept.
inline constexpr std::int64_t clock_skew_s = 5;      // How far another host's `iat` may lie in our future.
inline constexpr std::size_t txn_bytes_max = 128;

enum class TransactionMode : std::uint8_t { off = 0, issue, require };

struct TransactionOptions {
  TransactionMode mode = TransactionMode::off;
  std::string trust_domain;  // aud
  std::int64_t ttl_s = 30;
  std::vector<std::pair<std::string, route::Template>> claims;  // Added to tctx: name, value.
  std::shared_ptr<const crypto::Key> signing_key;               // issue
  std::shared_ptr<const crypto::KeySet> keys;                   // require
  bool bind_request = false;
  bool bind_caller = false;  // req_wl must be whom the certificate of the connection names: decide() looks.
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
  const auth::Principal* principal = nullptr;              // Must be identified: nobody mints for anonymous.
  std::string_view peer_address;                           // rctx.req_ip
  std::string_view transport;                              // rctx.transport: "http", "https"
  auth::Grant grant;                                       // Of the client's token.
  std::vector<std::pair<std::string, std::string>> extra;  // Evaluated TransactionOptions::claims.
  Now now;
};

// Refuses (ErrorKind::configuration): no key, trust domain or workload, a ttl outside 1 … lifetime_s_max, a claim with
// a name of ours. Refuses (ErrorKind::refused): an anonymous principal, and text that is not UTF-8, which JSON could
// not carry unchanged.
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
  std::string key_id;  // Of the key that verified it, else as the token names it.
  crypto::Json payload;
};

// Signature, typ, aud, exp, iat, the required claims, `from`, and with bind_request the request facts. Who asks is read
// from tctx, and from `sub` (as auth/jwt.h does) what tctx, if another issuer wrote it, leaves out. There is no leeway
// for `exp`.
// Error::detail says which check failed; Error::code is "bad_transaction_token".
Result<VerifiedTransaction> verify(std::string_view token, const RequestFacts& request,
                                   const TransactionOptions& options, Now now);

}  // namespace keepgate::identity
