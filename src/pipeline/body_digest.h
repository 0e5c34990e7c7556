// BodyDigestSupplier: reads the whole body of a request before it is decided, stores it as proxy_request_buffering
// does, and says what its digests are.
//
// Bounds are those of the location: client_max_body_size, client_body_timeout, and in memory client_body_buffer_size.
// Thread rule: its worker's.
#pragma once

#include "pipeline/needs.h"

namespace keepgate::pipeline {

class BodyDigestSupplier final : public Supplier {
 public:
  net::Task<auth::Answer> supply(Exchange& exchange, const auth::Need& need) override;
};

}  // namespace keepgate::pipeline
