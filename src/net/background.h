// Background: one thread with a loop for what is slow and belongs to no request: looking up names, probing upstreams.
//
// Thread rule: the composition starts and stops it; resolve() is awaited on any other loop, everything else happens on
// its own.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "net/resolver.h"
#include "net/stream.h"

namespace keepgate::net {

// A message that calls `action(loop)`.
template <typename Action>
std::unique_ptr<Message> make_message(Action action) {
  struct Call final : Message {
    explicit Call(Action its_action) : action(std::move(its_action)) {}
    void deliver(Loop& loop) override { action(loop); }
    Action action;
  };
  return std::make_unique<Call>(std::move(action));
}

// Where answers for a loop go: nowhere any more once its owner is gone. post() from any thread.
class ReplyAddress {
 public:
  explicit ReplyAddress(Loop& loop) : loop_(&loop) {}
  Loop& loop() const { return *loop_; }  // On its own thread.
  void post(std::unique_ptr<Message> message) {
    const std::lock_guard lock(mutex_);
    if (!closed_) loop_->post(std::move(message));
  }
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }

 private:
  std::mutex mutex_;
  Loop* loop_;
  bool closed_ = false;
};

class Background {
 public:
  Background();   // Makes its loop; start() starts its thread.
  ~Background();  // Stops it.
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  [[nodiscard]] bool start();  // False, and said in the log: the system has no thread or no descriptors left.
  void stop();                 // Whoever waits is answered; then the thread ends.

  Loop& loop() { return *loop_; }
  // On its own loop only:
  Resolver& resolver() { return *resolver_; }
  bool ending() const { return ending_; }  // Whatever runs for ever ends when its wait is cancelled.

  // What `name` stands for. Ends without an answer at `deadline_ms`, or when `client` hangs up.
  Task<NameAnswer> resolve(std::shared_ptr<ReplyAddress> mine, ResolverOptions options, std::string name, NameKind kind,
                           std::int64_t timeout_ms, Stream* client);

 private:
  std::unique_ptr<Loop> loop_;
  std::unique_ptr<DnsClient> dns_;
  std::unique_ptr<Resolver> resolver_;
  std::thread thread_;
  bool stopped_ = true;
  bool ending_ = false;
};

}  // namespace keepgate::net
