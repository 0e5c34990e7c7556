#include "crypto/json.h"

#include <gtest/gtest.h>

#include "base/bytes.h"

namespace keepgate::crypto {
namespace {

TEST(Json, reads_each_kind_of_value) {
  const Result<Json> json = parse_json(R"( {"a":null,"b":true,"c":-7,"d":1.5,"e":"x\u00e4","f":[1,[]],"g":{}} )");
  ASSERT_TRUE(json);
  EXPECT_TRUE(json->find("a")->is_null());
  EXPECT_TRUE(*json->find("b")->boolean());
  EXPECT_EQ(*json->find("c")->integer(), -7);
  EXPECT_EQ(*json->find("d")->real(), 1.5);
  EXPECT_EQ(json->string_at("e"), "x\xc3\xa4");
  EXPECT_EQ(json->find("f")->array()->size(), 2u);
  EXPECT_TRUE(json->find("g")->object()->empty());
  EXPECT_EQ(json->find("h"), nullptr);
  EXPECT_EQ(json->string_at("c"), std::nullopt);
  EXPECT_EQ(json->find("c")->find("x"), nullptr);
}

TEST(Json, keeps_integers_exact_up_to_64_bits_signed) {
  EXPECT_EQ(*parse_json("9223372036854775807")->integer(), INT64_MAX);
  EXPECT_EQ(*parse_json("-9223372036854775808")->integer(), INT64_MIN);
  EXPECT_EQ(parse_json("9223372036854775808")->integer(), nullptr);
  EXPECT_EQ(*parse_json("9223372036854775808")->real(), 9223372036854775808.0);
  EXPECT_EQ(parse_json("1.0")->integer(), nullptr);
}

TEST(Json, refuses_what_two_readers_could_read_differently) {
  const std::string deep(17, '[');
  const std::string rows[] = {
      "",
      " ",
      R"({"a":1,"a":2})",
      R"({"a":1,"\u0061":2})",
      R"({"x":{"a":1,"b":0,"a":2}})",
      R"([{"a":1,"a":1}])",
      deep + std::string(17, ']'),
      std::string(20'000, '['),
      std::string(10'000, '[') + std::string(10'000, ']'),
      "\xef\xbb\xbf{}",
      "\xff\xfe{\0",
      "\"\xff\"",
      "\"\xc0\xaf\"",
      "\"\xed\xa0\x80\"",
      R"("\ud800")",
      R"("\ud800\u0041")",
      R"("\udc00")",
      R"("\ude00\ud800")",
      R"({"\ud800":1})",
      R"({"\udc00":1})",
      "1e400",
      "-1e400",
      "18446744073709551616",
      "NaN",
      "Infinity",
      "-Infinity",
      "nan",
      "01",
      "+1",
      ".5",
      "1.",
      "0x10",
      "1_000",
      "{} {}",
      "{}x",
      "{},",
      "{'a':1}",
      "{a:1}",
      R"({"a":1,})",
      "[1,]",
      "[,1]",
      R"({"a"})",
      R"({"a":})",
      R"({1:2})",
      "\"a\nb\"",
      "\"\\x41\"",
      "\"abc",
      "/* */ {}",
      "{} // x",
      "tru",
      "TRUE",
      "nullx",
      std::string("{}\0", 3),
      std::string("\"a\0b\"", 5),
  };
  for (const std::string& row : rows) EXPECT_FALSE(parse_json(row)) << printable(row, 60);
}

TEST(Json, finds_a_duplicate_among_many_members) {
  std::string text = "{";
  for (int i = 0; i < 100; ++i) append(text, "\"m", i, "\":", i, ",");
  EXPECT_TRUE(parse_json(text + "\"last\":0}"));
  EXPECT_FALSE(parse_json(text + "\"m57\":0}"));
  EXPECT_FALSE(parse_json(text + "\"\\u006d57\":0}"));
}

TEST(Json, holds_to_its_limits) {
  EXPECT_TRUE(parse_json(std::string(16, '[') + std::string(16, ']')));
  EXPECT_FALSE(parse_json("[[[1]]]", {.depth_max = 2}));
  EXPECT_TRUE(parse_json("[[1]]", {.depth_max = 2}));
  EXPECT_FALSE(parse_json(std::string(65, '[') + std::string(65, ']'), {.depth_max = 1000}));
  EXPECT_TRUE(parse_json("[1,2,3]", {.values_max = 4}));
  EXPECT_FALSE(parse_json("[1,2,3,4]", {.values_max = 4}));
  EXPECT_FALSE(parse_json("[1]", {.bytes_max = 2}));
  EXPECT_TRUE(parse_json(cat('"', std::string(100'000, 'a'), '"'), {.bytes_max = 200'000}));
}

TEST(Json, is_still_sound_after_a_refusal) {
  EXPECT_FALSE(parse_json("{\"a\":"));
  EXPECT_EQ(parse_json("{\"a\":1}")->write(), "{\"a\":1}");
}

TEST(Json, writes_what_reads_back_as_the_same) {
  for (const std::string_view text : {R"({"a":[1,2.5,"x",null,true,false,{}],"b":{"c":""}})", "[]", "0", "-5",
                                      R"("\"\\\u0001\u007f/")", "1.0", R"({"k":1e+300})", "0.1"}) {
    const Result<Json> json = parse_json(text);
    ASSERT_TRUE(json) << text;
    EXPECT_EQ(json->write(), text);
  }
  EXPECT_EQ(parse_json("1000.0")->write(), "1000.0");
  EXPECT_EQ(Json("<\xff>").write(), "\"<\\ufffd>\"");
}

TEST(Json, knows_utf8) {
  EXPECT_TRUE(is_utf8(""));
  EXPECT_TRUE(is_utf8("\xf0\x9f\x98\x80"));
  EXPECT_FALSE(is_utf8("\xed\xb0\x80"));
  EXPECT_FALSE(is_utf8("\x80"));
}

}  // namespace
}  // namespace keepgate::crypto
