// Resolver: addresses and services behind names, remembered for as long as their TTL allows.
//
// The same question asked twice is sent once. What a name had last is kept while its servers fail, and for a while
// after they say that it is gone. Thread rule: its loop's; net/background.h asks from other threads. Bounds: names
// remembered, lookups at a time, addresses of a name; TTLs are clamped. Names that are not DNS names are not asked for.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "net/dns_client.h"

namespace keepgate::net {

struct ResolverOptions {  // resolver ADDRESS… [valid=TIME] [ipv4=off] [ipv6=off]
  std::vector<Address> servers;
  std::optional<std::int64_t> valid_ms;  // Instead of the TTL.
  bool ipv4 = true, ipv6 = true;
  bool operator==(const ResolverOptions&) const = default;
};

enum class NameKind : std::uint8_t { addresses = 0, services };

struct ResolvedName {
  std::vector<Address> addresses;       // Ascending, without repeats; their port is 0.
  std::vector<ServiceRecord> services;  // By priority.
};

struct NameAnswer {
  std::shared_ptr<const ResolvedName> found;  // nullptr: none, and `why`. What was found last, while it is kept.
  std::int64_t ask_again_ms = 0;              // Monotonic: until then the answer stays the same.
  std::string why;                            // "3: Host not found"; empty when `found` is fresh.
};

struct ResolverBounds {
  std::size_t names = 10'000;
  std::size_t lookups = 1'000;  // At a time.
  std::size_t addresses = 128;  // Of a name: the lowest ones, so that it is the same ones each time.
  std::int64_t ttl_ms_min = 1'000, ttl_ms_max = 3'600'000;
  std::int64_t negative_ms = 10'000;
  std::int64_t failure_ms = 1'000;   // Before servers that failed are asked again.
  std::int64_t gone_ms = 60'000;     // How long a name that no longer exists keeps its addresses.
  std::int64_t grace_ms = 1'000;     // For the other family, once one has addresses.
  std::int64_t patience_ms = 1'000;  // With the servers, before what was found last is given out.
};

class Resolver {
 public:
  using Callback = std::function<void(const NameAnswer&)>;

  Resolver(Loop& loop, DnsTransport& transport, const ResolverBounds& bounds = {})
      : loop_(loop), transport_(transport), bounds_(bounds) {}

  // Calls back before it returns if the answer is known. `timeout_ms` is for the question, if it is asked now.
  void look_up(const ResolverOptions& options, std::string_view name, NameKind kind, std::int64_t timeout_ms,
               const Callback& callback);
  // Whoever waits is told that there is no answer; nothing is asked any more.
  void stop();
  std::size_t name_count() const { return entries_.size(); }
  std::size_t lookup_count() const { return lookups_; }

 private:
  struct Entry {
    std::string key, name;
    std::shared_ptr<const ResolvedName> good;
    std::int64_t ask_again_ms = 0;
    std::string why;           // Of the last failure; empty after a success.
    std::int64_t gone_ms = 0;  // Since when the name does not exist although `good` is kept; 0: it does.
    bool looking = false;
    bool slow = false;  // While looking: the servers were given patience_ms.
    std::vector<Callback> waiting;
    std::list<Entry*>::iterator place;  // In by_use_.
  };
  struct Lookup;

  Entry* entry_for(const ResolverOptions& options, std::string_view name, NameKind kind);
  bool make_room();
  void start(Entry& entry, const ResolverOptions& options, NameKind kind, std::int64_t timeout_ms);
  Detached ask(std::shared_ptr<Lookup> lookup, DnsType type);
  Detached settle_soon(std::shared_ptr<Lookup> lookup);
  Detached lose_patience(std::shared_ptr<Lookup> lookup);
  void settle(Lookup& lookup);
  void take_found(Entry& entry, const Lookup& lookup);
  void take_failure(Entry& entry, const Lookup& lookup);
  void answer_all(Entry& entry);
  NameAnswer answer_of(const Entry& entry) const;

  Loop& loop_;
  DnsTransport& transport_;
  ResolverBounds bounds_;
  std::unordered_map<std::string, std::unique_ptr<Entry>> entries_;
  std::list<Entry*> by_use_;  // The one used last in front.
  std::size_t lookups_ = 0;
  bool stopped_ = false;
};

}  // namespace keepgate::net
