// authenticate: the access checks of a location together: allow and deny, every method, auth_request, `satisfy`.
//
// all (the default): the address must not be denied and every method that is asked for must be good; the last one's
// identity counts. any: the first that accepts is enough; a bad credential still refuses, unless the address alone
// already satisfies a location that no policy guards, where nginx does not look at it. Thread rule: pure but for the
// memory in its input.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "auth/methods.h"

namespace keepgate::auth {

enum class Access : std::uint8_t { refused = 0, accepted, need };

struct AccessResult {
  Access access = Access::refused;
  // With accepted: who it is; nullptr: nobody, because nothing was asked or the address was enough.
  const Principal* principal = nullptr;
  std::shared_ptr<const void> owner;
  std::shared_ptr<const VerifiedToken> token;
  SingleUse proof, signature;  // What may not come a second time.
  // With refused.
  std::uint16_t status = 401;  // 401, 403 (the address, auth_request), 500 or 503 (what checks it cannot be used).
  std::string_view code = "credentials_required";
  std::string challenge;  // With 401.
  std::string reason;     // For the logs.
  // With need.
  std::optional<Need> need;
};

// `policy_decides`: a policy will be asked who it is, so the identity matters even where the address is enough.
AccessResult authenticate(const AuthInput& input, bool policy_decides);

// The challenges of all methods that are asked for, as one field value: for a refusal that no single method caused.
// Where none has one, Bearer.
std::string challenges(const AuthInput& input, std::string_view error = "");

}  // namespace keepgate::auth
