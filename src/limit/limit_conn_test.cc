#include "limit/limit_conn.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <thread>

#include "base/log.h"

namespace keepgate::limit {
namespace {

std::shared_ptr<ConnZone> zone(std::string name, std::size_t bytes = 32 * 1024) {
  return std::make_shared<ConnZone>(std::move(name), bytes, route::Template::literal("key"));
}

ConnStatus hold_one(const ConnLimit& limit, std::string_view key, ConnHold& hold, bool dry_run = false) {
  return hold_connection({&limit, 1}, {&key, 1}, dry_run, hold).status;
}

TEST(LimitConn, admits_as_many_as_the_limit_and_refuses_one_more) {
  const ConnLimit limit{zone("z"), 2};
  std::optional<ConnHold> first(std::in_place);
  ConnHold second, third;
  EXPECT_EQ(hold_one(limit, "a", *first), ConnStatus::passed);
  EXPECT_EQ(hold_one(limit, "a", second), ConnStatus::passed);
  EXPECT_EQ(hold_one(limit, "a", third), ConnStatus::rejected);
  EXPECT_EQ(hold_one(limit, "b", third), ConnStatus::passed);
  third.clear();
  first.reset();
  EXPECT_EQ(hold_one(limit, "a", third), ConnStatus::passed) << "the end of a request makes room";
}

TEST(LimitConn, keeps_nothing_of_a_request_that_one_zone_rejects) {
  const ConnLimit limits[] = {{zone("wide"), 9}, {zone("narrow"), 1}};
  const std::string_view keys[] = {"a", "a"};
  ConnHold first, second;
  EXPECT_EQ(hold_connection(limits, keys, false, first).status, ConnStatus::passed);
  const ConnOutcome outcome = hold_connection(limits, keys, false, second);
  EXPECT_EQ(outcome.status, ConnStatus::rejected);
  EXPECT_EQ(outcome.zone, "narrow");
  EXPECT_EQ(second.size(), 0u);
  first.clear();
  EXPECT_EQ(limits[0].zone->entry_count() + limits[1].zone->entry_count(), 0u);
}

TEST(LimitConn, does_not_limit_empty_and_overlong_keys) {
  set_log_sink([](LogLevel, std::string_view) {});
  const ConnLimit limit{zone("z"), 1};
  ConnHold first, second;
  EXPECT_EQ(hold_one(limit, "", first), ConnStatus::none);
  EXPECT_EQ(hold_one(limit, std::string(256, 'x'), first), ConnStatus::none);
  EXPECT_EQ(hold_one(limit, std::string(255, 'x'), first), ConnStatus::passed);
  EXPECT_EQ(hold_one(limit, std::string(255, 'x'), second), ConnStatus::rejected);
  set_log_sink(nullptr);
}

TEST(LimitConn, tells_what_a_dry_run_would_have_done_and_counts_nothing) {
  const ConnLimit limit{zone("z"), 1};
  ConnHold first, second;
  EXPECT_EQ(hold_one(limit, "a", first, true), ConnStatus::passed);
  EXPECT_EQ(hold_one(limit, "a", second, true), ConnStatus::rejected_dry_run);
  EXPECT_EQ(second.size(), 0u);
}

TEST(LimitConn, refuses_everybody_new_when_the_zone_is_full) {
  const ConnLimit limit{zone("z"), 5};
  ConnHold holds;
  std::uint64_t admitted = 0;
  while (hold_one(limit, std::to_string(admitted), holds) == ConnStatus::passed) ++admitted;
  EXPECT_GT(admitted, 1000u);
  ConnHold other;
  EXPECT_EQ(hold_one(limit, "somebody else", other), ConnStatus::rejected);
  EXPECT_EQ(hold_one(limit, "0", other), ConnStatus::passed);
}

TEST(LimitConn, has_a_limit_of_zero_refuse) {
  ConnHold hold;
  EXPECT_EQ(hold_one(ConnLimit{zone("z")}, "a", hold), ConnStatus::rejected);
}

TEST(LimitConn, counts_right_from_several_threads) {
  const ConnLimit limit{zone("z", 1 << 20), 1'000'000};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([&limit] {
      for (unsigned i = 0; i < 5000; ++i) {
        ConnHold hold;
        EXPECT_EQ(hold_one(limit, std::to_string(i % 17), hold), ConnStatus::passed);
      }
    });
  }
  for (std::thread& one : threads) one.join();
  EXPECT_EQ(limit.zone->entry_count(), 0u);
}

TEST(LimitConn, has_nginx_names_for_what_became_of_it) {
  EXPECT_EQ(name_of(ConnStatus::none), "");
  EXPECT_EQ(name_of(ConnStatus::passed), "PASSED");
  EXPECT_EQ(name_of(ConnStatus::rejected), "REJECTED");
  EXPECT_EQ(name_of(ConnStatus::rejected_dry_run), "REJECTED_DRY_RUN");
}

}  // namespace
}  // namespace keepgate::limit
