#include "upstream/balance.h"

namespace keepgate::upstream {

Balance::Balance(const Group& group) : group_(group), states_(group.servers.size()) {}

bool Balance::usable(std::size_t server, const std::vector<bool>& tried, std::int64_t now_ms) const {
  const Server& config = group_.servers[server];
  if (config.down || (server < tried.size() && tried[server])) return false;
  // A lone server is always tried: there is nobody to spare it for.
  if (group_.servers.size() == 1 || config.fails_max == 0) return true;
  const State& state = states_[server];
  return state.fails < config.fails_max || now_ms - state.failed_ms > config.fail_timeout_ms;
}

std::optional<std::size_t> Balance::pick_among(bool backup, const std::vector<bool>& tried, std::int64_t now_ms) {
  std::optional<std::size_t> best;
  std::int64_t total = 0;
  for (std::size_t i = 0; i < states_.size(); ++i) {
    if (group_.servers[i].backup != backup || !usable(i, tried, now_ms)) continue;
    const auto weight = static_cast<std::int64_t>(group_.servers[i].weight);
    states_[i].current_weight += weight;
    total += weight;
    if (!best || states_[i].current_weight > states_[*best].current_weight) best = i;
  }
  if (best) states_[*best].current_weight -= total;
  return best;
}

std::optional<std::size_t> Balance::pick(const std::vector<bool>& tried, std::int64_t now_ms) {
  if (states_.size() == 1) return usable(0, tried, now_ms) ? std::optional<std::size_t>(0) : std::nullopt;
  if (const auto primary = pick_among(false, tried, now_ms)) return primary;
  if (const auto backup = pick_among(true, tried, now_ms)) return backup;
  if (!tried.empty()) return std::nullopt;
  // All are considered failed: nginx starts over with a clean record rather than refuse everybody.
  for (State& state : states_) state.fails = 0;
  return pick_among(false, tried, now_ms);
}

void Balance::succeeded(std::size_t server) { states_[server].fails = 0; }

void Balance::failed(std::size_t server, std::int64_t now_ms) {
  State& state = states_[server];
  if (now_ms - state.failed_ms > group_.servers[server].fail_timeout_ms) state.fails = 0;
  ++state.fails;
  state.failed_ms = now_ms;
}

}  // namespace keepgate::upstream
