#include "auth/revocation_sources.h"

#include <gtest/gtest.h>

namespace keepgate::auth {
namespace {

constexpr Now at_some_time{0, 1'900'000'000'000};

RevocableNames named(std::string_view subject) {
  RevocableNames names;
  names.subject = subject;
  return names;
}

const RevocationSource the_file{nullptr, "", true};
const RevocationSource server{nullptr, "https://as.example/revocations", true};
const RevocationSource optional_server{nullptr, "https://other.example/revocations", false};

TEST(Revocations, are_those_of_all_sources_and_tell_of_which) {
  const auto one = *RevocationList::parse("sub a\n"), other = *RevocationList::parse("sub b\nsub c until=1999999999\n");
  Revocations all;
  all.add(one.get(), the_file);
  all.add(other.get(), server);
  EXPECT_EQ(all.missing(), "");
  EXPECT_EQ(all.find(named("a"), at_some_time)->describe(), "sub \"a\" (line 1)");
  EXPECT_EQ(all.find(named("c"), at_some_time)->describe(),
            "sub \"c\" (line 2 of https://as.example/revocations, until 1999999999)");
  EXPECT_FALSE(all.find(named("d"), at_some_time));
  all.clear();
  EXPECT_FALSE(all.find(named("a"), at_some_time));
}

TEST(Revocations, of_which_a_required_part_is_not_known_say_so) {
  const auto one = *RevocationList::parse("sub a\n");
  Revocations all;
  all.add(one.get(), the_file);
  all.add(nullptr, optional_server);
  EXPECT_EQ(all.missing(), "");
  all.add(nullptr, server);
  EXPECT_EQ(all.missing(), "https://as.example/revocations");
  EXPECT_TRUE(all.find(named("a"), at_some_time)) << "what is known counts all the same";
  all.clear();
  EXPECT_EQ(all.missing(), "");
  all.add(nullptr, the_file);
  EXPECT_EQ(all.missing(), "the file");
  EXPECT_TRUE(RevocationSource{}.is_required) << "the safe value";
}

}  // namespace
}  // namespace keepgate::auth
