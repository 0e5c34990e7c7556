#include "proxy/upgrade.h"

#include <gtest/gtest.h>

#include <string>

#include "base/bytes.h"
#include "http/h1_parser.h"

namespace keepgate::proxy {
namespace {

constexpr std::string_view key = "dGhlIHNhbXBsZSBub25jZQ==";
constexpr std::string_view accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
constexpr std::string_view asking =
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: 13\r\n";

class Head {
 public:
  explicit Head(std::string_view fields, std::string_view line = "GET / HTTP/1.1")
      : text_(cat(line, "\r\nHost: a\r\n", fields, "\r\n")) {
    EXPECT_EQ(parser_.parse(text_), http::ParseStatus::complete) << parser_.refusal().reason;
  }
  const http::RequestHead& head() const { return parser_.head(); }

 private:
  std::string text_;
  http::RequestParser parser_;
};

class Answer {
 public:
  explicit Answer(std::string_view fields) : text_(cat("HTTP/1.1 101 Switching\r\n", fields, "\r\n")) {
    EXPECT_EQ(parser_.parse(text_, http::Method::get), http::ParseStatus::complete) << parser_.refusal().reason;
  }
  const http::ResponseHead& head() const { return parser_.head(); }

 private:
  std::string text_;
  http::ResponseParser parser_;
};

TEST(Upgrade, knows_the_example_of_rfc_6455) { EXPECT_EQ(websocket_accept(key), accept); }

TEST(Upgrade, may_be_asked_for_as_the_rules_say) {
  EXPECT_EQ(wanted_upgrade(Head(asking).head()), "websocket");
  EXPECT_EQ(wanted_upgrade(Head("Connection: upgrade\r\nUpgrade: custom\r\n").head()), "custom");
}

TEST(Upgrade, may_not_be_asked_for_otherwise) {
  const std::string_view refused[] = {
      "Upgrade: custom\r\n",
      "Connection: upgrade\r\nUpgrade: h2c\r\n",
      "Connection: upgrade\r\nUpgrade: H2\r\n",
      "Connection: upgrade\r\nUpgrade: HTTP/2.0\r\n",
      "Connection: upgrade\r\nUpgrade: TLS/1.3\r\n",
      "Connection: upgrade\r\nUpgrade: custom, h2c\r\n",
      "Connection: upgrade\r\nUpgrade: custom\r\nUpgrade: h2c\r\n",
      "Connection: upgrade\r\nUpgrade: custom\r\nContent-Length: 3\r\n",
      "Connection: upgrade\r\nUpgrade: custom\r\nTransfer-Encoding: chunked\r\n",
      "Connection: Upgrade\r\nUpgrade: websocket\r\n",
      "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
      "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
  };
  for (const std::string_view fields : refused) EXPECT_EQ(wanted_upgrade(Head(fields).head()), "") << fields;
  EXPECT_EQ(wanted_upgrade(Head(asking, "POST / HTTP/1.1").head()), "");
  EXPECT_EQ(wanted_upgrade(Head(asking, "GET / HTTP/1.0").head()), "");
  EXPECT_EQ(wanted_upgrade(Head(cat(asking, "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n")).head()), "");
}

TEST(Upgrade, is_agreed_to_by_the_same_protocol_and_the_right_accept) {
  const Head request(asking);
  const std::string right = cat("Upgrade: WebSocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ", accept, "\r\n");
  EXPECT_EQ(fault_of_upgrade(request.head(), "websocket", Answer(right).head()), "");
  EXPECT_NE(fault_of_upgrade(request.head(), "", Answer(right).head()), "");
  EXPECT_NE(fault_of_upgrade(request.head(), "custom", Answer(right).head()), "");
  EXPECT_NE(fault_of_upgrade(request.head(), "websocket", Answer("Upgrade: websocket\r\n").head()), "");
  EXPECT_NE(fault_of_upgrade(request.head(), "websocket", Answer(cat(right, "Upgrade: h2c\r\n")).head()), "");
  const std::string wrong = cat("Upgrade: websocket\r\nSec-WebSocket-Accept: ", key, "\r\n");
  EXPECT_NE(fault_of_upgrade(request.head(), "websocket", Answer(wrong).head()), "");
}

}  // namespace
}  // namespace keepgate::proxy
