#include "conf/load.h"

#include <gtest/gtest.h>

#include "conf/model.h"
#include "conf/test_support.h"
#include "pipeline/content.h"
#include "upstream/group.h"
#include "upstream/peer.h"

namespace keepgate::conf {
namespace {

using pipeline::Authorize;
using pipeline::LocationConfig;
using test::check;
using test::check_http;
using test::check_server;
using test::load_file;
using test::Loaded;
using test::TempFolder;

constexpr std::string_view gateway_and_guard = R"(
strict on;
http {
    trust_domain shop.internal;
    policy policy.yaml;

    limit_req_zone $client_id zone=per_client:10m rate=100r/s;

    upstream orders { server 127.0.0.1:9001; keepalive 32; }

    server {
        listen 8080;
        auth_jwt "shop";
        auth_jwt_key_file keys/client.jwks.json;
        transaction_token_key keys/gateway.jwk;

        location ^~ /1.0/orders/ {
            service orders;
            limit_req zone=per_client burst=20 nodelay;
            transaction_token issue ttl=30s;
            proxy_pass http://orders/;
        }
        location = /healthz { authorize off; return 200 "ok\n"; }
    }

    server {
        listen 9001;
        service orders;
        transaction_token require bind=request single_use;
        transaction_token_key_file keys/gateway.jwks.json;
        location / { proxy_pass http://unix:/run/orders.sock; }
    }
}
)";

class Design : public ::testing::Test {
 protected:
  Design() {
    folder.write_keys("client");
    folder.write_keys("gateway");
    folder.write("policy.yaml", "policies:\n  - identity: client1\n    permissions: PUT/GET\n    on: /orders/\n");
  }
  TempFolder folder;
};

TEST_F(Design, gateway_and_guard_load_without_a_complaint) {
  const Loaded loaded = check(folder, gateway_and_guard);
  EXPECT_EQ(loaded.complaints(), "");
  ASSERT_NE(loaded.snapshot, nullptr);
  ASSERT_EQ(loaded.snapshot->listeners.size(), 2U);
  EXPECT_EQ(loaded.snapshot->listeners[0].address.text(), "0.0.0.0:8080");
  EXPECT_EQ(loaded.snapshot->listeners[1].address.port(), 9001);
  EXPECT_TRUE(loaded.snapshot->strict);
  EXPECT_EQ(loaded.snapshot->hash.size(), 64U);
  EXPECT_EQ(loaded.snapshot->policy_files.size(), 1U);
  EXPECT_NE(loaded.snapshot->replay, nullptr);
}

TEST_F(Design, the_gateway_issues_and_the_guard_requires) {
  const Loaded loaded = check(folder, gateway_and_guard);
  ASSERT_NE(loaded.snapshot, nullptr) << loaded.complaints();
  const LocationConfig& gateway = loaded.at("/1.0/orders/7");
  EXPECT_TRUE(gateway.auth.jwt.enabled);
  EXPECT_NE(gateway.auth.jwt.keys, nullptr);
  EXPECT_NE(gateway.auth.jwt.verifier_id, 0U);
  EXPECT_EQ(gateway.transaction.mode, identity::TransactionMode::issue);
  EXPECT_EQ(gateway.transaction.trust_domain, "shop.internal");
  EXPECT_EQ(gateway.transaction.workload, "gateway");
  EXPECT_NE(gateway.transaction.signing_key, nullptr);
  EXPECT_EQ(gateway.authorize, Authorize::required);
  EXPECT_EQ(gateway.service, "orders");
  EXPECT_TRUE(gateway.refuse_ambiguous_paths);
  EXPECT_TRUE(gateway.keepgate_features);
  ASSERT_TRUE(gateway.path_replacement);
  EXPECT_EQ(gateway.path_replacement->matched, "/1.0/orders/");
  EXPECT_EQ(gateway.path_replacement->uri, "/");
  EXPECT_TRUE(gateway.limits.empty());
  ASSERT_EQ(gateway.identity_limits.size(), 1U) << "the key is the verified client";
  EXPECT_EQ(gateway.identity_limits[0].delay, 20U);
  EXPECT_NE(gateway.content, nullptr);

  const LocationConfig& guard = loaded.at("/", 1);
  EXPECT_EQ(guard.transaction.mode, identity::TransactionMode::require);
  EXPECT_TRUE(guard.transaction.bind_request);
  EXPECT_TRUE(guard.transaction.single_use);
  EXPECT_NE(guard.transaction.keys, nullptr);
  EXPECT_FALSE(guard.auth.jwt.enabled);
  EXPECT_EQ(guard.policy, gateway.policy) << "one policy object for one list of files";
}

TEST_F(Design, authorize_off_cancels_the_inherited_credential) {
  const Loaded loaded = check(folder, gateway_and_guard);
  ASSERT_NE(loaded.snapshot, nullptr);
  const LocationConfig& health = loaded.at("/healthz");
  EXPECT_EQ(health.authorize, Authorize::off);
  EXPECT_FALSE(health.auth.jwt.enabled);
  ASSERT_TRUE(health.return_action);
  EXPECT_EQ(health.return_action->status, 200);
  EXPECT_EQ(health.return_action->text.text(), "ok\n");
}

TEST_F(Design, what_lacks_one_fact_is_refused) {
  struct Case {
    const char* remove;
    const char* expected;
  };
  const Case cases[] = {
      {"trust_domain shop.internal;", "error KG109"},
      {"transaction_token_key keys/gateway.jwk;", "error KG109"},
      {"transaction_token_key_file keys/gateway.jwks.json;", "error KG109"},
      {"authorize off; ", "error KG101"},
      {"auth_jwt \"shop\";", "error KG100"},
      {"transaction_token require bind=request single_use;", "error KG100"},
      {"auth_jwt_key_file keys/client.jwks.json;", "warning KG041"},
      {"policy policy.yaml;", "warning KG107"},
      {"keepalive 32;", ""},
  };
  for (const Case& one : cases) {
    std::string text(gateway_and_guard);
    text.erase(text.find(one.remove), std::string_view(one.remove).size());
    const Loaded loaded = check(folder, text);
    EXPECT_TRUE(loaded.says(one.expected)) << one.remove << "\n" << loaded.complaints();
    const bool refused = std::string_view(one.expected).starts_with("error");
    EXPECT_EQ(loaded.snapshot == nullptr, refused) << one.remove << "\n" << loaded.complaints();
  }
}

TEST_F(Design, checking_opens_no_logs_and_loading_does) {
  const std::string text = "http { access_log out.log; decision_log decisions.log; server { listen 127.0.0.1:8080; } }";
  EXPECT_NE(check(folder, text).snapshot, nullptr);
  EXPECT_FALSE(std::filesystem::exists(folder.path("out.log")));
  const Loaded loaded = load_file(folder.path("keepgate.conf"));
  ASSERT_NE(loaded.snapshot, nullptr) << loaded.complaints();
  EXPECT_TRUE(std::filesystem::exists(folder.path("out.log")));
  const LocationConfig& own = loaded.snapshot->locations[loaded.snapshot->servers[0].own_location];
  EXPECT_EQ(own.access_logs.size(), 1U);
  EXPECT_NE(own.decision_log, nullptr);
}

TEST_F(Design, a_refused_configuration_creates_no_log) {
  folder.write("bad.conf", "http { access_log out.log; server { lissten 80; } }");
  EXPECT_EQ(load_file(folder.path("bad.conf")).snapshot, nullptr);
  EXPECT_FALSE(std::filesystem::exists(folder.path("out.log")));
}

TEST_F(Design, a_reload_keeps_what_did_not_change) {
  check(folder, gateway_and_guard);
  LoadOptions options;
  options.check_only = true;
  const Loaded first = load_file(folder.path("keepgate.conf"), options);
  ASSERT_NE(first.snapshot, nullptr);
  options.previous = first.snapshot;
  const Loaded same = load_file(folder.path("keepgate.conf"), options);
  ASSERT_NE(same.snapshot, nullptr);
  EXPECT_EQ(same.snapshot->limit_zones[0], first.snapshot->limit_zones[0]);
  EXPECT_EQ(same.snapshot->groups[0], first.snapshot->groups[0]);
  EXPECT_EQ(same.snapshot->replay, first.snapshot->replay);
  EXPECT_EQ(same.snapshot->hash, first.snapshot->hash);
  EXPECT_NE(same.at("/1.0/orders/7").auth.jwt.verifier_id, first.at("/1.0/orders/7").auth.jwt.verifier_id)
      << "a cached token must not outlive the keys it was checked with";

  std::string text(gateway_and_guard);
  text.replace(text.find("rate=100r/s"), 11, "rate=101r/s");
  text.replace(text.find("127.0.0.1:9001"), 14, "127.0.0.1:9002");
  folder.write("keepgate.conf", text);
  const Loaded other = load_file(folder.path("keepgate.conf"), options);
  ASSERT_NE(other.snapshot, nullptr);
  EXPECT_NE(other.snapshot->limit_zones[0], first.snapshot->limit_zones[0]);
  EXPECT_NE(other.snapshot->groups[0], first.snapshot->groups[0]);
  EXPECT_NE(other.snapshot->hash, first.snapshot->hash);
}

TEST_F(Design, the_hash_follows_the_policy_too) {
  const Loaded before = check(folder, gateway_and_guard);
  folder.write("policy.yaml", "policies:\n  - identity: client2\n    permissions: GET\n    on: /orders/\n");
  const Loaded after = check(folder, gateway_and_guard);
  ASSERT_TRUE(before.snapshot && after.snapshot);
  EXPECT_NE(before.snapshot->hash, after.snapshot->hash);
}

TEST(Load, the_classic_gateway_loads_unchanged) {
  const TempFolder folder;
  folder.write_keys("api");
  folder.write("errors/json.conf",
               "error_page 404 = @404;\nlocation @404 { return 404 '{\"status\":404}\\n'; }\n"
               "error_page 401 = @401;\nlocation @401 { return 401 '{\"status\":401}\\n'; }\n");
  folder.write("warehouse.conf", R"(
    upstream warehouse { zone warehouse 64k; server 127.0.0.1:8001; server 127.0.0.1:8002 backup; })");
  const Loaded loaded = check(folder, R"(
worker_processes auto;
error_log error.log notice;
pid nginx.pid;
events { worker_connections 1024; }
http {
    include warehouse.conf;
    default_type application/octet-stream;
    log_format main '$remote_addr - $remote_user [$time_local] "$request" '
                    '$status $body_bytes_sent "$http_referer" "$http_user_agent"';
    access_log access.log main;
    sendfile on;
    keepalive_timeout 65;
    limit_req_zone $binary_remote_addr zone=client_ip_10rs:1m rate=10r/s;
    limit_req_zone $http_apikey zone=apikey_200rs:1m rate=200r/s;
    map $http_apikey $api_client_name {
        default "";
        "7B5zIqmRGXmrJTFmKa99vcit" "client_one";
    }
    server {
        listen 127.0.0.1:8443;
        server_name api.example.com;
        proxy_intercept_errors on;
        default_type application/json;
        include errors/*.conf;
        location /api/warehouse/ {
            auth_jwt "warehouse" token=$cookie_auth;
            auth_jwt_key_file keys/api.jwks.json;
            auth_jwt_require $jwt_claim_sub error=403;
            limit_req zone=client_ip_10rs burst=5;
            limit_req zone=apikey_200rs;
            limit_req_status 429;
            proxy_set_header X-Client $jwt_claim_sub;
            proxy_pass http://warehouse;
            location ~ ^/api/warehouse/.*\.json$ { proxy_pass http://warehouse; }
        }
        location / { return 404; }
    }
}
)");
  EXPECT_EQ(loaded.complaints(), "");
  ASSERT_NE(loaded.snapshot, nullptr);
  EXPECT_FALSE(loaded.snapshot->strict);
  const LocationConfig& warehouse = loaded.at("/api/warehouse/x");
  EXPECT_EQ(warehouse.authorize, Authorize::off) << "nginx's behaviour: no policy, strict off";
  EXPECT_FALSE(warehouse.keepgate_features);
  EXPECT_FALSE(warehouse.refuse_ambiguous_paths);
  EXPECT_EQ(warehouse.limits.size(), 2U);
  EXPECT_EQ(warehouse.limit_status, 429);
  EXPECT_TRUE(warehouse.auth.jwt.token);
  ASSERT_EQ(warehouse.auth.jwt.require.size(), 1U);
  EXPECT_EQ(warehouse.auth.jwt.require[0].status, 403);
  const LocationConfig& nested = loaded.at("/api/warehouse/x.json");
  EXPECT_TRUE(nested.auth.jwt.enabled);
  EXPECT_NE(nested.index, warehouse.index);
  EXPECT_EQ(nested.auth.jwt.verifier_id, warehouse.auth.jwt.verifier_id);
  EXPECT_EQ(loaded.at("/").error_pages.size(), 2U);
  EXPECT_TRUE(loaded.snapshot->servers[0].locations.find("/api/warehouse").add_slash);
}

TEST(Load, directives_of_the_command_line_come_first) {
  const TempFolder folder;
  LoadOptions options;
  options.check_only = true;
  options.global_directives = "daemon off; worker_processes 3;";
  Loaded loaded = load_file(folder.write("k.conf", "http { }"), options);
  ASSERT_NE(loaded.snapshot, nullptr) << loaded.complaints();
  EXPECT_FALSE(loaded.snapshot->daemon);
  EXPECT_EQ(loaded.snapshot->worker_count, 3U);
  options.global_directives = "daemon off; deemon on;";
  loaded = load_file(folder.path("k.conf"), options);
  EXPECT_EQ(loaded.snapshot, nullptr);
  EXPECT_EQ(loaded.diagnostics.all()[0].place.file, "command line");
}

TEST(Load, bounds_servers_and_locations) {
  std::string text;
  for (std::size_t i = 0; i <= Model::levels_max; ++i) text += "server{}";
  const Loaded loaded = check_http(text);
  EXPECT_EQ(loaded.snapshot, nullptr);
  EXPECT_TRUE(loaded.says("error KG003: more than 100000 servers and locations")) << loaded.complaints();
}

TEST(Load, a_missing_file_is_an_error) {
  const Loaded loaded = load_file("/nonexistent/keepgate.conf");
  EXPECT_EQ(loaded.snapshot, nullptr);
  EXPECT_TRUE(loaded.says("error KG001"));
}

TEST(Load, servers_on_one_address_share_a_listener) {
  const Loaded loaded = check_http(
      "server { listen 127.0.0.1:8080; server_name a.example; location / { return 200; } }"
      "server { listen 127.0.0.1:8080 default_server; server_name b.example *.b.example; location / { return 201; } }"
      "server { listen 8081; listen [::]:8081; }");
  EXPECT_EQ(loaded.complaints(), "");
  ASSERT_NE(loaded.snapshot, nullptr);
  ASSERT_EQ(loaded.snapshot->listeners.size(), 3U);
  const auto& names = loaded.snapshot->listeners[0].names;
  EXPECT_EQ(names.find("a.example"), 0U);
  EXPECT_EQ(names.find("x.b.example"), 1U);
  EXPECT_EQ(names.find("unknown.example"), 1U);
  EXPECT_EQ(loaded.snapshot->servers[1].name, "b.example");
}

TEST(Load, upstream_targets_have_their_names) {
  const Loaded loaded = check_http(
      "upstream orders { server 127.0.0.1 weight=3 max_fails=0 fail_timeout=5s; server unix:run/x.sock backup; "
      "keepalive 0; }"
      "server { listen 127.0.0.1:1; location /a/ { proxy_pass http://Orders/b/; }"
      " location /c { proxy_pass http://127.0.0.1:9000; } location /d { proxy_pass http://[::1]:81/e; }"
      " location /u { proxy_pass http://unix:/run/o.sock:/v; } }");
  ASSERT_NE(loaded.snapshot, nullptr) << loaded.complaints();
  const auto& groups = loaded.snapshot->groups;
  ASSERT_EQ(groups.size(), 4U);
  EXPECT_EQ(groups[0]->name, "orders");
  EXPECT_EQ(groups[0]->keepalive, 0U);
  EXPECT_EQ(groups[0]->servers[0].address.text(), "127.0.0.1:80");
  EXPECT_EQ(groups[0]->servers[0].weight, 3U);
  EXPECT_EQ(groups[0]->servers[0].fail_timeout_ms, 5000);
  EXPECT_TRUE(groups[0]->servers[1].backup);
  EXPECT_EQ(groups[1]->servers[0].address.text(), "127.0.0.1:9000");
  EXPECT_EQ(groups[2]->servers[0].address.text(), "[::1]:81");
  EXPECT_EQ(loaded.at("/c").service, "127.0.0.1:9000");
  EXPECT_EQ(loaded.at("/c").content->upstream_name(), "127.0.0.1:9000");
  EXPECT_EQ(loaded.at("/u").content->upstream_name(), "localhost");
  EXPECT_EQ(loaded.at("/u").path_replacement->uri, "/v");
}

TEST(Load, a_group_has_its_method_and_its_bounds) {
  const Loaded loaded = check_http(
      "upstream a { zone a 64k; hash $arg_k consistent; server 127.0.0.1:1 max_conns=7; server 127.0.0.1:2 drain;"
      " queue 5 timeout=2s; retry_budget 30% min=2/s; outlier_ejection consecutive=4 time=5s max_ejected=25%; }"
      "upstream b { server 127.0.0.1:1 slow_start=4s; server 127.0.0.1:2 backup; random two; retry_budget off; }"
      "upstream c { server 127.0.0.1:1; }");
  ASSERT_NE(loaded.snapshot, nullptr) << loaded.complaints();
  const upstream::Group &a = *loaded.snapshot->groups[0], &b = *loaded.snapshot->groups[1],
                        &c = *loaded.snapshot->groups[2];
  EXPECT_EQ(a.method, upstream::Method::consistent_hash);
  EXPECT_EQ(a.hash_key.text(), "$arg_k");
  EXPECT_TRUE(a.peers->shared());
  EXPECT_EQ(a.servers[0].conns_max, 7U);
  EXPECT_TRUE(a.servers[1].down);
  EXPECT_EQ(a.queue, 5U);
  EXPECT_EQ(a.queue_timeout_ms, 2000);
  EXPECT_EQ(a.retries, (upstream::RetryBudgetOptions{.off = false, .percent = 30, .per_second = 2}));
  EXPECT_EQ(a.ejection, (upstream::EjectionOptions{.consecutive = 4, .time_ms = 5000, .ejected_percent_max = 25}));
  EXPECT_EQ(b.method, upstream::Method::random_two);
  EXPECT_EQ(b.servers[0].slow_start_ms, 4000);
  EXPECT_TRUE(b.servers[1].backup);  // nginx: a method forbids the parameters of the servers behind it.
  EXPECT_TRUE(b.retries.off);
  EXPECT_EQ(c.method, upstream::Method::round_robin);
  EXPECT_FALSE(c.peers->shared());
  EXPECT_EQ(c.retries.percent, 20U);
  EXPECT_EQ(c.ejection.consecutive, 0U);
}

TEST(Load, a_second_method_replaces_the_first_with_a_warning) {
  const Loaded loaded = check_http("upstream a { server 127.0.0.1:1; least_conn; ip_hash; }");
  ASSERT_NE(loaded.snapshot, nullptr) << loaded.complaints();
  EXPECT_TRUE(loaded.says("warning KG016: load balancing method redefined"));
  EXPECT_EQ(loaded.snapshot->groups[0]->method, upstream::Method::ip_hash);
}

TEST(Load, keys_that_cannot_be_used_stop_their_location_only) {
  const TempFolder folder;
  folder.write("bad.json", "{\"keys\": [}");
  const Loaded loaded = check(folder,
                              "http { server { listen 127.0.0.1:80; "
                              "location /a { auth_jwt a; auth_jwt_key_file bad.json; proxy_pass http://127.0.0.1:1; }"
                              "location /b { auth_jwt a; auth_jwt_key_file gone.json; proxy_pass http://127.0.0.1:1; }"
                              "location /c { auth_jwt a; proxy_pass http://127.0.0.1:1; } } }");
  ASSERT_NE(loaded.snapshot, nullptr) << loaded.complaints();
  for (const char* path : {"/a", "/b", "/c"}) {
    EXPECT_TRUE(loaded.at(path).auth.jwt.enabled) << path;
    EXPECT_EQ(loaded.at(path).auth.jwt.keys, nullptr) << path;
  }
  EXPECT_GE(loaded.diagnostics.all().size(), 3U);
}

TEST(Load, a_broken_policy_refuses_the_configuration) {
  const TempFolder folder;
  folder.write("p.yaml", "policies:\n  - identity: [\n");
  EXPECT_EQ(check(folder, "http { policy p.yaml; server { listen 127.0.0.1:80; } }").snapshot, nullptr);
  EXPECT_EQ(
      check(folder, "http { server { listen 127.0.0.1:80; location / { policy gone.yaml; return 200; } } }").snapshot,
      nullptr);
}

TEST(Load, maps_are_found_and_evaluated_in_nginx_s_order) {
  const Loaded loaded = check_http(
      "map $host $kind { hostnames; default other; example.com exact; *.example.com suffix; www.* prefix; "
      "~^api\\d+ regex; \\default escaped; volatile; }"
      "server { listen 127.0.0.1:80; location / { return 200 $kind; } }");
  ASSERT_NE(loaded.snapshot, nullptr) << loaded.complaints();
  const route::Map& map = loaded.snapshot->maps.at(0);
  EXPECT_EQ(map.lookup("EXAMPLE.com").text(), "exact");
  EXPECT_EQ(map.lookup("a.example.com").text(), "suffix");
  EXPECT_EQ(map.lookup("www.x").text(), "prefix");
  EXPECT_EQ(map.lookup("api12").text(), "regex");
  EXPECT_EQ(map.lookup("default").text(), "escaped");
  EXPECT_EQ(map.lookup("none").text(), "other");
}

TEST(Load, error_pages_keep_nginx_s_forms) {
  const Loaded loaded = check_server(
      "error_page 404 /a; error_page 500 502 =200 /b; error_page 403 = @c; error_page 495 https://x.example/; "
      "location @c { return 403; }");
  ASSERT_NE(loaded.snapshot, nullptr) << loaded.complaints();
  const auto& pages = loaded.snapshot->locations[loaded.snapshot->servers[0].own_location].error_pages;
  ASSERT_EQ(pages.size(), 5U);
  EXPECT_EQ(pages[0].status, 404);
  EXPECT_EQ(pages[0].new_status, 0);
  EXPECT_EQ(pages[2].status, 502);
  EXPECT_EQ(pages[2].new_status, 200);
  EXPECT_TRUE(pages[3].named);
  EXPECT_TRUE(pages[3].take_status_of_target);
  EXPECT_EQ(pages[4].new_status, 400);
}

TEST(Load, returns_keep_nginx_s_forms) {
  const Loaded loaded = check_server(
      "location /a { return 204; } location /b { return 301 https://x/$uri; } location /c { return http://x/; } "
      "location /d { return 200 ''; } location /e { return 444; }");
  ASSERT_NE(loaded.snapshot, nullptr) << loaded.complaints();
  EXPECT_FALSE(loaded.at("/a").return_action->has_text);
  EXPECT_EQ(loaded.at("/b").return_action->status, 301);
  EXPECT_EQ(loaded.at("/c").return_action->status, 302);
  EXPECT_TRUE(loaded.at("/d").return_action->has_text);
  EXPECT_EQ(loaded.at("/e").return_action->status, 444);
}

}  // namespace
}  // namespace keepgate::conf
