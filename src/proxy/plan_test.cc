#include "proxy/plan.h"

#include <gtest/gtest.h>

#include <string>

namespace keepgate::proxy {
namespace {

http::HeaderLine line_of(std::string_view name) { return {name, "v", {}, http::field_of(name)}; }

bool has(const NameSet& set, std::string_view name) { return set.has(line_of(name)); }

TEST(NameSet, has_nothing_at_first) {
  const NameSet none;
  for (const char* name : {"Host", "X-One", "", "x"}) EXPECT_FALSE(has(none, name)) << name;
}

TEST(NameSet, knows_names_in_any_case_and_no_others) {
  NameSet set;
  for (const char* name : {"Server", "X-One", "x-two"}) set.add(name);
  for (const char* name : {"Server", "SERVER", "server", "X-One", "x-one", "X-ONE", "X-Two"}) {
    EXPECT_TRUE(has(set, name)) << name;
  }
  for (const char* name : {"Date", "Serve", "Servers", "X-On", "X-One-", "X_One", "X-Owe", "X-Twe", ""}) {
    EXPECT_FALSE(has(set, name)) << name;
  }
}

TEST(NameSet, tells_long_names_of_one_length_class_apart) {
  NameSet set;
  const std::string listed(63, 'a'), longer(64, 'a'), longest(200, 'a');
  set.add(listed);
  set.add(longest);
  EXPECT_TRUE(has(set, listed));
  EXPECT_TRUE(has(set, longest));
  EXPECT_FALSE(has(set, longer));
  EXPECT_FALSE(has(set, std::string(62, 'a')));
  EXPECT_FALSE(has(set, std::string(63, 'b')));
}

TEST(NameSet, is_asked_by_number_too) {
  NameSet set;
  set.add("Host");
  set.add("X-One");
  EXPECT_TRUE(set.has(http::Field::host));
  EXPECT_FALSE(set.has(http::Field::date));
  EXPECT_FALSE(set.has(http::Field::other));  // One unknown name is not all of them.
}

TEST(Plan, never_passes_on_what_belongs_to_one_connection) {
  const Plan plan{{}};
  for (const char* name :
       {"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authentication-Info",
        "Proxy-Authorization", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "HTTP2-Settings"}) {
    EXPECT_TRUE(has(plan.request_dropped, name)) << name;
    EXPECT_TRUE(has(plan.response_dropped, name)) << name;
  }
  for (const char* name : {"Content-Length", "Host", "Expect"}) EXPECT_TRUE(has(plan.request_dropped, name)) << name;
  EXPECT_FALSE(has(plan.response_dropped, "Content-Length"));
  for (const char* name : {"Accept", "Authorization", "Cookie", "Content-Type", "User-Agent", "X-One"}) {
    EXPECT_FALSE(has(plan.request_dropped, name)) << name;
    EXPECT_FALSE(has(plan.response_dropped, name)) << name;
  }
}

TEST(Plan, drops_what_proxy_set_header_replaces) {
  ProxyOptions options;
  options.set_headers = {{"X-Real-IP", route::Template::literal("1")}, {"COOKIE", {}}};
  const Plan plan(std::move(options));
  for (const char* name : {"x-real-ip", "Cookie"}) {
    EXPECT_TRUE(has(plan.request_dropped, name)) << name;
    EXPECT_FALSE(has(plan.response_dropped, name)) << name;
  }
  EXPECT_FALSE(has(plan.request_dropped, "X-Real-IP2"));
  EXPECT_FALSE(plan.sets_host);
}

TEST(Plan, sees_that_host_is_set_in_any_case) {
  ProxyOptions options;
  options.set_headers = {{"hOST", route::Template::literal("other")}};
  EXPECT_TRUE(Plan(std::move(options)).sets_host);
}

TEST(Plan, hides_and_passes_answer_fields_as_told) {
  const Plan usual{{}};
  for (const char* name : {"Date", "Server", "X-Pad", "X-Accel-Redirect"}) {
    EXPECT_TRUE(has(usual.response_dropped, name)) << name;
  }
  EXPECT_FALSE(has(usual.response_dropped, "X-Powered-By"));

  ProxyOptions options;
  options.pass_headers = {"server"};
  options.hide_headers = {"x-powered-by", "Set-Cookie"};
  const Plan plan(std::move(options));
  EXPECT_FALSE(has(plan.response_dropped, "Server"));
  EXPECT_TRUE(has(plan.response_dropped, "Date"));
  EXPECT_TRUE(has(plan.response_dropped, "X-Powered-By"));
  EXPECT_TRUE(has(plan.response_dropped, "set-cookie"));
}

TEST(Plan, passing_a_field_does_not_pass_hop_by_hop_fields) {
  ProxyOptions options;
  options.pass_headers = {"Connection", "Transfer-Encoding"};
  const Plan plan(std::move(options));
  EXPECT_TRUE(has(plan.response_dropped, "Connection"));
  EXPECT_TRUE(has(plan.response_dropped, "Transfer-Encoding"));
}

}  // namespace
}  // namespace keepgate::proxy
