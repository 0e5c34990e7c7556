#include "pipeline/worker.h"

#include <algorithm>
#include <cstring>

#include "crypto/random.h"
#include "http/status.h"
#include "pipeline/exchange.h"

namespace keepgate::pipeline {

namespace {
constexpr std::size_t spare_exchanges_max = 256;
constexpr std::string_view date_name = "Date: ";
constexpr std::size_t date_bytes = 29;
// nginx's: room is made when less than a sixteenth is left, by an eighth of the idle connections, at most 32 at a time.
constexpr std::size_t spare_part = 16, reused_part = 8, reused_max = 32;
}  // namespace

Worker::Worker(net::Loop& its_loop, const Published<Snapshot>& snapshots, unsigned its_number)
    : loop(its_loop),
      snapshot(snapshots),
      number(its_number),
      token_cache(snapshot.get()->token_cache_entries),
      reply_address(std::make_shared<net::ReplyAddress>(its_loop)),
      id_prefix_(crypto::random_u64()) {
  scratch.reserve(BufferPool::body_bytes);
  loop.set_admission(this);
}

Worker::~Worker() {
  reply_address->close();
  loop.set_admission(nullptr);
}

std::string_view Worker::date_line() {
  const std::int64_t second = loop.now().wall_s();
  if (second != date_second_) {
    char date[date_bytes];
    http::write_http_date(date, second);
    std::memcpy(date_, date_name.data(), date_name.size());
    std::memcpy(date_ + date_name.size(), date, date_bytes);
    std::memcpy(date_ + date_name.size() + date_bytes, "\r\n", 2);
    date_second_ = second;
  }
  return {date_, sizeof date_};
}

std::unique_ptr<Exchange> Worker::take_exchange() {
  if (spare_exchanges_.empty()) return std::make_unique<Exchange>();
  std::unique_ptr<Exchange> exchange = std::move(spare_exchanges_.back());
  spare_exchanges_.pop_back();
  return exchange;
}

void Worker::give_back(std::unique_ptr<Exchange> exchange) {
  if (spare_exchanges_.size() < spare_exchanges_max) spare_exchanges_.push_back(std::move(exchange));
}

void Worker::begin_reusable(Connection& c) {
  c.reusable = true;
  c.longer_idle_ = newest_idle_;
  c.shorter_idle_ = nullptr;
  (newest_idle_ ? newest_idle_->shorter_idle_ : longest_idle_) = &c;
  newest_idle_ = &c;
  ++idle_count_;
}

void Worker::end_reusable(Connection& c) {
  if (!c.reusable) return;
  c.reusable = false;
  (c.shorter_idle_ ? c.shorter_idle_->longer_idle_ : newest_idle_) = c.longer_idle_;
  (c.longer_idle_ ? c.longer_idle_->shorter_idle_ : longest_idle_) = c.shorter_idle_;
  --idle_count_;
}

std::size_t Worker::close_longest_idle() {
  const std::size_t wanted = std::clamp<std::size_t>(idle_count_ / reused_part, 1, reused_max);
  std::size_t closed = 0;
  for (; longest_idle_ && closed < wanted; ++closed) {
    Connection& one = *longest_idle_;
    end_reusable(one);
    one.stream.cancel();
  }
  return closed;
}

bool Worker::admit() {
  const std::size_t limit = snapshot.get()->worker_connections;
  const std::size_t used = loop.watch_count();
  const std::size_t left = limit > used ? limit - used : 0;
  if (left > limit / spare_part) return true;
  const std::int64_t now_ms = loop.now().monotonic_ms;
  const bool reuses = close_longest_idle() > 0;
  if (reuses && reuse_news_.is_due(now_ms)) {
    log(LogLevel::warn, limit, " worker_connections are not enough, reusing connections");
  }
  if (left > 0 || reuses) return true;
  if (full_news_.is_due(now_ms)) log(LogLevel::alert, limit, " worker_connections are not enough");
  return false;
}

void Worker::drain() {
  draining = true;
  reconsider_idle();
}

void Worker::reconsider_idle() {
  for (Connection* one = connections; one; one = one->next_) {
    if (one->idle) one->stream.cancel_reader();
  }
}

const auth::Revocations* Worker::revocations() {
  const auto& sources = snapshot.get()->revocations;
  if (!sources) return nullptr;
  if (sources != revocation_sources_) {
    revocation_lists_.clear();  // First: readers look at what the sources own.
    revocation_sources_ = sources;
    for (const auth::RevocationSource& source : *sources) revocation_lists_.emplace_back(*source.list);
  }
  revocations_.clear();
  for (std::size_t i = 0; i < revocation_lists_.size(); ++i) {
    revocations_.add(revocation_lists_[i].get().get(), (*sources)[i]);
  }
  return &revocations_;
}

}  // namespace keepgate::pipeline
