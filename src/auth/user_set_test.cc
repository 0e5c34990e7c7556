#include "auth/user_set.h"

#include <gtest/gtest.h>

#include <set>

#include "base/bytes.h"

namespace keepgate::auth {
namespace {

std::shared_ptr<const UserSet> users(std::string_view text) {
  auto set = UserSet::parse(crypto::SecretText(text));
  return set ? *set : nullptr;
}

std::string stored(const UserSet& set, std::string_view name) {
  const UserSet::User* user = set.find(name);
  return user ? std::string(user->stored) : "-";
}

TEST(UserSet, reads_lines_as_htpasswd_writes_them) {
  const auto set = users(
      "# comment\n\nalice:{PLAIN}a\nbob:{PLAIN}b:Bob's "
      "comment\r\n#carol:{PLAIN}c\ndave:$apr1$abcdefgh$ckT15POyCRlen.h6XtGAZ1:x:y");
  ASSERT_NE(set, nullptr);
  EXPECT_EQ(set->size(), 3U);
  EXPECT_EQ(set->unusable(), 0U);
  EXPECT_EQ(stored(*set, "alice"), "{PLAIN}a");
  EXPECT_EQ(stored(*set, "bob"), "{PLAIN}b");
  EXPECT_EQ(stored(*set, "dave"), "$apr1$abcdefgh$ckT15POyCRlen.h6XtGAZ1");
  for (const std::string_view nobody : {"carol", "#carol", "", "Alice", "alic", "alicee", "bob:{PLAIN}b"}) {
    EXPECT_EQ(stored(*set, nobody), "-") << nobody;
  }
}

TEST(UserSet, lines_that_are_no_user_let_nobody_in_and_the_others_count) {
  const auto set = users(
      "no colon\nalice:{PLAIN}a\n:x\nempty:\nold:{MD5}x\n a:{PLAIN}x\nplain:hunter2\nbob:{PLAIN}:\n\r\nzoe:{PLAIN}z\n");
  ASSERT_NE(set, nullptr);
  EXPECT_EQ(set->size(), 2U);
  EXPECT_EQ(set->unusable(), 7U);
  EXPECT_EQ(set->first_unusable(), "line 1: no colon");
  EXPECT_EQ(stored(*set, "zoe"), "{PLAIN}z");
  for (const std::string_view nobody : {"no colon", "", "empty", "old", " a", "a", "plain", "bob"}) {
    EXPECT_EQ(stored(*set, nobody), "-") << nobody;
  }
}

TEST(UserSet, the_first_of_two_lines_with_one_name_counts) {
  const auto set = users("a:{PLAIN}1\nb:{PLAIN}2\na:{PLAIN}3\n");
  EXPECT_EQ(set->size(), 2U);
  EXPECT_EQ(stored(*set, "a"), "{PLAIN}1");
}

TEST(UserSet, messages_show_nothing_of_a_password) {
  const auto set = users("alice:hunter2\n");
  EXPECT_EQ(set->first_unusable().find("hunter2"), std::string::npos);
  EXPECT_EQ(set->first_unusable().find("alice"), std::string::npos);
}

TEST(UserSet, has_bounds) {
  const std::string line = cat("alice:{PLAIN}a:", std::string(UserSet::line_bytes_max - 15, 'c'));
  EXPECT_NE(users(line), nullptr);
  EXPECT_NE(users(line + "\n"), nullptr);
  EXPECT_EQ(users(line + "c"), nullptr);
  EXPECT_EQ(users(line + "c\n"), nullptr);
  std::string text;
  for (std::size_t i = 0; i < UserSet::users_max; ++i) append(text, 'u', i, ":{PLAIN}x\n");
  EXPECT_EQ(users(text)->size(), UserSet::users_max);
  EXPECT_EQ(users(text + "one:{PLAIN}x\n"), nullptr);
  std::string comments;
  while (comments.size() < UserSet::file_bytes_max) append(comments, "#", std::string(1022, 'c'), "\n");
  EXPECT_NE(users(comments), nullptr);
  EXPECT_EQ(users(comments + "#"), nullptr);
}

TEST(UserSet, somebody_unknown_has_a_hash_of_the_file_and_always_the_same) {
  EXPECT_EQ(users("")->stand_in("x"), nullptr);
  const auto set = users("a:{PLAIN}1\nb:{PLAIN}2\nc:{PLAIN}3\n");
  std::set<std::string_view> seen;
  for (int i = 0; i < 200; ++i) {
    const std::string name = cat("nobody", i);
    ASSERT_NE(set->stand_in(name), nullptr);
    EXPECT_EQ(set->stand_in(name), set->stand_in(name));
    seen.insert(set->stand_in(name)->name);
  }
  EXPECT_EQ(seen.size(), 3U);
}

}  // namespace
}  // namespace keepgate::auth
