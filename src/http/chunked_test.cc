#include "http/chunked.h"

#include <gtest/gtest.h>

#include <string>

#include "base/bytes.h"

namespace keepgate::http {
namespace {

using namespace std::string_literals;  // NOLINT: "\0"s.

struct Decoded {
  std::string data;
  std::size_t consumed = 0;
  bool done = false, malformed = false;
  std::string reason;
  bool operator==(const Decoded&) const = default;
};

Decoded decode(std::string_view text, std::size_t piece = std::string_view::npos) {
  ChunkedDecoder decoder;
  Decoded all;
  for (std::size_t at = 0; at < text.size() && !all.done && !all.malformed; at += piece) {
    std::string buffer(text.substr(at, piece));
    const ChunkedDecoder::Step step = decoder.decode(buffer.data(), buffer.size());
    all.data.append(buffer, 0, step.data_bytes);
    all.consumed += step.consumed_bytes;
    all.done = step.done;
    all.malformed = step.malformed;
    all.reason = step.reason;
    if (piece == std::string_view::npos) break;
  }
  return all;
}

void expect_same_in_pieces(std::string_view text) {
  const Decoded whole = decode(text);
  for (const std::size_t piece : {1U, 2U, 3U, 5U, 7U})
    EXPECT_EQ(decode(text, piece), whole) << printable(text) << piece;
}

TEST(ChunkedDecoder, squeezes_the_data_to_the_front) {
  const Decoded decoded = decode("5\r\nhello\r\n1;x=y\r\n \r\n005\r\nworld\r\n0\r\nX: y\r\n\r\nnext");
  EXPECT_EQ(decoded.data, "hello world");
  EXPECT_TRUE(decoded.done);
  EXPECT_EQ(decoded.consumed, 43U);
}

TEST(ChunkedDecoder, stays_done_and_takes_nothing_more) {
  ChunkedDecoder decoder;
  std::string text = "0\r\n\r\n";
  EXPECT_TRUE(decoder.decode(text.data(), text.size()).done);
  EXPECT_TRUE(decoder.done());
  const ChunkedDecoder::Step step = decoder.decode(text.data(), text.size());
  EXPECT_TRUE(step.done);
  EXPECT_EQ(step.consumed_bytes, 0U);
  decoder.reset();
  EXPECT_FALSE(decoder.done());
}

TEST(ChunkedDecoder, stays_malformed) {
  ChunkedDecoder decoder;
  std::string bad = "x";
  EXPECT_TRUE(decoder.decode(bad.data(), bad.size()).malformed);
  std::string good = "0\r\n\r\n";
  const ChunkedDecoder::Step step = decoder.decode(good.data(), good.size());
  EXPECT_TRUE(step.malformed);
  EXPECT_FALSE(step.reason.empty());
  EXPECT_FALSE(step.done);
}

TEST(ChunkedDecoder, refuses_what_others_may_read_differently) {
  struct Row {
    std::string_view what;
    std::string bad, good;
  };
  const Row rows[] = {
      {"bare LF after the size", "5\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n"},
      {"bare LF after the data", "5\r\nhello\n0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n"},
      {"bare LF at the end", "0\r\n\n", "0\r\n\r\n"},
      {"bare LF after the last size", "0\n\r\n", "00\r\n\r\n"},
      {"bare CR after the size", "5\rhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n"},
      {"another byte for the LF of the size", "5\rXhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n"},
      {"another byte for the CR of the data", "1\r\naX\n0\r\n\r\n", "1\r\na\r\n0\r\n\r\n"},
      {"another byte for the LF of the data", "1\r\na\rX0\r\n\r\n", "1\r\na\r\n0\r\n\r\n"},
      {"another byte for the LF of a trailer", "0\r\nX: y\rZ\r\n", "0\r\nX: y\r\n\r\n"},
      {"another byte for the last LF", "0\r\n\rX", "0\r\n\r\n"},
      {"two CR and an extension", "5\r\r;ext\r\nhello\r\n0\r\n\r\n", "5;ext\r\nhello\r\n0\r\n\r\n"},
      {"hexadecimal prefix", "0x1\r\na\r\n0\r\n\r\n", "01\r\na\r\n0\r\n\r\n"},
      {"minus sign", "-1\r\na\r\n0\r\n\r\n", "1\r\na\r\n0\r\n\r\n"},
      {"plus sign", "+1\r\na\r\n0\r\n\r\n", "1\r\na\r\n0\r\n\r\n"},
      {"underscore", "1_0\r\na\r\n0\r\n\r\n", "1\r\na\r\n0\r\n\r\n"},
      {"space before the size", " 1\r\na\r\n0\r\n\r\n", "1\r\na\r\n0\r\n\r\n"},
      {"space after the size", "1 \r\na\r\n0\r\n\r\n", "1; \r\na\r\n0\r\n\r\n"},
      {"tab before the extension", "1\t;x\r\na\r\n0\r\n\r\n", "1;\tx\r\na\r\n0\r\n\r\n"},
      {"17 digits", "00000000000000001\r\na\r\n0\r\n\r\n", "0000000000000001\r\na\r\n0\r\n\r\n"},
      {"size 2^63", "8000000000000000\r\n", "0000000000000000\r\n\r\n"},
      {"size 2^64 - 1", "ffffffffffffffff\r\n", "f\r\n0123456789abcde\r\n0\r\n\r\n"},
      {"no size", "\r\n", "0\r\n\r\n"},
      {"extension without a size", ";x\r\n\r\n", "0;x\r\n\r\n"},
      {"letter g", "g\r\n", "a\r\n0123456789\r\n0\r\n\r\n"},
      {"no CRLF after the data", "1\r\nab\r\n0\r\n\r\n", "2\r\nab\r\n0\r\n\r\n"},
      {"data longer than announced", "5\r\nhello!\r\n0\r\n\r\n", "6\r\nhello!\r\n0\r\n\r\n"},
      {"LF CR after the data", "1\r\na\n\r0\r\n\r\n", "1\r\na\r\n0\r\n\r\n"},
      {"NUL in an extension", "1;a\0\r\na\r\n0\r\n\r\n"s, "1;a0\r\na\r\n0\r\n\r\n"},
      {"LF in an extension", "1;a\nb\r\na\r\n0\r\n\r\n", "1;a b\r\na\r\n0\r\n\r\n"},
      {"bare CR in an extension", "1;a\rb\r\na\r\n0\r\n\r\n", "1;ab\r\na\r\n0\r\n\r\n"},
      {"space before a trailer", "0\r\n X: y\r\n\r\n", "0\r\nX:  y\r\n\r\n"},
      {"folded trailer", "0\r\nX: y\r\n z\r\n\r\n", "0\r\nX: y\r\nz:\r\n\r\n"},
      {"space before a trailer's colon", "0\r\nX : y\r\n\r\n", "0\r\nX: :y\r\n\r\n"},
      {"trailer without a colon", "0\r\nXy\r\n\r\n", "0\r\nXy:\r\n\r\n"},
      {"trailer without a name", "0\r\n: y\r\n\r\n", "0\r\ny:\r\n\r\n"},
      {"bare LF in the trailers", "0\r\nX: y\n\r\n", "0\r\nX: y\r\n\r\n"},
      {"bare CR in the trailers", "0\r\nX: y\rz\r\n\r\n", "0\r\nX: yz\r\n\r\n"},
      {"NUL in a trailer", "0\r\nX: \0\r\n\r\n"s, "0\r\nX: 0\r\n\r\n"},
      {"byte 0x80 in a trailer name", "0\r\nX\x80: y\r\n\r\n", "0\r\nX: \x80\r\n\r\n"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    const Decoded bad = decode(row.bad);
    EXPECT_TRUE(bad.malformed);
    EXPECT_FALSE(bad.reason.empty());
    const Decoded good = decode(row.good);
    EXPECT_TRUE(good.done) << good.reason;
    EXPECT_EQ(good.consumed, row.good.size());
    expect_same_in_pieces(row.bad);
    expect_same_in_pieces(row.good);
  }
}

TEST(ChunkedDecoder, drops_trailers_of_any_name) {
  const Decoded decoded =
      decode("1\r\na\r\n0\r\nContent-Length: 5\r\nTransfer-Encoding: x\r\nHost: h\r\nAuthorization: t\r\n\r\n");
  EXPECT_TRUE(decoded.done);
  EXPECT_EQ(decoded.data, "a");
}

TEST(ChunkedDecoder, bounds_extensions_over_the_whole_body) {
  const auto body = [](std::size_t bytes) {  // Two extensions; the bytes count the CR that ends each.
    return cat("1;", std::string(bytes / 2 - 1, 'x'), "\r\na\r\n1;", std::string(bytes - bytes / 2 - 1, 'x'),
               "\r\nb\r\n0\r\n\r\n");
  };
  EXPECT_TRUE(decode(body(4097)).done) << "a byte of data for the one that is too many";
  EXPECT_EQ(decode(body(4098)).reason, "chunk extensions too long");
}

TEST(ChunkedDecoder, lets_extensions_grow_with_the_data_only) {
  const auto body = [](std::size_t count, std::size_t data_bytes, std::size_t extension_bytes) {
    std::string text;
    char head[18];
    for (std::size_t i = 0; i < count; ++i) {
      const std::string size(head, write_chunk_head(head, data_bytes) - 2);
      append(text, size, ';', std::string(extension_bytes, 'x'), "\r\n", std::string(data_bytes, 'd'), "\r\n");
    }
    return text + "0\r\n\r\n";
  };
  EXPECT_TRUE(decode(body(1000, 100, 99)).done);
  EXPECT_EQ(decode(body(1000, 10, 99)).reason, "chunk extensions too long");
}

TEST(ChunkedDecoder, bounds_the_trailer_section) {
  const auto body = [](std::size_t bytes) { return cat("0\r\nX:", std::string(bytes - 4, 'y'), "\r\n\r\n"); };
  EXPECT_TRUE(decode(body(8192)).done);
  EXPECT_EQ(decode(body(8193)).reason, "trailer section too long");
}

TEST(ChunkedDecoder, gives_the_same_in_any_pieces) {
  std::string text;
  for (std::size_t size = 1; size < 60; size += 7) {
    char head[18];
    text.append(head, write_chunk_head(head, size));
    append(text, std::string(size, static_cast<char>('a' + size % 26)), "\r\n");
  }
  text += last_chunk;
  EXPECT_TRUE(decode(text).done);
  expect_same_in_pieces(text);
}

TEST(WriteChunkHead, writes_hexadecimal_and_crlf) {
  char out[18];
  EXPECT_EQ(std::string_view(out, write_chunk_head(out, 0x1f4)), "1f4\r\n");
  EXPECT_EQ(std::string_view(out, write_chunk_head(out, ~std::uint64_t{0})), "ffffffffffffffff\r\n");
}

}  // namespace
}  // namespace keepgate::http
