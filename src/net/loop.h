// The event loop of one worker: epoll, edge-triggered, each descriptor registered once for its life.
//
// Thread rule: everything here belongs to the thread that runs the loop, but for post() and stop(), which any thread
// may call. now() is read once per turn. Coroutines that wait are resumed from run().
#pragma once

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "base/clock.h"
#include "net/task.h"
#include "net/timer.h"

namespace keepgate::net {

class Loop;

// Why a wait ended. Zero is never success.
enum class Wake : std::uint8_t { cancelled = 0, timeout, hangup, ready };

struct Watch;

// One coroutine waiting for one thing. Lives in the coroutine's frame while it waits.
class Waiter : public Timer {
 public:
  void wake(Wake reason);  // Unregisters, then resumes the coroutine at once.
  Wake reason() const { return reason_; }

 protected:
  ~Waiter() = default;
  void expired() override { wake(Wake::timeout); }
  void unregister();
  // For an awaitable that waits on one thing without a deadline.
  void register_at(Waiter*& slot, std::coroutine_handle<> handle) {
    handle_ = handle;
    slot = this;
    slots_[0] = &slot;
  }

  friend class Loop;
  friend struct Watch;
  std::coroutine_handle<> handle_;
  Waiter** slots_[2] = {nullptr, nullptr};  // Where this waiter is registered.
  Wake reason_ = Wake::cancelled;
};

// A registered descriptor. Given to another one after the turn in which its owner let go of it.
struct Watch {
  Waiter* reader = nullptr;
  Waiter* writer = nullptr;
  Waiter* hangup_waiter = nullptr;
  bool readable = false;  // Data, an end or an error may be read without waiting.
  bool writable = false;
  bool hangup = false;     // The peer closed its side or the connection broke.
  bool broken = false;     // Both directions are gone.
  bool dead = false;       // Nobody's any more, or not yet again.
  bool cancelled = false;  // Waits end at once with Wake::cancelled.
};

// A message from another thread.
struct Message {
  virtual ~Message() = default;
  virtual void deliver(Loop& loop) = 0;
};

// Who may open one more connection, of whatever kind, when there are many.
class Admission {
 public:
  virtual bool admit() = 0;
  // Descriptors ran out. Tells whether some come free before the next turn.
  virtual bool relieve() = 0;

 protected:
  ~Admission() = default;
};

class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  bool valid() const { return valid_; }  // The kernel gave what a loop needs; the others are only destroyed.

  static Loop& current();  // The loop this thread runs. INVARIANT: there is one.

  void run();                                   // Until stop().
  void stop();                                  // Any thread.
  void post(std::unique_ptr<Message> message);  // Any thread.

  const Now& now() const { return now_; }
  TimerWheel& timers() { return timers_; }
  std::uint64_t turn() const { return turn_; }  // The number of this turn, from 1.

  // Registers for reading and writing. `exclusive`: a descriptor shared by several loops (a Unix listener).
  // nullptr if the kernel refuses (out of memory or watches).
  Watch* add(int descriptor, bool exclusive = false);
  // For a descriptor that has duplicates: closing one of them does not end its registration.
  void forget(int descriptor);
  // The owner is done; it has closed or will close the descriptor itself.
  void remove(Watch* watch);
  // Ends every wait on `watch`, now and later, with Wake::cancelled. The waiters resume later in this turn.
  void cancel(Watch& watch);
  // Every wait on every watch, and every sleep.
  void cancel_all();
  void cancel_waiter(Waiter* waiter);  // One wait only; nullptr is none.
  // Resumes `handle` later in this turn.
  void defer(std::coroutine_handle<> handle) { ready_.push_back(handle); }
  // Resumes `handle` in the next turn, after whatever else became ready: see Yield.
  void resume_next_turn(std::coroutine_handle<> handle) { yielded_.push_back(handle); }
  std::size_t watch_count() const { return watch_count_; }
  // nullptr, as at the beginning: everybody may.
  void set_admission(Admission* admission) { admission_ = admission; }
  bool admits() { return !admission_ || admission_->admit(); }
  bool relieve() { return admission_ && admission_->relieve(); }

 private:
  void dispatch(Watch& watch, std::uint32_t events);
  void run_deferred();
  void take_messages();
  void bury();

  bool valid_ = false;
  int epoll_ = -1;
  int wake_descriptor_ = -1;
  Now now_;
  std::uint64_t turn_ = 1;
  TimerWheel timers_;
  std::deque<Watch> watches_;  // Every one there ever was: as many as were needed at one time.
  std::size_t watch_count_ = 0;
  Admission* admission_ = nullptr;
  std::vector<Watch*> buried_;
  std::vector<Watch*> spare_;
  friend class SleepUntil;
  std::vector<Waiter*> sleepers_;
  std::vector<std::coroutine_handle<>> ready_;
  std::vector<std::coroutine_handle<>> yielded_;
  std::vector<std::coroutine_handle<>> running_;
  std::atomic<bool> stopping_{false};
  std::mutex mailbox_mutex_;
  std::vector<std::unique_ptr<Message>> mailbox_;
  std::atomic<bool> mailbox_full_{false};
};

// co_await SleepUntil(loop, deadline): for pauses of the program's own. Ends early only by cancel_all().
class SleepUntil : public Waiter {
 public:
  SleepUntil(Loop& loop, std::int64_t deadline_ms) : loop_(loop), deadline_ms_(deadline_ms) {}
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> handle);
  void await_resume();

 private:
  Loop& loop_;
  std::int64_t deadline_ms_;
};

// co_await Yield(loop): lets everybody else have a turn. For loops that could run on as long as both ends keep up.
class Yield {
 public:
  explicit Yield(Loop& loop) : loop_(loop) {}
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> handle) { loop_.resume_next_turn(handle); }
  void await_resume() const {}

 private:
  Loop& loop_;
};

}  // namespace keepgate::net
