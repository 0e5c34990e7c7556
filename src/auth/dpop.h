// DPoP proofs (RFC 9449): a client shows that it has the key its token is bound to, for this request alone.
//
// A proof is a signed token with its own public key in the header. It is accepted for one method and one URL, within
// proof_age_max_s of its making, and once: the caller remembers its id until ProvenKey::expires_s. Thread rule: pure
// functions. Cost: reading one public key and one signature. Failures have the code "invalid_dpop_proof".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"

namespace keepgate::auth {

inline constexpr std::size_t proof_bytes_max = 4 * 1024;
inline constexpr std::size_t proof_id_bytes_max = 256;
inline constexpr std::int64_t proof_age_max_s = 60;     // How long ago `iat` may lie,
inline constexpr std::int64_t proof_future_max_s = 10;  // and how far ahead of our clock (FAPI 2.0, 5.3.2.1).
// What a challenge offers: every asymmetric algorithm there is.
inline constexpr std::string_view proof_algorithms = "ES256 ES384 ES512 EdDSA RS256 RS384 RS512 PS256 PS384 PS512";

// The request that a proof has to be for.
struct ProofSubject {
  std::string_view method;
  bool tls = false;
  std::string_view authority;   // Host, with its port if it has one.
  std::string_view path;        // As sent, without query.
  std::string_view token;       // The access token: `ath` is its hash.
  bool asks_for_token = false;  // At the token endpoint there is none yet: nothing is demanded of `ath` (§5).
};

struct ProvenKey {
  std::string thumbprint;      // RFC 7638, SHA-256: what `cnf.jkt` of the token has to be.
  std::string id;              // Of the proof, unique together with the key.
  std::string nonce;           // What it says of one; "": nothing (RFC 9449 §8).
  std::int64_t expires_s = 0;  // Until then it may not pass again.
};

Result<ProvenKey> verify_dpop(std::string_view proof, const ProofSubject& subject, Now now);

// "https://API.example:443/a%7eb?x#y" and the request's own parts name the same URL (RFC 9449 §4.3 step 9, RFC 3986
// §6.2.2, §6.2.3): scheme and host without case, default ports left out, escapes in one spelling, no query, no
// fragment.
bool names_same_url(std::string_view htu, bool tls, std::string_view authority, std::string_view path);

}  // namespace keepgate::auth
