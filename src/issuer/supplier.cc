#include "issuer/supplier.h"

#include "auth/issued.h"
#include "pipeline/exchange.h"

namespace keepgate::issuer {

net::Task<auth::Answer> IssuerSupplier::supply(pipeline::Exchange& exchange, const auth::Need& need) {
  const auto* wanted = dynamic_cast<const auth::IssuerNeed*>(need.detail.get());
  if (wanted == nullptr) {
    auth::Answer none;
    none.reason = "a need without its issuer";
    co_return none;
  }
  co_return co_await service_.newest_keys(mine_, wanted->issuer, &exchange.client());
}

}  // namespace keepgate::issuer
