// Context: all that an endpoint may look at and use while it serves one request.
//
// Thread rule: its worker's. Lifetime: for the length of one request; handlers are coroutines that borrow it.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "oauth/message.h"
#include "oauth/service.h"
#include "oauth/settings.h"
#include "pipeline/exchange.h"
#include "store/transact.h"

namespace keepgate::oauth {

struct Context {
  pipeline::Exchange& exchange;
  const Settings& settings;
  std::shared_ptr<const Settings> shared_settings;  // The same, for jobs.
  Service& service;
  const State& state;
  const Request& request;

  // How long a request waits for the store. What is not recorded by then is not given out.
  static constexpr std::int64_t store_ms_max = 8'000;

  const Now& now() const { return exchange.now(); }
  // The client of that id, of the configuration or of the store; nullptr: there is none.
  std::shared_ptr<const Client> find_client(std::string_view id) const;
  // Runs `job` on the store's thread and waits for its commit. INVARIANT: a job captures by value, since it may still
  // run when the wait has ended.
  template <typename T>
  net::Task<Result<T>> record(std::function<Result<T>(store::Database&)> job) const {
    return store::transact<T>(service.store(), exchange.worker().reply_address, now().monotonic_ms + store_ms_max,
                              std::move(job));
  }
};

// What a failure of the store is to a client: never that client's fault.
std::unexpected<Failure> store_failure(const Context& context, const Error& error);

using Handler = net::Task<Answer> (*)(Context& context);

}  // namespace keepgate::oauth
