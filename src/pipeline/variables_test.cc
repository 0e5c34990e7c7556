// What each variable is worth for one exchange on a socket pair.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "pipeline/content.h"
#include "pipeline/exchange.h"
#include "route/template.h"

namespace keepgate::pipeline {
namespace {

struct Names final : route::VariableNames {
  std::optional<std::uint32_t> map_index(std::string_view name) const override {
    if (name == "kind") return 0;
    if (name == "loop") return 1;
    return std::nullopt;
  }
};

route::Template compiled(std::string_view text) {
  std::string error;
  const auto made = route::Template::compile(text, Names{}, error);
  EXPECT_TRUE(made) << text << ": " << error;
  return made ? *made : route::Template{};
}

class Named final : public Content {
 public:
  explicit Named(std::string name) : name_(std::move(name)) {}
  net::Task<std::optional<Refusal>> serve(Exchange&, Permit) const override { co_return std::nullopt; }
  std::string_view upstream_name() const override { return name_; }

 private:
  std::string name_;
};

constexpr std::string_view usual =
    "POST /a%20b//c?x=1&Y=two HTTP/1.1\r\nHost: Shop.Example:8080\r\nContent-Type: text/x\r\nContent-Length: 3\r\n"
    "Cookie: one=1; two=2\r\nX-Key: first\r\nX-Key: second\r\nX-User: root\r\nX-Forwarded-For: 10.0.0.1\r\n\r\nabc";

class Bench {
 public:
  explicit Bench(std::string_view text = usual) : bytes_(text) {
    snapshot->servers.resize(1);
    snapshot->locations.resize(1);
    snapshot->listeners.resize(1);
    snapshot->servers[0].name = "front";
    snapshot->servers[0].airlock.add("X-User");
    snapshot->maps.resize(2);
    snapshot->maps[0].name = "kind";
    snapshot->maps[0].source = compiled("$request_method");
    EXPECT_TRUE(snapshot->maps[0].add_exact("POST", compiled("writes-$arg_x")));
    EXPECT_TRUE(snapshot->maps[0].set_default(compiled("reads")));
    snapshot->maps[1].name = "loop";
    snapshot->maps[1].source = compiled("$loop");
    published_.publish(snapshot);
    worker_ = std::make_unique<Worker>(loop_, published_, 0);
    int ends[2];
    KG_ASSERT(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    theirs_ = ends[1];
    connection_ = std::make_unique<Connection>(*worker_, net::Stream(loop_, ends[0]),
                                               *net::Address::ip("192.0.2.7", 4711), snapshot, snapshot->listeners[0]);
    exchange_ = std::make_unique<Exchange>();
    x().begin(*connection_);
    EXPECT_EQ(x().parser.parse(bytes_), http::ParseStatus::complete) << x().parser.refusal().reason;
    x().set_server(snapshot->servers[0]);
    x().body.begin(*connection_, x().head());
    x().path = http::canonicalize({x().head().raw_path}, true, x().arena).path;
    x().query = x().head().query;
  }
  ~Bench() {
    exchange_.reset();
    connection_.reset();
    ::close(theirs_);
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  Exchange& x() { return *exchange_; }
  Connection& connection() { return *connection_; }
  LocationConfig& location() { return snapshot->locations[0]; }
  std::string value(std::string_view text) { return std::string(x().evaluate(compiled(text))); }

  std::shared_ptr<Snapshot> snapshot = std::make_shared<Snapshot>();

 private:
  std::string bytes_;
  net::Loop loop_;
  Published<Snapshot> published_;
  std::unique_ptr<Worker> worker_;
  std::unique_ptr<Connection> connection_;
  std::unique_ptr<Exchange> exchange_;
  int theirs_ = -1;
};

struct Row {
  const char *text, *expected;
};

TEST(Variables, tell_what_the_request_says) {
  Bench bench;
  for (const auto& [text, expected] : {
           Row{"$args", "x=1&Y=two"},
           Row{"$query_string", "x=1&Y=two"},
           Row{"$is_args", "?"},
           Row{"$arg_x", "1"},
           Row{"$arg_y", "two"},
           Row{"$arg_none", ""},
           Row{"$uri", "/a b/c"},
           Row{"$document_uri", "/a b/c"},
           Row{"$request_uri", "/a%20b//c?x=1&Y=two"},
           Row{"$request", "POST /a%20b//c?x=1&Y=two HTTP/1.1"},
           Row{"$request_method", "POST"},
           Row{"$server_protocol", "HTTP/1.1"},
           Row{"$content_length", "3"},
           Row{"$content_type", "text/x"},
           Row{"$cookie_two", "2"},
           Row{"$cookie_tw", ""},
           Row{"$host", "shop.example"},
           Row{"$http_host", "Shop.Example:8080"},
           Row{"$http_x_key", "first, second"},
           Row{"$http_x_none", ""},
           Row{"$kind", "writes-1"},
           Row{"${request_method}s", "POSTs"},
       }) {
    EXPECT_EQ(bench.value(text), expected) << text;
  }
}

TEST(Variables, tell_who_is_connected_to_whom) {
  Bench bench;
  bench.connection().request_count = 3;
  for (const auto& [text, expected] : {
           Row{"$remote_addr", "192.0.2.7"},
           Row{"$remote_port", "4711"},
           Row{"$binary_remote_addr", "\xc0\x00\x02\x07"},
           Row{"$scheme", "http"},
           Row{"$https", ""},
           Row{"$server_name", "front"},
           Row{"$connection_requests", "3"},
           Row{"$proxy_add_x_forwarded_for", "10.0.0.1, 192.0.2.7"},
           Row{"$ssl_protocol", ""},
           Row{"$ssl_cipher", ""},
           Row{"$ssl_server_name", ""},
           Row{"$proxy_host", ""},
           Row{"$proxy_port", ""},
           Row{"$remote_user", ""},
       }) {
    if (std::string_view(text) == "$binary_remote_addr") {
      EXPECT_EQ(bench.value(text), std::string("\xc0\x00\x02\x07", 4));
      continue;
    }
    EXPECT_EQ(bench.value(text), expected) << text;
  }
  EXPECT_EQ(bench.value("$connection"), cat(bench.connection().number));
  EXPECT_EQ(bench.value("$pid"), cat(::getpid()));
  bench.connection().tls = true;
  bench.connection().set_tls_facts({.server_name = "shop.example"});
  EXPECT_EQ(bench.value("$scheme $https $ssl_server_name"), "https on shop.example");
}

TEST(Variables, tell_the_peer_beside_the_real_address) {
  Bench bench;
  bench.connection().replace_peer(*net::Address::ip("2001:db8::9", 0));
  for (const auto& [text, expected] : {
           Row{"$remote_addr", "2001:db8::9"},
           Row{"$remote_port", ""},
           Row{"$realip_remote_addr", "192.0.2.7"},
           Row{"$realip_remote_port", "4711"},
           Row{"$proxy_add_x_forwarded_for", "10.0.0.1, 2001:db8::9"},
           Row{"$proxy_protocol_addr$proxy_protocol_port", ""},
           Row{"$pipe", "."},
       }) {
    EXPECT_EQ(bench.value(text), expected) << text;
  }
  EXPECT_EQ(bench.value("$binary_remote_addr").size(), 16U);
  bench.x().end();
  EXPECT_EQ(bench.connection().peer_ip(), "192.0.2.7") << "the next request decides anew";
}

TEST(Variables, tell_what_the_proxy_header_said) {
  Bench bench;
  bench.connection().proxied = std::make_unique<const net::ProxyHeader>(
      net::ProxyHeader{*net::Address::ip("198.51.100.1", 4712), *net::Address::ip("::1", 443)});
  for (const auto& [text, expected] : {
           Row{"$proxy_protocol_addr", "198.51.100.1"},
           Row{"$proxy_protocol_port", "4712"},
           Row{"$proxy_protocol_server_addr", "::1"},
           Row{"$proxy_protocol_server_port", "443"},
           Row{"$remote_addr", "192.0.2.7"},
       }) {
    EXPECT_EQ(bench.value(text), expected) << text;
  }
}

TEST(Variables, tell_where_it_is_forwarded) {
  Bench bench;
  bench.location().content = std::make_shared<Named>("orders:8081");
  EXPECT_EQ(bench.value("$proxy_host $proxy_port"), "orders:8081 8081");
  bench.location().content = std::make_shared<Named>("orders");
  EXPECT_EQ(bench.value("$proxy_host $proxy_port"), "orders 80");
}

TEST(Variables, identity_fields_of_an_outsider_do_not_exist) {
  Bench bench;
  EXPECT_EQ(bench.value("$http_x_user"), "");
  EXPECT_EQ(bench.value("$http_x_key"), "first, second");
}

TEST(Variables, nobody_is_identified_before_a_decision) {
  Bench bench;
  for (const char* text : {"$client_id", "$identity_client", "$identity_user", "$identity_roles", "$decision_rule",
                           "$decision_verdict", "$policy_hash", "$transaction_id", "$jwt_claim_sub", "$jwt_payload"}) {
    EXPECT_EQ(bench.value(text), "") << text;
  }
  EXPECT_EQ(bench.value("$identity_method"), "none");
}

TEST(Variables, tell_who_was_identified_and_what_was_decided) {
  Bench bench;
  auto owner = std::make_shared<auth::Principal>();
  auth::Principal& principal = *owner;
  principal.method = auth::AuthMethod::variable;
  principal.service = "spiffe://shop/api";
  principal.user = "alice";
  principal.roles = {"a", "b"};
  bench.x().facts.principal = &principal;
  bench.x().facts.decision.rule = "read";
  bench.x().decided = true;
  EXPECT_EQ(bench.value("$client_id|$identity_client"), "spiffe://shop/api|spiffe://shop/api");
  principal.client = "web";
  EXPECT_EQ(bench.value("$client_id $identity_client $identity_user $identity_roles $identity_method"),
            "web web alice a,b variable");
  EXPECT_EQ(bench.value("$identity_assurance"), "");
  principal.assurance = "urn:mace:incommon:iap:silver";
  EXPECT_EQ(bench.value("$identity_assurance"), "urn:mace:incommon:iap:silver");
  EXPECT_EQ(bench.value("$decision_rule $decision_verdict"), "read deny");
  bench.x().permitted = true;
  EXPECT_EQ(bench.value("$decision_verdict"), "allow");
  bench.x().minted_transaction = "txn-1";
  EXPECT_EQ(bench.value("$transaction_id"), "txn-1");
}

TEST(Variables, tell_what_was_answered) {
  Bench bench;
  EXPECT_EQ(bench.value("$upstream_status$upstream_connect_time$upstream_header_time$upstream_response_time"), "");
  EXPECT_EQ(bench.value("$request_completion"), "");
  bench.x().status = 204;
  bench.x().bytes_sent = 120;
  bench.x().head_bytes_sent = 100;
  bench.x().request_bytes = 77;
  bench.x().response_started = true;
  bench.x().limit.status = limit::LimitStatus::passed;
  bench.x().conn_status = limit::ConnStatus::rejected;
  bench.x().pipelined = true;
  bench.x().upstream.address = "127.0.0.1:1";
  bench.x().upstream.status = 201;
  bench.x().upstream.connect_ms = 0;
  bench.x().upstream.header_ms = 12;
  bench.x().upstream.response_ms = 3456;
  for (const auto& [text, expected] : {
           Row{"$status", "204"},
           Row{"$bytes_sent", "120"},
           Row{"$body_bytes_sent", "20"},
           Row{"$request_length", "77"},
           Row{"$request_completion", "OK"},
           Row{"$limit_req_status", "PASSED"},
           Row{"$limit_conn_status", "REJECTED"},
           Row{"$pipe", "p"},
           Row{"$upstream_addr", "127.0.0.1:1"},
           Row{"$upstream_status", "201"},
           Row{"$upstream_connect_time", "0.000"},
           Row{"$upstream_header_time", "0.012"},
           Row{"$upstream_response_time", "3.456"},
           Row{"$upstream_http_x_key", ""},
       }) {
    EXPECT_EQ(bench.value(text), expected) << text;
  }
  bench.x().aborted = true;
  EXPECT_EQ(bench.value("$request_completion"), "");
}

TEST(Variables, tell_of_every_attempt_at_an_upstream) {
  Bench bench;
  UpstreamFacts& upstream = bench.x().upstream;
  const std::int64_t now_ms = bench.x().now().monotonic_ms;
  upstream.begin_attempt("10.0.0.1:80", true, now_ms - 3000);
  upstream.status = 502;
  upstream.begin_attempt("10.0.0.2:80", false, now_ms - 2000);
  upstream.connect_ms = 1;
  upstream.header_ms = 5;
  upstream.response_ms = 7;
  upstream.status = 404;
  upstream.begin_attempt("10.0.1.1:80", true, now_ms - 1500);
  EXPECT_EQ(bench.value("$upstream_addr"), "10.0.0.1:80, 10.0.0.2:80 : 10.0.1.1:80");
  EXPECT_EQ(bench.value("$upstream_status"), "502, 404 : -");
  EXPECT_EQ(bench.value("$upstream_connect_time"), "-, 0.001 : -");
  EXPECT_EQ(bench.value("$upstream_header_time"), "-, 0.005 : -");
  EXPECT_EQ(bench.value("$upstream_response_time"), "1.000, 0.007 : 1.500");
  for (int i = 0; i < 200; ++i) upstream.begin_attempt("10.0.0.1:80", false, now_ms);
  EXPECT_EQ(upstream.earlier.size(), UpstreamFacts::earlier_max);
}

TEST(Variables, ids_stay_the_same_for_one_request) {
  Bench bench;
  const std::string request = bench.value("$request_id"), decision = bench.value("$decision_id");
  EXPECT_EQ(request.size(), 32U);
  EXPECT_EQ(decision.size(), 32U);
  EXPECT_NE(request, decision);
  EXPECT_EQ(bench.value("$request_id"), request);
  EXPECT_EQ(bench.value("$decision_id"), decision);
  Bench other;
  EXPECT_NE(other.value("$request_id"), request);
  EXPECT_NE(other.value("$decision_id"), decision);
}

TEST(Variables, an_absent_host_is_the_servers_name) {
  Bench bench("GET / HTTP/1.0\r\n\r\n");
  EXPECT_EQ(bench.value("$host $server_protocol $request"), "front HTTP/1.0 GET / HTTP/1.0");
  EXPECT_EQ(bench.value("$args$is_args$content_length$content_type$cookie_a"), "");
  EXPECT_EQ(bench.value("$proxy_add_x_forwarded_for"), "192.0.2.7");
  EXPECT_EQ(bench.value("$kind"), "reads");
}

TEST(Variables, after_an_error_page_the_method_is_get) {
  Bench bench;
  bench.x().method_is_get = true;
  EXPECT_EQ(bench.value("$request_method"), "GET");
  EXPECT_EQ(bench.value("$request"), "POST /a%20b//c?x=1&Y=two HTTP/1.1");
}

TEST(Variables, a_map_that_refers_to_itself_ends) {
  Bench bench;
  EXPECT_EQ(bench.value("<$loop>"), "<>");
}

TEST(Variables, times_have_nginxs_forms) {
  Bench bench;
  const std::string msec = bench.value("$msec"), iso = bench.value("$time_iso8601"), local = bench.value("$time_local");
  EXPECT_EQ(msec, cat(bench.x().now().wall_s(), msec.substr(msec.size() - 4)));
  EXPECT_EQ(msec[msec.size() - 4], '.');
  EXPECT_EQ(iso.size(), std::string_view("2026-01-31T12:00:00+00:00").size());
  EXPECT_EQ(local.size(), std::string_view("31/Jan/2026:12:00:00 +0000").size());
  EXPECT_EQ(bench.value("$request_time"), "0.000");
}

}  // namespace
}  // namespace keepgate::pipeline
