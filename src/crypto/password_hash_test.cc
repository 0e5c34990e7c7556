// Vectors: `openssl passwd -1|-5|-6|-apr1 -salt abcdefgh`, crypt(3) of Python, `argon2 SALT -id -e` for the others.
#include "crypto/password_hash.h"

#include <gtest/gtest.h>

#include <string>

#include "base/bytes.h"

namespace keepgate::crypto {
namespace {

struct HashVector {
  PasswordForm form;
  std::string_view password, stored;
};

constexpr std::string_view long_password = "longer than sixteen bytes of text";
constexpr std::string_view word = "hunter2";

constexpr HashVector vectors[] = {
    {PasswordForm::plain, word, "{PLAIN}hunter2"},
    {PasswordForm::plain, "p\xc3\xa4ss word", "{PLAIN}p\xc3\xa4ss word"},
    {PasswordForm::sha1, word, "{SHA}87u9ZqY9S/F0eUBXjsPQEDUw4h0="},
    {PasswordForm::salted_sha1, word, "{SSHA}gK+fFFujqnweTpwCQ7Sp02gQxCJzYWx0"},
    {PasswordForm::des_crypt, word, "ab0ozUNIgzCZ."},
    {PasswordForm::md5_crypt, word, "$1$abcdefgh$vhxKZ/s1ygZHyCEDPyqtQ/"},
    {PasswordForm::md5_crypt, "", "$1$abcdefgh$M55TzYaaccxVGbptZWaxX/"},
    {PasswordForm::apr1, "", "$apr1$abcdefgh$L.PT565ESX4Tp2bqNs7Ie."},
    {PasswordForm::apr1, word, "$apr1$abcdefgh$ckT15POyCRlen.h6XtGAZ1"},
    {PasswordForm::apr1, long_password, "$apr1$abcdefgh$7zflXf3dc6rFhPhJ8gTFa0"},
    {PasswordForm::apr1, "p\xc3\xa4ssw\xc3\xb6rd", "$apr1$abcdefgh$030j6I3f1zNCF9tihqdd11"},
    {PasswordForm::bcrypt, word, "$2y$05$abcdefghijklmnopqrstuuoXuKqgZXLiJqzfmMXDDhSFPIvxV7t8."},
    {PasswordForm::bcrypt, word, "$2b$05$abcdefghijklmnopqrstuuoXuKqgZXLiJqzfmMXDDhSFPIvxV7t8."},
    {PasswordForm::sha256_crypt, word, "$5$abcdefgh$XEPmEiAJvPG31m/DaIsyckkv.Sxd.8NrmElXxCKFQr/"},
    {PasswordForm::sha256_crypt, long_password, "$5$abcdefgh$dCUF2Nm8E57KSqgx6RZ/E9v.pn88Wwk9bz2T6qVkqp5"},
    {PasswordForm::sha256_crypt, word, "$5$rounds=1000$abcdefgh$zZYuNxGKBwExkM8Jjfn/KVmR8hkyEavAELgSGSoRhk5"},
    {PasswordForm::sha512_crypt, word,
     "$6$abcdefgh$M/eYsB4rVXAm3ZNc88J.UD9rCKAT6FB1rahiwJCHtEndQNORCub5qhjxn50qbqVVthkM.9HpEwtf0t.iV9uH0/"},
    {PasswordForm::sha512_crypt, word,
     "$6$rounds=1000$abcdefgh$t5NmrWOyohJ8f73CiI.ipwnmEO82Ymv802ja2TZrmBnj00Hvr2YrP2TDI7aBzNhjsP40J3Yd13Z66StlJAayI1"},
    {PasswordForm::yescrypt, word, "$y$j75$abcdefgh$xVT9.nCEbZT7Br/9iojUCoQA.ZYRshKh0TfvBdo8r49"},
    {PasswordForm::yescrypt, word, "$y$j9T$abcdefgh$PMO/ybZGzwvHUDcEDrYISVNPmdY1pppLlI6NvjamW79"},
    {PasswordForm::argon2id, word,
     "$argon2id$v=19$m=8192,t=2,p=1$YWJjZGVmZ2hpamtsbW5vcA$gliY8CKwZ29p1+LqM43PYsTc2lj9gHwlWeXdHnRs9as"},
    {PasswordForm::argon2id, word,
     "$argon2id$v=19$m=8192,t=1,p=4$YWJjZGVmZ2hpamtsbW5vcA$/bncJV26LuFQefCGNh6qBSYSJc53A28E"},
};

TEST(PasswordHash, agrees_with_the_tools_that_make_hashes) {
  for (const HashVector& one : vectors) {
    EXPECT_EQ(password_form(one.stored), one.form) << one.stored;
    EXPECT_TRUE(matches_password(one.password, one.stored)) << one.stored;
  }
}

TEST(PasswordHash, refuses_every_other_password) {
  for (const HashVector& one : vectors) {
    EXPECT_FALSE(matches_password("hunter3", one.stored)) << one.stored;
    EXPECT_FALSE(matches_password("Hunter2", one.stored)) << one.stored;
    EXPECT_FALSE(matches_password(one.stored, one.stored)) << one.stored;
    if (one.password.empty()) continue;
    EXPECT_FALSE(matches_password("", one.stored)) << one.stored;
    EXPECT_FALSE(matches_password(one.password.substr(1), one.stored)) << one.stored;
  }
}

TEST(PasswordHash, one_changed_character_of_a_hash_matches_nothing) {
  for (const HashVector& one : vectors) {
    std::string other(one.stored);
    char& last = other[other.size() - (other.ends_with('=') ? 2 : 1)];
    last = last == 'A' ? 'E' : 'A';
    EXPECT_FALSE(matches_password(one.password, other)) << other;
  }
}

TEST(PasswordHash, what_is_no_hash_of_ours_lets_nobody_in) {
  const std::string too_long = cat("{PLAIN}", std::string(stored_password_bytes_max, 'x'));
  for (const std::string& stored :
       {std::string(),
        std::string("*"),
        std::string("!"),
        std::string("x"),
        std::string("hunter2"),
        std::string("{PLAIN}"),
        std::string("{plain}hunter2"),
        std::string("{SHA}"),
        std::string("{SHA}87u9"),
        std::string("{SHA}gK+fFFujqnweTpwCQ7Sp02gQxCJzYWx0"),
        std::string("{SSHA}87u9ZqY9S/F0eUBXjsPQEDUw4h0="),
        std::string("{SSHA}!!"),
        std::string("{MD5}x"),
        std::string("{CRYPT}ab0ozUNIgzCZ."),
        std::string("ab0ozUNIgzCZ"),
        std::string("ab0ozUNIgzCZ.."),
        std::string("a:0ozUNIgzCZ."),
        std::string("_J9..abcdefghijklmno"),
        std::string("$apr1$"),
        std::string("$apr1$abcdefgh"),
        std::string("$apr1$abcdefghi$ckT15POyCRlen.h6XtGAZ1"),
        std::string("$apr1$abcdefgh$ckT15POyCRlen.h6XtGAZ"),
        std::string("$APR1$abcdefgh$ckT15POyCRlen.h6XtGAZ1"),
        std::string("$2x$05$abcdefghijklmnopqrstuuoXuKqgZXLiJqzfmMXDDhSFPIvxV7t8."),
        std::string("$2y$5$abcdefghijklmnopqrstuuoXuKqgZXLiJqzfmMXDDhSFPIvxV7t8."),
        std::string("$y$j9T$abcdefgh$"),
        std::string("$7$C6..../....SodiumChloride$kBGj9fHznVYFQMEn/qDCfrDevf9YDtcDdKvEqHJLV8D"),
        std::string("ab\0ozUNIgzCZ.", 13),
        too_long}) {
    EXPECT_EQ(password_form(stored), PasswordForm::none) << stored;
    for (const std::string_view password : {std::string_view(word), std::string_view(), std::string_view(stored)}) {
      EXPECT_FALSE(matches_password(password, stored)) << stored;
    }
  }
}

TEST(PasswordHash, cost_is_bounded) {
  const auto bcrypt = [](unsigned cost) {
    return cat("$2y$", cost < 10 ? "0" : "", cost, "$abcdefghijklmnopqrstuuoXuKqgZXLiJqzfmMXDDhSFPIvxV7t8.");
  };
  EXPECT_EQ(password_form(bcrypt(bcrypt_cost_max)), PasswordForm::bcrypt);
  EXPECT_EQ(password_form(bcrypt(bcrypt_cost_max + 1)), PasswordForm::none);
  EXPECT_EQ(password_form(bcrypt(3)), PasswordForm::none);
  const auto sha = [](std::uint64_t rounds) {
    return cat("$5$rounds=", rounds, "$abcdefgh$zZYuNxGKBwExkM8Jjfn/KVmR8hkyEavAELgSGSoRhk5");
  };
  EXPECT_EQ(password_form(sha(sha_crypt_rounds_max)), PasswordForm::sha256_crypt);
  EXPECT_EQ(password_form(sha(sha_crypt_rounds_max + 1)), PasswordForm::none);
  EXPECT_EQ(password_form(sha(std::uint64_t{1} << 33)), PasswordForm::none);
  EXPECT_EQ(password_form(sha(999)), PasswordForm::none);
  const auto yescrypt = [](char n) { return cat("$y$j", n, "T$abcdefgh$PMO/ybZGzwvHUDcEDrYISVNPmdY1pppLlI6NvjamW79"); };
  EXPECT_EQ(password_form(yescrypt('B')), PasswordForm::yescrypt);  // 64 MiB
  EXPECT_EQ(password_form(yescrypt('C')), PasswordForm::none);
  EXPECT_EQ(password_form(yescrypt('z')), PasswordForm::none);
}

std::string argon2id(std::string_view parameters, std::string_view salt = "YWJjZGVmZ2hpamtsbW5vcA",
                     std::string_view hash = "gliY8CKwZ29p1+LqM43PYsTc2lj9gHwlWeXdHnRs9as") {
  return cat("$argon2id$v=19$", parameters, "$", salt, "$", hash);
}

TEST(PasswordHash, cost_of_argon2id_is_bounded) {
  for (const std::string_view good : {"m=131072,t=4,p=1", "m=65536,t=8,p=8", "m=8,t=1,p=1", "m=64,t=1,p=8"}) {
    EXPECT_EQ(password_form(argon2id(good)), PasswordForm::argon2id) << good;
  }
  for (const std::string_view bad : {"m=131073,t=1,p=1", "m=131072,t=5,p=1", "m=65536,t=9,p=1", "m=72,t=1,p=9",
                                     "m=7,t=1,p=1", "m=63,t=1,p=8", "m=4294967295,t=1,p=1", "m=99999999999,t=1,p=1",
                                     "m=8,t=4294967296,p=1", "m=8,t=0,p=1", "m=0,t=1,p=1", "m=8,t=1,p=0"}) {
    EXPECT_EQ(password_form(argon2id(bad)), PasswordForm::none) << bad;
    EXPECT_FALSE(matches_password(word, argon2id(bad))) << bad;
  }
}

TEST(PasswordHash, argon2id_has_one_spelling) {
  constexpr std::string_view salt = "YWJjZGVmZ2hpamtsbW5vcA", good = "m=8192,t=2,p=1";
  ASSERT_TRUE(matches_password(word, argon2id(good)));
  const std::string right = argon2id(good);
  for (const std::string& stored :
       {argon2id("m=08192,t=2,p=1"),
        argon2id("t=2,m=8192,p=1"),
        argon2id("m=8192,t=2"),
        argon2id("m=+8192,t=2,p=1"),
        argon2id("m=8192,t=2,p=1,x=1"),
        argon2id(good, ""),
        argon2id(good, "YWJjZGU"),
        argon2id(good, cat(salt, "==")),
        argon2id(good, salt, "gliY8CKwZ28"),
        argon2id(good, salt, cat(right.substr(right.size() - 43), "=")),
        argon2id(good, salt, ""),
        argon2id(good, salt, std::string(120, 'A')),
        argon2id(good, "YWJjZGVmZ2hpamtsbW5vcB"),
        std::string("$argon2id$v=19$"),
        std::string("$argon2id$v=19$m"),
        std::string("$argon2id$v=16$") + right.substr(15),
        std::string("$argon2id$") + right.substr(15),
        cat(right, "$"),
        cat(right, " "),
        std::string(
            "$argon2i$v=19$m=8192,t=3,p=1$YWJjZGVmZ2hpamtsbW5vcA$4f5shLYdujSiu8G8KB2C3FmDZvYE3NVlH8cVBNXExBk")}) {
    EXPECT_EQ(password_form(stored), PasswordForm::none) << stored;
    EXPECT_FALSE(matches_password(word, stored)) << stored;
  }
}

TEST(PasswordHash, a_hash_that_was_made_matches_its_password_alone) {
  const Result<std::string> made = make_password_hash(word), again = make_password_hash(word);
  ASSERT_TRUE(made && again);
  EXPECT_TRUE(made->starts_with("$argon2id$v=19$m=65536,t=3,p=1$")) << *made;
  EXPECT_NE(*made, *again) << "each has a salt of its own";
  EXPECT_EQ(password_form(*made), PasswordForm::argon2id);
  EXPECT_TRUE(matches_password(word, *made));
  EXPECT_FALSE(matches_password("hunter3", *made));
}

TEST(PasswordHash, no_hash_is_made_of_what_could_not_match) {
  for (const std::string& password :
       {std::string(), std::string(password_bytes_max + 1, 'x'), std::string("a\0b", 3)}) {
    const Result<std::string> made = make_password_hash(password);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, "bad_password");
  }
  EXPECT_TRUE(make_password_hash(std::string(password_bytes_max, 'x')));
}

TEST(PasswordHash, passwords_are_bounded_and_have_no_nul) {
  const std::string most(password_bytes_max, 'p'), more(password_bytes_max + 1, 'p');
  for (const std::string_view prefix : {"{PLAIN}"}) {
    EXPECT_FALSE(matches_password(most, cat(prefix, most)));  // The stored one is too long already.
    EXPECT_TRUE(matches_password(most.substr(0, 300), cat(prefix, most.substr(0, 300))));
  }
  EXPECT_FALSE(matches_password(more, "{SHA}87u9ZqY9S/F0eUBXjsPQEDUw4h0="));
  for (const HashVector& one : vectors) {
    EXPECT_FALSE(matches_password(cat(one.password, std::string_view("\0", 1)), one.stored)) << one.stored;
    EXPECT_FALSE(matches_password(cat(one.password, std::string_view("\0x", 2)), one.stored)) << one.stored;
  }
}

TEST(PasswordHash, knows_which_forms_are_slow) {
  for (const HashVector& one : vectors) {
    EXPECT_EQ(is_slow(one.form), one.stored.front() != '{') << one.stored;
    EXPECT_NE(name_of(one.form), "none");
  }
  EXPECT_FALSE(is_slow(PasswordForm::none));
  EXPECT_EQ(name_of(PasswordForm::none), "none");
}

}  // namespace
}  // namespace keepgate::crypto
