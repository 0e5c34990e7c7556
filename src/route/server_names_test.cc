#include "route/server_names.h"

#include <gtest/gtest.h>

#include "base/log.h"

namespace keepgate::route {
namespace {

struct Row {
  std::string_view host;
  std::uint32_t server;
};

TEST(ServerNames, follows_the_order_of_nginx) {
  ServerNames names;
  names.set_default(99);
  std::string error;
  constexpr std::pair<std::string_view, std::uint32_t> servers[] = {
      {"~^www\\d+\\.example\\.net$", 7},
      {"~^(?<name>[a-z]+)\\.net$", 8},
      {"~^www1", 9},
      {"example.com", 1},
      {"*.example.com", 2},
      {"www.example.*", 3},
      {".example.org", 4},
      {"", 5},
      {"*.api.example.com", 6},
      {"_", 10},
      {"[::1]", 11},
  };
  for (const auto& [name, server] : servers) EXPECT_TRUE(names.add(name, server, error)) << name << error;
  constexpr Row rows[] = {
      {"example.com", 1},
      {"EXAMPLE.com", 1},
      {"example.com.", 1},
      {"a.example.com", 2},
      {"www.example.com", 2},
      {"a.b.example.com", 2},
      {"x.api.example.com", 6},
      {"api.example.com", 2},
      {"www.example.de", 3},
      {"www.example.co.uk", 3},
      {"www.example", 99},
      {"example.org", 4},
      {"deep.example.org", 4},
      {"xexample.org", 99},
      {"", 5},
      {"www12.example.net", 7},
      {"WWW1.Example.NET", 7},
      {"abc.net", 8},
      {"ABC.NET", 8},
      {"www1.net", 9},
      {"_", 10},
      {"[::1]", 11},
      {"evil.test", 99},
      {"example.com.evil.test", 99},
      {"example.com..", 99},
      {"*.example.com", 2},
  };
  for (const auto& [host, server] : rows) EXPECT_EQ(names.find(host), server) << host;
}

TEST(ServerNames, the_first_claim_of_a_name_stays) {
  ServerNames names;
  std::string error;
  EXPECT_TRUE(names.add("a.com", 1, error));
  EXPECT_FALSE(names.add("A.com", 2, error));
  EXPECT_TRUE(names.add("*.b.com", 3, error));
  EXPECT_FALSE(names.add(".b.com", 4, error));
  EXPECT_FALSE(names.add(".a.com", 5, error));
  EXPECT_EQ(error, "");
  EXPECT_EQ(names.find("a.com"), 1u);
  EXPECT_EQ(names.find("x.b.com"), 3u);
  EXPECT_EQ(names.find("b.com"), 0u);
}

TEST(ServerNames, refuses_bad_names_with_a_reason) {
  for (const std::string_view name : {"*", "*x.com", "a.*.com", ".", "*.", "~", "~(", "*.a..b", "a*"}) {
    ServerNames names;
    std::string error;
    EXPECT_FALSE(names.add(name, 1, error)) << name;
    EXPECT_NE(error, "") << name;
  }
}

TEST(ServerNames, an_empty_host_meets_no_regex) {
  ServerNames names;
  std::string error;
  names.set_default(1);
  EXPECT_TRUE(names.add("~.*", 2, error));
  EXPECT_EQ(names.find(""), 1u);
  EXPECT_EQ(names.find("x"), 2u);
}

TEST(ServerNames, a_capital_in_a_regex_makes_it_ignore_case) {
  ServerNames names;
  std::string error;
  EXPECT_TRUE(names.add("~^WWW\\.a$", 2, error));
  EXPECT_EQ(names.find("www.A"), 2u);
}

TEST(ServerNames, long_hosts_are_answered) {
  ServerNames names;
  std::string error;
  EXPECT_TRUE(names.add("~^a+$", 2, error));
  EXPECT_TRUE(names.add("*.b.com", 3, error));
  EXPECT_EQ(names.find(std::string(255, 'A')), 2u);
  EXPECT_EQ(names.find(std::string(256, 'A')), 2u);
  EXPECT_EQ(names.find(std::string(5000, 'A')), 2u);
  EXPECT_EQ(names.find(std::string(5000, 'x') + ".b.com"), 3u);
}

TEST(ServerNames, a_regex_that_cannot_be_matched_ends_in_the_default_server) {
  set_log_sink([](LogLevel, std::string_view) {});
  ServerNames names;
  std::string error;
  names.set_default(9);
  EXPECT_TRUE(names.add("~^(a+)+$", 1, error));
  EXPECT_TRUE(names.add("~^a", 2, error));
  EXPECT_EQ(names.find(std::string(200, 'a') + "!"), 9u);
  EXPECT_EQ(names.find("a!"), 2u);
  set_log_sink(nullptr);
}

struct Told final : CaptureSink {
  void keep_groups(const Regex&, const Captures* groups) override { text = groups ? groups->at(1) : "none"; }
  std::string text;
};

TEST(ServerNames, tells_what_groups_took_of_the_host) {
  ServerNames names;
  std::string error;
  ASSERT_TRUE(names.add("~^x$", 1, error));
  EXPECT_FALSE(names.has_groups());
  ASSERT_TRUE(names.add("~^(?<tenant>[a-z]+)\\.test$", 2, error));
  EXPECT_TRUE(names.has_groups());
  Told told;
  EXPECT_EQ(names.find("blue.test.", told), 2U);
  EXPECT_EQ(told.text, "blue");
  EXPECT_EQ(names.find("x", told), 1U);
  EXPECT_EQ(told.text, "none");
  told.text = "untouched";
  EXPECT_EQ(names.find("other", told), 0U);
  EXPECT_EQ(told.text, "untouched");
}

}  // namespace
}  // namespace keepgate::route
