#include "password/pool.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <semaphore>

#include "base/bytes.h"
#include "crypto/password_hash.h"

namespace keepgate::password {
namespace {

using auth::PasswordNeed;

// Counts what it is told.
class Told final : public Waiting {
 public:
  void done(bool matches) override {
    const std::lock_guard lock(mutex_);
    ++count_;
    matches_ = matches;
    changed_.notify_all();
  }
  bool wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return count_ > 0; });
    return matches_;
  }
  int count() {
    const std::lock_guard lock(mutex_);
    return count_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int count_ = 0;
  bool matches_ = false;
};

std::shared_ptr<const PasswordNeed> need(std::string_view password, std::string_view stored = "h") {
  return std::make_shared<const PasswordNeed>(password, stored);
}

// A check that begins when it is let, and matches for "right".
struct Held {
  std::counting_semaphore<1000> may_go{0}, began{0};
  std::atomic<int> count{0};
  Pool pool{1, [this](const PasswordNeed& one) {
              ++count;
              began.release();
              may_go.acquire();
              return one.password.view() == "right";
            }};
  ~Held() { may_go.release(500); }
};

TEST(Pool, works_out_real_hashes) {
  Pool pool;
  const std::string stored = "$apr1$abcdefgh$ckT15POyCRlen.h6XtGAZ1";
  auto good = std::make_shared<Told>(), bad = std::make_shared<Told>();
  ASSERT_TRUE(pool.ask("a", need("hunter2", stored), good));
  ASSERT_TRUE(pool.ask("b", need("hunter3", stored), bad));
  EXPECT_TRUE(good->wait());
  EXPECT_FALSE(bad->wait());
}

TEST(Pool, works_out_once_what_several_wait_for) {
  Held held;
  std::vector<std::shared_ptr<Told>> all;
  for (int i = 0; i < 10; ++i) {
    all.push_back(std::make_shared<Told>());
    ASSERT_TRUE(held.pool.ask("one", need("right"), all.back()));
  }
  held.began.acquire();
  all.push_back(std::make_shared<Told>());
  ASSERT_TRUE(held.pool.ask("one", need("right"), all.back())) << "also while it is being worked out";
  auto other = std::make_shared<Told>();
  ASSERT_TRUE(held.pool.ask("other", need("wrong"), other));
  held.may_go.release(2);
  for (const auto& told : all) EXPECT_TRUE(told->wait());
  EXPECT_FALSE(other->wait());
  EXPECT_EQ(held.count, 2);
}

TEST(Pool, takes_as_many_as_may_wait_and_not_one_more) {
  Held held;
  auto told = std::make_shared<Told>();
  ASSERT_TRUE(held.pool.ask("first", need("x"), told));
  held.began.acquire();
  for (std::size_t i = 0; i < Pool::waiting_max; ++i) ASSERT_TRUE(held.pool.ask(cat(i), need("x"), told)) << i;
  EXPECT_FALSE(held.pool.ask("one more", need("x"), told));
  EXPECT_TRUE(held.pool.ask("3", need("x"), told)) << "what is in the line already takes no more room";
}

TEST(Pool, does_not_begin_what_nobody_waits_for_any_more) {
  Held held;
  auto first = std::make_shared<Told>(), gone = std::make_shared<Told>(), last = std::make_shared<Told>();
  ASSERT_TRUE(held.pool.ask("first", need("right"), first));
  held.began.acquire();
  ASSERT_TRUE(held.pool.ask("gone", need("right"), gone));
  ASSERT_TRUE(held.pool.ask("last", need("right"), last));
  gone->give_up();
  first->give_up();
  held.may_go.release(3);
  EXPECT_TRUE(last->wait());
  EXPECT_EQ(held.count, 2);
  EXPECT_EQ(gone->count() + first->count(), 0);
}

TEST(Pool, gives_the_places_of_those_who_left_to_others) {
  Held held;
  auto told = std::make_shared<Told>(), gone = std::make_shared<Told>();
  ASSERT_TRUE(held.pool.ask("first", need("x"), told));
  held.began.acquire();
  for (std::size_t i = 0; i < Pool::waiting_max; ++i) ASSERT_TRUE(held.pool.ask(cat(i), need("x"), gone));
  EXPECT_FALSE(held.pool.ask("one more", need("x"), told));
  gone->give_up();
  EXPECT_TRUE(held.pool.ask("one more", need("x"), told));
}

TEST(Pool, tells_nobody_anything_once_it_was_stopped) {
  auto first = std::make_shared<Told>(), second = std::make_shared<Told>();
  {
    Held held;
    ASSERT_TRUE(held.pool.ask("first", need("right"), first));
    held.began.acquire();
    ASSERT_TRUE(held.pool.ask("second", need("right"), second));
    held.may_go.release(1);
    EXPECT_TRUE(first->wait());
    held.began.acquire();
    std::thread stopping([&] { held.pool.stop(); });
    while (held.pool.ask("third", need("right"), second)) std::this_thread::yield();
    held.may_go.release(1);
    stopping.join();
  }
  EXPECT_EQ(second->count(), 0);
}

}  // namespace
}  // namespace keepgate::password
