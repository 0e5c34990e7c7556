#include "fetch/client.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <future>
#include <map>
#include <thread>
#include <vector>

#include "base/bytes.h"

namespace keepgate::fetch {
namespace {

// A server on loopback with canned answers by path, bytes as written. "/hang" is never answered.
class Server {
 public:
  Server() {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(listener_, 64), 0);
    socklen_t bytes = sizeof address;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &bytes);
    port_ = ntohs(address.sin_port);
  }
  ~Server() {
    ::shutdown(listener_, SHUT_RDWR);
    if (thread_.joinable()) thread_.join();
    for (std::thread& one : serving_) one.join();
    ::close(listener_);
  }
  void answer(const std::string& path, std::string bytes) { answers_[path] = std::move(bytes); }
  void start() {
    thread_ = std::thread([this] {
      for (int client; (client = ::accept(listener_, nullptr, nullptr)) >= 0;) {
        ++connections;
        serving_.emplace_back([this, client] { serve(client); });
      }
    });
  }
  std::string url(const std::string& path) const { return cat("http://127.0.0.1:", port_, path); }
  std::uint16_t port() const { return port_; }

  std::atomic<int> connections{0}, requests{0};
  std::string last_request;

 private:
  void serve(int client) {
    std::string in;
    char buffer[4096];
    for (ssize_t got; (got = ::read(client, buffer, sizeof buffer)) > 0;) {
      in.append(buffer, static_cast<std::size_t>(got));
      const std::size_t end = in.find("\r\n\r\n");
      if (end == std::string::npos) continue;
      ++requests;
      last_request = in;
      const std::size_t from = in.find(' ') + 1;
      const std::string path = in.substr(from, in.find(' ', from) - from);
      in.clear();
      const auto found = answers_.find(path);
      if (found == answers_.end()) continue;
      const std::string& out = found->second;
      if (::send(client, out.data(), out.size(), MSG_NOSIGNAL) < 0) break;
      if (out.find("Connection: close") != std::string::npos) break;
    }
    ::close(client);
  }

  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::map<std::string, std::string> answers_;
  std::thread thread_;
  std::vector<std::thread> serving_;
};

Request request_to(std::string url) {
  Request out;
  out.url = std::move(url);
  out.reach = Reach::with_private;
  out.plain = Plain::to_loopback;
  return out;
}

std::future<Result<Response>> start(Fetcher& fetcher, Request request) {
  auto promise = std::make_shared<std::promise<Result<Response>>>();
  auto future = promise->get_future();
  fetcher.fetch(std::move(request), [promise](Result<Response> answer) { promise->set_value(std::move(answer)); });
  return future;
}

Result<Response> get(Fetcher& fetcher, Request request) { return start(fetcher, std::move(request)).get(); }

std::string ok(std::string_view body, std::string_view headers = "") {
  return cat("HTTP/1.1 200 OK\r\nContent-Length: ", body.size(), "\r\n", headers, "\r\n", body);
}

TEST(FetchClient, brings_status_headers_and_body) {
  Server server;
  server.answer("/keys?x=1", ok("{}", "Cache-Control: max-age=60\r\nX-Empty:\r\n"));
  server.start();
  Client client;
  Request request = request_to(server.url("/keys?x=1"));
  request.headers.push_back({"Accept", "application/json"});
  const auto got = get(client, request);
  ASSERT_TRUE(got) << got.error().detail;
  EXPECT_EQ(got->status, 200U);
  EXPECT_EQ(got->body, "{}");
  EXPECT_EQ(got->find("cache-control"), "max-age=60");
  EXPECT_EQ(got->find("x-empty"), "");
  EXPECT_NE(server.last_request.find("Accept: application/json\r\n"), std::string::npos);
  EXPECT_EQ(server.last_request.find("Accept-Encoding"), std::string::npos);
  client.stop();
}

TEST(FetchClient, any_status_is_a_response) {
  Server server;
  server.answer("/", "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
  server.start();
  Client client;
  const auto got = get(client, request_to(server.url("/")));
  ASSERT_TRUE(got) << got.error().detail;
  EXPECT_EQ(got->status, 503U);
  client.stop();
}

TEST(FetchClient, keeps_a_connection_and_posts_a_form_over_it) {
  Server server;
  server.answer("/", ok("x"));
  server.start();
  Client client;
  for (int i = 0; i < 3; ++i) {
    Request request = request_to(server.url("/"));
    request.method = Method::post;
    request.body = "token=abc";
    request.headers.push_back({"Content-Type", "application/x-www-form-urlencoded"});
    ASSERT_TRUE(get(client, request));
  }
  EXPECT_EQ(server.connections, 1);
  EXPECT_TRUE(server.last_request.starts_with("POST / HTTP/1.1\r\n"));
  EXPECT_TRUE(server.last_request.ends_with("\r\n\r\ntoken=abc"));
  client.stop();
}

TEST(FetchClient, a_kept_connection_does_not_lead_further_than_the_request_may_go) {
  Server server;
  server.answer("/", ok("x"));
  server.start();
  Client client;
  ASSERT_TRUE(get(client, request_to(server.url("/"))));
  Request request = request_to(server.url("/"));
  request.reach = Reach::global;
  const auto got = get(client, request);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().kind, ErrorKind::refused);
  EXPECT_EQ(server.requests, 1);
  client.stop();
}

TEST(FetchClient, connects_to_no_address_out_of_reach) {
  Server server;
  server.answer("/", ok("x"));
  server.start();
  Client client;
  const std::string port = cat(':', server.port(), '/');
  // The same address by other spellings, and through a name: what counts is what is connected to.
  for (const char* host : {"127.0.0.1", "localhost", "2130706433", "0x7f.1", "0177.0.0.1", "[::ffff:127.0.0.1]"}) {
    Request request = request_to(cat("http://", host, port));
    request.reach = Reach::global;
    request.plain = Plain::anywhere;
    const auto got = get(client, request);
    EXPECT_FALSE(got) << host;
  }
  EXPECT_EQ(server.connections, 0);
  client.stop();
}

TEST(FetchClient, speaks_plainly_only_where_it_may) {
  Client client;
  Request request = request_to("http://127.0.0.1:1/");
  request.plain = Plain::refused;
  const auto refused = get(client, request);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().detail, "http:// is not allowed here");
  const auto elsewhere = get(client, request_to("http://10.255.255.1:1/"));
  ASSERT_FALSE(elsewhere);
  EXPECT_EQ(elsewhere.error().kind, ErrorKind::refused);
  for (const char* url : {"file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "http://u:p@127.0.0.1/"}) {
    EXPECT_FALSE(get(client, request_to(url))) << url;
  }
  client.stop();
}

TEST(FetchClient, follows_no_redirect_unless_told_and_then_to_https_only) {
  Server server;
  server.answer("/", cat("HTTP/1.1 302 Found\r\nLocation: ", server.url("/there"), "\r\nContent-Length: 0\r\n\r\n"));
  server.answer("/file", "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n");
  server.answer("/there", ok("x"));
  server.start();
  Client client;
  const auto plain = get(client, request_to(server.url("/")));
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->status, 302U);
  for (const char* path : {"/", "/file"}) {
    Request request = request_to(server.url(path));
    request.redirects_max = 3;
    EXPECT_FALSE(get(client, request)) << path;
  }
  EXPECT_EQ(server.requests, 3);
  Request post = request_to(server.url("/"));
  post.method = Method::post;
  post.redirects_max = 1;
  EXPECT_FALSE(get(client, post));
  client.stop();
}

TEST(FetchClient, takes_no_more_bytes_than_the_request_says) {
  Server server;
  const std::string big(1025, 'x');
  server.answer("/announced", ok(big));
  server.answer("/chunked", cat("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n401\r\n", big, "\r\n0\r\n\r\n"));
  server.answer("/endless", cat("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", big));
  server.answer("/fits", ok(big.substr(1)));
  server.answer("/head", cat("HTTP/1.1 200 OK\r\nX: ", std::string(40'000, 'x'), "\r\nContent-Length: 0\r\n\r\n"));
  server.start();
  Client client;
  for (const char* path : {"/announced", "/chunked", "/endless", "/fits", "/head"}) {
    Request request = request_to(server.url(path));
    request.body_bytes_max = 1024;
    const auto got = get(client, request);
    EXPECT_EQ(got.has_value(), path == std::string_view("/fits")) << path;
    if (!got) {
      EXPECT_NE(got.error().detail.find("more than"), std::string::npos) << got.error().detail;
    }
  }
  client.stop();
}

TEST(FetchClient, refuses_what_is_encoded_or_cut_off) {
  Server server;
  server.answer("/gzip", ok("\x1f\x8b", "Content-Encoding: gzip\r\n"));
  server.answer("/identity", ok("x", "Content-Encoding: identity\r\n"));
  server.answer("/cut", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\nhalf");
  server.answer("/old", "just bytes, Connection: close");
  server.start();
  Client client;
  EXPECT_FALSE(get(client, request_to(server.url("/gzip"))));
  EXPECT_TRUE(get(client, request_to(server.url("/identity"))));
  EXPECT_FALSE(get(client, request_to(server.url("/cut"))));
  EXPECT_FALSE(get(client, request_to(server.url("/old"))));
  client.stop();
}

TEST(FetchClient, waits_no_longer_than_the_request_says) {
  Server server;
  server.start();
  Client client;
  Request request = request_to(server.url("/hang"));
  request.timeout_ms = 50;
  const auto got = get(client, request);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().kind, ErrorKind::timeout);
  client.stop();
}

TEST(FetchClient, ends_what_keeps_silent_for_too_long) {
  Server server;
  server.answer("/part", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
  server.start();
  Client client;
  for (const char* path : {"/hang", "/part"}) {
    Request request = request_to(server.url(path));
    request.timeout_ms = 3'600'000;  // Not what ends it.
    request.silence_s_max = 1;
    const auto got = get(client, request);
    ASSERT_FALSE(got) << path;
    EXPECT_EQ(got.error().kind, ErrorKind::timeout) << path;
  }
  client.stop();
}

TEST(FetchClient, takes_no_proxy_from_the_environment) {
  Server server;
  server.answer("/", ok("x"));
  server.start();
  ::setenv("http_proxy", "http://127.0.0.1:1", 1);
  ::setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
  Client client;
  EXPECT_TRUE(get(client, request_to(server.url("/"))));
  ::unsetenv("http_proxy");
  ::unsetenv("ALL_PROXY");
  client.stop();
}

TEST(FetchClient, refuses_a_header_that_would_become_two) {
  Client client;
  Request request = request_to("http://127.0.0.1:1/");
  request.headers.push_back({"A", "b\r\nC: d"});
  const auto got = get(client, request);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().detail, "a header with a line break in it");
  client.stop();
}

TEST(FetchClient, bounds_what_runs_and_what_waits) {
  Server server;
  server.start();
  Client client({.transfers = 2, .connections = 2, .waiting = 3, .transfers_per_host = 8});
  std::vector<std::future<Result<Response>>> all;
  for (int i = 0; i < 50; ++i) {
    Request request = request_to(server.url("/hang"));
    request.timeout_ms = 60'000;
    all.push_back(start(client, request));
  }
  client.stop();
  int cancelled = 0, refused = 0;
  for (auto& one : all) {
    const auto got = one.get();
    ASSERT_FALSE(got);
    cancelled += got.error().kind == ErrorKind::cancelled;
    refused += got.error().kind == ErrorKind::limit;
  }
  EXPECT_EQ(cancelled + refused, 50);
  EXPECT_GE(refused, 40);
  EXPECT_LE(server.connections, 2);
}

TEST(FetchClient, fetches_nothing_after_its_end) {
  Client client;
  client.stop();
  const auto got = get(client, request_to("http://127.0.0.1:1/"));
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().kind, ErrorKind::cancelled);
}

}  // namespace
}  // namespace keepgate::fetch
