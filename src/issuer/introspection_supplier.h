// IntrospectionSupplier: meets the needs of one worker for what endpoints say about opaque tokens.
//
// Thread rule: its worker's. Lifetime: outlives the worker's requests; the introspector outlives it.
#pragma once

#include <memory>

#include "issuer/introspector.h"
#include "net/background.h"
#include "pipeline/needs.h"

namespace keepgate::issuer {

class IntrospectionSupplier final : public pipeline::Supplier {
 public:
  IntrospectionSupplier(net::Loop& loop, Introspector& introspector)
      : introspector_(introspector), mine_(std::make_shared<net::ReplyAddress>(loop)) {}
  ~IntrospectionSupplier() { mine_->close(); }
  IntrospectionSupplier(const IntrospectionSupplier&) = delete;
  IntrospectionSupplier& operator=(const IntrospectionSupplier&) = delete;

  net::Task<auth::Answer> supply(pipeline::Exchange& exchange, const auth::Need& need) override;

 private:
  Introspector& introspector_;
  std::shared_ptr<net::ReplyAddress> mine_;
};

}  // namespace keepgate::issuer
