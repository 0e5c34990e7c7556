// What an attempt's outcome does to the peer: failures are counted, a server goes out and comes back.
#include "base/log.h"
#include "upstream/balance.h"

namespace keepgate::upstream {

void Balance::say(std::string_view what, const Peer& peer) const {
  log(LogLevel::warn, what, ", upstream: \"", group_->name, "\", server: ", peer.server.name, " (", peer.text, ")");
}

// Sound again: but only an answer to a try that came after the failure says so (nginx's rule), so that failures count
// that lie within one fail_timeout.
void Lease::succeeded(std::int64_t now_ms) {
  Peer& peer = *seat_->peer;
  if (peer.failures_in_a_row.load(std::memory_order_relaxed) != 0) {
    peer.failures_in_a_row.store(0, std::memory_order_relaxed);
  }
  const std::uint32_t fails = peer.fails.load(std::memory_order_relaxed);
  if (fails == 0) return;
  if (peer.failed_ms.load(std::memory_order_relaxed) >= peer.checked_ms.load(std::memory_order_relaxed)) return;
  peer.fails.store(0, std::memory_order_relaxed);
  if (peer.server.fails_max == 0 || fails < peer.server.fails_max || balance_->seats_.size() == 1) return;
  peer.recovered_ms.store(now_ms, std::memory_order_relaxed);
  balance_->say("upstream server is back", peer);
}

void Lease::failed(std::int64_t now_ms) {
  Peer& peer = *seat_->peer;
  const Server& server = peer.server;
  const std::uint32_t fails = peer.fails.fetch_add(1, std::memory_order_relaxed) + 1;
  peer.failed_ms.store(now_ms, std::memory_order_relaxed);
  peer.checked_ms.store(now_ms, std::memory_order_relaxed);
  balance_->note_failure(peer, now_ms);
  if (server.fails_max == 0) return;
  const std::int64_t lighter = peer.effective_weight.load(std::memory_order_relaxed) - server.weight / server.fails_max;
  peer.effective_weight.store(std::max<std::int64_t>(lighter, 0), std::memory_order_relaxed);
  if (fails == server.fails_max && balance_->seats_.size() > 1) {
    balance_->say("upstream server temporarily disabled", peer);
  }
}

void Lease::failed_status(std::int64_t now_ms) {
  Peer& peer = *seat_->peer;
  const std::uint32_t in_a_row = peer.failures_in_a_row.load(std::memory_order_relaxed);
  succeeded(now_ms);
  peer.failures_in_a_row.store(in_a_row, std::memory_order_relaxed);
  balance_->note_failure(peer, now_ms);
}

void Balance::note_failure(Peer& peer, std::int64_t now_ms) {
  const EjectionOptions& options = group_->ejection;
  if (options.consecutive == 0) return;
  if (peer.failures_in_a_row.fetch_add(1, std::memory_order_relaxed) + 1 < options.consecutive) return;
  if (seats_.size() == 1) return;
  const std::size_t out_max = seats_.size() * options.ejected_percent_max / 100;
  if (group_->peers->eject(peer, seats_, out_max, options, now_ms)) say("upstream server ejected", peer);
}

}  // namespace keepgate::upstream
