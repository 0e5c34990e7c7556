// Vectors: RFC 6238 appendix B (its SHA-1 column, the last six of eight digits) and RFC 4226 appendix D.
#include "crypto/totp.h"

#include <gtest/gtest.h>

#include <string>

#include "base/bytes.h"
#include "crypto/base32.h"

namespace keepgate::crypto {
namespace {

constexpr std::string_view rfc_secret = "12345678901234567890";
constexpr std::int64_t some_time_s = 1'111'111'111;
constexpr std::int64_t some_step = some_time_s / 30;

TEST(Totp, makes_the_codes_of_the_rfc) {
  const struct {
    std::int64_t wall_s;
    std::string_view code;
  } vectors[] = {{59, "287082"},
                 {1'111'111'109, "081804"},
                 {1'111'111'111, "050471"},
                 {1'234'567'890, "005924"},
                 {2'000'000'000, "279037"},
                 {20'000'000'000, "353130"}};
  for (const auto& one : vectors) {
    EXPECT_EQ(totp_code(rfc_secret, totp_step_at(one.wall_s)).view(), one.code);
    EXPECT_EQ(matching_totp_step(rfc_secret, one.code, one.wall_s, -1), one.wall_s / 30);
  }
}

TEST(Totp, makes_the_codes_of_counters) {
  constexpr std::string_view codes[] = {"755224", "287082", "359152", "969429", "338314",
                                        "254676", "287922", "162583", "399871", "520489"};
  for (std::int64_t step = 0; step < 10; ++step) {
    EXPECT_EQ(totp_code(rfc_secret, step).view(), codes[static_cast<std::size_t>(step)]);
  }
}

TEST(Totp, one_step_before_and_behind_passes_and_two_do_not) {
  for (std::int64_t away = -3; away <= 3; ++away) {
    const SecretText code = totp_code(rfc_secret, some_step + away);
    const auto matched = matching_totp_step(rfc_secret, code.view(), some_time_s, -1);
    EXPECT_EQ(matched.has_value(), away >= -1 && away <= 1) << away;
    EXPECT_EQ(matched.value_or(some_step + away), some_step + away);
  }
}

TEST(Totp, a_step_that_was_used_passes_no_more) {
  const SecretText code = totp_code(rfc_secret, some_step);
  EXPECT_EQ(matching_totp_step(rfc_secret, code.view(), some_time_s, some_step - 1), some_step);
  EXPECT_FALSE(matching_totp_step(rfc_secret, code.view(), some_time_s, some_step));
  EXPECT_FALSE(matching_totp_step(rfc_secret, code.view(), some_time_s, some_step + 1));
  const SecretText later = totp_code(rfc_secret, some_step + 1);
  EXPECT_EQ(matching_totp_step(rfc_secret, later.view(), some_time_s, some_step), some_step + 1);
}

TEST(Totp, what_is_not_six_right_digits_matches_nothing) {
  const std::string right(totp_code(rfc_secret, some_step).view());
  for (const std::string& code :
       {std::string(), right.substr(1), cat(right, "0"), cat(" ", right), std::string("000000"), std::string("abcdef"),
        std::string(6, '\0'), cat(right.substr(0, 5), " ")}) {
    EXPECT_FALSE(matching_totp_step(rfc_secret, code, some_time_s, -1)) << code;
  }
  EXPECT_FALSE(matching_totp_step("12345678901234567891", right, some_time_s, -1)) << "another secret";
}

TEST(Totp, at_the_beginning_of_time_there_is_no_step_before_it) {
  EXPECT_EQ(matching_totp_step(rfc_secret, "755224", 0, -1), 0);
  EXPECT_FALSE(matching_totp_step(rfc_secret, totp_code(rfc_secret, -1).view(), 0, -1));
  EXPECT_FALSE(matching_totp_step(rfc_secret, totp_code(rfc_secret, -1).view(), -5, -2));
}

TEST(Totp, secrets_are_new_and_of_the_length_the_rfc_recommends) {
  const SecretText a = make_totp_secret(), b = make_totp_secret();
  EXPECT_EQ(a.size(), totp_secret_bytes);
  EXPECT_NE(a.view(), b.view());
  EXPECT_EQ(read_totp_secret(base32_encode(a.view()).view())->view(), a.view());
}

TEST(Totp, secrets_have_bounds) {
  const auto of = [](std::size_t bytes) { return base32_encode(std::string(bytes, 'x')); };
  EXPECT_TRUE(read_totp_secret(of(totp_secret_bytes_min).view()));
  EXPECT_TRUE(read_totp_secret(of(totp_secret_bytes_max).view()));
  EXPECT_FALSE(read_totp_secret(of(totp_secret_bytes_min - 1).view()));
  EXPECT_FALSE(read_totp_secret(of(totp_secret_bytes_max + 1).view()));
  EXPECT_FALSE(read_totp_secret("not base32!"));
}

TEST(Totp, the_uri_encodes_names) {
  EXPECT_EQ(totp_uri("Shop & Co", "al:ice@example.com", rfc_secret).view(),
            "otpauth://totp/Shop%20%26%20Co:al%3Aice%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
            "&issuer=Shop%20%26%20Co&algorithm=SHA1&digits=6&period=30");
}

}  // namespace
}  // namespace keepgate::crypto
