// IssuerSupplier: meets the needs of one worker for newer keys of issuers.
//
// Thread rule: its worker's. Lifetime: outlives the worker's requests; its service outlives it.
#pragma once

#include <memory>

#include "issuer/service.h"
#include "pipeline/needs.h"

namespace keepgate::issuer {

class IssuerSupplier final : public pipeline::Supplier {
 public:
  IssuerSupplier(net::Loop& loop, IssuerService& service)
      : service_(service), mine_(std::make_shared<net::ReplyAddress>(loop)) {}
  ~IssuerSupplier() { mine_->close(); }
  IssuerSupplier(const IssuerSupplier&) = delete;
  IssuerSupplier& operator=(const IssuerSupplier&) = delete;

  net::Task<auth::Answer> supply(pipeline::Exchange& exchange, const auth::Need& need) override;

 private:
  IssuerService& service_;
  std::shared_ptr<net::ReplyAddress> mine_;
};

}  // namespace keepgate::issuer
