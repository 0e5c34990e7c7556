// IssuerService: the keeper of all issuers of the running configuration, on the background's loop, for all workers.
//
// Thread rule: use() from any thread, newest_keys() awaited on any other loop. Lifetime: outlives the background's
// thread and the fetcher's; the fetcher stops first.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "auth/issuer.h"
#include "auth/need.h"
#include "fetch/fetcher.h"
#include "issuer/keeper.h"
#include "net/background.h"
#include "net/stream.h"
#include "net/task.h"

namespace keepgate::issuer {

class IssuerService {
 public:
  // How long a request waits for newer keys. What is not there then is not known: 503.
  static constexpr std::int64_t wait_ms_max = 3'000;

  IssuerService(net::Background& background, fetch::Fetcher& fetcher);

  // These issuers from now on, and no others.
  void use(std::vector<std::shared_ptr<auth::Issuer>> issuers);

  // Ends when the issuer was asked, in vain or not, after wait_ms_max, or when `client` hangs up.
  net::Task<auth::Answer> newest_keys(std::shared_ptr<net::ReplyAddress> mine,
                                      std::shared_ptr<const auth::Issuer> issuer, net::Stream* client);

 private:
  net::Detached run();
  void wake();

  net::Background& background_;
  Keeper keeper_;
  bool running_ = false;
  net::Waiter* sleeping_ = nullptr;
};

}  // namespace keepgate::issuer
