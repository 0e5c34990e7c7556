#include "conf/parser.h"

#include <gtest/gtest.h>

#include "conf/test_support.h"

namespace keepgate::conf {
namespace {

using test::TempFolder;

std::string shown(const std::vector<Directive>& tree) {
  std::string out;
  for (const Directive& one : tree) {
    out += one.name.text;
    for (const Word& word : one.arguments) append(out, ' ', word.text);
    out += one.has_block ? cat("{", shown(one.block), "}") : ";";
  }
  return out;
}

struct Parsed {
  Sources sources;
  Diagnostics diagnostics;
  std::vector<Directive> tree;
  std::string codes() const {
    std::string out;
    for (const Diagnostic& one : diagnostics.all()) append(out, out.empty() ? "" : " ", one.code, "@", one.place.line);
    return out;
  }
};

std::unique_ptr<Parsed> parse(std::string text) {
  auto out = std::make_unique<Parsed>();
  Parser(out->sources, out->diagnostics, {}).parse_text("t.conf", std::move(text), out->tree);
  return out;
}

std::unique_ptr<Parsed> parse_main(const TempFolder& folder, const std::string& file) {
  auto out = std::make_unique<Parsed>();
  Parser(out->sources, out->diagnostics, {folder.path(""), {}}).parse_file(file, out->tree);
  return out;
}

TEST(Parser, makes_a_tree) {
  const auto parsed = parse("a 1; http { server { listen 80; } } b;");
  EXPECT_EQ(shown(parsed->tree), "a 1;http{server{listen 80;}}b;");
  EXPECT_FALSE(parsed->diagnostics.has_errors());
}

TEST(Parser, reports_all_errors_and_reads_on) {
  struct Case {
    const char* text;
    const char* codes;
    const char* tree;
  };
  const Case cases[] = {
      {"a {", "KG010@1", "a{}"},
      {"a { b;\n c", "KG010@2", "a{b;}"},
      {"a", "KG010@1", ""},
      {"a \"b", "KG010@1 KG010@1", ""},
      {"}", "KG011@1", ""},
      {"a; } b;", "KG011@1", "a;b;"},
      {";", "KG011@1", ""},
      {"a;; b;", "KG011@1", "a;b;"},
      {"{ a; } b;", "KG011@1", "b;"},
      {"a { b } c;", "KG013@1", "a{}c;"},
      {"a { b\n} d \"x\"y;\n", "KG013@2 KG011@2", "a{}d x y;"},
      {"include;", "KG015@1", ""},
      {"include a b;", "KG015@1", ""},
      {"include \"\";", "KG002@1", ""},
      {"a;\ninclude none.conf;\nb;", "KG001@2", "a;b;"},
  };
  for (const Case& one : cases) {
    const auto parsed = parse(one.text);
    EXPECT_EQ(parsed->codes(), one.codes) << one.text;
    EXPECT_EQ(shown(parsed->tree), one.tree) << one.text;
  }
}

TEST(Parser, refuses_what_is_no_text) {
  EXPECT_EQ(parse(std::string("a;\nb\0;", 6))->codes(), "KG004@2");
  EXPECT_EQ(parse("a \x1b[2J;")->codes(), "KG004@1");
  EXPECT_EQ(parse("\xef\xbb\xbf"
                  "a;")
                ->codes(),
            "KG004@1");
  EXPECT_EQ(parse("\x7f"
                  "ELF\x02\x01")
                ->codes(),
            "KG004@1");
}

TEST(Parser, includes_in_place_and_sorts_patterns) {
  const TempFolder folder;
  folder.write("conf.d/b.conf", "b 2;");
  folder.write("conf.d/a.conf", "a 1;");
  folder.write("conf.d/c.txt", "c 3;");
  const auto parsed =
      parse_main(folder, folder.write("main.conf", "x { include conf.d/*.conf; y; } include none/*.conf;"));
  EXPECT_EQ(shown(parsed->tree), "x{a 1;b 2;y;}");
  EXPECT_FALSE(parsed->diagnostics.has_errors());
}

TEST(Parser, refuses_include_loops) {
  const TempFolder folder;
  folder.write("a.conf", "a; include b.conf;");
  folder.write("b.conf", "b; include a.conf; c;");
  const auto parsed = parse_main(folder, folder.path("a.conf"));
  EXPECT_EQ(parsed->codes(), "KG002@1");
  EXPECT_EQ(shown(parsed->tree), "a;b;c;");
  const auto self = parse_main(folder, folder.write("self.conf", "include *.conf;"));
  EXPECT_TRUE(self->diagnostics.has_errors());
}

TEST(Parser, bounds_the_depth_of_includes) {
  const TempFolder folder;
  for (int i = 0; i < 40; ++i) folder.write(cat(i, ".conf"), cat("d", i, "; include ", i + 1, ".conf;"));
  folder.write("40.conf", "end;");
  const auto parsed = parse_main(folder, folder.path("0.conf"));
  EXPECT_EQ(parsed->codes(), "KG002@1");
}

TEST(Parser, a_block_ends_in_the_file_it_began_in) {
  const TempFolder folder;
  folder.write("open.conf", "a {");
  folder.write("close.conf", "}");
  EXPECT_EQ(parse_main(folder, folder.write("m.conf", "include open.conf; b; include close.conf;"))->codes(),
            "KG010@1 KG011@1");
}

TEST(Parser, refuses_what_is_no_regular_file) {
  const TempFolder folder;
  EXPECT_EQ(parse_main(folder, folder.write("m.conf", "include /dev/zero;"))->codes(), "KG001@1");
  EXPECT_EQ(parse_main(folder, folder.write("n.conf", cat("include ", folder.path(""), ";")))->codes(), "KG001@1");
  ASSERT_EQ(::mkfifo(folder.path("pipe").c_str(), S_IRUSR | S_IWUSR), 0);
  EXPECT_EQ(parse_main(folder, folder.write("o.conf", "include pipe;"))->codes(), "KG001@1");
}

TEST(Parser, bounds_bytes_depth_and_number) {
  const TempFolder folder;
  folder.write("big.conf", std::string(Sources::bytes_max + 1, ' '));
  EXPECT_EQ(parse_main(folder, folder.write("m.conf", "include big.conf;"))->codes(), "KG001@1");
  EXPECT_EQ(parse(std::string(200'000, '{'))->diagnostics.all().size(), Parser::block_depth_max + 2);
  std::string nested;
  for (int i = 0; i < 5000; ++i) nested += "a{";
  EXPECT_EQ(parse(nested)->codes(), "KG003@1");
  std::string many;
  for (std::size_t i = 0; i <= Parser::directives_max; ++i) many += "a;";
  EXPECT_EQ(parse(many)->codes(), "KG003@1");
}

TEST(Parser, stops_after_many_errors) {
  EXPECT_EQ(parse(std::string(100'000, ';'))->diagnostics.all().size(), Parser::complaints_max);
}

TEST(Parser, every_prefix_of_a_file_is_refused_or_read) {
  const std::string text = "http { map $a $b { default \"x y\"; ~^z 'q'; } # c\n server { listen 80; } }";
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto parsed = parse(text.substr(0, i));
    const bool blank = text.substr(0, i).find_first_not_of(' ') == std::string::npos;
    EXPECT_EQ(parsed->diagnostics.has_errors(), !blank) << text.substr(0, i);
  }
}

}  // namespace
}  // namespace keepgate::conf
