// Needs that are met between two runs of the access phase: on a socket pair, with a supplier that answers at once.
#include "pipeline/needs.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "pipeline/connection_for_tests.h"

namespace keepgate::pipeline {
namespace {

using auth::Answers;
using auth::NeedKind;

class Known final : public Supplier {
 public:
  net::Task<auth::Answer> supply(Exchange& exchange, const auth::Need& need) override {
    ++asked;
    if (hangs_up) co_await exchange.client().wait_hangup(exchange.now().monotonic_ms + 10'000);
    auth::Answer answer;
    answer.is_good = true;
    answer.key = "not " + need.key;  // The caller's business.
    co_return answer;
  }
  unsigned asked = 0;
  bool hangs_up = false;
};

class Needs : public ::testing::Test, protected ConnectionForTests {
 protected:
  Needs() {
    exchange.begin(*connection);
    worker->suppliers[static_cast<std::size_t>(NeedKind::issuer_keys)] = &known;
  }
  ~Needs() override { exchange.end(); }

  // All of `times`? The loop runs once in a test: a stop is for good.
  bool meet(NeedKind kind, const std::string& key, std::size_t times = 1) {
    std::size_t met = 0;
    [](Exchange& x, auth::Need need, std::size_t count, std::size_t& out) -> net::Detached {
      for (std::size_t i = 0; i < count; ++i) {
        x.need = need;
        const bool was_met = co_await meet_need(x);
        out += was_met ? 1 : 0;
      }
      x.worker().loop.stop();
    }(exchange, {kind, key, nullptr}, times, met);
    loop.run();
    return met == times;
  }

  Exchange exchange;
  Known known;
};

TEST_F(Needs, are_answered_under_their_own_kind_and_key) {
  EXPECT_TRUE(meet(NeedKind::issuer_keys, "a"));
  const auth::Answer* answer = exchange.answers.find(NeedKind::issuer_keys, "a");
  ASSERT_NE(answer, nullptr);
  EXPECT_TRUE(answer->is_good);
  EXPECT_EQ(exchange.answers.find(NeedKind::issuer_keys, "not a"), nullptr);
  EXPECT_EQ(exchange.answers.find(NeedKind::password, "a"), nullptr);
}

TEST_F(Needs, of_a_kind_that_nobody_supplies_are_answered_as_not_good) {
  EXPECT_TRUE(meet(NeedKind::introspection, "a"));
  const auth::Answer* answer = exchange.answers.find(NeedKind::introspection, "a");
  ASSERT_NE(answer, nullptr);
  EXPECT_FALSE(answer->is_good);
  EXPECT_NE(answer->reason.find("introspection"), std::string::npos);
}

TEST_F(Needs, are_met_up_to_the_bound_and_not_one_past) {
  for (std::size_t i = 0; i < Answers::count_max; ++i) EXPECT_TRUE(meet(NeedKind::issuer_keys, cat(i))) << i;
  EXPECT_FALSE(meet(NeedKind::issuer_keys, "one more"));
  EXPECT_FALSE(exchange.aborted);
  EXPECT_EQ(exchange.refusal.status, 500);
  EXPECT_EQ(known.asked, Answers::count_max);
}

TEST_F(Needs, of_a_turn_wait_for_the_next_one_and_leave_no_answer) {
  const std::uint64_t turn = loop.turn();
  EXPECT_TRUE(meet(NeedKind::turn, "", Answers::count_max + 1));
  EXPECT_GT(loop.turn(), turn);
  EXPECT_FALSE(exchange.answers.full());
  EXPECT_EQ(exchange.answers.find(NeedKind::turn, ""), nullptr);
}

TEST_F(Needs, end_with_the_client) {
  known.hangs_up = true;
  hang_up();
  EXPECT_FALSE(meet(NeedKind::issuer_keys, "a"));
  EXPECT_TRUE(exchange.aborted);
  EXPECT_EQ(exchange.status, 499);
  EXPECT_EQ(exchange.answers.find(NeedKind::issuer_keys, "a"), nullptr);
}

}  // namespace
}  // namespace keepgate::pipeline
