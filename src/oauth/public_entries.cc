#include "oauth/public_entries.h"

#include "base/bytes.h"
#include "net/address.h"

namespace keepgate::oauth {

namespace {
constexpr std::uint16_t too_many_requests = 429;
}

Checked<void> check_entry(const Context& context, const AuthenticatedClient& who) {
  if (who.proof != ClientProofKind::none) return {};
  const auto address = net::Address::ip(context.request.client_address, 0);
  Attempt attempt;
  attempt.what = Guessed::entry;
  if (address) attempt.network = address->ip_bytes();
  const AttemptVerdict verdict = context.service.attempts().charge(attempt, context.now().monotonic_ms);
  if (verdict.is_allowed) return {};
  context.exchange.refusal.reason = "too many requests of public clients from one network";
  Failure out{too_many_requests, "slow_down", "too many requests from this network", {}};
  out.fields = cat("Retry-After: ", verdict.retry_after_s, "\r\n");
  return std::unexpected(std::move(out));
}

}  // namespace keepgate::oauth
