#include "logs/access_format.h"

#include <gtest/gtest.h>

#include <map>

namespace keepgate::logs {
namespace {

class NoMaps final : public route::VariableNames {
 public:
  std::optional<std::uint32_t> map_index(std::string_view) const override { return std::nullopt; }
};

// Answers every variable with one value, but for those that were given their own.
class FakeSource final : public route::VariableSource {
 public:
  explicit FakeSource(std::string value) : value_(std::move(value)) {}
  void set(route::Variable variable, std::string value) { own_[variable] = std::move(value); }
  std::string_view variable(const route::VariableRef& reference) override {
    const auto own = own_.find(reference.variable);
    return own == own_.end() ? value_ : own->second;
  }

 private:
  std::string value_;
  std::map<route::Variable, std::string> own_;
};

AccessFormat make_format(std::string_view text, Escape escape) {
  std::string error;
  std::optional<route::Template> line = route::Template::compile(text, NoMaps(), error);
  EXPECT_TRUE(line) << error;
  return {"test", escape, line.value_or(route::Template())};
}

std::string format_one(std::string_view text, Escape escape, const std::string& value) {
  FakeSource source(value);
  Arena arena;
  std::string out;
  format_access_line(make_format(text, escape), source, arena, out);
  return out;
}

using std::string_literals::operator""s;

struct EscapeCase {
  Escape escape;
  std::string value;
  std::string_view expected;
};

TEST(AccessFormat, escapes_as_nginx_does) {
  const EscapeCase cases[] = {
      {Escape::standard, "GET /a HTTP/1.1", "GET /a HTTP/1.1"},
      {Escape::standard, "", "-"},
      {Escape::standard, "-", "-"},
      {Escape::standard, "a\"b", "a\\x22b"},
      {Escape::standard, "a\\b", "a\\x5Cb"},
      {Escape::standard, "\n\r\t", "\\x0A\\x0D\\x09"},
      {Escape::standard, "\0\x1f"s, "\\x00\\x1F"},
      {Escape::standard, " ~", " ~"},
      {Escape::standard, "\x7f", "\\x7F"},
      {Escape::standard, "\xc3\xa9\xff", "\\xC3\\xA9\\xFF"},
      {Escape::standard, "\"\"x", "\\x22\\x22x"},
      {Escape::json, "", ""},
      {Escape::json, "a\"b\\c", "a\\\"b\\\\c"},
      {Escape::json, "\n\r\t\b\f", "\\n\\r\\t\\b\\f"},
      {Escape::json, "\0\x01\x1f"s, "\\u0000\\u0001\\u001F"},
      {Escape::json, "/", "/"},
      {Escape::json, "\xc3\xa9", "\xc3\xa9"},
      {Escape::json, "a\xff\"", "a\\ufffd\\\""},
      {Escape::json, "\xc3\n", "\\ufffd\\n"},
      {Escape::none, "", ""},
      {Escape::none, "a\"\\\xff", "a\"\\\xff"},
  };
  for (const EscapeCase& one : cases) {
    EXPECT_EQ(format_one("$uri", one.escape, one.value), std::string(one.expected) + "\n") << one.expected;
  }
}

TEST(AccessFormat, copies_literals_unescaped) {
  EXPECT_EQ(format_one("{\"u\":\"$uri\"}", Escape::json, "a\"b"), "{\"u\":\"a\\\"b\"}\n");
  EXPECT_EQ(format_one("no variable", Escape::standard, "x"), "no variable\n");
  EXPECT_EQ(format_one("", Escape::standard, "x"), "\n");
}

TEST(AccessFormat, a_value_cannot_start_a_new_line) {
  for (const Escape escape : {Escape::standard, Escape::json}) {
    const std::string line = format_one("[$http_user_agent]", escape, "a\n127.0.0.1 - admin\r\n\x1b[2K");
    EXPECT_EQ(line.find('\n'), line.size() - 1);
    EXPECT_EQ(line.find('\r'), std::string::npos);
    EXPECT_EQ(line.find('\x1b'), std::string::npos);
  }
}

TEST(AccessFormat, writes_the_combined_format) {
  FakeSource source("");
  source.set(route::Variable::remote_addr, "127.0.0.1");
  source.set(route::Variable::time_local, "31/Jan/2026:12:00:00 +0000");
  source.set(route::Variable::request, "GET /\" HTTP/1.1");
  source.set(route::Variable::status, "200");
  source.set(route::Variable::body_bytes_sent, "5");
  source.set(route::Variable::http_, "agent");
  Arena arena;
  std::string out = "kept\n";
  format_access_line(make_format(combined_format, Escape::standard), source, arena, out);
  EXPECT_EQ(out,
            "kept\n127.0.0.1 - - [31/Jan/2026:12:00:00 +0000] \"GET /\\x22 HTTP/1.1\" 200 5 \"agent\" \"agent\"\n");
}

}  // namespace
}  // namespace keepgate::logs
