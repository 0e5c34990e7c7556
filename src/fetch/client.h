// Client: the Fetcher of the running program: libcurl on one thread of its own, connections kept and used again.
//
// TLS is always verified; nothing of the environment counts (proxies, .netrc, cookies). Thread rule: fetch() and stop()
// from any thread; callbacks on its thread. Bounds: transfers at a time, transfers that wait for one; what a transfer
// may cost is in its Request. The thread is started by the first fetch.
#pragma once

#include <memory>
#include <mutex>
#include <thread>

#include "fetch/fetcher.h"

namespace keepgate::fetch {

struct CurlLibrary;

struct ClientBounds {
  std::size_t transfers = 32;          // At a time.
  std::size_t connections = 32;        // Kept.
  std::size_t waiting = 1'000;         // Beyond the transfers; more are refused.
  std::size_t transfers_per_host = 8;  // Connections to one host; further transfers to it wait for one.
};

class Client final : public Fetcher {
 public:
  explicit Client(const ClientBounds& bounds = {});
  ~Client() override;  // Stops it.
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void fetch(Request request, Callback callback) override;
  // Whoever waits is called back with ErrorKind::cancelled; then the thread ends. Nothing is fetched any more.
  void stop();

 private:
  class Inside;                            // What lives on the thread.
  bool start(const CurlLibrary& library);  // False: there is no thread.
  std::mutex mutex_;
  ClientBounds bounds_;
  bool stopped_ = false;
  std::unique_ptr<Inside> inside_;
  std::thread thread_;
};

}  // namespace keepgate::fetch
