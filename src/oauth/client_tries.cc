#include "oauth/client_tries.h"

#include "base/bytes.h"
#include "net/address.h"

namespace keepgate::oauth {

namespace {

constexpr std::uint16_t too_many_tries = 429;

// An attempt points into it.
struct ClientTry {
  ClientTry(const Context& context, std::string_view id)
      : address(net::Address::ip(context.request.client_address, 0)),
        // People's names have no colon.
        account(id.empty() ? std::string() : cat("client:", id.substr(0, Client::id_bytes_max + 1))) {}
  Attempt attempt() const { return {Guessed::client, account, address ? address->ip_bytes() : std::string_view(), {}}; }

  std::optional<net::Address> address;
  std::string account;
};

}  // namespace

Checked<void> check_client_tries(const Context& context, std::string_view id) {
  if (!context.service.attempts().limits_clients(context.now().monotonic_ms)) return {};
  const ClientTry asked(context, id);
  const AttemptVerdict verdict = context.service.attempts().look(asked.attempt(), context.now().monotonic_ms);
  if (verdict.is_allowed) return {};
  context.exchange.refusal.reason = "too many failed client authentications from one network";
  Failure out{too_many_tries, "slow_down", "too many failed client authentications", {}};
  out.fields = cat("Retry-After: ", verdict.retry_after_s, "\r\n");
  return std::unexpected(std::move(out));
}

void note_failed_client(const Context& context, std::string_view id) {
  const ClientTry failed(context, id);
  // One that no longer has room was refused, or came beside the last one that had it.
  (void)context.service.attempts().charge(failed.attempt(), context.now().monotonic_ms);
}

void note_proven_client(const Context& context, std::string_view id) {
  const ClientTry proven(context, id);
  context.service.attempts().proven(proven.attempt(), context.now().monotonic_ms);
}

}  // namespace keepgate::oauth
