#include "net/loop.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "net/task.h"

namespace keepgate::net {
namespace {

// Suspends until the loop comes to what was deferred.
struct Deferred {
  Loop& loop;
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> handle) const { loop.defer(handle); }
  void await_resume() const {}
};

TEST(Loop, resumes_deferred_coroutines_in_order_and_not_before_run) {
  Loop loop;
  std::string order;
  const auto start = [&](char name) {
    [](Loop& its_loop, std::string& out, char its_name) -> Detached {
      co_await Deferred{its_loop};
      out.push_back(its_name);
      co_await Deferred{its_loop};  // Behind all that waited already.
      out.push_back(its_name);
      if (out.size() == 6) its_loop.stop();
    }(loop, order, name);
  };
  for (const char name : {'a', 'b', 'c'}) start(name);
  EXPECT_EQ(order, "");
  loop.run();
  EXPECT_EQ(order, "abcabc");
}

TEST(Loop, a_stop_before_run_is_not_lost) {
  Loop loop;
  loop.stop();
  loop.run();
  SUCCEED();
}

struct Note final : Message {
  Note(std::vector<int>& its_list, int its_number, std::size_t its_total)
      : list(its_list), number(its_number), total(its_total) {}
  void deliver(Loop& loop) override {
    list.push_back(number);
    EXPECT_EQ(&Loop::current(), &loop);
    if (list.size() == total) loop.stop();
  }
  std::vector<int>& list;
  int number;
  std::size_t total;
};

TEST(Loop, delivers_messages_of_a_thread_in_order_and_loses_none) {
  Loop loop;
  std::vector<int> got;
  constexpr int per_thread = 500;
  constexpr int threads = 4;
  std::vector<std::thread> senders;
  for (int t = 0; t < threads; ++t) {
    senders.emplace_back([&, t] {
      for (int i = 0; i < per_thread; ++i) {
        loop.post(std::make_unique<Note>(got, t * per_thread + i, std::size_t{threads * per_thread}));
      }
    });
  }
  loop.run();
  for (std::thread& sender : senders) sender.join();
  ASSERT_EQ(got.size(), std::size_t{threads * per_thread});
  int last[threads] = {-1, -1, -1, -1};
  for (const int number : got) {
    EXPECT_GT(number % per_thread, last[number / per_thread]);
    last[number / per_thread] = number % per_thread;
  }
}

TEST(Loop, delivers_what_was_posted_before_it_ran_on_its_own_thread) {
  Loop loop;
  std::vector<int> got;
  loop.post(std::make_unique<Note>(got, 7, 1));
  EXPECT_TRUE(got.empty());
  loop.run();
  EXPECT_EQ(got, std::vector<int>{7});
}

TEST(Loop, a_message_may_post_another) {
  Loop loop;
  std::vector<int> got;
  struct Again final : Message {
    explicit Again(std::vector<int>& its_list) : list(its_list) {}
    void deliver(Loop& its_loop) override { its_loop.post(std::make_unique<Note>(list, 1, 1)); }
    std::vector<int>& list;
  };
  loop.post(std::make_unique<Again>(got));
  loop.run();
  EXPECT_EQ(got.size(), 1U);
}

TEST(Loop, stop_from_another_thread_ends_a_waiting_loop) {
  Loop loop;
  std::thread other([&] { loop.stop(); });
  loop.run();  // Nothing else would end it.
  other.join();
  SUCCEED();
}

TEST(Loop, sleepers_wake_in_the_order_of_their_deadlines) {
  Loop loop;
  std::string order;
  const auto sleep = [&](char name, std::int64_t pause_ms) {
    [](Loop& its_loop, std::string& out, char its_name, std::int64_t its_pause_ms) -> Detached {
      co_await SleepUntil(its_loop, its_loop.now().monotonic_ms + its_pause_ms);
      out.push_back(its_name);
      if (out.size() == 3) its_loop.stop();
    }(loop, order, name, pause_ms);
  };
  sleep('c', 120);
  sleep('a', 0);
  sleep('b', 60);
  loop.run();
  EXPECT_EQ(order, "abc");
}

TEST(Loop, counts_what_is_registered_and_refuses_what_cannot_be) {
  Loop loop;
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
  Watch* const watch = loop.add(ends[0]);
  ASSERT_TRUE(watch);
  EXPECT_EQ(loop.watch_count(), 1U);
  EXPECT_EQ(loop.add(-1), nullptr);
  EXPECT_EQ(loop.watch_count(), 1U);
  loop.remove(watch);
  EXPECT_EQ(loop.watch_count(), 0U);
  ::close(ends[0]);
  ::close(ends[1]);
}

Task<int> answer(int value) { co_return value; }
Task<int> sum(int depth) {
  if (depth == 0) co_return 0;
  const int rest = co_await sum(depth - 1);
  co_return rest + co_await answer(1);
}

TEST(Task, starts_only_when_it_is_awaited) {
  bool ran = false;
  const auto work = [&]() -> Task<void> {
    ran = true;
    co_return;
  };
  {
    const Task<void> never = work();
  }
  EXPECT_FALSE(ran);
  [](auto& its_work) -> Detached { co_await its_work(); }(work);
  EXPECT_TRUE(ran);
}

TEST(Task, hands_its_value_back_through_many_levels) {
  int got = 0;
  [](int& out) -> Detached { out = co_await sum(1000); }(got);
  EXPECT_EQ(got, 1000);
}

TEST(FramePool, gives_a_frame_of_the_same_size_class_again) {
  void* const first = allocate_frame(185);
  release_frame(first, 185);
  void* const again = allocate_frame(200);  // The same class: 185 to 200 bytes.
  EXPECT_EQ(again, first);
  release_frame(again, 200);
  void* const larger = allocate_frame(201);
  EXPECT_NE(larger, first);
  release_frame(larger, 201);
}

TEST(FramePool, every_size_can_be_written_to_its_end) {
  for (const std::size_t bytes :
       {1U, 8U, 9U, 24U, 25U, 1016U, 1017U, 1024U, 1025U, 4096U, 32767U, 32768U, 32769U, 100'000U}) {
    for (int round = 0; round < 2; ++round) {
      void* const frame = allocate_frame(bytes);
      ASSERT_TRUE(frame) << bytes;
      std::memset(frame, 0x5a, bytes);
      release_frame(frame, bytes);
    }
  }
}

TEST(FramePool, never_gives_one_frame_to_two) {
  std::vector<void*> held;
  for (int i = 0; i < 100; ++i) held.push_back(allocate_frame(190));
  for (void* const frame : held) release_frame(frame, 190);
  std::vector<void*> again;
  for (int i = 0; i < 100; ++i) again.push_back(allocate_frame(200));
  std::vector<void*> sorted = again;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(std::adjacent_find(sorted.begin(), sorted.end()), sorted.end());
  for (void* const frame : again) release_frame(frame, 200);
}

TEST(Loop, cancel_all_reaches_who_lives_and_not_who_comes_later) {
  Loop loop;
  int ends[4];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends + 2), 0);
  Watch* const gone = loop.add(ends[0]);
  Watch* const living = loop.add(ends[1]);
  loop.remove(gone);
  loop.cancel_all();
  EXPECT_TRUE(living->cancelled);
  EXPECT_FALSE(gone->cancelled) << "nobody's";
  Watch* const later = loop.add(ends[2]);
  EXPECT_FALSE(later->cancelled);
  EXPECT_EQ(loop.watch_count(), 2U);
  loop.remove(living);
  loop.remove(later);
  for (const int end : ends) ::close(end);
}

TEST(Loop, a_yield_lets_what_else_is_ready_run_first) {
  Loop loop;
  std::string order;
  [](Loop& its_loop, std::string& its_order) -> Detached {
    for (int i = 0; i < 3; ++i) {
      its_order += 'a';
      co_await Yield(its_loop);
    }
    its_loop.stop();
  }(loop, order);
  [](Loop& its_loop, std::string& its_order) -> Detached {
    for (int i = 0; i < 3; ++i) {
      its_order += 'b';
      co_await Yield(its_loop);
    }
  }(loop, order);
  loop.run();
  EXPECT_EQ(order.substr(0, 5), "ababa");
}

}  // namespace
}  // namespace keepgate::net
