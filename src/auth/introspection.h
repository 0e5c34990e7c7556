// Token introspection (RFC 7662): asking the issuer about a token that says nothing by itself.
//
// A decision does no I/O: it returns a need with the token, and finds the issuer's answer among its answers. The answer
// is judged here like the claims of a JWT, each time anew: what is remembered is only what the issuer said.
// Thread rule: pure functions and immutable values. Bounds: opaque_bytes_max, answer_limits.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/jwt.h"
#include "auth/need.h"
#include "auth/result.h"
#include "base/clock.h"
#include "crypto/json.h"

namespace keepgate::auth {

inline constexpr std::size_t opaque_bytes_max = 8 * 1024;  // A longer token is refused unasked.
inline constexpr crypto::JsonLimits answer_limits{.bytes_max = 64 * 1024, .depth_max = 16, .values_max = 4096};

// Whom to ask, and how. Equal options are one IntrospectionEndpoint.
struct EndpointOptions {
  std::string url;
  std::string client_id;                             // "": asks without credentials.
  std::shared_ptr<const std::string> client_secret;  // With client_id: client_secret_basic (RFC 6749 §2.3.1).
  bool allow_private = false;
  bool allow_plain = false;                        // http://, on this machine only.
  std::shared_ptr<const std::string> authorities;  // PEM; nullptr: the system's.
  std::int64_t timeout_ms = 3'000;                 // For all of one call.

  bool same_as(const EndpointOptions& other) const;
};

// One object for all locations that ask in the same way, kept over reloads: answers are remembered under its number.
class IntrospectionEndpoint {
 public:
  explicit IntrospectionEndpoint(EndpointOptions options);
  IntrospectionEndpoint(const IntrospectionEndpoint&) = delete;
  IntrospectionEndpoint& operator=(const IntrospectionEndpoint&) = delete;
  const EndpointOptions& options() const { return options_; }
  std::uint64_t number() const { return number_; }  // Another one for each there ever was in this process.

 private:
  const EndpointOptions options_;
  const std::uint64_t number_;
};

// auth_introspect: what one location demands.
struct IntrospectionOptions {
  std::shared_ptr<const IntrospectionEndpoint> endpoint;
  std::string issuer;                  // As `iss` must say it; "": not demanded.
  std::vector<std::string> audiences;  // The token must be for one of them; empty: for anybody.
  std::int64_t cache_ms = 0;           // How long a good answer is believed.
  std::int64_t leeway_s = 0;
  IdentityClaims claims;
  std::string realm;
};

// The need: whoever meets it asks this endpoint about this token. The token is wiped with the need.
struct IntrospectionNeed final : NeedDetail {
  IntrospectionNeed(std::shared_ptr<const IntrospectionEndpoint> its_endpoint, std::string_view its_token,
                    std::int64_t its_cache_ms);
  ~IntrospectionNeed() override;
  IntrospectionNeed(const IntrospectionNeed&) = delete;
  IntrospectionNeed& operator=(const IntrospectionNeed&) = delete;
  std::shared_ptr<const IntrospectionEndpoint> endpoint;
  std::string token;
  std::int64_t cache_ms;
};

// What the endpoint said of a token.
struct IntrospectionAnswer final : AnswerValue {
  bool is_active = false;
  std::string text;            // The JSON, where it is active.
  std::int64_t expires_s = 0;  // exp, where it says one; 0: none.
};

// A 200 answer. Error: it is none that RFC 7662 §2.2 knows; nobody knows then whether the token is good. A signed
// answer (RFC 9701) is refused by name, since nothing here would verify it. The detail never shows what came.
Result<std::shared_ptr<const IntrospectionAnswer>> read_introspection(std::string_view content_type,
                                                                      std::string_view body);

// What the claims of an active answer say: iss, aud, exp, nbf, iat, what kind of token it is, its confirmation and its
// identity. Error::code "bad_token" or "bad_claim": the token is refused here, whatever the issuer thinks of it.
Result<std::shared_ptr<const VerifiedToken>> verify_introspected(std::string_view token,
                                                                 const IntrospectionAnswer& answer,
                                                                 const IntrospectionOptions& options, Now now);

// Does the token have the form of a JWT (RFC 7515 §7.1, RFC 7516 §7.1): three or five parts, the first of them a JSON
// object that names an algorithm? What it says is not looked at.
bool looks_like_jwt(std::string_view token);

}  // namespace keepgate::auth
