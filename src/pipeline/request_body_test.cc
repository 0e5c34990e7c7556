#include "pipeline/request_body.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "http/h1_parser.h"
#include "pipeline/connection_for_tests.h"

namespace keepgate::pipeline {
namespace {

// One connection on a socket pair whose first request's head was read, together with what came right behind it.
class Client : private ConnectionForTests {
 public:
  explicit Client(std::string_view head_and_more) {
    Connection& c = *connection;
    c.in = worker->buffers.take(BufferPool::body_bytes);
    KG_ASSERT(head_and_more.size() <= c.in.capacity());
    std::memcpy(c.in.data(), head_and_more.data(), head_and_more.size());
    c.in_end = head_and_more.size();
    KG_ASSERT(parser_.parse(c.received()) == http::ParseStatus::complete);
    c.in_begin = parser_.head_bytes();
    body.begin(c, parser_.head());
  }
  ~Client() { body = {}; }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void send(std::string_view bytes) const {
    ASSERT_EQ(::send(theirs, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  using ConnectionForTests::hang_up;
  std::string received() const {
    char bytes[256];
    const ssize_t got = ::recv(theirs, bytes, sizeof bytes, MSG_DONTWAIT);
    return got > 0 ? std::string(bytes, static_cast<std::size_t>(got)) : std::string();
  }
  // What nobody has taken from the socket yet.
  std::string unread() const {
    char bytes[64];
    const ssize_t got = ::recv(connection->stream.descriptor(), bytes, sizeof bytes, MSG_DONTWAIT);
    return got > 0 ? std::string(bytes, static_cast<std::size_t>(got)) : std::string();
  }
  std::string_view behind() const { return connection->received(); }
  std::string_view pipelined() const { return connection->pipelined ? *connection->pipelined : std::string_view(); }

  // Everything until the end, or the error's kind.
  std::string read_all(std::int64_t timeout_ms = 5000) {
    std::string all;
    [](Client& client, std::string& out, std::int64_t patience_ms) -> net::Detached {
      while (true) {
        const auto piece = co_await client.body.next(patience_ms);
        if (!piece) {
          out = cat("error ", piece.error().code);
          break;
        }
        if (piece->empty()) break;
        out += *piece;
      }
      client.loop.stop();
    }(*this, all, timeout_ms);
    loop.run();
    return all;
  }

  RequestBody body;

 private:
  http::RequestParser parser_;
};

std::string with_length(std::size_t bytes, std::string_view more = {}) {
  return cat("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: ", bytes, "\r\n\r\n", more);
}
std::string with_chunks(std::string_view more = {}) {
  return cat("PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", more);
}

TEST(RequestBody, a_request_without_a_body_is_finished_at_once) {
  for (const std::string& head :
       {std::string("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /next"), with_length(0, "GET /next")}) {
    Client client(head);
    EXPECT_TRUE(client.body.finished());
    EXPECT_EQ(client.read_all(), "");
    EXPECT_EQ(client.behind(), "GET /next");
  }
}

TEST(RequestBody, hands_out_exactly_the_announced_bytes) {
  Client client(with_length(5, "helloGET /next"));
  EXPECT_FALSE(client.body.finished());
  EXPECT_TRUE(client.body.untouched());
  EXPECT_EQ(client.read_all(), "hello");
  EXPECT_TRUE(client.body.finished());
  EXPECT_FALSE(client.body.untouched());
  EXPECT_EQ(client.body.received_bytes(), 5U);
  EXPECT_EQ(client.behind(), "GET /next");
}

TEST(RequestBody, reads_what_comes_later_and_no_byte_more) {
  Client client(with_length(10, "hello"));
  client.send("worldGET /next");
  EXPECT_EQ(client.read_all(), "helloworld");
  EXPECT_EQ(client.pipelined(), "");
  EXPECT_EQ(client.received(), "");
  EXPECT_EQ(client.unread(), "GET /next");
}

TEST(RequestBody, decodes_chunks_and_drops_trailers_and_extensions) {
  Client client(with_chunks("3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: 1\r\n\r\nGET /next"));
  EXPECT_EQ(client.read_all(), "abcde");
  EXPECT_TRUE(client.body.finished());
  EXPECT_EQ(client.body.received_bytes(), 5U);
  EXPECT_EQ(client.behind(), "GET /next");
}

TEST(RequestBody, keeps_the_next_request_that_came_behind_chunks_read_elsewhere) {
  Client client(with_chunks("3\r\nab"));
  client.send("c\r\n0\r\n\r\nGET /next HTTP/1.1\r\n");
  EXPECT_EQ(client.read_all(), "abc");
  EXPECT_EQ(client.behind(), "");
  EXPECT_EQ(client.pipelined(), "GET /next HTTP/1.1\r\n");
}

TEST(RequestBody, how_the_bytes_are_cut_changes_nothing) {
  const std::string sent = "4\r\nwiki\r\n5\r\npedia\r\n0\r\n\r\nGET";
  for (std::size_t cut = 0; cut <= sent.size(); ++cut) {
    Client client(with_chunks(sent.substr(0, cut)));
    if (cut < sent.size()) client.send(sent.substr(cut));
    EXPECT_EQ(client.read_all(), "wikipedia") << cut;
    EXPECT_EQ(cat(client.behind(), client.pipelined(), client.unread()), "GET") << cut;
  }
}

TEST(RequestBody, take_buffered_never_waits) {
  Client client(with_length(5, "he"));
  const auto piece = client.body.take_buffered();
  ASSERT_TRUE(piece);
  EXPECT_EQ(*piece, "he");
  EXPECT_FALSE(client.body.finished());
  client.send("llo");
  EXPECT_EQ(client.read_all(), "llo");
  EXPECT_TRUE(client.body.finished());
}

TEST(RequestBody, a_body_at_the_limit_passes_and_one_byte_more_does_not) {
  for (const bool chunked : {false, true}) {
    for (const std::uint64_t bytes_max : {5U, 4U}) {
      Client client(chunked ? with_chunks("2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n") : with_length(5, "hello"));
      client.body.set_bytes_max(bytes_max);
      const bool fits = bytes_max == 5;
      EXPECT_EQ(client.read_all(), fits ? "hello" : "error body_too_large") << chunked << bytes_max;
      EXPECT_EQ(client.body.broken(), !fits);
      EXPECT_EQ(client.body.finished(), fits);
    }
  }
}

TEST(RequestBody, the_limit_holds_over_all_pieces_together) {
  Client client(with_chunks("3\r\nabc\r\n"));
  client.body.set_bytes_max(5);
  const auto piece = client.body.take_buffered();
  ASSERT_TRUE(piece);
  EXPECT_EQ(*piece, "abc");
  client.send("3\r\ndef\r\n0\r\n\r\n");
  EXPECT_EQ(client.read_all(), "error body_too_large");
  EXPECT_TRUE(client.body.broken());
}

TEST(RequestBody, zero_is_no_limit) {
  Client client(with_length(4096, std::string(4096, 'x')));
  client.body.set_bytes_max(0);
  EXPECT_EQ(client.read_all().size(), 4096U);
}

TEST(RequestBody, refuses_malformed_chunks) {
  for (const char* bytes : {"x\r\n", "-1\r\n", "3\nabc\r\n", "3\r\nabcd\r\n", "3\r\nabc\n", "0x3\r\nabc\r\n",
                            "fffffffffffffffff\r\n", "\r\n", " 3\r\nabc\r\n", "0\r\nbad trailer\r\n\r\n"}) {
    for (const bool at_once : {true, false}) {
      Client client(with_chunks(at_once ? bytes : ""));
      if (!at_once) client.send(bytes);
      EXPECT_EQ(client.read_all(), "error malformed_body") << bytes;
      EXPECT_TRUE(client.body.broken()) << bytes;
      EXPECT_FALSE(client.body.finished()) << bytes;
    }
  }
}

TEST(RequestBody, take_buffered_refuses_malformed_chunks_too) {
  Client client(with_chunks("zz\r\n"));
  const auto piece = client.body.take_buffered();
  ASSERT_FALSE(piece);
  EXPECT_EQ(piece.error().kind, ErrorKind::malformed);
  EXPECT_TRUE(client.body.broken());
}

TEST(RequestBody, a_body_that_is_cut_off_is_never_whole) {
  for (const std::string& head : {with_length(5, "hell"), with_length(5), with_chunks("5\r\nhell"),
                                  with_chunks("5\r\nhello\r\n"), with_chunks("5\r\nhello\r\n0\r\n")}) {
    Client client(head);
    client.hang_up();
    EXPECT_EQ(client.read_all(), "error client_closed") << head;
    EXPECT_TRUE(client.body.broken());
    EXPECT_FALSE(client.body.finished());
  }
  Client whole(with_length(5, "hello"));
  whole.hang_up();
  EXPECT_EQ(whole.read_all(), "hello");
  EXPECT_FALSE(whole.body.broken());
}

TEST(RequestBody, a_client_that_sends_no_more_times_out) {
  Client client(with_length(5, "hell"));
  EXPECT_EQ(client.read_all(1), "error request_timeout");
  EXPECT_TRUE(client.body.broken());
}

constexpr std::string_view expecting = "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";

TEST(RequestBody, asks_a_waiting_client_to_go_on_when_the_first_piece_is_wanted) {
  Client client(expecting);
  EXPECT_TRUE(client.body.waits_for_continue());
  const auto piece = client.body.take_buffered();
  ASSERT_TRUE(piece);
  EXPECT_EQ(client.received(), "");  // Nobody wants the body yet.
  EXPECT_TRUE(client.body.waits_for_continue());
  client.send("ok");
  EXPECT_EQ(client.read_all(), "ok");
  EXPECT_EQ(client.received(), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_FALSE(client.body.waits_for_continue());
}

TEST(RequestBody, says_nothing_to_a_client_that_sent_its_body_anyway) {
  Client client(cat(expecting, "ok"));
  EXPECT_EQ(client.read_all(), "ok");
  EXPECT_EQ(client.received(), "");
  EXPECT_FALSE(client.body.waits_for_continue());
}

TEST(RequestBody, says_nothing_to_a_client_that_does_not_wait) {
  Client client(with_length(2));
  client.send("ok");
  EXPECT_EQ(client.read_all(), "ok");
  EXPECT_EQ(client.received(), "");
}

TEST(RequestBody, a_waiting_client_that_is_gone_breaks_the_body) {
  Client client(expecting);
  client.hang_up();
  EXPECT_EQ(client.read_all().substr(0, 5), "error");
  EXPECT_TRUE(client.body.broken());
}

}  // namespace
}  // namespace keepgate::pipeline
