// What the directives about clients' connections become: limits, addresses, timeouts, sockets.
#include <gtest/gtest.h>

#include "conf/test_support.h"
#include "pipeline/real_ip.h"

namespace keepgate::conf {
namespace {

using test::check;
using test::check_http;
using test::check_server;
using test::load_file;
using test::Loaded;
using test::TempFolder;

struct Refused {
  const char* text;
  const char* complaint;
};

TEST(Connections, limits_and_addresses_are_checked) {
  for (const auto& [text, complaint] : {
           Refused{"limit_conn_zone $host;", "KG015"},
           Refused{"limit_conn_zone $host size=1m;", "KG021"},
           Refused{"limit_conn_zone $host zone=a:31k;", "KG020: zone 'a' is too small"},
           Refused{"limit_conn_zone $host zone=a:1m; limit_conn_zone $uri zone=a:1m;", "KG024"},
           Refused{"limit_req_zone $host zone=a:1m; limit_conn_zone $uri zone=a:1m;",
                   "KG024: the zone 'a' is already declared"},
           Refused{"limit_conn_zone $uri zone=a:1m; limit_req_zone $host zone=a:1m;",
                   "KG024: the zone 'a' is already declared"},
           Refused{"limit_conn_zone $host zone=a:1m; limit_conn a 0;", "KG020"},
           Refused{"limit_conn_zone $host zone=a:1m; limit_conn a 65536;", "KG020"},
           Refused{"limit_conn_zone $host zone=a:1m; limit_conn a 1 nodelay;", "KG021"},
           Refused{"limit_conn_zone $host zone=a:1m; limit_conn a 1; limit_conn a 2;", "KG016"},
           Refused{"limit_conn_status 200;", "KG020"},
           Refused{"limit_conn_log_level crit;", "KG020"},
           Refused{"set_real_ip_from proxy.example;", "KG018: the host name 'proxy.example' in 'set_real_ip_from'"},
           Refused{"set_real_ip_from 10.0.0.0/33;", "KG020"},
           Refused{"real_ip_header \"a b\";", "KG020"},
       }) {
    const Loaded loaded = check_http(text);
    EXPECT_EQ(loaded.snapshot, nullptr) << text;
    EXPECT_TRUE(loaded.says(cat("error ", complaint))) << text << "\n" << loaded.complaints();
  }
}

TEST(Connections, sockets_and_times_are_checked) {
  for (const auto& [text, complaint] : {
           Refused{"listen 81 quic;", "KG018"},
           Refused{"listen 81 proxy_protocl;", "KG021"},
           Refused{"listen 81 setfib=1;", "KG021"},
           Refused{"listen 81 so_keepalive=maybe;", "KG021"},
           Refused{"listen 81 so_keepalive=::;", "KG021"},
           Refused{"listen 81 so_keepalive=1:2;", "KG021"},
           Refused{"listen 81 so_keepalive=1s:2s:128;", "KG021"},
           Refused{"listen 81 so_keepalive=32768::;", "KG021"},
           Refused{"listen 81 rcvbuf=0;", "KG021"},
           Refused{"listen 81 sndbuf=x;", "KG020"},
           Refused{"listen 81 fastopen=0;", "KG020"},
           Refused{"limit_conn z 1;", "KG023: unknown limit_conn_zone 'z'"},
           Refused{"lingering_close sometimes;", "KG020"},
           Refused{"keepalive_timeout 1s x;", "KG020"},
           Refused{"reset_timedout_connection maybe;", "KG020"},
       }) {
    const Loaded loaded = check_server(text);
    EXPECT_EQ(loaded.snapshot, nullptr) << text;
    EXPECT_TRUE(loaded.says(cat("error ", complaint))) << text << "\n" << loaded.complaints();
  }
}

TEST(Connections, an_upstream_gets_a_known_version_of_the_proxy_protocol_or_none) {
  EXPECT_TRUE(check_server("proxy_protocol on;").says("error KG020"));
  EXPECT_TRUE(check_server("proxy_protocol v3;").says("error KG020"));
  EXPECT_NE(
      check_server("proxy_protocol v2; location / { proxy_protocol off; proxy_pass http://127.0.0.1:1; }").snapshot,
      nullptr);
}

TEST(Connections, limits_are_inherited_where_a_level_has_none) {
  const Loaded loaded = check_http(
      "limit_conn_zone $binary_remote_addr zone=a:1m; limit_conn_zone $host zone=b:64k; limit_conn a 10;"
      "limit_conn_status 429; server { listen 127.0.0.1:81; location /own/ { limit_conn b 1; limit_conn_dry_run on; } "
      "}");
  ASSERT_NE(loaded.snapshot, nullptr) << loaded.complaints();
  const pipeline::LocationConfig& outer = loaded.snapshot->locations[loaded.snapshot->servers[0].own_location];
  ASSERT_EQ(outer.conn_limits.size(), 1U);
  EXPECT_EQ(outer.conn_limits[0].zone->name(), "a");
  EXPECT_EQ(outer.conn_limits[0].most, 10U);
  EXPECT_EQ(outer.conn_status, 429);
  EXPECT_FALSE(outer.conn_dry_run);
  const pipeline::LocationConfig& own = loaded.at("/own/x");
  ASSERT_EQ(own.conn_limits.size(), 1U);
  EXPECT_EQ(own.conn_limits[0].zone->name(), "b");
  EXPECT_TRUE(own.conn_dry_run);
}

TEST(Connections, a_limit_by_identity_counts_behind_authorization) {
  const Loaded loaded = check_http(
      "limit_conn_zone $client_id zone=a:1m; limit_conn_zone $host zone=b:1m;"
      "server { listen 127.0.0.1:81; location /a/ { limit_conn a 1; limit_conn b 1; }"
      " location /b/ { limit_conn b 1 after=auth; } }");
  ASSERT_NE(loaded.snapshot, nullptr) << loaded.complaints();
  EXPECT_EQ(loaded.at("/a/").identity_conn_limits.size(), 1U);
  EXPECT_EQ(loaded.at("/a/").conn_limits.size(), 1U);
  EXPECT_EQ(loaded.at("/b/").identity_conn_limits.size(), 1U);
}

TEST(Connections, a_limit_by_an_unverified_claim_is_unsafe) {
  constexpr std::string_view text =
      "http { limit_conn_zone $jwt_claim_sub zone=a:1m; server { listen 127.0.0.1:81; limit_conn a 1; } }";
  EXPECT_TRUE(check(text).says("warning KG103"));
  EXPECT_TRUE(check(cat("strict on; ", text)).says("error KG103"));
}

TEST(Connections, zones_are_kept_over_a_reload_while_name_size_and_key_agree) {
  const TempFolder folder;
  const auto text = [](std::string_view key, std::string_view size) {
    return cat("http { limit_conn_zone ", key, " zone=a:", size, "; server { listen 127.0.0.1:81; } }");
  };
  const Loaded first = check(folder, text("$host", "1m"));
  ASSERT_NE(first.snapshot, nullptr);
  const auto zone_after = [&](const std::string& changed) {
    LoadOptions options;
    options.check_only = true;
    options.previous = first.snapshot;
    return load_file(folder.write("keepgate.conf", changed), options).snapshot->conn_zones[0];
  };
  EXPECT_EQ(zone_after(text("$host", "1m")), first.snapshot->conn_zones[0]);
  EXPECT_NE(zone_after(text("$host", "2m")), first.snapshot->conn_zones[0]);
  EXPECT_NE(zone_after(text("$uri", "1m")), first.snapshot->conn_zones[0]);
}

TEST(Connections, nobody_is_trusted_with_addresses_by_default) {
  EXPECT_EQ(check_server("location / { }").at("/").real_ip, nullptr);
  EXPECT_EQ(check_server("real_ip_header X-Forwarded-For; location / { }").at("/").real_ip, nullptr);
  const Loaded loaded = check_server("set_real_ip_from 10.0.0.0/8; set_real_ip_from unix:; location / { }");
  const pipeline::RealIpOptions& options = *loaded.at("/").real_ip;
  EXPECT_TRUE(options.trusts_unix);
  EXPECT_TRUE(options.trusted.contains("\x0a\x01\x01\x01"));
  EXPECT_FALSE(options.trusted.contains("\x0b\x01\x01\x01"));
  EXPECT_EQ(options.field, "X-Real-IP");
  EXPECT_FALSE(options.recursive || options.from_proxy_protocol);
}

TEST(Connections, trusting_everybody_is_unsafe) {
  constexpr std::string_view text = "http { server { listen 127.0.0.1:81; set_real_ip_from ::/0; return 200; } }";
  EXPECT_TRUE(check(text).says("warning KG111"));
  EXPECT_TRUE(check(cat("strict on; ", text)).says("error KG111"));
  EXPECT_FALSE(check_server("set_real_ip_from ::/1;").says("KG111"));
}

TEST(Connections, have_nginxs_times_by_default_and_those_that_are_written) {
  const pipeline::LocationConfig usual = check_server("location / { }").at("/");
  EXPECT_EQ(usual.keepalive_timeout_ms, 75'000);
  EXPECT_EQ(usual.keepalive_min_timeout_ms, 0);
  EXPECT_EQ(usual.keepalive_time_ms, 3'600'000);
  EXPECT_EQ(usual.keepalive_lines, "");
  EXPECT_EQ(usual.lingering, pipeline::Lingering::on);
  EXPECT_EQ(usual.lingering_time_ms, 30'000);
  EXPECT_EQ(usual.lingering_timeout_ms, 5'000);
  EXPECT_FALSE(usual.reset_timedout);
  const pipeline::LocationConfig written =
      check_server(
          "keepalive_timeout 10s 9s; keepalive_min_timeout 1s; keepalive_time 2m; lingering_close always;"
          "lingering_time 3s; lingering_timeout 20ms; reset_timedout_connection on; location / { }")
          .at("/");
  EXPECT_EQ(written.keepalive_timeout_ms, 10'000);
  EXPECT_EQ(written.keepalive_min_timeout_ms, 1'000);
  EXPECT_EQ(written.keepalive_time_ms, 120'000);
  EXPECT_EQ(written.keepalive_lines, "Connection: keep-alive\r\nKeep-Alive: timeout=9\r\n");
  EXPECT_EQ(written.lingering, pipeline::Lingering::always);
  EXPECT_EQ(written.lingering_time_ms, 3'000);
  EXPECT_EQ(written.lingering_timeout_ms, 20);
  EXPECT_TRUE(written.reset_timedout);
}

TEST(Connections, listen_parameters_reach_the_socket) {
  const Loaded loaded = check_http(
      "server { listen 127.0.0.1:81 backlog=7 rcvbuf=8k sndbuf=16k fastopen=3 deferred so_keepalive=30m::10 bind;"
      " client_header_timeout 5s; tcp_nodelay off; } server { listen 127.0.0.1:82 so_keepalive=off reuseport; }"
      "server { listen 127.0.0.1:83; }");
  ASSERT_NE(loaded.snapshot, nullptr) << loaded.complaints();
  const pipeline::ListenerConfig& tuned = loaded.snapshot->listeners[0];
  EXPECT_EQ(tuned.backlog, 7);
  EXPECT_EQ(tuned.tuning.receive_buffer_bytes, 8192);
  EXPECT_EQ(tuned.tuning.send_buffer_bytes, 16384);
  EXPECT_EQ(tuned.tuning.fast_open_queue, 3);
  EXPECT_EQ(tuned.tuning.defer_accept_s, 5);
  EXPECT_EQ(tuned.tuning.keep_alive.state, net::KeepAlive::State::on);
  EXPECT_EQ(tuned.tuning.keep_alive.idle_s, 1800);
  EXPECT_EQ(tuned.tuning.keep_alive.interval_s, 0);
  EXPECT_EQ(tuned.tuning.keep_alive.count, 10);
  EXPECT_FALSE(tuned.no_delay);
  EXPECT_EQ(loaded.snapshot->listeners[1].tuning.keep_alive.state, net::KeepAlive::State::off);
  EXPECT_EQ(loaded.snapshot->listeners[2].tuning, net::SocketTuning{});
  EXPECT_TRUE(loaded.snapshot->listeners[2].no_delay);
}

TEST(Connections, a_listener_speaks_the_proxy_protocol_for_all_its_servers) {
  const Loaded loaded = check_http(
      "server { listen 127.0.0.1:81; server_name a; } server { listen 127.0.0.1:81 proxy_protocol; server_name b; }"
      "server { listen 127.0.0.1:82; }");
  ASSERT_NE(loaded.snapshot, nullptr) << loaded.complaints();
  EXPECT_TRUE(loaded.says("warning KG031: protocol options redefined for 127.0.0.1:81"));
  EXPECT_TRUE(loaded.snapshot->listeners[0].proxy_protocol);
  EXPECT_FALSE(loaded.snapshot->listeners[1].proxy_protocol);
}

}  // namespace
}  // namespace keepgate::conf
