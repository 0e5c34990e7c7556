#include "proxy/heads.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <vector>

#include "base/log.h"
#include "pipeline/decide.h"
#include "proxy/upgrade.h"

namespace keepgate::proxy {
namespace {

struct NoMaps final : route::VariableNames {
  std::optional<std::uint32_t> map_index(std::string_view) const override { return std::nullopt; }
};

route::Template compiled(std::string_view text) {
  std::string error;
  const auto made = route::Template::compile(text, NoMaps{}, error);
  EXPECT_TRUE(made) << error;
  return made ? *made : route::Template{};
}

// One exchange on a socket pair: what the client sent is parsed, decided, and turned into the upstream's head.
class Bench {
 public:
  Bench() {
    set_log_sink([](LogLevel, std::string_view) {});
    options.host = "backend:81";
    snapshot->servers.resize(1);
    snapshot->locations.resize(1);
    snapshot->listeners.resize(1);
    location().authorize = pipeline::Authorize::off;
    server().name = "front";
  }
  ~Bench() {
    connection_.reset();
    if (theirs_ >= 0) ::close(theirs_);
    set_log_sink(nullptr);
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  pipeline::LocationConfig& location() { return snapshot->locations[0]; }
  pipeline::ServerConfig& server() { return snapshot->servers[0]; }
  pipeline::Exchange& x() { return *exchange_; }

  void receive(std::string_view text) {
    published_.publish(snapshot);
    worker_ = std::make_unique<pipeline::Worker>(loop_, published_, 0);
    int ends[2];
    KG_ASSERT(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    theirs_ = ends[1];
    connection_ = std::make_unique<pipeline::Connection>(
        *worker_, net::Stream(loop_, ends[0]), *net::Address::ip("192.0.2.7", 4711), snapshot, snapshot->listeners[0]);
    pipeline::Connection& c = *connection_;
    c.in = worker_->buffers.take(pipeline::BufferPool::body_bytes);
    ASSERT_LE(text.size(), c.in.capacity());
    std::memcpy(c.in.data(), text.data(), text.size());
    c.in_end = text.size();
    exchange_ = std::make_unique<pipeline::Exchange>();
    x().begin(c);
    x().parser.set_limits(server().head_limits);
    ASSERT_EQ(x().parser.parse(c.received()), http::ParseStatus::complete) << x().parser.refusal().reason;
    x().set_server(server());
    x().keep_alive = true;
    c.in_begin += x().parser.head_bytes();
    x().body.begin(c, x().head());
    const auto canonical = http::canonicalize({x().head().raw_path}, true, x().arena);
    ASSERT_TRUE(canonical.valid);
    x().path = canonical.path;
    x().ambiguities = canonical.ambiguities;
    x().query = x().head().query;
  }

  std::string write(std::string_view transaction_token = {}) {
    auto decided =
        pipeline::decide({location(), x().head(), x().path, x().ambiguities, x(), x().arena, x().now()}, x().facts);
    EXPECT_TRUE(decided.permit) << decided.refusal.reason;
    if (!decided.permit) return {};
    std::string out = "left from before";
    RequestHeadInput input;
    input.transaction_token = transaction_token;
    if (!x().method_is_get) input.framing = x().body.framing();
    input.content_length = x().body.content_length();
    const Plan plan(options);
    input.upgrade = plan.sets_upgrade ? wanted_upgrade(x().head()) : std::string_view();
    write_request_head(x(), *decided.permit, plan, input, out);
    return out;
  }
  std::string request(std::string_view text) {
    receive(text);
    return write();
  }

  std::string respond(std::string_view text) {
    bytes_ = text;
    parser_.reset();
    EXPECT_EQ(parser_.parse(bytes_, x().head().method), http::ParseStatus::complete) << parser_.refusal().reason;
    std::string out = "left from before";
    write_response_head(x(), parser_.head(), Plan(options), client_framing(x(), parser_.head()), out);
    return out;
  }
  ClientFraming framing(std::string_view text) {
    bytes_ = text;
    parser_.reset();
    EXPECT_EQ(parser_.parse(bytes_, x().head().method), http::ParseStatus::complete) << parser_.refusal().reason;
    return client_framing(x(), parser_.head());
  }

  ProxyOptions options;
  std::shared_ptr<pipeline::Snapshot> snapshot = std::make_shared<pipeline::Snapshot>();

 private:
  net::Loop loop_;
  Published<pipeline::Snapshot> published_;
  std::unique_ptr<pipeline::Worker> worker_;
  std::unique_ptr<pipeline::Connection> connection_;
  std::unique_ptr<pipeline::Exchange> exchange_;
  int theirs_ = -1;
  std::string bytes_;
  http::ResponseParser parser_;
};

std::string get(std::string_view fields, std::string_view target = "/a") {
  return cat("GET ", target, " HTTP/1.1\r\nHost: front\r\n", fields, "\r\n");
}

std::string first_line(const std::string& head) { return head.substr(0, head.find("\r\n")); }
bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

TEST(RequestHead, passes_what_the_client_sent_in_its_order_and_spelling) {
  Bench bench;
  EXPECT_EQ(bench.request(get("X-One:  1 \r\naccept: */*\r\nAuthorization: Bearer t\r\nX-One: 2\r\n")),
            "GET /a HTTP/1.1\r\nHost: backend:81\r\nX-One:  1 \r\naccept: */*\r\nAuthorization: Bearer t\r\n"
            "X-One: 2\r\n\r\n");
}

TEST(RequestHead, drops_fields_of_one_connection_and_keeps_their_neighbours) {
  for (const char* field :
       {"Connection: keep-alive", "connection: close", "Keep-Alive: timeout=5", "Proxy-Connection: keep-alive",
        "Proxy-Authorization: Basic eDp5", "Proxy-Authenticate: Basic", "TE: trailers", "Trailer: X-One",
        "Upgrade: websocket", "HTTP2-Settings: AAMAAABk", "Expect: 100-continue"}) {
    Bench bench;
    EXPECT_EQ(bench.request(get(cat("X-One: 1\r\n", field, "\r\nX-Two: 2\r\n"))),
              "GET /a HTTP/1.1\r\nHost: backend:81\r\nX-One: 1\r\nX-Two: 2\r\n\r\n")
        << field;
  }
}

TEST(RequestHead, drops_what_connection_lists_and_nothing_else) {
  Bench bench;
  const std::string head =
      bench.request(get("Connection: X-Listed\r\nX-Listed: 1\r\nx-LISTED: 2\r\nX-Listed-2: 3\r\nX-Free: 4\r\n"));
  EXPECT_FALSE(contains(head, "X-Listed: 1"));
  EXPECT_FALSE(contains(head, "x-LISTED"));
  EXPECT_TRUE(contains(head, "\r\nX-Listed-2: 3\r\nX-Free: 4\r\n\r\n"));
}

TEST(RequestHead, connection_cannot_list_away_what_we_add) {
  Bench bench;
  bench.options.set_headers = {{"X-Real-IP", compiled("$remote_addr")}};
  bench.receive(get("Connection: close, X-Real-IP, Host, Txn-Token\r\nX-Real-IP: 6.6.6.6\r\n"));
  EXPECT_EQ(bench.write("minted"),
            "GET /a HTTP/1.1\r\nHost: backend:81\r\nX-Real-IP: 192.0.2.7\r\nTxn-Token: minted\r\n\r\n");
}

TEST(RequestHead, connection_cannot_list_the_framing_away) {
  Bench bench;
  const std::string head = bench.request(
      "POST /a HTTP/1.1\r\nHost: front\r\nConnection: close, Content-Length\r\nContent-Length: 3\r\n\r\nabc");
  EXPECT_EQ(head, "POST /a HTTP/1.1\r\nHost: backend:81\r\nContent-Length: 3\r\n\r\n");
}

TEST(RequestHead, an_outsiders_identity_is_gone_in_every_spelling) {
  for (const char* name : {"X-User", "x-user", "X-USER", "X_User", "x_user", "X.User", "X~User", "Txn-Token",
                           "txn-token", "Txn_Token", "TXN.TOKEN"}) {
    Bench bench;
    bench.server().airlock.add("X-User");
    bench.server().head_limits.underscores_allowed = true;
    EXPECT_EQ(bench.request(get(cat(name, ": root\r\nX-Free: 1\r\n"))),
              "GET /a HTTP/1.1\r\nHost: backend:81\r\nX-Free: 1\r\n\r\n")
        << name;
  }
}

TEST(RequestHead, names_that_only_resemble_an_identity_pass) {
  for (const char* name : {"X-Users", "XUser", "X-User-2", "X--User", "X-Use"}) {
    Bench bench;
    bench.server().airlock.add("X-User");
    EXPECT_TRUE(contains(bench.request(get(cat(name, ": root\r\n"))), cat(name, ": root\r\n"))) << name;
  }
}

TEST(RequestHead, only_a_guard_passes_the_token_it_checked) {
  for (const auto mode : {identity::TransactionMode::off, identity::TransactionMode::issue}) {
    Bench bench;
    bench.location().transaction.mode = mode;
    EXPECT_FALSE(contains(bench.request(get("Txn-Token: theirs\r\n")), "theirs"));
  }
  Bench guard;
  guard.receive(get("Txn-Token: theirs\r\n"));
  auto decided = pipeline::decide(
      {guard.location(), guard.x().head(), guard.x().path, 0, guard.x(), guard.x().arena, guard.x().now()},
      guard.x().facts);
  ASSERT_TRUE(decided.permit);
  guard.location().transaction.mode = identity::TransactionMode::require;
  std::string out;
  write_request_head(guard.x(), *decided.permit, Plan(guard.options), {}, out);
  EXPECT_TRUE(contains(out, "\r\nTxn-Token: theirs\r\n"));
}

TEST(RequestHead, the_minted_token_is_the_only_one) {
  Bench bench;
  bench.receive(get("Txn-Token: theirs\r\n"));
  EXPECT_EQ(bench.write("ours"), "GET /a HTTP/1.1\r\nHost: backend:81\r\nTxn-Token: ours\r\n\r\n");
}

TEST(RequestHead, proxy_set_header_replaces_the_clients_field) {
  Bench bench;
  bench.options.set_headers = {{"X-Real-IP", compiled("$remote_addr")}, {"X-Path", compiled("<$uri>")}};
  EXPECT_EQ(bench.request(get("x-real-ip: 6.6.6.6\r\nX-Real-IP: 6.6.6.7\r\nX-Free: 1\r\n")),
            "GET /a HTTP/1.1\r\nHost: backend:81\r\nX-Real-IP: 192.0.2.7\r\nX-Path: </a>\r\nX-Free: 1\r\n\r\n");
}

TEST(RequestHead, an_empty_value_drops_the_field) {
  Bench bench;
  bench.options.set_headers = {{"Cookie", {}}, {"X-Absent", compiled("$http_x_none")}};
  EXPECT_EQ(bench.request(get("Cookie: a=b\r\nX-Absent: 1\r\n")), "GET /a HTTP/1.1\r\nHost: backend:81\r\n\r\n");
}

TEST(RequestHead, a_value_with_control_bytes_is_left_out_and_so_is_the_clients) {
  for (const std::string_view value : {std::string_view("1\r\nX-Evil: 2"), std::string_view("1\n"),
                                       std::string_view("1\0", 2), std::string_view("\x7f")}) {
    Bench bench;
    bench.options.set_headers = {{"X-Set", route::Template::literal(value)}};
    EXPECT_EQ(bench.request(get("X-Set: theirs\r\n")), "GET /a HTTP/1.1\r\nHost: backend:81\r\n\r\n");
  }
  Bench sound;
  sound.options.set_headers = {{"X-Set", route::Template::literal("1\t2 \xc3\xa4")}};
  EXPECT_TRUE(contains(sound.request(get("")), "\r\nX-Set: 1\t2 \xc3\xa4\r\n"));
}

TEST(RequestHead, a_decoded_path_cannot_smuggle_a_line_through_a_variable) {
  Bench bench;
  bench.options.set_headers = {{"X-Path", compiled("$uri")}};
  EXPECT_FALSE(contains(bench.request(get("", "/a%0d%0aX-Evil:%201")), "X-Evil: 1"));
}

TEST(RequestHead, without_passing_client_fields_only_ours_are_left) {
  Bench bench;
  bench.options.pass_request_headers = false;
  bench.options.set_headers = {{"X-Set", route::Template::literal("1")}};
  EXPECT_EQ(bench.request("POST /a HTTP/1.1\r\nHost: front\r\nX-One: 1\r\nContent-Length: 1\r\n\r\nx"),
            "POST /a HTTP/1.1\r\nHost: backend:81\r\nX-Set: 1\r\nContent-Length: 1\r\n\r\n");
}

TEST(RequestHead, host_is_the_upstreams_unless_it_is_set) {
  Bench usual;
  EXPECT_TRUE(contains(usual.request(get("")), "\r\nHost: backend:81\r\n"));
  Bench set;
  set.options.set_headers = {{"Host", compiled("$http_host")}};
  const std::string head = set.request(get(""));
  EXPECT_EQ(head, "GET /a HTTP/1.1\r\nHost: front\r\n\r\n");
}

TEST(RequestHead, the_original_target_goes_on_as_sent_where_nothing_decided) {
  for (const char* target : {"/", "/a%2fb//c/../d;x?x=%41&y", "/a?", "/a??", "/%41?a=/../b", "/a%20b"}) {
    Bench bench;
    EXPECT_EQ(first_line(bench.request(get("", target))), cat("GET ", target, " HTTP/1.1")) << target;
  }
}

TEST(RequestHead, of_an_absolute_form_only_the_path_goes_on) {
  Bench bench;
  EXPECT_EQ(first_line(bench.request("GET http://front/x?y=1 HTTP/1.1\r\nHost: front\r\n\r\n")), "GET /x?y=1 HTTP/1.1");
}

TEST(RequestHead, where_a_policy_decided_the_decided_spelling_goes_on) {
  const std::pair<const char*, const char*> cases[] = {
      {"/%61bc", "/abc"},   {"/a/../b", "/b"}, {"/a/./b?q=%61", "/a/b?q=%61"},
      {"/a%20b", "/a%20b"}, {"/a?", "/a?"},    {"/%c3%a4", "/%C3%A4"},
  };
  for (const auto& [sent, forwarded] : cases) {
    Bench bench;
    bench.location().refuse_ambiguous_paths = true;
    EXPECT_EQ(first_line(bench.request(get("", sent))), cat("GET ", forwarded, " HTTP/1.1")) << sent;
  }
}

TEST(RequestHead, a_uri_in_proxy_pass_replaces_the_matched_part) {
  const std::pair<const char*, const char*> cases[] = {
      {"/api/x", "/v1/x"},           {"/api/", "/v1/"},         {"/api/a%20b?q=1", "/v1/a%20b?q=1"},
      {"/%61pi/../api/x?", "/v1/x"}, {"/api/%3fx", "/v1/%3Fx"},
  };
  for (const auto& [sent, forwarded] : cases) {
    Bench bench;
    bench.options.has_uri = true;
    bench.location().path_replacement = pipeline::PathReplacement{"/api/", "/v1/", std::nullopt};
    EXPECT_EQ(first_line(bench.request(get("", sent))), cat("GET ", forwarded, " HTTP/1.1")) << sent;
  }
}

TEST(RequestHead, after_an_internal_redirect_the_new_uri_goes_on) {
  Bench bench;
  bench.receive("POST /old?secret=1 HTTP/1.1\r\nHost: front\r\n\r\n");
  bench.x().path = {"/new page"};
  bench.x().query = "from=old";
  bench.x().uri_changed = bench.x().method_is_get = true;
  EXPECT_EQ(first_line(bench.write()), "GET /new%20page?from=old HTTP/1.1");
  bench.x().query = {};
  EXPECT_EQ(first_line(bench.write()), "GET /new%20page HTTP/1.1");
}

TEST(RequestHead, announces_the_body_once_and_by_what_was_parsed) {
  Bench length;
  EXPECT_EQ(length.request("PUT /a HTTP/1.1\r\nHost: front\r\ncontent-length: 4\r\n\r\nbody"),
            "PUT /a HTTP/1.1\r\nHost: backend:81\r\nContent-Length: 4\r\n\r\n");
  Bench chunked;
  EXPECT_EQ(chunked.request("PUT /a HTTP/1.1\r\nHost: front\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            "PUT /a HTTP/1.1\r\nHost: backend:81\r\nTransfer-Encoding: chunked\r\n\r\n");
  Bench none;
  EXPECT_FALSE(contains(none.request(get("")), "Length"));
}

TEST(RequestHead, a_client_of_http_1_0_is_forwarded_as_1_1) {
  Bench bench;
  EXPECT_EQ(bench.request("GET /a HTTP/1.0\r\nX-One: 1\r\n\r\n"),
            "GET /a HTTP/1.1\r\nHost: backend:81\r\nX-One: 1\r\n\r\n");
}

constexpr std::string_view with_length = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
constexpr std::string_view with_chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
constexpr std::string_view until_close = "HTTP/1.1 200 OK\r\n\r\n";

TEST(ClientFraming, follows_the_answer_and_what_the_client_understands) {
  Bench modern;
  modern.receive(get(""));
  EXPECT_EQ(modern.framing(with_length), ClientFraming::content_length);
  EXPECT_EQ(modern.framing(with_chunks), ClientFraming::chunked);
  EXPECT_EQ(modern.framing(until_close), ClientFraming::chunked);
  Bench old;
  old.receive("GET /a HTTP/1.0\r\n\r\n");
  EXPECT_EQ(old.framing(with_length), ClientFraming::content_length);
  EXPECT_EQ(old.framing(with_chunks), ClientFraming::until_close);
  EXPECT_EQ(old.framing(until_close), ClientFraming::until_close);
}

TEST(ClientFraming, is_none_where_no_body_may_be) {
  Bench head;
  head.receive("HEAD /a HTTP/1.1\r\nHost: front\r\n\r\n");
  for (const std::string_view answer : {with_length, with_chunks, until_close}) {
    EXPECT_EQ(head.framing(answer), ClientFraming::none) << answer;
  }
  Bench bench;
  bench.receive(get(""));
  for (const char* answer :
       {"HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"}) {
    EXPECT_EQ(bench.framing(answer), ClientFraming::none) << answer;
  }
  EXPECT_EQ(bench.framing("HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n"), ClientFraming::content_length);
}

TEST(ResponseHead, relays_status_reason_and_fields) {
  Bench bench;
  bench.receive(get(""));
  const std::string date(bench.x().worker().date_line());
  EXPECT_EQ(bench.respond("HTTP/1.1 200 Fine\r\nContent-Length: 2\r\nServer: theirs\r\nX-One:  1\r\n"
                          "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n"),
            cat("HTTP/1.1 200 Fine\r\nServer: keepgate\r\n", date,
                "Content-Length: 2\r\nX-One:  1\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n"));
  EXPECT_EQ(bench.x().status, 200);
}

TEST(ResponseHead, chunks_only_for_those_who_understand_them) {
  Bench modern;
  modern.receive(get(""));
  EXPECT_TRUE(contains(modern.respond(with_chunks), "\r\nTransfer-Encoding: chunked\r\n"));
  EXPECT_TRUE(contains(modern.respond(until_close), "\r\nTransfer-Encoding: chunked\r\n"));
  EXPECT_FALSE(contains(modern.respond(with_length), "chunked"));
  Bench old;
  old.receive("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  old.x().keep_alive = false;
  const std::string head = old.respond(with_chunks);
  EXPECT_FALSE(contains(head, "chunked"));
  EXPECT_TRUE(contains(head, "\r\nConnection: close\r\n"));
}

TEST(ResponseHead, says_to_each_version_whether_the_connection_stays) {
  Bench modern;
  modern.receive(get(""));
  EXPECT_FALSE(contains(modern.respond(with_length), "Connection"));
  modern.x().keep_alive = false;
  EXPECT_TRUE(contains(modern.respond(with_length), "\r\nConnection: close\r\n"));
  Bench old;
  old.receive("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_TRUE(contains(old.respond(with_length), "\r\nConnection: keep-alive\r\n"));
}

TEST(ResponseHead, keeps_hop_by_hop_and_internal_fields_from_the_client) {
  for (const char* field :
       {"Connection: close", "Keep-Alive: timeout=5", "Proxy-Authenticate: Basic", "Proxy-Connection: close",
        "Trailer: X", "Upgrade: h2c", "TE: x", "X-Pad: x", "X-Accel-Redirect: /internal", "X-Accel-Buffering: no",
        "x-accel-anything: 1", "Date: x", "Server: x"}) {
    Bench bench;
    bench.receive(get(""));
    const std::string head = bench.respond(cat("HTTP/1.1 204 No Content\r\n", field, "\r\nX-Free: 1\r\n\r\n"));
    EXPECT_FALSE(contains(head, cat("\r\n", field, "\r\n"))) << field;
    EXPECT_TRUE(contains(head, "\r\nX-Free: 1\r\n")) << field;
  }
}

TEST(ResponseHead, the_upstreams_connection_field_lists_fields_away_but_not_the_framing) {
  Bench bench;
  bench.receive(get(""));
  const std::string head = bench.respond(
      "HTTP/1.1 200 OK\r\nConnection: X-Listed, Content-Length\r\nX-Listed: 1\r\nX-Free: 2\r\n"
      "Content-Length: 2\r\n\r\n");
  EXPECT_FALSE(contains(head, "X-Listed"));
  EXPECT_TRUE(contains(head, "\r\nX-Free: 2\r\nContent-Length: 2\r\n"));
}

TEST(ResponseHead, hides_and_passes_as_configured) {
  Bench bench;
  bench.options.hide_headers = {"X-Powered-By"};
  bench.options.pass_headers = {"Server", "Date"};
  bench.receive(get(""));
  EXPECT_EQ(bench.respond("HTTP/1.1 204 No Content\r\nServer: theirs\r\nx-powered-by: php\r\nDate: today\r\n"
                          "X-Powered: no\r\n\r\n"),
            "HTTP/1.1 204 No Content\r\nServer: theirs\r\nDate: today\r\nX-Powered: no\r\n\r\n");
}

TEST(ResponseHead, adds_headers_by_status) {
  const auto prepare = [](Bench& bench) {
    bench.location().add_headers = {{"X-Added", compiled("for $uri"), false},
                                    {"X-Always", route::Template::literal("1"), true},
                                    {"X-Empty", {}, true},
                                    {"X-Broken", route::Template::literal("1\r\nX-Evil: 1"), true}};
    bench.receive(get(""));
  };
  Bench good;
  prepare(good);
  const std::string head = good.respond(with_length);
  EXPECT_TRUE(contains(head, "\r\nX-Added: for /a\r\nX-Always: 1\r\n\r\n")) << head;
  Bench bad;
  prepare(bad);
  const std::string refused = bad.respond("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
  EXPECT_FALSE(contains(refused, "X-Added"));
  EXPECT_TRUE(contains(refused, "\r\nX-Always: 1\r\n\r\n"));
}

TEST(ResponseHead, an_error_page_keeps_the_status_it_is_for) {
  Bench bench;
  bench.receive(get(""));
  bench.x().in_error_page = true;
  bench.x().error_status = 403;
  EXPECT_EQ(first_line(bench.respond(with_length)), "HTTP/1.1 403 Forbidden");
  EXPECT_EQ(bench.x().status, 403);
  bench.x().error_status = 0;  // `=`: the target's own.
  EXPECT_EQ(first_line(bench.respond(with_length)), "HTTP/1.1 200 OK");
}

}  // namespace
}  // namespace keepgate::proxy
