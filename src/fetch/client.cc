#include "fetch/client.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "base/thread.h"
#include "fetch/transfer.h"

namespace keepgate::fetch {

namespace {

constexpr int poll_ms_max = 60'000;  // It is woken for whatever is new.

Error cancelled() { return {ErrorKind::cancelled, Blame::us, Retry::never, "fetch_cancelled", "the program ends"}; }

Error too_many() {
  return {ErrorKind::limit, Blame::us, Retry::never, "fetch_failed", "too many transfers wait already"};
}

}  // namespace

class Client::Inside {
 public:
  Inside(const CurlLibrary& library, const ClientBounds& bounds) : library_(library), bounds_(bounds) {
    multi_ = library_.multi_init();
    KG_ASSERT(multi_ != nullptr);
    library_.multi_setopt(multi_, CURLMOPT_MAXCONNECTS, static_cast<long>(bounds.connections));
    library_.multi_setopt(multi_, CURLMOPT_MAX_HOST_CONNECTIONS, static_cast<long>(bounds.transfers_per_host));
    library_.multi_setopt(multi_, CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_NOTHING));
  }
  ~Inside() { library_.multi_cleanup(multi_); }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

  // Any thread. false: too many.
  bool post(Request&& request, Callback& callback) {
    {
      const std::lock_guard lock(mutex_);
      if (posted_.size() + count_ >= bounds_.transfers + bounds_.waiting) return false;
      posted_.push_back(std::make_unique<Transfer>(library_, std::move(request), std::move(callback)));
    }
    library_.multi_wakeup(multi_);
    return true;
  }
  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    library_.multi_wakeup(multi_);
  }

  void run() {
    while (take_posted()) {
      start_waiting();
      int still_running = 0;
      library_.multi_perform(multi_, &still_running);
      end_finished();
      if (!waiting_.empty() && running_.size() < bounds_.transfers) continue;
      int events = 0;
      library_.multi_poll(multi_, nullptr, 0, poll_ms_max, &events);
    }
    for (const auto& transfer : running_) {
      library_.multi_remove_handle(multi_, transfer->handle());
      transfer->fail(cancelled());
    }
    for (const auto& transfer : waiting_) transfer->fail(cancelled());
    running_.clear();
    waiting_.clear();
  }

 private:
  bool take_posted() {
    const std::lock_guard lock(mutex_);
    std::move(posted_.begin(), posted_.end(), std::back_inserter(waiting_));
    posted_.clear();
    count_ = waiting_.size() + running_.size();
    return !stopping_;
  }

  void start_waiting() {
    std::size_t started = 0;
    for (; started < waiting_.size() && running_.size() < bounds_.transfers; ++started) {
      std::unique_ptr<Transfer>& transfer = waiting_[started];
      if (auto ready = transfer->prepare(); !ready) {
        transfer->fail(std::move(ready.error()));
      } else if (library_.multi_add_handle(multi_, transfer->handle()) != CURLM_OK) {
        transfer->end(CURLE_FAILED_INIT);
      } else {
        running_.push_back(std::move(transfer));
      }
    }
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(started));
  }

  void end_finished() {
    int left = 0;
    while (const CURLMsg* message = library_.multi_info_read(multi_, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      CURL* handle = message->easy_handle;
      const CURLcode code = message->data.result;  // The message is gone with its handle.
      const auto found =
          std::ranges::find_if(running_, [&](const auto& transfer) { return transfer->handle() == handle; });
      KG_ASSERT(found != running_.end());
      const std::unique_ptr<Transfer> transfer = std::move(*found);
      running_.erase(found);
      transfer->end(code);
      library_.multi_remove_handle(multi_, handle);
    }
  }

  const CurlLibrary& library_;
  ClientBounds bounds_;
  CURLM* multi_ = nullptr;
  std::vector<std::unique_ptr<Transfer>> waiting_, running_;  // Its thread's.

  std::mutex mutex_;
  std::vector<std::unique_ptr<Transfer>> posted_;
  std::size_t count_ = 0;  // Of waiting_ and running_, as of the last turn.
  bool stopping_ = false;
};

Client::Client(const ClientBounds& bounds) : bounds_(bounds) {}

Client::~Client() { stop(); }

void Client::fetch(Request request, Callback callback) {
  Error error = cancelled();
  {
    const std::lock_guard lock(mutex_);
    std::string why;
    const CurlLibrary* library = stopped_ ? nullptr : CurlLibrary::load(why);
    const bool runs = library && (inside_ || start(*library));
    if (library && !runs) {
      error = {ErrorKind::io, Blame::us, Retry::never, "fetch_failed", "the system refuses a thread"};
    } else if (library) {
      if (inside_->post(std::move(request), callback)) return;
      error = too_many();
    } else if (!stopped_) {
      error = {ErrorKind::unsupported, Blame::us, Retry::never, "fetch_failed", std::move(why)};
    }
  }
  callback(std::unexpected(std::move(error)));
}

bool Client::start(const CurlLibrary& library) {
  inside_ = std::make_unique<Inside>(library, bounds_);
  // Signals are the main thread's.
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, &before);
  const bool started = start_thread(thread_, [inside = inside_.get()] { inside->run(); });
  if (started) ::pthread_setname_np(thread_.native_handle(), "kg-fetch");
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (!started) inside_.reset();
  return started;
}

void Client::stop() {
  std::thread ending;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    if (inside_) inside_->stop();
    ending = std::move(thread_);
  }
  if (ending.joinable()) ending.join();  // Unlocked: who is called back may ask for more, and is told no.
}

}  // namespace keepgate::fetch
