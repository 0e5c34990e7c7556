#include "policy/yaml_document.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "policy/codes.h"

namespace keepgate::policy {
namespace {

std::optional<YamlNode> read(std::string_view text, Diagnostics& diagnostics) {
  return read_yaml(SourceFile("p.yaml", text), diagnostics);
}

struct Refused {
  std::string text;
  std::string_view code;
  std::uint32_t line, column;
};

std::string repeated(std::string_view piece, std::size_t times) {
  std::string out;
  while (times-- > 0) out += piece;
  return out;
}

TEST(YamlDocument, refuses_whatever_two_readers_could_read_differently) {
  const Refused cases[] = {
      {"", code::empty_file, 1, 1},
      {"# only a comment\n", code::empty_file, 1, 1},
      {"a: &x 1\n", code::yaml_anchor, 1, 4},
      {"a: &x [1]\n", code::yaml_anchor, 1, 4},
      {"a: &x {b: c}\n", code::yaml_anchor, 1, 4},
      {"&x a: 1\n", code::yaml_anchor, 1, 1},
      {"a: *x\n", code::yaml_alias, 1, 4},
      {"a: [b, *x]\n", code::yaml_alias, 1, 8},
      {"*x : 1\n", code::yaml_alias, 1, 1},
      {"{a: *}\n", code::yaml_alias, 1, 5},
      {"a: [*]\n", code::yaml_alias, 1, 5},
      {"a: !!str 1\n", code::yaml_tag, 1, 4},
      {"a: !x 1\n", code::yaml_tag, 1, 4},
      {"a: ! 1\n", code::yaml_tag, 1, 4},
      {"a: !!seq [1]\n", code::yaml_tag, 1, 4},
      {"!!map\na: 1\n", code::yaml_tag, 1, 1},
      {"a: !<tag:yaml.org,2002:str> x\n", code::yaml_tag, 1, 4},
      {"a: 1\na: 2\n", code::duplicate_key, 2, 1},
      {"{a: 1, b: 2, a: 3}\n", code::duplicate_key, 1, 14},
      {"a: 1\n\"a\": 2\n", code::duplicate_key, 2, 1},
      {"a: 1\n\"\\x61\": 2\n", code::duplicate_key, 2, 1},
      {"a: 1\n'a': 2\n", code::duplicate_key, 2, 1},
      {"x:\n  - k: 1\n    k: 2\n", code::duplicate_key, 3, 5},
      {"a: 1\n---\nb: 2\n", code::several_documents, 2, 1},
      {"a: 1\n...\n---\nb: 2\n", code::several_documents, 3, 1},
      {"---\n---\n", code::several_documents, 2, 1},
      {"<<: {a: 1}\n", code::merge_key, 1, 1},
      {"a:\n  <<: [b]\n", code::merge_key, 2, 3},
      {"\"<<\": b\n", code::merge_key, 1, 1},
      {"[a]: 1\n", code::complex_key, 1, 1},
      {"{a: 1}: 1\n", code::complex_key, 1, 1},
      {"? [a, b]\n: 1\n", code::complex_key, 1, 3},
      {"%YAML 1.1\n---\na: 1\n", code::yaml_directive, 1, 1},
      {"%TAG !e! tag:x,2000:\n---\na: 1\n", code::yaml_directive, 1, 1},
      {repeated("[", 33) + repeated("]", 33), code::too_deep, 1, 33},
      {repeated("{a: ", 40) + repeated("}", 40), code::too_deep, 1, 129},
      {repeated("[", 100000), code::too_deep, 1, 33},
      {"\xef\xbb\xbf"
       "a: 1\n",
       code::hidden_character, 1, 1},
      {std::string("a: b\0c\n", 7), code::hidden_character, 1, 5},
      {"a: 1\rb: 2\n", code::hidden_character, 1, 5},
      {"a: 1 # \xc2\x85"
       "b: 2\n",
       code::hidden_character, 1, 8},
      {"a: 1 # \xe2\x80\xa8"
       "b: 2\n",
       code::hidden_character, 1, 8},
      {"a: \xe2\x80\xaexyz\n", code::hidden_character, 1, 4},
      {"a: x\xe2\x80\x8by\n", code::hidden_character, 1, 5},
      {"a: \x1b[2K\n", code::hidden_character, 1, 4},
      {"a: \x7f\n", code::hidden_character, 1, 4},
      {"\xff\xfe"
       "a\0:\0",
       code::yaml_syntax, 1, 1},
      {"a: \xc0\xaf\n", code::yaml_syntax, 1, 4},
      {"a: \xed\xa0\x80\n", code::yaml_syntax, 1, 4},
      {"a: \xf5\x80\x80\x80\n", code::yaml_syntax, 1, 4},
      {"a: [1, 2\n", code::yaml_syntax, 2, 1},
      {"a: \"x\n", code::yaml_syntax, 2, 1},
      {"a: 'x\n", code::yaml_syntax, 2, 1},
      {"a: b: c\n", code::yaml_syntax, 1, 5},
      {"a: 1\n b: 2\n", code::yaml_syntax, 2, 3},
      {"a:\n\t- b\n", code::yaml_syntax, 2, 1},
      {"a: \"\\q\"\n", code::yaml_syntax, 1, 5},
      {"a: @x\n", code::yaml_syntax, 1, 4},
      {"a: `x`\n", code::yaml_syntax, 1, 4},
      {"]\n", code::yaml_syntax, 1, 1},
      {"a: 1]\nb: }\n", code::yaml_syntax, 2, 4},
  };
  for (const Refused& one : cases) {
    Diagnostics diagnostics;
    EXPECT_FALSE(read(one.text, diagnostics)) << one.text;
    ASSERT_FALSE(diagnostics.all().empty()) << one.text;
    const Diagnostic& first = diagnostics.all().front();
    EXPECT_EQ(first.code, one.code) << one.text << diagnostics.render_text();
    EXPECT_EQ(first.place.line, one.line) << one.text << diagnostics.render_text();
    EXPECT_EQ(first.place.column, one.column) << one.text << diagnostics.render_text();
  }
}

TEST(YamlDocument, refuses_a_file_above_the_bound_and_reads_one_below) {
  std::string text = "a: b\n#";
  text.append(yaml_bytes_max - text.size(), 'x');
  Diagnostics fine;
  EXPECT_TRUE(read(text, fine)) << fine.render_text();
  text += 'x';
  Diagnostics diagnostics;
  EXPECT_FALSE(read(text, diagnostics));
  EXPECT_EQ(diagnostics.all().front().code, code::too_large);
}

TEST(YamlDocument, refuses_more_values_than_the_bound) {
  const std::string text = cat("[", repeated("a,", yaml_nodes_max), "]");
  Diagnostics diagnostics;
  EXPECT_FALSE(read(text, diagnostics));
  EXPECT_EQ(diagnostics.all().front().code, code::too_large);
}

TEST(YamlDocument, stops_complaining_at_a_bound) {
  Diagnostics diagnostics;
  EXPECT_FALSE(read(cat("[", repeated("*x,", 100'000), "]"), diagnostics));
  EXPECT_EQ(diagnostics.error_count(), complaints_max);
}

TEST(YamlDocument, reports_several_complaints_at_once) {
  Diagnostics diagnostics;
  EXPECT_FALSE(read("a: &x 1\nb: !t 2\na: *x\n", diagnostics));
  EXPECT_EQ(diagnostics.error_count(), 4u) << diagnostics.render_text();
}

TEST(YamlDocument, reads_plain_scalars_as_text_whatever_they_look_like) {
  Diagnostics diagnostics;
  const auto root = read("[no, yes, ~, null, 1e3, 0x10, 012, 2001-01-01, true, .inf, '1', \"no\", =]", diagnostics);
  ASSERT_TRUE(root) << diagnostics.render_text();
  const std::string_view texts[] = {"no",         "yes",  "~",    "null", "1e3", "0x10", "012",
                                    "2001-01-01", "true", ".inf", "1",    "no",  "="};
  ASSERT_EQ(root->items.size(), std::size(texts));
  for (std::size_t i = 0; i < std::size(texts); ++i) EXPECT_EQ(root->items[i].text, texts[i]);
}

TEST(YamlDocument, reads_nesting_up_to_the_bound) {
  Diagnostics diagnostics;
  EXPECT_TRUE(read(repeated("[", 32) + repeated("]", 32), diagnostics)) << diagnostics.render_text();
}

TEST(YamlDocument, gives_each_node_its_line_and_byte_column) {
  Diagnostics diagnostics;
  const auto root = read("# é\nkey:\r\n  - { é: a, b: [c] }\n", diagnostics);
  ASSERT_TRUE(root) << diagnostics.render_text();
  const YamlNode& map = root->items[1].items[0];
  EXPECT_EQ(map.line, 3u);
  EXPECT_EQ(map.column, 5u);
  const YamlNode& list = *map.find("b");
  EXPECT_EQ(list.items[0].text, "c");
  EXPECT_EQ(list.items[0].column, 18u);  // The é before it has two bytes.
  EXPECT_EQ(list.items[0].length, 1u);
}

TEST(YamlDocument, takes_an_explicit_document_start_and_end) {
  Diagnostics diagnostics;
  EXPECT_TRUE(read("---\na: 1\n...\n", diagnostics)) << diagnostics.render_text();
}

TEST(YamlDocument, finds_no_key_that_is_only_a_value) {
  Diagnostics diagnostics;
  const auto root = read("a: b\n", diagnostics);
  ASSERT_TRUE(root);
  EXPECT_NE(root->find("a"), nullptr);
  EXPECT_EQ(root->find("b"), nullptr);
}

}  // namespace
}  // namespace keepgate::policy
