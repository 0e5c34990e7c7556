#include "upstream/health_check.h"

#include <algorithm>
#include <random>

#include "base/bytes.h"
#include "base/log.h"

namespace keepgate::upstream {

namespace {

constexpr std::int64_t crowded_pause_ms = 20;  // While there are probes_max probes.

std::int64_t some_of(std::int64_t jitter_ms) {
  if (jitter_ms <= 0) return 0;
  thread_local std::minstd_rand random{std::random_device{}()};
  return std::uniform_int_distribution<std::int64_t>(0, jitter_ms)(random);
}

}  // namespace

void HealthChecker::check(std::vector<CheckPointer> checks) {
  background_.loop().post(net::make_message([this, checks = std::move(checks)](net::Loop&) { check_now(checks); }));
}

void HealthChecker::check_now(const std::vector<CheckPointer>& checks) {
  const auto same = [](const HealthCheck& a, const HealthCheck& b) { return a.group == b.group && a.key == b.key; };
  std::vector<std::shared_ptr<Run>> gone;
  for (const auto& run : std::exchange(runs_, {})) {
    const auto found = std::ranges::find_if(checks, [&](const auto& one) { return same(*one, *run->check); });
    if (found == checks.end()) {
      gone.push_back(run);
    } else {
      run->check = *found;
      runs_.push_back(run);
    }
  }
  for (const CheckPointer& check : checks) {
    const auto is_running = [&](const auto& run) { return same(*check, *run->check); };
    if (std::ranges::any_of(runs_, is_running)) continue;
    auto made = std::make_shared<Run>();
    made->check = check;
    runs_.push_back(made);
    run(std::move(made));
  }
  for (const auto& one : gone) release(*one);
  for (const CheckPointer& check : checks) {
    const auto holds = [&](const auto& one) { return one->group == check->group && one->mandatory; };
    check->group->peers->hold_new(std::ranges::any_of(checks, holds));
  }
}

// Under another check of the same group a peer stays as it is until that has judged it; one that nobody probes any more
// is used like one that never was.
void HealthChecker::release(Run& run) {
  run.ended = true;
  if (run.sleeping) run.sleeping->wake(net::Wake::cancelled);
  const Group& group = *run.check->group;
  if (std::ranges::any_of(runs_, [&](const auto& one) { return one->check->group.get() == &group; })) return;
  group.peers->hold_new(false);
  for (const auto& peer : group.peers->current()->peers) peer->health.store(Health::unchecked);
}

net::Detached HealthChecker::run(std::shared_ptr<Run> run) {
  net::Loop& loop = background_.loop();
  while (!run->ended && !background_.ending()) {
    start_probes(run);
    net::SleepUntil sleep(loop, loop.now().monotonic_ms + run->check->interval_ms + some_of(run->check->jitter_ms));
    run->sleeping = &sleep;
    co_await sleep;
    run->sleeping = nullptr;
  }
}

void HealthChecker::start_probes(const std::shared_ptr<Run>& run) {
  const auto set = run->check->group->peers->current();
  for (auto& [id, state] : run->peers) state->seen = false;
  for (const std::shared_ptr<Peer>& peer : set->peers) {
    std::shared_ptr<PeerState>& state = run->peers[peer->id];
    if (!state) {
      state = std::make_shared<PeerState>();
      state->peer = peer;
    }
    state->seen = true;
    if (!peer->server.down && !state->probing) probe(run, state);
  }
  std::erase_if(run->peers, [](const auto& entry) { return !entry.second->seen; });
}

net::Detached HealthChecker::probe(std::shared_ptr<Run> run, std::shared_ptr<PeerState> state) {
  net::Loop& loop = background_.loop();
  state->probing = true;
  while (probes_ >= probes_max && !background_.ending()) {
    co_await net::SleepUntil(loop, loop.now().monotonic_ms + crowded_pause_ms);
  }
  ++probes_;
  const std::string trouble = co_await probe_peer(loop, run->check, state->peer);
  --probes_;
  state->probing = false;
  if (!run->ended && !background_.ending()) judge(*run, *state, trouble);
}

void HealthChecker::judge(Run& run, PeerState& state, const std::string& trouble) {
  const HealthCheck& check = *run.check;
  const bool well = trouble.empty();
  // A peer that is kept back has to show good answers first; any other is taken for well until it fails.
  if (!std::exchange(state.known, true)) {
    state.good = state.peer->health.load(std::memory_order_relaxed) != Health::unhealthy;
  }
  state.passes = well ? state.passes + 1 : 0;
  state.fails = well ? 0 : state.fails + 1;
  const bool was_good = state.good;
  if (well && state.passes >= check.passes) state.good = true;
  if (!well && state.fails >= check.fails) state.good = false;
  if (state.good != was_good) {
    log(state.good ? LogLevel::notice : LogLevel::warn, "peer is ", state.good ? "healthy" : "unhealthy", " while ",
        well ? std::string_view("checking its answer") : std::string_view(trouble), ", health check \"", check.name,
        "\" of peer ", state.peer->text, " in upstream \"", check.group->name, '"');
  }
  publish(*state.peer);
}

// Well by every check of its group that knows it.
void HealthChecker::publish(Peer& peer) {
  bool good = true;
  for (const auto& run : runs_) {
    const auto found = run->peers.find(peer.id);
    if (found != run->peers.end()) good = good && found->second->good;
  }
  peer.set_health(good ? Health::healthy : Health::unhealthy, background_.loop().now().monotonic_ms);
}

}  // namespace keepgate::upstream
