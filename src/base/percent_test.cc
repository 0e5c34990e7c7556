#include "base/percent.h"

#include <gtest/gtest.h>

namespace keepgate {
namespace {

TEST(Percent, decodes_escapes_and_leaves_what_is_none) {
  const std::pair<std::string_view, std::string> rows[] = {
      {"", ""},        {"a%5Fb", "a_b"}, {"%5f", "_"}, {"%", "%"},       {"%4", "%4"},   {"%4g", "%4g"},
      {"%g4", "%g4"},  {"%%41", "%A"},   {"a%", "a%"}, {"%2541", "%41"}, {"a+b", "a+b"}, {"%00", std::string(1, '\0')},
      {"%ff", "\xff"},
  };
  for (const auto& [text, decoded] : rows) EXPECT_EQ(percent_decoded(text), decoded) << text;
  EXPECT_EQ(percent_decoded("a+b%2B", '+'), "a b+");
  EXPECT_EQ(percent_decoded("+%2B+%+%%2b+%2", '+'), " + % %+ %2");
  EXPECT_EQ(percent_decoded("++", '+'), "  ");
}

TEST(Percent, tells_the_byte_of_an_escape) {
  EXPECT_EQ(percent_byte("%41", 0), 'A');
  EXPECT_EQ(percent_byte("x%fF", 1), 255);
  EXPECT_EQ(percent_byte("x%fF", 0), -1);
  EXPECT_EQ(percent_byte("%4", 0), -1);
}

}  // namespace
}  // namespace keepgate
