#include "auth/authenticate.h"

#include "auth/possession.h"
#include "auth/revocation_sources.h"
#include "auth/service_answer.h"
#include "base/bytes.h"

namespace keepgate::auth {

namespace {

AccessResult refused(std::uint16_t status, std::string_view code, std::string reason) {
  AccessResult out;
  out.status = status;
  out.code = code;
  out.reason = std::move(reason);
  return out;
}

// What a result that is neither good nor *not mine* means, whatever `satisfy` says.
AccessResult not_accepted(const Method& method, AuthResult&& result, const AuthInput& input) {
  if (result.verdict == AuthVerdict::need && result.need) {
    AccessResult out;
    out.access = Access::need;
    out.need = std::move(result.need);
    return out;
  }
  if (result.verdict == AuthVerdict::unavailable) {
    return refused(result.unavailable_status, result.error, std::move(result.reason));
  }
  AccessResult out = refused(401, result.error, std::move(result.reason));
  out.challenge = std::move(result.challenge);
  if (out.challenge.empty() && method.challenge) out.challenge = method.challenge(input, result.error);
  return out;
}

AccessResult no_credential(const Method& method, const AuthInput& input) {
  AccessResult out = refused(401, "credentials_required", cat("no credential: ", name_of(method.name)));
  out.challenge = method.challenge(input, "");
  return out;
}

bool asks(const Method& method, const AuthInput& input) {
  return method.is_asked_for(input.options) && !(method.is_waived && method.is_waived(input));
}

void take(AccessResult& out, AuthResult&& result) {
  out.access = Access::accepted;
  out.principal = result.principal;
  out.owner = std::move(result.owner);
  if (result.token) out.token = std::move(result.token);
  if (!result.proof.id.empty()) out.proof = std::move(result.proof);
  if (!result.signature.id.empty()) out.signature = std::move(result.signature);
}

// What was taken back is no credential, however it was found to be good, from a cache too. Where nobody knows what was
// taken back, no credential is good.
void check_revocations(const AuthInput& input, AuthResult& result) {
  RevocableNames names;
  names.principal = result.principal;
  names.api_key = result.key_id;
  if (result.token) {
    names.take_claims(result.token->payload);
    names.token_key = result.token->key_id;
  }
  const std::optional<Revocation> revocation = input.revocations->find(names, input.now);
  if (revocation) {
    result = AuthResult::is_bad(cat("revoked: ", revocation->describe()));
  } else if (!input.revocations->missing().empty()) {
    result = AuthResult::is_unavailable(cat("revocations are not known: ", input.revocations->missing()),
                                        "revocations_unavailable");
  }
}

// auth_request, behind every credential: what the operator's own service says about the request. It names nobody.
AccessResult ask_service(const AuthInput& input) {
  const std::string& uri = input.options.request_uri;
  const Answer* answer = input.answers ? input.answers->find(NeedKind::subrequest, uri) : nullptr;
  AccessResult out;
  if (!answer) {
    out.access = Access::need;
    out.need = Need{NeedKind::subrequest, uri, nullptr};
    return out;
  }
  const auto* said = dynamic_cast<const ServiceAnswer*>(answer->value.get());
  if (!answer->is_good || !said)
    return refused(500, "auth_request_failed", cat("auth_request ", uri, ": ", answer->reason));
  if (said->allows()) {
    out.access = Access::accepted;
    return out;
  }
  std::string reason = cat("auth_request ", uri, " answered ", said->status);
  // nginx: whatever is neither a permission nor a refusal is a failure of the service.
  if (!said->denies()) return refused(500, "auth_request_failed", std::move(reason));
  out = refused(said->status, said->status == 401 ? "credentials_required" : "denied", std::move(reason));
  out.challenge = said->challenge;
  return out;
}

// INVARIANT: no method's token counts before its holder has proven what the token asks for, and nothing counts that is
// revoked.
AuthResult ask(const Method& method, const AuthInput& input) {
  AuthResult result = method.authenticate(input);
  if (result.verdict == AuthVerdict::good && result.token) check_possession(input, result);
  if (result.verdict == AuthVerdict::good && input.revocations) check_revocations(input, result);
  return result;
}

AccessResult satisfy_all(const AuthInput& input) {
  if (input.options.addresses.judge(input.channel.address) == AddressVerdict::denied) {
    return refused(403, "address_denied", "access forbidden by rule");
  }
  AccessResult out;
  out.access = Access::accepted;
  for (const Method& method : methods()) {
    if (!asks(method, input)) continue;
    if (!method.challenge && out.principal) continue;  // It only names those whom nothing else names.
    AuthResult result = ask(method, input);
    if (result.verdict == AuthVerdict::good) {
      take(out, std::move(result));
    } else if (result.verdict != AuthVerdict::not_mine) {
      return not_accepted(method, std::move(result), input);
    } else if (method.challenge) {
      return no_credential(method, input);
    }
  }
  if (input.options.request_uri.empty()) return out;
  AccessResult said = ask_service(input);
  if (said.access != Access::accepted) return said;
  return out;
}

AccessResult satisfy_any(const AuthInput& input, bool policy_decides) {
  const AddressVerdict address = input.options.addresses.judge(input.channel.address);
  AccessResult out;
  out.access = Access::accepted;
  if (address == AddressVerdict::allowed && !policy_decides) return out;
  bool was_asked = false;
  for (const Method& method : methods()) {
    if (!asks(method, input)) continue;
    AuthResult result = ask(method, input);
    if (result.verdict == AuthVerdict::good) {
      take(out, std::move(result));
      return out;
    }
    if (result.verdict != AuthVerdict::not_mine) return not_accepted(method, std::move(result), input);
    was_asked = was_asked || method.challenge != nullptr;
  }
  if (address == AddressVerdict::allowed) return out;
  std::string service_challenge;
  if (!input.options.request_uri.empty()) {
    AccessResult said = ask_service(input);
    // 401 is preferred to 403, as in nginx: a credential that is missing may be enough.
    if (said.access != Access::refused || said.status == 500 || !was_asked) return said;
    service_challenge = std::move(said.challenge);
  }
  if (was_asked) {
    AccessResult refusal = refused(401, "credentials_required", "no credential");
    refusal.challenge = challenges(input);
    if (!service_challenge.empty()) append(refusal.challenge, ", ", service_challenge);
    return refusal;
  }
  if (address == AddressVerdict::denied) return refused(403, "address_denied", "access forbidden by rule");
  return out;
}

}  // namespace

AccessResult authenticate(const AuthInput& input, bool policy_decides) {
  return input.options.satisfy == Satisfy::all ? satisfy_all(input) : satisfy_any(input, policy_decides);
}

std::string challenges(const AuthInput& input, std::string_view error) {
  std::string out;
  for (const Method& method : methods()) {
    if (!method.challenge || !asks(method, input)) continue;
    append(out, out.empty() ? "" : ", ", method.challenge(input, error));
  }
  return out.empty() ? challenge_for_jwt(input, error) : out;
}

}  // namespace keepgate::auth
