#include "oauth/attempt_limits.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "oauth/known_places.h"

namespace keepgate::oauth {
namespace {

constexpr std::string_view home("\x0a\x00\x00\x01", 4), cafe("\x0a\x00\x00\x02", 4);
constexpr std::int64_t minute_ms = 60'000, day_ms = std::int64_t{24} * 60 * minute_ms;

Attempt password_of(std::string_view account, std::string_view network = cafe, std::string_view browser = {}) {
  return {Guessed::password, account, network, browser};
}

// How many tries in a row are allowed; each is wrong.
std::uint64_t tries(AttemptLimits& limits, const Attempt& attempt, std::int64_t now_ms, std::uint64_t most = 1000) {
  std::uint64_t count = 0;
  while (count < most && limits.charge(attempt, now_ms).is_allowed) ++count;
  return count;
}

// From a network of its own each.
std::uint64_t tries_from_everywhere(AttemptLimits& limits, std::string_view account, std::int64_t now_ms,
                                    std::uint64_t most) {
  std::uint64_t count = 0;
  for (std::uint64_t i = 0; i < most; ++i) {
    const char network[] = {11, static_cast<char>(i >> 16), static_cast<char>(i >> 8), static_cast<char>(i)};
    if (limits.charge(password_of(account, {network, sizeof network}), now_ms).is_allowed) ++count;
  }
  return count;
}

TEST(AttemptLimits, an_account_can_be_guessed_so_often_and_then_one_a_minute) {
  AttemptLimits limits;
  EXPECT_EQ(tries(limits, password_of("alice"), 0), AttemptLimits::account_soon.burst);
  const AttemptVerdict refused = limits.charge(password_of("alice"), 0);
  EXPECT_FALSE(refused.is_allowed);
  EXPECT_GE(refused.retry_after_s, 60);
  EXPECT_LE(refused.retry_after_s, 63);
  EXPECT_FALSE(limits.charge(password_of("alice"), (refused.retry_after_s - 2) * 1000).is_allowed);
  EXPECT_EQ(tries(limits, password_of("alice"), refused.retry_after_s * 1000), 1U);
}

TEST(AttemptLimits, many_networks_share_the_budget_of_one_account) {
  AttemptLimits limits;
  EXPECT_EQ(tries_from_everywhere(limits, "alice", 0, 500), AttemptLimits::account_soon.burst);
}

TEST(AttemptLimits, a_patient_guesser_has_fewer_tries_the_longer_it_takes) {
  AttemptLimits limits;
  std::uint64_t first = 0, third = 0;
  for (std::int64_t now_ms = 0; now_ms < 3 * day_ms; now_ms += minute_ms) {
    const std::uint64_t count = tries_from_everywhere(limits, "alice", now_ms, 2);
    if (now_ms < day_ms) first += count;
    if (now_ms >= 2 * day_ms) third += count;
  }
  EXPECT_LE(first, AttemptLimits::account_day.burst + 87);
  EXPECT_LE(third, 87U);
  EXPECT_GE(third, 80U) << "it never stops altogether: nobody is locked out for ever";
}

TEST(AttemptLimits, refused_tries_cost_nothing) {
  AttemptLimits limits;
  tries(limits, password_of("alice"), 0);
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(limits.charge(password_of("alice"), 1000).is_allowed);
  EXPECT_EQ(tries(limits, password_of("alice"), 63'000), 1U);
  EXPECT_EQ(tries(limits, password_of("bob"), 1000), AttemptLimits::account_soon.burst)
      << "what was refused for alice did not use up the network";
}

TEST(AttemptLimits, one_network_can_guess_so_many_accounts) {
  AttemptLimits limits;
  std::uint64_t count = 0;
  for (int i = 0; i < 100; ++i) count += limits.charge(password_of(cat("user", i)), 0).is_allowed ? 1 : 0;
  EXPECT_EQ(count, AttemptLimits::network_soon.burst);
  EXPECT_TRUE(limits.charge(password_of("user99", home), 0).is_allowed) << "elsewhere it goes on";
  EXPECT_TRUE(limits.charge(password_of("user99"), minute_ms).is_allowed) << "and here after a while";
}

TEST(AttemptLimits, one_network_makes_so_many_rows_without_proof) {
  AttemptLimits limits;
  Attempt entry;
  entry.what = Guessed::entry;
  entry.network = cafe;
  for (std::uint64_t i = 0; i < AttemptLimits::entries_network.burst; ++i) {
    EXPECT_TRUE(limits.charge(entry, 0).is_allowed) << i;
  }
  const AttemptVerdict next = limits.charge(entry, 0);
  EXPECT_FALSE(next.is_allowed);
  EXPECT_GE(next.retry_after_s, 1);
  EXPECT_TRUE(limits.charge(entry, 1'000).is_allowed) << "after a while";
  entry.network = home;
  EXPECT_TRUE(limits.charge(entry, 0).is_allowed) << "elsewhere it goes on";
}

TEST(AttemptLimits, an_ipv6_network_is_its_first_64_bits) {
  AttemptLimits limits;
  std::string address("\x20\x01\x0d\xb8\0\0\0\1\0\0\0\0\0\0\0\0", 16);
  std::uint64_t count = 0;
  for (int i = 0; i < 100; ++i) {
    address[15] = static_cast<char>(i);
    address[8] = static_cast<char>(i);
    count += limits.charge(password_of(cat("user", i), address), 0).is_allowed ? 1 : 0;
  }
  EXPECT_EQ(count, AttemptLimits::network_soon.burst);
  address[7] = 2;
  EXPECT_TRUE(limits.charge(password_of("another", address), 0).is_allowed);
}

TEST(AttemptLimits, an_ipv4_address_written_as_ipv6_is_the_same_network) {
  AttemptLimits limits;
  for (int i = 0; i < 100; ++i) (void)limits.charge(password_of(cat("user", i), cafe), 0);
  const std::string mapped = std::string("\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) + std::string(cafe);
  EXPECT_FALSE(limits.charge(password_of("another", mapped), 0).is_allowed);
  const std::string other = std::string("\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) + std::string(home);
  EXPECT_TRUE(limits.charge(password_of("another", other), 0).is_allowed);
}

TEST(AttemptLimits, the_owner_signs_in_where_it_is_known_while_others_guess) {
  AttemptLimits limits;
  const Attempt at_home = password_of("alice", home, "browser-of-alice");
  ASSERT_TRUE(limits.charge(at_home, 0).is_allowed);
  limits.give_back(at_home, 0);
  limits.signed_in(at_home, 0);
  tries_from_everywhere(limits, "alice", 1000, 500);
  EXPECT_FALSE(limits.charge(password_of("alice", cafe), 1000).is_allowed) << "a stranger has to wait";
  EXPECT_TRUE(limits.charge(password_of("alice", cafe, "browser-of-alice"), 1000).is_allowed)
      << "her browser, elsewhere";
  EXPECT_TRUE(limits.charge(password_of("alice", home, "new browser"), 1000).is_allowed) << "her network";
  EXPECT_FALSE(limits.charge(password_of("alice", cafe, "browser-of-mallory"), 1000).is_allowed);
}

TEST(AttemptLimits, a_place_is_known_for_its_account_alone) {
  AttemptLimits limits;
  limits.signed_in(password_of("mallory", cafe, "browser-of-mallory"), 0);
  tries_from_everywhere(limits, "alice", 0, 500);
  EXPECT_FALSE(limits.charge(password_of("alice", cafe, "browser-of-mallory"), 0).is_allowed);
}

TEST(AttemptLimits, a_known_place_has_a_budget_too) {
  AttemptLimits limits;
  const Attempt at_home = password_of("alice", home, "browser-of-alice");
  limits.signed_in(at_home, 0);
  EXPECT_EQ(tries(limits, at_home, 0), AttemptLimits::account_soon.burst);
  EXPECT_EQ(tries(limits, password_of("alice", cafe), 0), AttemptLimits::account_soon.burst)
      << "the strangers' is whole";
}

TEST(AttemptLimits, a_neighbour_behind_one_address_does_not_stop_a_known_browser) {
  AttemptLimits limits;
  limits.signed_in(password_of("alice", cafe, "browser-of-alice"), 0);
  for (int i = 0; i < 100; ++i) (void)limits.charge(password_of(cat("user", i)), 0);
  tries(limits, password_of("alice", cafe, "browser-of-mallory"), 0);
  EXPECT_FALSE(limits.charge(password_of("alice", cafe), 0).is_allowed);
  EXPECT_TRUE(limits.charge(password_of("alice", cafe, "browser-of-alice"), 0).is_allowed);
}

TEST(AttemptLimits, success_makes_the_budget_of_its_place_whole_and_no_other) {
  AttemptLimits limits;
  const Attempt at_home = password_of("alice", home, "browser-of-alice");
  tries_from_everywhere(limits, "alice", 0, 500);
  limits.signed_in(at_home, 0);
  EXPECT_FALSE(limits.charge(password_of("alice", cafe), 0).is_allowed) << "a guesser has nothing of it";
  EXPECT_EQ(tries(limits, at_home, 0, 9), 9U);
  limits.give_back(at_home, 0);
  limits.signed_in(at_home, 0);
  EXPECT_EQ(tries(limits, at_home, 0), AttemptLimits::account_soon.burst);
}

TEST(AttemptLimits, what_is_given_back_is_there_again) {
  AttemptLimits limits;
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(limits.charge(password_of("alice"), i).is_allowed) << i;
    limits.give_back(password_of("alice"), i);
  }
  EXPECT_EQ(tries(limits, password_of("alice"), 1000), AttemptLimits::account_soon.burst);
}

TEST(AttemptLimits, a_right_password_does_not_lead_to_more_second_factors) {
  AttemptLimits limits;
  const Attempt factor{Guessed::second_factor, "alice", cafe, {}};
  std::uint64_t count = 0;
  for (int i = 0; i < 100; ++i) {
    if (!limits.charge(password_of("alice"), 0).is_allowed) break;
    limits.give_back(password_of("alice"), 0);
    count += limits.charge(factor, 0).is_allowed ? 1 : 0;
  }
  EXPECT_EQ(count, AttemptLimits::second_factor_soon.burst);
  std::uint64_t in_a_month = 0;
  for (std::int64_t now_ms = 0; now_ms < 30 * day_ms; now_ms += minute_ms) in_a_month += tries(limits, factor, now_ms);
  EXPECT_LE(in_a_month, AttemptLimits::second_factor_day.burst + 30 * 87) << "under one in a hundred";
}

TEST(AttemptLimits, codes_of_devices_are_limited_for_those_who_have_signed_in_well) {
  AttemptLimits limits;
  const Attempt code{Guessed::user_code, "mallory", cafe, "browser-of-mallory"};
  limits.signed_in(code, 0);
  EXPECT_EQ(tries(limits, code, 0), AttemptLimits::user_code_soon.burst);
  EXPECT_FALSE(limits.charge({Guessed::user_code, "mallory", home, "another"}, 0).is_allowed);
  EXPECT_TRUE(limits.charge({Guessed::user_code, "alice", home, {}}, 0).is_allowed);
  EXPECT_TRUE(limits.charge(password_of("mallory"), 0).is_allowed) << "a budget of its own";
}

TEST(AttemptLimits, tries_at_the_same_time_are_counted_like_tries_in_a_row) {
  AttemptLimits limits;
  std::atomic<std::uint64_t> allowed = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) threads.emplace_back([&] { allowed += tries(limits, password_of("alice"), 0, 100); });
  }
  EXPECT_LE(allowed, AttemptLimits::account_soon.burst);
  EXPECT_GE(allowed, AttemptLimits::account_soon.burst - 4)
      << "a try may be refused for one that is about to be given back";
}

TEST(AttemptLimits, a_flood_of_names_keeps_within_its_memory_and_forgets_no_guessed_account) {
  AttemptLimits limits(64 * 1024);
  tries(limits, password_of("alice"), 0);
  for (int i = 0; i < 20'000; ++i) (void)limits.charge(password_of(cat("user", i)), 0);
  EXPECT_FALSE(limits.charge(password_of("alice", home), 0).is_allowed);
}

Attempt proof_of_client(std::string_view id, std::string_view network = cafe) {
  return {Guessed::client, id, network, {}};
}

// Wrong proofs until one is not looked at any more.
std::uint64_t failures(AttemptLimits& limits, const Attempt& attempt, std::int64_t now_ms) {
  std::uint64_t count = 0;
  while (count < 2000 && limits.look(attempt, now_ms).is_allowed) {
    ++count;
    (void)limits.charge(attempt, now_ms);
  }
  return count;
}

TEST(AttemptLimits, proofs_of_a_client_may_fail_so_often_in_one_network_and_nobody_elsewhere_is_kept_out) {
  AttemptLimits limits;
  EXPECT_EQ(failures(limits, proof_of_client("web"), 0), AttemptLimits::client_soon.burst);
  const AttemptVerdict refused = limits.look(proof_of_client("web"), 0);
  EXPECT_FALSE(refused.is_allowed);
  EXPECT_EQ(refused.retry_after_s, 10);
  EXPECT_TRUE(limits.look(proof_of_client("web", home), 0).is_allowed);
  EXPECT_TRUE(limits.look(proof_of_client("shipping"), 0).is_allowed) << "another client of the same network";
  EXPECT_FALSE(limits.look(proof_of_client("web"), 9'999).is_allowed);
  EXPECT_EQ(failures(limits, proof_of_client("web"), 10'000), 1U);
}

TEST(AttemptLimits, looking_costs_nothing) {
  AttemptLimits limits;
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(limits.look(proof_of_client("web"), 0).is_allowed);
  EXPECT_EQ(failures(limits, proof_of_client("web"), 0), AttemptLimits::client_soon.burst);
}

TEST(AttemptLimits, says_that_no_client_failed_only_when_none_could_be_refused) {
  AttemptLimits limits;
  EXPECT_FALSE(limits.limits_clients(0));
  const std::uint64_t burst = AttemptLimits::client_soon.burst;
  for (std::uint64_t i = 0; i < burst; ++i) (void)limits.charge(proof_of_client("web"), 1);
  EXPECT_TRUE(limits.limits_clients(1));
  const auto empty_ms = static_cast<std::int64_t>(burst * 1'000'000 / AttemptLimits::client_soon.rate_milli);
  EXPECT_TRUE(limits.limits_clients(empty_ms)) << "until a bucket that is full has run empty";
  EXPECT_FALSE(limits.limits_clients(2 * empty_ms));
  EXPECT_TRUE(limits.look(proof_of_client("web"), 2 * empty_ms).is_allowed);
}

TEST(AttemptLimits, one_network_fails_for_so_many_clients_but_who_is_known_there_goes_on) {
  AttemptLimits limits;
  limits.proven(proof_of_client("known"), 0);
  for (std::uint64_t i = 0; i < AttemptLimits::client_network.burst; ++i) {
    ASSERT_TRUE(limits.look(proof_of_client(cat("client", i)), 0).is_allowed) << i;
    (void)limits.charge(proof_of_client(cat("client", i)), 0);
  }
  EXPECT_FALSE(limits.look(proof_of_client("unknown"), 0).is_allowed);
  EXPECT_TRUE(limits.look(proof_of_client("known"), 0).is_allowed);
  EXPECT_EQ(failures(limits, proof_of_client("known"), 0), AttemptLimits::client_known.burst) << "not for ever either";
  EXPECT_TRUE(limits.look(proof_of_client("known"), 100).is_allowed) << "ten come back each second";
  limits.proven(proof_of_client("elsewhere", home), 0);
  EXPECT_FALSE(limits.look(proof_of_client("elsewhere"), 0).is_allowed) << "it is known in another network";
  EXPECT_TRUE(limits.look(proof_of_client("unknown"), 1'000).is_allowed) << "one comes back each second";
}

TEST(AttemptLimits, a_flood_in_the_name_of_a_known_client_is_limited_where_no_stranger_failed) {
  AttemptLimits limits;
  limits.proven(proof_of_client("known"), 0);
  EXPECT_EQ(failures(limits, proof_of_client("known"), 0), AttemptLimits::client_known.burst);
  EXPECT_TRUE(limits.look(proof_of_client("unknown"), 0).is_allowed);
  EXPECT_TRUE(limits.look(proof_of_client("known"), 100).is_allowed) << "ten come back each second";
}

TEST(AttemptLimits, proofs_of_clients_count_by_the_first_64_bits_of_ipv6) {
  AttemptLimits limits;
  std::string address("\x20\x01\x0d\xb8\0\0\0\1\0\0\0\0\0\0\0\0", 16);
  failures(limits, proof_of_client("web", address), 0);
  address[15] = 1;
  address[8] = 1;
  EXPECT_FALSE(limits.look(proof_of_client("web", address), 0).is_allowed);
  address[7] = 2;
  EXPECT_TRUE(limits.look(proof_of_client("web", address), 0).is_allowed);
}

TEST(KnownPlaces, an_account_has_room_for_a_few_and_forgets_the_oldest) {
  KnownPlaces places;
  for (std::size_t i = 0; i <= KnownPlaces::places_max; ++i) {
    places.remember("alice", cat("place", i), static_cast<std::int64_t>(i));
  }
  EXPECT_FALSE(places.knows("alice", "place0", 100));
  EXPECT_TRUE(places.knows("alice", "place1", 100));
  EXPECT_TRUE(places.knows("alice", cat("place", KnownPlaces::places_max), 100));
  EXPECT_FALSE(places.knows("bob", "place1", 100));
}

TEST(KnownPlaces, a_place_is_forgotten_after_its_time) {
  KnownPlaces places;
  places.remember("alice", "home", 0);
  EXPECT_TRUE(places.knows("alice", "home", KnownPlaces::lifetime_ms - 1));
  EXPECT_FALSE(places.knows("alice", "home", KnownPlaces::lifetime_ms));
}

TEST(KnownPlaces, accounts_are_bounded) {
  KnownPlaces places;
  for (std::size_t i = 0; i < KnownPlaces::accounts_max + 2000; ++i) places.remember(cat("u", i), "home", 1);
  EXPECT_LE(places.account_count(), KnownPlaces::accounts_max);
}

}  // namespace
}  // namespace keepgate::oauth
