// HealthCheck: how the servers of a group are probed, as configured: what is sent, how often, what is a good answer.
// HealthChecker: sends the probes and says of each peer whether requests may go to it.
//
// Thread rule: a HealthCheck is immutable; HealthChecker::check() may be called from any thread, the rest happens on
// the background's loop. Bounds: probes at a time, bytes of an answer, time of a probe. Lifetime: a HealthChecker
// outlives the background's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "http/h1_parser.h"
#include "net/background.h"
#include "tls/context.h"
#include "upstream/group.h"
#include "upstream/peer.h"

namespace keepgate::upstream {

// What is wrong about an answer: "status code"; empty if nothing is.
using Judge = std::function<std::string_view(const http::ResponseHead& head, std::string_view body)>;

struct HealthCheck {
  std::shared_ptr<const Group> group;
  std::string key;   // Equal for equal checks of one group: over a reload their results stay.
  std::string name;  // Of the match, for the log; may be empty.
  std::int64_t interval_ms = 5'000;
  std::int64_t jitter_ms = 0;
  unsigned fails = 1, passes = 1;
  std::optional<std::uint16_t> port;
  std::string request;  // The whole head.
  Judge judge;
  bool reads_body = false;
  bool mandatory = false;                         // Peers that are new get no requests before they were found healthy.
  std::shared_ptr<const tls::ClientContext> tls;  // nullptr: http.
  std::string tls_name;
  std::int64_t connect_timeout_ms = 60'000, send_timeout_ms = 60'000, read_timeout_ms = 60'000;
  std::int64_t timeout_ms = 60'000;  // Of a whole probe.
};

class HealthChecker {
 public:
  static constexpr unsigned probes_max = 64;  // At a time.
  static constexpr std::size_t body_bytes_max = 256 * 1024;

  using CheckPointer = std::shared_ptr<const HealthCheck>;

  explicit HealthChecker(net::Background& background) : background_(background) {}

  // These checks from now on, and no others.
  void check(std::vector<CheckPointer> checks);

 private:
  struct PeerState {
    std::shared_ptr<Peer> peer;
    unsigned passes = 0, fails = 0;
    bool known = false;  // It was judged at least once.
    bool good = true;
    bool probing = false;
    bool seen = false;  // In the current list.
  };
  struct Run {
    CheckPointer check;
    bool ended = false;
    net::Waiter* sleeping = nullptr;
    std::unordered_map<std::uint64_t, std::shared_ptr<PeerState>> peers;  // By their id.
  };

  void check_now(const std::vector<CheckPointer>& checks);
  net::Detached run(std::shared_ptr<Run> run);
  void start_probes(const std::shared_ptr<Run>& run);
  net::Detached probe(std::shared_ptr<Run> run, std::shared_ptr<PeerState> state);
  void judge(Run& run, PeerState& state, const std::string& trouble);
  void publish(Peer& peer);
  void release(Run& run);

  net::Background& background_;
  std::vector<std::shared_ptr<Run>> runs_;
  unsigned probes_ = 0;
};

// One probe of `peer`: "" if it is well, else what was being done when it was not.
net::Task<std::string> probe_peer(net::Loop& loop, std::shared_ptr<const HealthCheck> check,
                                  std::shared_ptr<const Peer> peer);

}  // namespace keepgate::upstream
