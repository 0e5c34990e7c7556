#include "issuer/answer_cache.h"

#include <algorithm>

namespace keepgate::issuer {

namespace {

bool has_expired(const auth::IntrospectionAnswer& answer, Now now) {
  return answer.expires_s != 0 && now.wall_s() >= answer.expires_s;
}

}  // namespace

void AnswerCache::Part::erase(std::map<Key, Entry>::iterator entry) {
  bytes -= entry->second.answer->text.size();
  uses.erase(entry->second.use);
  entries.erase(entry);
}

void AnswerCache::Part::put(const Key& key, Answer answer, Now now, std::size_t entries_max, std::size_t bytes_max) {
  if (const auto before = entries.find(key); before != entries.end()) erase(before);
  const std::size_t size = answer->text.size();
  while (!uses.empty() && (entries.size() >= entries_max || bytes + size > bytes_max)) erase(entries.find(uses.back()));
  if (entries_max == 0 || size > bytes_max) return;
  uses.push_front(key);
  bytes += size;
  entries.emplace(key, Entry{std::move(answer), now.monotonic_ms, uses.begin()});
}

AnswerCache::Answer AnswerCache::find(const Key& key, std::int64_t cache_ms, Now now) {
  if (const auto found = inactive_.entries.find(key); found != inactive_.entries.end()) {
    if (now.monotonic_ms - found->second.since_ms < bounds_.inactive_ms) return found->second.answer;
    inactive_.erase(found);
  }
  const auto found = active_.entries.find(key);
  if (found == active_.entries.end()) return nullptr;
  if (has_expired(*found->second.answer, now)) {
    active_.erase(found);
    return nullptr;
  }
  // Another location may believe it for longer: it stays.
  if (now.monotonic_ms - found->second.since_ms >= cache_ms) return nullptr;
  active_.uses.splice(active_.uses.begin(), active_.uses, found->second.use);
  return found->second.answer;
}

void AnswerCache::insert(const Key& key, Answer answer, std::int64_t cache_ms, Now now) {
  // What was good and is not any more goes at once, whatever is remembered of the new answer.
  if (const auto before = active_.entries.find(key); before != active_.entries.end()) active_.erase(before);
  if (!answer->is_active) return inactive_.put(key, std::move(answer), now, bounds_.inactive, SIZE_MAX);
  if (const auto before = inactive_.entries.find(key); before != inactive_.entries.end()) inactive_.erase(before);
  if (cache_ms <= 0 || answer->text.size() > bounds_.answer_bytes || has_expired(*answer, now)) return;
  active_.put(key, std::move(answer), now, bounds_.active, bounds_.active_bytes);
}

}  // namespace keepgate::issuer
