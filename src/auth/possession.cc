#include "auth/possession.h"

#include "auth/binding.h"
#include "auth/challenge.h"
#include "auth/dpop.h"
#include "base/bytes.h"
#include "crypto/digest.h"

namespace keepgate::auth {

namespace {

// The one DPoP field (RFC 9449 §4.3 step 1); empty if there is none.
Result<std::string_view> proof_text(const http::RequestHead& head) {
  const http::HeaderLine* found = nullptr;
  for (const http::HeaderLine& line : head.headers) {
    if (!equals_ignoring_case(line.name, "DPoP")) continue;
    if (found) return fail(ErrorKind::refused, Blame::client, dpop_error, "two DPoP fields");
    found = &line;
  }
  return found ? found->value : std::string_view();
}

void refuse(AuthResult& result, const AuthInput& input, std::string_view error, std::string reason) {
  result = AuthResult::is_bad(std::move(reason), error);
  result.challenge = challenge_for_dpop(input, error);
}

ProofSubject subject_of(const AuthInput& input, std::string_view token) {
  ProofSubject subject;
  subject.method = input.head.method_text;  // As sent: an error page's GET is none of the client's.
  subject.tls = input.options.dpop_over_tls.value_or(input.channel.tls);
  subject.authority = input.head.authority;
  subject.path = input.head.raw_path;
  subject.token = token;
  return subject;
}

}  // namespace

TokenScheme presented_scheme(const AuthInput& input) {
  const Result<TokenCredential> presented = presented_token(input);
  return presented ? presented->scheme : TokenScheme::none;
}

std::string challenge_for_dpop(const AuthInput& input, std::string_view error) {
  return cat(challenge("DPoP", token_realm(input), error), ", algs=", quoted(proof_algorithms));
}

void check_possession(const AuthInput& input, AuthResult& result) {
  // Not part of what a cache remembers: it is about the connection that the token came over.
  std::string fault = fault_of_certificate_binding(result.token->payload, input.channel.certificate);
  if (!fault.empty()) {
    result = AuthResult::is_bad(std::move(fault));
    return;
  }
  const Result<TokenCredential> presented = presented_token(input);
  if (!presented) return refuse(result, input, "invalid_token", presented.error().detail);
  const std::string bound_key = result.token->bound_key;
  if (bound_key.empty()) {
    if (presented->scheme != TokenScheme::dpop) return;
    return refuse(result, input, "invalid_token", "sent as DPoP, and bound to no key");
  }
  // RFC 9449 §7.2: never as a bearer token, or whoever stole it could use it.
  if (presented->scheme == TokenScheme::bearer) {
    return refuse(result, input, "invalid_token", "bound to a key (cnf.jkt), and sent as Bearer");
  }
  const Result<std::string_view> proof = proof_text(input.head);
  if (!proof) return refuse(result, input, dpop_error, proof.error().detail);
  if (proof->empty()) return refuse(result, input, dpop_error, "bound to a key (cnf.jkt), and no DPoP proof");
  Result<ProvenKey> proven = verify_dpop(*proof, subject_of(input, presented->token), input.now);
  if (!proven) return refuse(result, input, dpop_error, proven.error().detail);
  if (!crypto::equal_constant_time(proven->thumbprint, bound_key)) {
    return refuse(result, input, "invalid_token", "the DPoP proof is by another key than the token's (cnf.jkt)");
  }
  result.proof = {std::move(proven->id), proven->expires_s};
}

}  // namespace keepgate::auth
