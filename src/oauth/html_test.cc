#include "oauth/html.h"

#include <gtest/gtest.h>

namespace keepgate::oauth {
namespace {

constexpr std::string_view mark = "\xef\xbf\xbd";

TEST(Html, what_could_end_text_or_an_attribute_becomes_a_reference) {
  EXPECT_EQ(escape_html("<script>alert(\"1\" & '2')</script>"),
            "&lt;script&gt;alert(&quot;1&quot; &amp; &#39;2&#39;)&lt;/script&gt;");
  EXPECT_EQ(escape_html("&amp;"), "&amp;amp;");
}

TEST(Html, plain_text_of_every_script_stays_as_it_is) {
  for (const std::string_view text :
       {"", "Shop 24", "J\xc3\xb6rg", "\xe5\xba\x97", "\xd7\x97\xd7\xa0\xd7\x95\xd7\xaa", "\xf0\x9f\x9b\x92 cart"}) {
    EXPECT_EQ(escape_html(text), text);
  }
}

TEST(Html, what_is_no_utf_8_shows_as_such) {
  for (const std::string_view byte : {"\xff", "\x80", "\xc0", "\xf5"}) EXPECT_EQ(escape_html(byte), mark);
  EXPECT_EQ(escape_html("\xc0\xbcscript"), std::string(mark) + std::string(mark) + "script") << "an overlong '<'";
  EXPECT_EQ(escape_html("a\xe2\x82"), std::string("a") + std::string(mark) + std::string(mark)) << "cut";
  EXPECT_EQ(escape_html("\xed\xa0\x80").find('\xed'), std::string::npos) << "a surrogate";
  EXPECT_EQ(escape_html("\xf4\x90\x80\x80").find('\xf4'), std::string::npos) << "above U+10FFFF";
  EXPECT_EQ(escape_html("\xc3<"), std::string(mark) + "&lt;") << "a lead byte swallows nothing";
}

TEST(Html, what_deceives_the_eye_is_replaced) {
  for (const std::string_view text :
       {std::string_view("\0", 1), std::string_view("\n"), std::string_view("\x1b"), std::string_view("\x7f"),
        std::string_view("\xc2\x85"), std::string_view("\xc2\xad"), std::string_view("\xe2\x80\x8b"),
        std::string_view("\xe2\x80\x8f"), std::string_view("\xe2\x80\xae"), std::string_view("\xe2\x81\xa6"),
        std::string_view("\xef\xbb\xbf"), std::string_view("\xf3\xa0\x81\x81")}) {
    EXPECT_EQ(escape_html(text), mark);
  }
}

TEST(Html, long_text_is_cut_between_characters) {
  EXPECT_EQ(escape_html_cut("abc", 3), "abc");
  EXPECT_EQ(escape_html_cut("abcd", 3), "abc\xe2\x80\xa6");
  EXPECT_EQ(escape_html_cut("\xc3\xb6\xc3\xb6<", 2), "\xc3\xb6\xc3\xb6\xe2\x80\xa6");
  EXPECT_EQ(escape_html_cut("<", 0), "\xe2\x80\xa6");
  EXPECT_EQ(escape_html_cut(std::string(shown_text_max, '<')).size(), 4 * shown_text_max);
}

}  // namespace
}  // namespace keepgate::oauth
