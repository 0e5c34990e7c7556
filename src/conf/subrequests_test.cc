// auth_request, auth_request_set and auth_jwt_key_request: what they mean together, and where they lead.
#include <gtest/gtest.h>

#include "auth/requested_keys.h"
#include "base/bytes.h"
#include "conf/load.h"
#include "conf/test_support.h"

namespace keepgate::conf {
namespace {

using test::check;
using test::check_http;
using test::check_server;
using test::Loaded;

constexpr std::string_view target = " location = /auth { internal; authorize off; proxy_pass http://127.0.0.1:2; }";

TEST(Subrequests, are_inherited_and_can_be_switched_off) {
  const Loaded loaded = check_server(cat("auth_request /auth; auth_request_set $a 1; auth_request_set $b $status;",
                                         " location /in { proxy_pass http://127.0.0.1:1; }"
                                         " location /off { auth_request off; proxy_pass http://127.0.0.1:1; }"
                                         " location /open { authorize off; proxy_pass http://127.0.0.1:1; }"
                                         " location /own { auth_request_set $A 2; proxy_pass http://127.0.0.1:1; }",
                                         target));
  ASSERT_NE(loaded.snapshot, nullptr) << loaded.complaints();
  EXPECT_EQ(loaded.at("/in").auth.request_uri, "/auth");
  EXPECT_EQ(loaded.at("/off").auth.request_uri, "");
  EXPECT_EQ(loaded.at("/open").auth.request_uri, "/auth");  // authorize off opens no door that somebody else guards.
  ASSERT_EQ(loaded.at("/in").assignments.size(), 2U);
  ASSERT_EQ(loaded.at("/own").assignments.size(), 1U);
  EXPECT_EQ(loaded.at("/own").assignments[0].slot, loaded.at("/in").assignments[0].slot);  // Names have no case.
  EXPECT_NE(loaded.at("/in").assignments[1].slot, loaded.at("/in").assignments[0].slot);
}

TEST(Subrequests, that_lead_nowhere_or_to_a_policy_are_told) {
  EXPECT_TRUE(check_server("auth_request /none; location /a { proxy_pass http://127.0.0.1:1; }")
                  .says("auth_request leads to '/none', which this server does not have"));
  EXPECT_TRUE(check_server("auth_request /auth; location /auth { authorize on; proxy_pass http://127.0.0.1:1; }")
                  .says("a subrequest is anonymous there"));
  EXPECT_FALSE(check_server(cat("auth_request /auth;", target)).says("a subrequest"));
}

TEST(Subrequests, close_a_location_under_strict_but_name_nobody) {
  const Loaded closed =
      check(cat("strict on; http { server { listen 127.0.0.1:80; location /a { auth_request /auth; "
                "proxy_pass http://127.0.0.1:1; }",
                target, " } }"));
  EXPECT_FALSE(closed.says("is open")) << closed.complaints();
  EXPECT_TRUE(closed.says("no policy is in effect")) << closed.complaints();
  const Loaded open =
      check(cat("strict on; http { server { listen 127.0.0.1:80; location /a { "
                "proxy_pass http://127.0.0.1:1; }",
                target, " } }"));
  EXPECT_TRUE(open.says("is open")) << open.complaints();
  const Loaded identity =
      check_server(cat("location /a { auth_request /auth; auth_request_set $who $upstream_http_x; "
                       "auth_identity $who; proxy_pass http://127.0.0.1:1; }",
                       target));
  EXPECT_TRUE(identity.says("$upstream_http_x")) << identity.complaints();
}

TEST(Subrequests, for_keys_are_shared_within_a_server_and_not_beyond) {
  const Loaded loaded = check_http(
      "auth_jwt r; auth_jwt_key_request /keys; auth_jwt_key_cache 5s; "
      "server { listen 127.0.0.1:80; location /a { proxy_pass http://127.0.0.1:1; } "
      " location /b { proxy_pass http://127.0.0.1:1; } location /now { auth_jwt_key_cache 0; proxy_pass "
      "http://127.0.0.1:1; }"
      " location /two { auth_jwt_key_request /keys; auth_jwt_key_request /more; proxy_pass http://127.0.0.1:1; } }"
      "server { listen 127.0.0.1:81; location /other { proxy_pass http://127.0.0.1:1; } }");
  ASSERT_NE(loaded.snapshot, nullptr) << loaded.complaints();
  const auto jwt = [&](std::string_view path) { return loaded.at(path, path == "/other" ? 1 : 0).auth.jwt; };
  const auto requested = [&](std::string_view path) { return jwt(path).requested; };
  ASSERT_NE(requested("/a"), nullptr);
  EXPECT_EQ(requested("/a"), requested("/b"));
  EXPECT_EQ(requested("/a")->options().cache_ms, 5'000);
  EXPECT_NE(requested("/a"), requested("/now"));
  EXPECT_EQ(requested("/two")->uris(), "/keys /more");
  ASSERT_NE(requested("/other"), nullptr);
  EXPECT_NE(requested("/a"), requested("/other"));
  EXPECT_EQ(jwt("/a").verifier_id, jwt("/b").verifier_id);
  EXPECT_NE(jwt("/a").verifier_id, jwt("/other").verifier_id);
  EXPECT_NE(jwt("/a").verifier_id, jwt("/now").verifier_id);
}

TEST(Subrequests, for_keys_do_not_make_up_for_a_file_that_cannot_be_used) {
  const Loaded loaded = check_server(
      "auth_jwt r; auth_jwt_key_request /keys; auth_jwt_key_file gone.json; location /a { proxy_pass "
      "http://127.0.0.1:1; }"
      " location /file { auth_jwt_key_file gone.json; proxy_pass http://127.0.0.1:1; }"
      " location /request { auth_jwt_key_request /keys; proxy_pass http://127.0.0.1:1; }");
  ASSERT_NE(loaded.snapshot, nullptr) << loaded.complaints();
  EXPECT_EQ(loaded.at("/a").auth.jwt.requested, nullptr);
  EXPECT_EQ(loaded.at("/a").auth.jwt.keys, nullptr);
  EXPECT_EQ(loaded.at("/file").auth.jwt.requested, nullptr);  // A level with either inherits neither.
  EXPECT_NE(loaded.at("/request").auth.jwt.requested, nullptr);
}

TEST(Subrequests, have_a_path_of_this_server_for_a_target) {
  for (const char* uri : {"auth", "''", "http://a/", "@auth", "/a?b", "$uri", "/$host", "'/a b'", "/\xc3\xa4"}) {
    EXPECT_EQ(check_server(cat("auth_request ", uri, "; location / { return 200; }")).snapshot, nullptr) << uri;
    EXPECT_EQ(check_server(cat("auth_jwt_key_request ", uri, "; location / { return 200; }")).snapshot, nullptr) << uri;
  }
  EXPECT_NE(check_server("auth_request /auth; location / { return 200; }").snapshot, nullptr);
  const auto long_uri = [](std::size_t bytes) {
    return check_server(cat("auth_request /", std::string(bytes - 1, 'a'), "; location / { return 200; }"));
  };
  EXPECT_NE(long_uri(4096).snapshot, nullptr) << long_uri(4096).complaints();
  EXPECT_EQ(long_uri(4097).snapshot, nullptr);
}

// As in nginx: a variable of the configuration may be set anew, one of the program's own not.
TEST(Subrequests, set_variables_that_are_not_the_program_s) {
  for (const char* name : {"a", "$", "$a-b", "$uri", "$http_a", "$map", "$status"}) {
    const Loaded loaded =
        check_http(cat("map $host $map { default 1; } server { listen 127.0.0.1:80; location / { "
                       "auth_request_set ",
                       name, " 1; return 200; } }"));
    const bool is_free = std::string_view(name) == "$http_a" || std::string_view(name) == "$map";
    EXPECT_EQ(loaded.snapshot != nullptr, is_free) << name << loaded.complaints();
  }
}

TEST(Subrequests, that_mirror_accumulate_and_can_be_switched_off) {
  const Loaded loaded = check_server(cat("mirror /auth; mirror /auth; mirror_request_body off;",
                                         " location /in { proxy_pass http://127.0.0.1:1; }"
                                         " location /own { mirror /auth; mirror_request_body on; proxy_pass "
                                         "http://127.0.0.1:1; } location /off { mirror off; proxy_pass "
                                         "http://127.0.0.1:1; }",
                                         target));
  ASSERT_NE(loaded.snapshot, nullptr) << loaded.complaints();
  EXPECT_EQ(loaded.at("/in").mirrors.size(), 2U);
  EXPECT_FALSE(loaded.at("/in").mirror_body);
  EXPECT_EQ(loaded.at("/own").mirrors.size(), 1U);
  EXPECT_TRUE(loaded.at("/own").mirror_body);
  EXPECT_TRUE(loaded.at("/off").mirrors.empty());
  EXPECT_EQ(check_server("mirror off; mirror /a; location / { return 200; }").snapshot, nullptr);
  EXPECT_EQ(check_server("mirror /a; mirror off; location / { return 200; }").snapshot, nullptr);
  EXPECT_EQ(check_server("mirror $uri; location / { return 200; }").snapshot, nullptr);
}

}  // namespace
}  // namespace keepgate::conf
