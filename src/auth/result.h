// AuthResult: what one authenticator says about one request.
// Thread rule: plain value. Lifetime: `principal` lives as long as `owner`.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "auth/need.h"
#include "auth/principal.h"

namespace keepgate::auth {

struct VerifiedToken;

enum class AuthVerdict : std::uint8_t {
  bad = 0,      // A credential of this method, and not right. Never tried as another method or as anonymous.
  good,         // `principal` is who it is.
  not_mine,     // No credential of this method is there.
  unavailable,  // What checks it cannot be used: 503 (or another 5xx), whatever the credential.
  need,         // Asks again when `need` is met.
};

// What may be used once: the caller remembers `id` until `expires_s` (wall clock). "": nothing.
struct SingleUse {
  std::string id;
  std::int64_t expires_s = 0;
};

struct AuthResult {
  AuthVerdict verdict = AuthVerdict::bad;
  const Principal* principal = nullptr;        // With good.
  std::shared_ptr<const void> owner;           // Likewise.
  std::shared_ptr<const VerifiedToken> token;  // With good, where it was a JWT: its claims become variables.
  std::string_view error = "invalid_token";    // With bad and unavailable: the public code (RFC 6750 §3.1); a literal.
  std::string challenge;                       // With bad: in place of the method's own; "": that.
  std::string_view key_id;                     // With good, where it was an API key: its id, as it came.
  SingleUse proof;                             // With good: a proof of possession that came with it.
  SingleUse signature;                         // With good: a signature of the request that may come once.
  std::string reason;                          // With bad and unavailable: for the logs only.
  std::uint16_t unavailable_status = 503;      // With unavailable.
  std::optional<Need> need;                    // With need.

  static AuthResult is_bad(std::string its_reason, std::string_view its_error = "invalid_token") {
    AuthResult out;
    out.reason = std::move(its_reason);
    out.error = its_error;
    return out;
  }
  static AuthResult is_not_mine() {
    AuthResult out;
    out.verdict = AuthVerdict::not_mine;
    return out;
  }
  static AuthResult is_unavailable(std::string its_reason, std::string_view its_error = "keys_unavailable",
                                   std::uint16_t its_status = 503) {
    AuthResult out;
    out.verdict = AuthVerdict::unavailable;
    out.error = its_error;
    out.unavailable_status = its_status;
    out.reason = std::move(its_reason);
    return out;
  }
  static AuthResult needs(Need its_need) {
    AuthResult out;
    out.verdict = AuthVerdict::need;
    out.need = std::move(its_need);
    return out;
  }
  static AuthResult is_good(std::shared_ptr<const Principal> its_principal) {
    AuthResult out;
    out.verdict = AuthVerdict::good;
    out.principal = its_principal.get();
    out.owner = std::move(its_principal);
    return out;
  }
};

}  // namespace keepgate::auth
