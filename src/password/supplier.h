// PasswordSupplier: meets the needs of one worker for slow password checks.
//
// Thread rule: its worker's. Lifetime: outlives the worker's requests; its pool outlives it.
#pragma once

#include <memory>

#include "net/background.h"
#include "password/pool.h"
#include "pipeline/needs.h"

namespace keepgate::password {

class PasswordSupplier final : public pipeline::Supplier {
 public:
  // How long a request waits for its turn and its hash. What is not there then is not known: 503.
  static constexpr std::int64_t wait_ms_max = 10'000;

  PasswordSupplier(net::Loop& loop, Pool& pool) : pool_(pool), mine_(std::make_shared<net::ReplyAddress>(loop)) {}
  ~PasswordSupplier() { mine_->close(); }
  PasswordSupplier(const PasswordSupplier&) = delete;
  PasswordSupplier& operator=(const PasswordSupplier&) = delete;

  net::Task<auth::Answer> supply(pipeline::Exchange& exchange, const auth::Need& need) override;

 private:
  Pool& pool_;
  std::shared_ptr<net::ReplyAddress> mine_;
};

}  // namespace keepgate::password
