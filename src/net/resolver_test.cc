#include "net/resolver.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "net/background.h"

namespace keepgate::net {
namespace {

// Servers made of a table; what is held back is answered by release().
class Table final : public DnsTransport {
 public:
  struct Held {
    Table& table;
    bool await_ready() const { return !table.holding; }
    void await_suspend(std::coroutine_handle<> handle) { table.held.push_back(handle); }
    void await_resume() const {}
  };
  Task<DnsAnswer> ask(std::vector<Address>, std::string name, DnsType type, std::int64_t) override {
    ++asked;
    questions.push_back(name);
    if (type == DnsType::aaaa && six_never_answers) {
      co_await SleepUntil(Loop::current(), Loop::current().now().monotonic_ms + 60'000);
    }
    co_await Held{*this};
    co_return answer(name, type);
  }
  void release() {
    holding = false;
    for (const auto handle : std::exchange(held, {})) handle.resume();
  }

  std::function<DnsAnswer(const std::string&, DnsType)> answer;
  std::vector<std::string> questions;
  std::vector<std::coroutine_handle<>> held;
  unsigned asked = 0;
  bool holding = false, six_never_answers = false;
};

DnsAnswer outcome(DnsOutcome what, std::uint32_t ttl_s = 0) {
  DnsAnswer out;
  out.outcome = what;
  out.ttl_s = ttl_s;
  return out;
}

DnsAnswer addresses(const std::vector<std::string>& texts, std::uint32_t ttl_s = 300) {
  DnsAnswer out = outcome(DnsOutcome::found, ttl_s);
  for (const std::string& text : texts) out.addresses.push_back(*Address::ip(text, 0));
  return out;
}

std::string texts(const NameAnswer& answer) {
  std::string out;
  if (!answer.found) return cat("! ", answer.why);
  for (const Address& address : answer.found->addresses) append(out, out.empty() ? "" : " ", address.ip_text());
  return out;
}

class ResolverTest : public testing::Test {
 protected:
  ResolverTest() {
    options.servers = {*Address::ip("127.0.0.1", 53)};
    options.ipv6 = false;
    table.answer = [](const std::string&, DnsType) { return addresses({"127.0.0.2"}); };
    bounds.ttl_ms_min = bounds.negative_ms = bounds.failure_ms = 0;
  }
  ~ResolverTest() override {
    if (!ran_) run_until([] { return true; });
  }
  Resolver& resolver() {
    if (!resolver_) resolver_.emplace(loop, table, bounds);
    return *resolver_;
  }
  std::string look_up(std::string_view name = "a.test", NameKind kind = NameKind::addresses) {
    auto into = std::make_shared<std::string>("nothing yet");
    resolver().look_up(options, name, kind, 60'000, [into](const NameAnswer& answer) { *into = texts(answer); });
    last = into;
    return *into;
  }
  // Turns of the loop until `done`, once in a test; whatever still sleeps then ends.
  template <typename Done>
  void run_until(Done done) {
    ran_ = true;
    [](Loop& its_loop, Done its_done) -> Detached {
      while (!its_done()) co_await SleepUntil(its_loop, its_loop.now().monotonic_ms + 1);
      for (int i = 0; i < 3; ++i) {
        its_loop.cancel_all();
        co_await SleepUntil(its_loop, its_loop.now().monotonic_ms);
      }
      its_loop.stop();
    }(loop, done);
    loop.run();
  }

  Loop loop;
  Table table;
  ResolverOptions options;
  ResolverBounds bounds;
  std::optional<Resolver> resolver_;
  std::shared_ptr<std::string> last;
  bool ran_ = false;
};

TEST_F(ResolverTest, remembers_an_answer_for_its_ttl) {
  EXPECT_EQ(look_up(), "127.0.0.2");
  EXPECT_EQ(look_up("A.TEST."), "127.0.0.2");
  EXPECT_EQ(table.asked, 1U);
  table.answer = [](const std::string&, DnsType) { return addresses({"127.0.0.3"}, 0); };
  EXPECT_EQ(look_up("b.test"), "127.0.0.3");
  EXPECT_EQ(look_up("b.test"), "127.0.0.3");
  EXPECT_EQ(table.asked, 3U) << "a TTL of 0 is over at once when the least is 0";
}

TEST_F(ResolverTest, a_ttl_of_0_lasts_for_the_least_time) {
  bounds.ttl_ms_min = 60'000;
  table.answer = [](const std::string&, DnsType) { return addresses({"127.0.0.3"}, 0); };
  look_up();
  look_up();
  EXPECT_EQ(table.asked, 1U);
}

TEST_F(ResolverTest, a_long_ttl_lasts_for_the_longest_time_only) {
  bounds.ttl_ms_max = 0;
  look_up();
  look_up();
  EXPECT_EQ(table.asked, 2U);
}

TEST_F(ResolverTest, valid_replaces_the_ttl) {
  options.valid_ms = 0;
  look_up();
  look_up();
  EXPECT_EQ(table.asked, 2U);
}

TEST_F(ResolverTest, the_same_question_is_sent_once) {
  table.holding = true;
  std::vector<std::shared_ptr<std::string>> answers;
  for (int i = 0; i < 50; ++i) {
    look_up();
    answers.push_back(last);
  }
  EXPECT_EQ(table.asked, 1U);
  table.release();
  for (const auto& answer : answers) EXPECT_EQ(*answer, "127.0.0.2");
}

TEST_F(ResolverTest, other_servers_or_families_are_another_question) {
  look_up();
  options.servers = {*Address::ip("127.0.0.9", 53)};
  look_up();
  options.ipv6 = true;
  look_up();
  EXPECT_EQ(table.asked, 4U);
}

TEST_F(ResolverTest, what_was_found_last_is_kept_while_servers_fail) {
  bounds.ttl_ms_max = 0;
  EXPECT_EQ(look_up(), "127.0.0.2");
  for (const DnsOutcome what : {DnsOutcome::timeout, DnsOutcome::malformed, DnsOutcome::server_failure,
                                DnsOutcome::refused, DnsOutcome::format_error, DnsOutcome::other_code}) {
    table.answer = [what](const std::string&, DnsType) { return outcome(what); };
    EXPECT_EQ(look_up(), "127.0.0.2");
  }
  table.answer = [](const std::string&, DnsType) { return addresses({"127.0.0.4"}); };
  look_up();  // Asks, and does not wait for the answer.
  EXPECT_EQ(look_up(), "127.0.0.4");
}

TEST_F(ResolverTest, without_an_earlier_answer_a_failure_is_told_with_its_reason) {
  const std::pair<DnsOutcome, std::string> cases[] = {
      {DnsOutcome::timeout, "! 110: Operation timed out"}, {DnsOutcome::server_failure, "! 2: Server failure"},
      {DnsOutcome::no_such_name, "! 3: Host not found"},   {DnsOutcome::no_records, "! 3: Host not found"},
      {DnsOutcome::malformed, "! malformed answer"},       {DnsOutcome::refused, "! 5: Operation refused"}};
  for (const auto& [what, text] : cases) {
    table.answer = [what = what](const std::string&, DnsType) { return outcome(what); };
    EXPECT_EQ(look_up(), text);
  }
}

TEST_F(ResolverTest, a_name_that_is_gone_keeps_its_addresses_for_a_while_only) {
  bounds.ttl_ms_max = 0;
  bounds.gone_ms = 1;
  look_up();
  table.answer = [](const std::string&, DnsType) { return outcome(DnsOutcome::no_such_name); };
  EXPECT_EQ(look_up(), "127.0.0.2");
  run_until([&] {
    look_up();
    return *last == "! 3: Host not found";
  });
}

TEST_F(ResolverTest, absence_is_remembered) {
  bounds.negative_ms = 60'000;
  table.answer = [](const std::string&, DnsType) { return outcome(DnsOutcome::no_such_name, 60); };
  EXPECT_EQ(look_up(), "! 3: Host not found");
  EXPECT_EQ(look_up(), "! 3: Host not found");
  EXPECT_EQ(table.asked, 1U);
}

TEST_F(ResolverTest, servers_that_failed_are_left_alone_for_a_moment) {
  bounds.failure_ms = 60'000;
  table.answer = [](const std::string&, DnsType) { return outcome(DnsOutcome::timeout); };
  look_up();
  EXPECT_EQ(look_up(), "! 110: Operation timed out");
  EXPECT_EQ(table.asked, 1U);
}

TEST_F(ResolverTest, servers_that_are_slow_hold_up_nobody_who_can_have_the_last_answer) {
  bounds.ttl_ms_max = 0;
  bounds.patience_ms = 1;
  look_up();
  table.holding = true;
  EXPECT_EQ(look_up(), "nothing yet");
  const auto waiting = last;
  run_until([&] { return *waiting != "nothing yet"; });
  EXPECT_EQ(*waiting, "127.0.0.2");
  EXPECT_EQ(look_up(), "127.0.0.2") << "and who comes later does not wait at all";
  table.release();
}

TEST_F(ResolverTest, the_number_of_names_is_bounded_and_the_unused_ones_go) {
  bounds.names = 2;
  look_up("a.test");
  look_up("b.test");
  look_up("a.test");
  EXPECT_EQ(table.asked, 2U);
  look_up("c.test");
  EXPECT_EQ(resolver().name_count(), 2U);
  look_up("a.test");
  EXPECT_EQ(table.asked, 3U) << "b was used least recently";
}

TEST_F(ResolverTest, the_number_of_lookups_at_a_time_is_bounded) {
  bounds.lookups = 2;
  table.holding = true;
  EXPECT_EQ(look_up("a.test"), "nothing yet");
  EXPECT_EQ(look_up("b.test"), "nothing yet");
  EXPECT_EQ(look_up("c.test"), "! too many names are being resolved");
  EXPECT_EQ(look_up("a.test"), "nothing yet") << "one more who waits for the same name is none";
  table.release();
  EXPECT_EQ(look_up("c.test"), "127.0.0.2");
  EXPECT_EQ(resolver().lookup_count(), 0U);
}

TEST_F(ResolverTest, names_that_are_being_asked_for_are_not_forgotten) {
  bounds.names = 1;
  table.holding = true;
  look_up("a.test");
  EXPECT_EQ(look_up("b.test"), "! too many names are being resolved");
  table.release();
  EXPECT_EQ(look_up("b.test"), "127.0.0.2");
}

TEST_F(ResolverTest, of_many_addresses_the_same_ones_are_taken_each_time) {
  bounds.addresses = 2;
  table.answer = [](const std::string&, DnsType) {
    return addresses({"10.0.0.9", "10.0.0.1", "10.0.0.5", "10.0.0.1"});
  };
  EXPECT_EQ(look_up(), "10.0.0.1 10.0.0.5");
}

TEST_F(ResolverTest, both_families_are_joined) {
  options.ipv6 = true;
  table.answer = [](const std::string&, DnsType type) {
    return type == DnsType::a ? addresses({"127.0.0.2"}) : addresses({"::1"});
  };
  EXPECT_EQ(look_up(), "127.0.0.2 ::1");
  options.ipv4 = false;
  EXPECT_EQ(look_up(), "::1");
}

TEST_F(ResolverTest, one_family_is_enough) {
  options.ipv6 = true;
  for (const DnsOutcome other : {DnsOutcome::no_records, DnsOutcome::timeout, DnsOutcome::server_failure}) {
    table.answer = [other](const std::string&, DnsType type) {
      return type == DnsType::a ? addresses({"127.0.0.2"}) : outcome(other);
    };
    EXPECT_EQ(look_up(cat("x", static_cast<int>(other), ".test")), "127.0.0.2");
  }
}

TEST_F(ResolverTest, a_family_that_is_never_answered_holds_up_nobody) {
  options.ipv6 = table.six_never_answers = true;
  bounds.grace_ms = 1;
  EXPECT_EQ(look_up(), "nothing yet");
  const auto waiting = last;
  run_until([&] { return *waiting != "nothing yet"; });
  EXPECT_EQ(*waiting, "127.0.0.2");
}

TEST_F(ResolverTest, an_alias_without_its_end_is_asked_for_and_circles_end) {
  table.answer = [](const std::string& name, DnsType) {
    if (name == "b.test") return addresses({"127.0.0.7"});
    DnsAnswer open = outcome(DnsOutcome::no_records);
    open.alias = name == "a.test" ? "b.test" : name == "x.test" ? "y.test" : "x.test";
    return open;
  };
  EXPECT_EQ(look_up("a.test"), "127.0.0.7");
  EXPECT_EQ(look_up("x.test"), "! 3: Host not found");
  EXPECT_LT(table.asked, 20U);
}

TEST_F(ResolverTest, services_are_ordered_and_unusable_ones_left_out) {
  table.answer = [](const std::string&, DnsType type) {
    EXPECT_EQ(type, DnsType::srv);
    DnsAnswer out = outcome(DnsOutcome::found, 60);
    out.services = {{"c.test", 20, 1, 80}, {"b.test", 10, 1, 80}, {"", 1, 1, 80}, {"a.test", 10, 1, 0}};
    return out;
  };
  NameAnswer got;
  resolver().look_up(options, "_http._tcp.test", NameKind::services, 1'000,
                     [&](const NameAnswer& answer) { got = answer; });
  ASSERT_TRUE(got.found);
  ASSERT_EQ(got.found->services.size(), 2U);
  EXPECT_EQ(got.found->services[0].host, "b.test");
}

TEST_F(ResolverTest, a_text_that_is_no_name_is_never_asked_for) {
  for (const std::string_view name : {"", "a b", "a/../b", "1.2.3.4:80", "[::1]", "a..b", "user@host"}) {
    EXPECT_EQ(look_up(name), "! not a DNS name") << name;
  }
  EXPECT_EQ(table.asked, 0U);
}

TEST_F(ResolverTest, after_a_stop_everybody_is_answered) {
  table.holding = true;
  look_up();
  const auto waiting = last;
  resolver().stop();
  EXPECT_EQ(*waiting, "! the program is ending");
  EXPECT_EQ(look_up("b.test"), "! the program is ending");
  table.release();
}

TEST(Background, answers_another_loop_and_stops_while_it_is_asked) {
  Background background;
  ASSERT_TRUE(background.start());
  Loop loop;
  ResolverOptions options;
  options.servers = {*Address::ip("127.0.0.1", 9)};  // Nobody answers there.
  std::string bad, late;
  [](Background& where, std::shared_ptr<ReplyAddress> mine, ResolverOptions its_options, std::string& first,
     std::string& second) -> Detached {
    first = texts(co_await where.resolve(mine, its_options, "not a name", NameKind::addresses, 60'000, nullptr));
    second = texts(co_await where.resolve(mine, its_options, "a.test", NameKind::addresses, 30, nullptr));
    mine->loop().stop();
  }(background, std::make_shared<ReplyAddress>(loop), options, bad, late);
  loop.run();
  EXPECT_EQ(bad, "! not a DNS name");
  EXPECT_TRUE(late.starts_with("! ")) << late;
}

}  // namespace
}  // namespace keepgate::net
