#include "conf/lexer.h"

#include <gtest/gtest.h>

#include "base/bytes.h"

namespace keepgate::conf {
namespace {

// "[word]" for words, "'word'" for quoted ones, marks as they are, "!CODE" for what is bad.
std::string tokens(std::string_view text) {
  Lexer lexer(text, 0);
  std::string out;
  for (int i = 0; i < 100; ++i) {
    const Token token = lexer.next();
    switch (token.kind) {
      case TokenKind::end:
        return out;
      case TokenKind::word:
        append(out, token.word.quoted ? '\'' : '[', token.word.text, token.word.quoted ? '\'' : ']');
        break;
      case TokenKind::semicolon:
        out += ';';
        break;
      case TokenKind::open_brace:
        out += '{';
        break;
      case TokenKind::close_brace:
        out += '}';
        break;
      case TokenKind::bad:
        append(out, "!", token.code);
        break;
    }
  }
  return out;
}

struct Case {
  const char* text;
  const char* expected;
};

TEST(Lexer, splits_as_nginx) {
  const Case cases[] = {
      {"", ""},
      {" \t\r\n", ""},
      {"listen 80;", "[listen][80];"},
      {"http{server{}}", "[http]{[server]{}}"},
      {"a b # c ; {\n;", "[a][b];"},
      {"a#b;", "[a#b];"},
      {"a \"b c\" 'd e';", "[a]'b c''d e';"},
      {"a \"\" '';", "[a]'''';"},
      {"a \"it's\" 'say \"x\"';", "[a]'it's''say \"x\"';"},
      {R"(a "x\"y" 'x\'y' x\ty;)", "[a]'x\"y''x'y'[x\ty];"},
      {R"(a \d\.\\ "\n";)", "[a][\\d\\.\\]'\n';"},
      {R"(a b\;c;)", "[a][b\\;c];"},
      {"a ${b}c $d;", "[a][${b}c][$d];"},
      {"a \"${b} {\" ;", "[a]'${b} {';"},
      {"a b}c;", "[a][b}c];"},
      {"a b{", "[a][b]{"},
      {"a \"b\"{", "[a]'b'{"},
      {"if ($a = \"b\") {", "[if][($a][=]'b'[)]{"},
      {"a x\"y\"z;", "[a][x\"y\"z];"},
      {"a \"b # c\";", "[a]'b # c';"},
      {"\xc3\xa9 \xff;", "[\xc3\xa9][\xff];"},
  };
  for (const Case& one : cases) EXPECT_EQ(tokens(one.text), one.expected) << one.text;
}

TEST(Lexer, reports_what_nginx_refuses) {
  const Case cases[] = {
      {"a \"b\"c;", "[a]'b'!KG011[c];"}, {"a 'b'\"c\";", "[a]'b'!KG011'c';"},
      {"a \"b\"}", "[a]'b'!KG011}"},     {"a \"b;", "[a]!KG010"},
      {"a 'b\\", "[a]!KG010"},
  };
  for (const Case& one : cases) EXPECT_EQ(tokens(one.text), one.expected) << one.text;
}

TEST(Lexer, bounds_words) {
  const std::string good(Lexer::word_bytes_max, 'a'), long_word(Lexer::word_bytes_max + 1, 'a');
  EXPECT_EQ(tokens(good + ";"), cat("[", good, "];"));
  EXPECT_EQ(tokens(long_word + ";"), "!KG003;");
  EXPECT_EQ(tokens(cat("a \"b\nc ", long_word, ";\nd e;")).substr(0, 12), "[a]!KG003[c]");
}

TEST(Lexer, knows_places) {
  Lexer lexer("a\n  bc \"d\ne\" f", 3);
  (void)lexer.next();
  const Position b = lexer.next().word.at, d = lexer.next().word.at, f = lexer.next().word.at;
  EXPECT_EQ(b.line, 2U);
  EXPECT_EQ(b.offset, 4U);
  EXPECT_EQ(b.length, 2U);
  EXPECT_EQ(b.file, 3U);
  EXPECT_EQ(d.line, 2U);
  EXPECT_EQ(f.line, 3U);
}

}  // namespace
}  // namespace keepgate::conf
