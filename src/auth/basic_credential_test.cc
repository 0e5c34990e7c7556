#include "auth/basic_credential.h"

#include <gtest/gtest.h>

#include <vector>

#include "auth/claims.h"
#include "base/bytes.h"
#include "crypto/password_hash.h"

namespace keepgate::auth {
namespace {

std::string encoded(std::string_view text) {
  constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += 3) {
    std::uint32_t bits = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      bits = bits << 8 | (i + j < text.size() ? static_cast<unsigned char>(text[i + j]) : 0U);
    }
    for (std::size_t j = 0; j < 4; ++j)
      out.push_back(i + j > text.size() ? '=' : alphabet[bits >> (18 - 6 * j) & 0x3f]);
  }
  return out;
}

// "user|password", "-" for no credential, "refused".
std::string read(const std::vector<std::string_view>& fields) {
  std::vector<http::HeaderLine> lines;
  for (const std::string_view field : fields) lines.push_back({"Authorization", field, {}, http::Field::authorization});
  http::RequestHead head;
  head.headers = lines;
  const auto found = basic_credential(head);
  Arena arena;
  const std::string user(basic_user(head, arena));
  if (!found || !found->is_there) {
    EXPECT_EQ(user, "");
    return found ? "-" : "refused";
  }
  EXPECT_EQ(user, found->user());
  return cat(found->user(), '|', found->password());
}

std::string of(std::string_view text) { return read({cat("Basic ", encoded(text))}); }

TEST(BasicCredential, is_a_name_and_a_password) {
  EXPECT_EQ(read({"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="}), "Aladdin|open sesame");
  EXPECT_EQ(read({"Basic dGVzdDoxMjPCow=="}), "test|123\xc2\xa3");
  EXPECT_EQ(of("a:b:c"), "a|b:c");
  EXPECT_EQ(of("a:"), "a|");
  EXPECT_EQ(of("J\xc3\xb6rg:x"), "J\xc3\xb6rg|x");
}

TEST(BasicCredential, the_scheme_has_no_case_and_spaces_before_the_text_do_not_count) {
  for (const std::string_view field : {"basic YTpi", "BASIC YTpi", "bAsIc YTpi", "Basic   YTpi"}) {
    EXPECT_EQ(read({field}), "a|b") << field;
  }
}

TEST(BasicCredential, other_schemes_are_no_credential_of_this_kind) {
  EXPECT_EQ(read({}), "-");
  for (const std::string_view field : {"", "Bearer YTpi", "Basics YTpi", "Basi", "Basic:YTpi", "Basic\tYTpi",
                                       "Digest a=b", "Bearer x, Basic YTpi", " Basic YTpi"}) {
    EXPECT_EQ(read({field}), "-") << field;
  }
}

TEST(BasicCredential, what_is_malformed_is_refused) {
  for (const std::string_view field :
       {"Basic", "Basic ", "Basic  ", "Basic a", "Basic YTpi YTpi", "Basic YTpi, Basic YTpi", "Basic YTpi,",
        "Basic YTpi=", "Basic YTpj!", "Basic YT\x01pi", "Basic YTpi;q=1", "Basic =", "Basic YTp", "Basic \xff\xff",
        "Basic realm=\"x\""}) {
    EXPECT_EQ(read({field}), "refused") << field;
  }
  using namespace std::string_view_literals;
  for (const std::string_view text :
       {"ab"sv, ":"sv, ":b"sv, " a:b"sv, "a :b"sv, "a\0:b"sv, "a:b\0"sv, "a:\0b"sv, "a\r\n:b"sv, "a:b\r\n"sv,
        "a:\x7f"sv, "\xff:b"sv, "\xc3:b"sv, "\xe2\x80\xaex:b"sv, "a\x1b[m:b"sv}) {
    EXPECT_EQ(of(text), "refused") << printable(text);
  }
}

TEST(BasicCredential, two_authorization_fields_are_refused_whatever_they_are) {
  EXPECT_EQ(read({"Basic YTpi", "Basic YTpi"}), "refused");
  EXPECT_EQ(read({"Basic YTpi", "Bearer x"}), "refused");
  EXPECT_EQ(read({"Bearer x", "Basic YTpi"}), "refused");
  EXPECT_EQ(read({"Bearer x", "Bearer x"}), "-");
}

TEST(BasicCredential, its_parts_are_bounded) {
  const std::string name(identity_bytes_max, 'n'), password(crypto::password_bytes_max, 'p');
  EXPECT_EQ(of(cat(name, ':', password)), cat(name, '|', password));
  EXPECT_EQ(of(cat(name, "n:", password)), "refused");
  EXPECT_EQ(of(cat(name, ':', password, 'p')), "refused");
  EXPECT_EQ(of(cat("a:", password, 'p')), "refused");
  EXPECT_EQ(of(cat(name, "n:")), "refused");
  EXPECT_EQ(read({cat("Basic ", std::string(100'000, 'A'))}), "refused");
}

}  // namespace
}  // namespace keepgate::auth
