#include "net/resolver.h"

#include <algorithm>
#include <tuple>

#include "base/bytes.h"
#include "base/log.h"

namespace keepgate::net {

// One question to the servers: for addresses, two at a time.
struct Resolver::Lookup {
  std::string key;
  ResolverOptions options;
  NameKind kind = NameKind::addresses;
  std::int64_t deadline_ms = 0;
  unsigned pending = 0;
  bool settled = false;
  ResolvedName found;
  std::uint32_t found_ttl_s = UINT32_MAX, negative_ttl_s = UINT32_MAX;
  bool any_found = false, any_failed = false;
  DnsOutcome failure = DnsOutcome::no_records;  // The most telling one.
};

namespace {

constexpr unsigned alias_lookups_max = 8;  // CNAMEs whose end was not in the answer.

bool before(const Address& a, const Address& b) {
  return std::make_tuple(a.family(), a.ip_bytes()) < std::make_tuple(b.family(), b.ip_bytes());
}

std::string key_of(const ResolverOptions& options, std::string_view name, NameKind kind) {
  std::string key = to_lower(name);
  append(key, kind == NameKind::services ? "\nsrv" : "\n", options.ipv4 ? "4" : "", options.ipv6 ? "6" : "");
  append(key, '\n', options.valid_ms.value_or(-1));
  for (const Address& server : options.servers) append(key, '\n', server.text());
  return key;
}

std::int64_t clamped_ms(std::uint32_t ttl_s, std::int64_t least_ms, std::int64_t most_ms) {
  return std::clamp(std::int64_t{ttl_s} * 1000, least_ms, most_ms);
}

// Services of the lowest priority number first, each host once for a port.
void tidy(ResolvedName& found, std::size_t most) {
  std::ranges::sort(found.addresses, before);
  const auto repeats = std::ranges::unique(found.addresses);
  found.addresses.erase(repeats.begin(), repeats.end());
  if (found.addresses.size() > most) found.addresses.resize(most);
  std::erase_if(found.services, [](const ServiceRecord& one) { return !is_dns_name(one.host) || one.port == 0; });
  std::ranges::sort(found.services, {}, [](const ServiceRecord& one) {
    return std::make_tuple(one.priority, to_lower(one.host), one.port);
  });
  if (found.services.size() > most) found.services.resize(most);
}

}  // namespace

NameAnswer Resolver::answer_of(const Entry& entry) const {
  return {entry.good, std::max(entry.ask_again_ms, loop_.now().monotonic_ms + bounds_.ttl_ms_min), entry.why};
}

// Something that nobody waits for goes, the one that was not used for the longest first.
bool Resolver::make_room() {
  if (entries_.size() < bounds_.names) return true;
  for (auto at = by_use_.rbegin(); at != by_use_.rend(); ++at) {
    Entry* const entry = *at;
    if (entry->looking) continue;
    by_use_.erase(entry->place);
    entries_.erase(std::string(entry->key));
    return true;
  }
  return false;
}

Resolver::Entry* Resolver::entry_for(const ResolverOptions& options, std::string_view name, NameKind kind) {
  std::string key = key_of(options, name, kind);
  if (const auto found = entries_.find(key); found != entries_.end()) {
    by_use_.splice(by_use_.begin(), by_use_, found->second->place);
    return found->second.get();
  }
  if (!make_room()) return nullptr;
  auto entry = std::make_unique<Entry>();
  entry->key = key;
  entry->name = to_lower(name);
  by_use_.push_front(entry.get());
  entry->place = by_use_.begin();
  return entries_.emplace(std::move(key), std::move(entry)).first->second.get();
}

void Resolver::look_up(const ResolverOptions& options, std::string_view name, NameKind kind, std::int64_t timeout_ms,
                       const Callback& callback) {
  const std::int64_t now_ms = loop_.now().monotonic_ms;
  if (name.ends_with('.')) name.remove_suffix(1);
  if (!is_dns_name(name)) return callback({nullptr, now_ms + bounds_.failure_ms, "not a DNS name"});
  if (stopped_) return callback({nullptr, now_ms + bounds_.failure_ms, "the program is ending"});
  Entry* const entry = entry_for(options, name, kind);
  if (!entry) return callback({nullptr, now_ms + bounds_.failure_ms, "too many names are being resolved"});
  if (!entry->looking && now_ms < entry->ask_again_ms) return callback(answer_of(*entry));
  if (!entry->looking && lookups_ >= bounds_.lookups) {
    return callback({entry->good, now_ms + bounds_.failure_ms, "too many names are being resolved"});
  }
  // While its servers fail nobody waits for them again: what was found last is there.
  const bool waits = !entry->good || (entry->why.empty() && !entry->slow);
  if (waits) entry->waiting.push_back(callback);
  const NameAnswer last = answer_of(*entry);
  if (!entry->looking) start(*entry, options, kind, timeout_ms);
  if (!waits) callback(last);
}

void Resolver::start(Entry& entry, const ResolverOptions& options, NameKind kind, std::int64_t timeout_ms) {
  entry.looking = true;
  ++lookups_;
  auto lookup = std::make_shared<Lookup>();
  lookup->key = entry.key;
  lookup->options = options;
  lookup->kind = kind;
  lookup->deadline_ms = loop_.now().monotonic_ms + timeout_ms;
  std::vector<DnsType> types;
  if (kind == NameKind::services) types = {DnsType::srv};
  if (kind == NameKind::addresses && options.ipv4) types.push_back(DnsType::a);
  if (kind == NameKind::addresses && options.ipv6) types.push_back(DnsType::aaaa);
  lookup->pending = static_cast<unsigned>(types.size());
  if (types.empty()) settle(*lookup);
  if (entry.good && entry.why.empty()) lose_patience(lookup);
  for (const DnsType type : types) ask(lookup, type);
}

Detached Resolver::ask(std::shared_ptr<Lookup> lookup, DnsType type) {
  std::string name = entries_.at(lookup->key)->name;
  DnsAnswer answer;
  for (unsigned i = 0; i <= alias_lookups_max; ++i) {
    answer = co_await transport_.ask(lookup->options.servers, name, type, lookup->deadline_ms);
    if (answer.outcome != DnsOutcome::no_records || answer.alias.empty() || !is_dns_name(answer.alias)) break;
    name = answer.alias;
  }
  --lookup->pending;
  if (lookup->settled) co_return;
  const bool has_any = !answer.addresses.empty() || !answer.services.empty();
  if (answer.outcome == DnsOutcome::found && has_any) {
    lookup->any_found = true;
    lookup->found_ttl_s = std::min(lookup->found_ttl_s, answer.ttl_s);
    lookup->found.addresses.insert(lookup->found.addresses.end(), answer.addresses.begin(), answer.addresses.end());
    lookup->found.services = std::move(answer.services);
  } else {
    const bool negative = is_negative(answer.outcome);
    if (!negative || !lookup->any_failed) lookup->failure = answer.outcome;
    lookup->any_failed = lookup->any_failed || !negative;
    lookup->negative_ttl_s = std::min(lookup->negative_ttl_s, answer.ttl_s);
  }
  if (lookup->pending == 0) {
    settle(*lookup);
  } else if (lookup->any_found) {
    settle_soon(lookup);
  }
}

// One family is enough: a server that never answers for the other must not hold everybody up.
Detached Resolver::settle_soon(std::shared_ptr<Lookup> lookup) {
  co_await SleepUntil(loop_, std::min(lookup->deadline_ms, loop_.now().monotonic_ms + bounds_.grace_ms));
  if (!lookup->settled) settle(*lookup);
}

Detached Resolver::lose_patience(std::shared_ptr<Lookup> lookup) {
  co_await SleepUntil(loop_, loop_.now().monotonic_ms + bounds_.patience_ms);
  if (lookup->settled) co_return;
  Entry& entry = *entries_.at(lookup->key);
  entry.slow = true;
  if (entry.good) answer_all(entry);
}

void Resolver::take_found(Entry& entry, const Lookup& lookup) {
  auto found = std::make_shared<ResolvedName>(lookup.found);
  tidy(*found, bounds_.addresses);
  if (!entry.why.empty()) log(LogLevel::notice, entry.name, " is resolved again");
  entry.why.clear();
  entry.gone_ms = 0;
  entry.good = std::move(found);
  const std::int64_t valid_ms = lookup.options.valid_ms
                                    ? std::max(*lookup.options.valid_ms, bounds_.ttl_ms_min)
                                    : clamped_ms(lookup.found_ttl_s, bounds_.ttl_ms_min, bounds_.ttl_ms_max);
  entry.ask_again_ms = loop_.now().monotonic_ms + valid_ms;
}

void Resolver::take_failure(Entry& entry, const Lookup& lookup) {
  const std::int64_t now_ms = loop_.now().monotonic_ms;
  const bool gone = !lookup.any_failed;
  if (gone && entry.good) {
    if (entry.gone_ms == 0) entry.gone_ms = now_ms;
    if (now_ms - entry.gone_ms >= bounds_.gone_ms) {
      log(LogLevel::error, entry.name, " does not exist any more: its addresses are dropped");
      entry.good.reset();
    }
  }
  if (!gone) entry.gone_ms = 0;
  if (entry.good && entry.why.empty()) {
    log(LogLevel::error, entry.name, " could not be resolved (", describe(lookup.failure),
        "): its last addresses stay in use");
  }
  entry.why = describe(lookup.failure);
  entry.ask_again_ms =
      now_ms +
      (gone ? clamped_ms(lookup.negative_ttl_s, std::min(bounds_.ttl_ms_min, bounds_.negative_ms), bounds_.negative_ms)
            : bounds_.failure_ms);
}

void Resolver::settle(Lookup& lookup) {
  lookup.settled = true;
  --lookups_;
  Entry& entry = *entries_.at(lookup.key);  // Not forgotten while `looking`.
  entry.looking = entry.slow = false;
  if (lookup.any_found) {
    take_found(entry, lookup);
  } else {
    take_failure(entry, lookup);
  }
  answer_all(entry);
}

void Resolver::answer_all(Entry& entry) {
  const NameAnswer answer = answer_of(entry);
  // A callback may ask again, and so change the entry.
  for (const Callback& callback : std::exchange(entry.waiting, {})) callback(answer);
}

void Resolver::stop() {
  stopped_ = true;
  std::vector<Callback> waiting;
  for (auto& [key, entry] : entries_) {
    for (Callback& callback : std::exchange(entry->waiting, {})) waiting.push_back(std::move(callback));
  }
  for (const Callback& callback : waiting) callback({nullptr, 0, "the program is ending"});
}

}  // namespace keepgate::net
