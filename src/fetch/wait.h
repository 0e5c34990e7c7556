// Fetching from a coroutine: co_await fetch_on(…) on any loop.
//
// Thread rule: awaited on `mine`'s loop. Lifetime: the fetcher outlives the wait.
#pragma once

#include <cstdint>
#include <memory>

#include "fetch/fetcher.h"
#include "net/background.h"
#include "net/stream.h"
#include "net/task.h"

namespace keepgate::fetch {

// Ends with the fetch, after `timeout_ms` (ErrorKind::timeout), or when `client`, if there is one, hangs up
// (ErrorKind::cancelled). What is fetched for nobody any more ends by its own bounds.
net::Task<Result<Response>> fetch_on(std::shared_ptr<net::ReplyAddress> mine, Fetcher& fetcher, Request request,
                                     std::int64_t timeout_ms, net::Stream* client);

}  // namespace keepgate::fetch
