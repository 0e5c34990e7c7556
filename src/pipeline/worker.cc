#include "pipeline/worker.h"

#include <cstring>

#include "crypto/random.h"
#include "http/status.h"
#include "pipeline/exchange.h"

namespace keepgate::pipeline {

namespace {
constexpr std::size_t spare_exchanges_max = 256;
constexpr std::string_view date_name = "Date: ";
constexpr std::size_t date_bytes = 29;
}  // namespace

Worker::Worker(net::Loop& its_loop, const Published<Snapshot>& snapshots, unsigned its_number)
    : loop(its_loop),
      snapshot(snapshots),
      number(its_number),
      token_cache(snapshot.get()->token_cache_entries),
      id_prefix_(crypto::random_u64()) {
  scratch.reserve(BufferPool::body_bytes);
}

Worker::~Worker() = default;

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

void Worker::drain() {
  draining = true;
  reconsider_idle();
}

void Worker::reconsider_idle() {
  for (Connection* one = connections; one; one = one->next_) {
    if (one->idle) one->stream.cancel_reader();
  }
}

}  // namespace keepgate::pipeline
