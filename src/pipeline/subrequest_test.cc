#include "pipeline/subrequest.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "pipeline/connection_for_tests.h"

namespace keepgate::pipeline {
namespace {

bool takes(Subrequest& subrequest, std::string_view bytes) {
  const iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
  const net::IoResult taken = subrequest.take(&piece, 1);
  EXPECT_TRUE(taken.status != net::Io::ok || taken.bytes == bytes.size());
  return taken.status == net::Io::ok;
}

std::optional<std::string> body_of(std::string_view answer, std::size_t bytes_max, bool was_cut = false) {
  Subrequest subrequest(nullptr, bytes_max);
  // However the bytes are cut.
  takes(subrequest, answer.substr(0, answer.size() / 2));
  takes(subrequest, answer.substr(answer.size() / 2));
  if (!subrequest.read_head()) return std::nullopt;
  auto body = subrequest.body(was_cut);
  return body ? std::optional(std::move(*body)) : std::nullopt;
}

TEST(Subrequest, keeps_a_whole_answer_in_any_framing) {
  EXPECT_EQ(body_of("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", 100), "abc");
  EXPECT_EQ(body_of("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", 100), "abc");
  EXPECT_EQ(body_of("HTTP/1.1 200 OK\r\n\r\nabc", 100), "abc");
  EXPECT_EQ(body_of("HTTP/1.1 204 No Content\r\n\r\n", 100), "");
}

TEST(Subrequest, takes_no_part_for_the_whole) {
  EXPECT_EQ(body_of("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", 100), std::nullopt);
  EXPECT_EQ(body_of("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", 100), std::nullopt);
  EXPECT_EQ(body_of("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n", 100), std::nullopt);
  EXPECT_EQ(body_of("HTTP/1.1 200 OK\r\n\r\nabc", 100, true), std::nullopt);
  EXPECT_EQ(body_of("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", 100, true), std::nullopt);
  EXPECT_EQ(body_of("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n", 100), std::nullopt);
  EXPECT_EQ(body_of("", 100), std::nullopt);
}

TEST(Subrequest, takes_a_body_up_to_its_bound_and_not_one_byte_past) {
  EXPECT_EQ(body_of("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", 3), "abc");
  EXPECT_EQ(body_of("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd", 3), std::nullopt);
  Subrequest subrequest(nullptr, 10);
  EXPECT_TRUE(takes(subrequest, "HTTP/1.1 200 OK\r\n\r\n"));
  EXPECT_FALSE(takes(subrequest, std::string(Subrequest::head_bytes_max + 20, 'x')));
  ASSERT_TRUE(subrequest.read_head());
  EXPECT_FALSE(subrequest.body(false));
}

TEST(Subrequest, of_which_the_head_counts_forgets_what_comes_behind_it) {
  Subrequest subrequest(nullptr, 0);
  EXPECT_TRUE(takes(subrequest, "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n"));
  EXPECT_FALSE(subrequest.read_head());
  EXPECT_TRUE(takes(subrequest, "Content-Length: 9\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"));
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(takes(subrequest, std::string(10'000, 'x')));
  ASSERT_TRUE(subrequest.read_head());
  EXPECT_EQ(subrequest.head().status, 401);
  Subrequest endless(nullptr, 0);
  EXPECT_TRUE(takes(endless, "HTTP/1.1 200 OK\r\nX: "));
  EXPECT_FALSE(takes(endless, std::string(Subrequest::head_bytes_max, 'x')));
  EXPECT_FALSE(endless.read_head());
}

class Asked : public ::testing::Test, protected ConnectionForTests {
 protected:
  Asked() {
    snapshot->slots.resize(4);
    main.begin(*connection);
  }
  ~Asked() override {
    asked.end();
    main.end();
  }
  bool begin(std::string_view request, std::string_view uri = "/auth") {
    text = request;
    main.parser.reset();
    EXPECT_EQ(main.parser.parse(text), http::ParseStatus::complete);
    main.set_server(connection->snapshot->servers[0]);
    return asked.begin_subrequest(*connection, connection->snapshot->servers[0], subrequest, uri);
  }
  std::string_view value(route::Variable variable) { return asked.variable({variable, 0, {}}); }

  std::string text;
  Exchange main, asked;
  Subrequest subrequest{&main, 0};
};

TEST_F(Asked, has_the_fields_of_the_request_and_neither_its_body_nor_its_framing) {
  ASSERT_TRUE(
      begin("POST /a?b HTTP/1.1\r\nHost: shop\r\nContent-Length: 5\r\nExpect: 100-continue\r\nX-Own: 1\r\n\r\n"));
  const http::RequestHead& head = asked.head();
  EXPECT_EQ(head.method, http::Method::get);
  EXPECT_EQ(head.target, "/auth");
  EXPECT_EQ(head.framing, http::BodyFraming::none);
  EXPECT_EQ(head.host, "shop");
  EXPECT_EQ(head.headers.size(), 2U);
  EXPECT_NE(head.find("X-Own"), nullptr);
  EXPECT_TRUE(asked.body.finished());
}

TEST_F(Asked, shares_what_nginx_shares) {
  ASSERT_TRUE(begin("POST /a?b=c HTTP/1.1\r\nHost: shop\r\nContent-Length: 5\r\n\r\n"));
  EXPECT_EQ(value(route::Variable::request_uri), "/a?b=c");
  EXPECT_EQ(value(route::Variable::request_method), "POST");
  EXPECT_EQ(value(route::Variable::request), "POST /a?b=c HTTP/1.1");
  EXPECT_EQ(value(route::Variable::content_length), "5");
  EXPECT_EQ(value(route::Variable::uri), "/auth");
  EXPECT_EQ(value(route::Variable::args), "");
  main.set_slot(2, "kept");
  EXPECT_EQ(asked.variable({route::Variable::slot_, 2, {}}), "kept");
  EXPECT_EQ(asked.variable({route::Variable::slot_, 1, {}}), "");
  asked.set_slot(2, "its own");
  EXPECT_EQ(asked.variable({route::Variable::slot_, 2, {}}), "its own");
  EXPECT_EQ(main.variable({route::Variable::slot_, 2, {}}), "kept");
}

TEST_F(Asked, is_for_the_host_that_the_request_line_names) {
  ASSERT_TRUE(begin("GET http://real.test/x HTTP/1.1\r\nHost: real.test\r\n\r\n"));
  EXPECT_EQ(asked.head().host, "real.test");
  asked.end();
  ASSERT_TRUE(begin("GET /x HTTP/1.0\r\n\r\n"));
  EXPECT_EQ(asked.head().host, "");
}

TEST_F(Asked, has_the_path_as_it_is_written) {
  ASSERT_TRUE(begin("OPTIONS * HTTP/1.1\r\nHost: shop\r\n\r\n", "/a%41/../b"));
  EXPECT_EQ(asked.path.text, "/a%41/../b");
  EXPECT_EQ(asked.head().target, "/a%2541/../b");
}

}  // namespace
}  // namespace keepgate::pipeline
