#include "http/structured_field.h"

#include <gtest/gtest.h>

#include "base/bytes.h"

namespace keepgate::http {
namespace {

std::string rewritten(std::string_view text) {
  const auto parsed = parse_dictionary(text);
  return parsed ? write_dictionary(*parsed) : cat("refused: ", parsed.error().detail);
}

TEST(StructuredField, keeps_one_spelling_of_what_it_takes) {
  const std::pair<const char*, const char*> cases[] = {
      {"", ""},
      {"   ", ""},
      {"a=1", "a=1"},
      {" a=-0012 ", "a=-12"},
      {"a=-0", "a=0"},
      {"a", "a"},
      {"a;x;y=?0,b=?0", "a;x;y=?0, b=?0"},
      {"a=?1;x=?1", "a;x"},
      {"a=\"q\\\"\\\\\"", "a=\"q\\\"\\\\\""},
      {"a=tok/en:1", "a=tok/en:1"},
      {"a=*x", "a=*x"},
      {"a=:aGk=:", "a=:aGk=:"},
      {"a=()", "a=()"},
      {"a=(  \"x\";y   1  );z=2", "a=(\"x\";y 1);z=2"},
      {"a=1 \t,\t b=2", "a=1, b=2"},
      {"a=1; x=2", "a=1;x=2"},
      {"*a-b_c.1=999999999999999", "*a-b_c.1=999999999999999"},
      {"sig1=(\"@method\" \"@path\");created=1618884473;keyid=\"k\"",
       "sig1=(\"@method\" \"@path\");created=1618884473;keyid=\"k\""},
  };
  for (const auto& [text, written] : cases) {
    EXPECT_EQ(rewritten(text), written) << text;
    EXPECT_EQ(rewritten(written), written) << text;
  }
}

TEST(StructuredField, refuses_what_two_readers_could_read_differently) {
  const std::string cases[] = {
      "a=1,",
      "a=1,,b=2",
      ",a=1",
      "a=1 b=2",
      "A=1",
      "1=1",
      "a =1",
      "a= 1",
      "a=",
      "a=1;",
      "a=1;x=",
      "a=1;X",
      "a=1 ;x",
      "a=1.5",
      "a=1.",
      "a=--1",
      "a=-",
      "a=1000000000000000",
      "a=\"x",
      "a=\"x\\n\"",
      "a=\"\x7f\"",
      "a=\"\t\"",
      "a=\"\xc3\xa9\"",
      "a='x'",
      "a=:aGk=",
      "a=:a b:",
      "a=?2",
      "a=?",
      "a=(",
      "a=(1",
      "a=(1 2",
      "a=(\"x\"\"y\")",
      "a=(1,2)",
      "a=(1)(2)",
      "a=((1))",
      "a=(1\t2)",
      "a=1, a=2",
      "a, a",
      "a=1;x;x",
      "a=1;x=1;x=2",
      "a=(1;y;y)",
      "a=@1",
      "a=1\n",
      "a=1\r\n b=2",
      "\ta=1",
      "a=1\x01",
      std::string("a=1\0", 4),
  };
  for (const std::string& text : cases) EXPECT_FALSE(parse_dictionary(text)) << text;
}

TEST(StructuredField, has_bounds) {
  const auto members = [](std::size_t count) {
    std::string out;
    for (std::size_t i = 0; i < count; ++i) append(out, i == 0 ? "" : ",", "a", i);
    return out;
  };
  EXPECT_TRUE(parse_dictionary(members(structured_members_max)));
  EXPECT_FALSE(parse_dictionary(members(structured_members_max + 1)));
  const auto items = [](std::size_t count) {
    std::string out = "a=(";
    for (std::size_t i = 0; i < count; ++i) out += "1 ";
    return out + ")";
  };
  EXPECT_TRUE(parse_dictionary(items(structured_items_max)));
  EXPECT_FALSE(parse_dictionary(items(structured_items_max + 1)));
  const auto parameters = [](std::size_t count) {
    std::string out = "a=1";
    for (std::size_t i = 0; i < count; ++i) append(out, ";x", i);
    return out;
  };
  EXPECT_TRUE(parse_dictionary(parameters(structured_parameters_max)));
  EXPECT_FALSE(parse_dictionary(parameters(structured_parameters_max + 1)));
  EXPECT_TRUE(parse_dictionary(std::string(structured_key_bytes_max, 'a')));
  EXPECT_FALSE(parse_dictionary(std::string(structured_key_bytes_max + 1, 'a')));
  EXPECT_TRUE(parse_dictionary(cat("a=\"", std::string(structured_bytes_max - 4, 'x'), "\"")));
  EXPECT_FALSE(parse_dictionary(cat("a=\"", std::string(structured_bytes_max - 3, 'x'), "\"")));
}

TEST(StructuredField, reads_one_item) {
  const auto item = parse_item("\"@query-param\";name=\"a b\"");
  ASSERT_TRUE(item);
  EXPECT_EQ(item->value.text, "@query-param");
  ASSERT_NE(item->find("name"), nullptr);
  EXPECT_EQ(item->find("name")->text, "a b");
  EXPECT_EQ(item->find("other"), nullptr);
  EXPECT_FALSE(parse_item("\"a\" \"b\""));
  EXPECT_FALSE(parse_item(""));
  EXPECT_FALSE(parse_item("(\"a\")"));
}

}  // namespace
}  // namespace keepgate::http
