#include "auth/content_digest.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "crypto/base64.h"
#include "crypto/running_digest.h"

namespace keepgate::auth {
namespace {

using crypto::DigestKind;

BodyDigests digests_of(std::string_view body) {
  BodyDigests out;
  out.sha256 = crypto::digest_of(body, DigestKind::sha256);
  out.sha512 = crypto::digest_of(body, DigestKind::sha512);
  return out;
}

// RFC 9530 Appendix B.
constexpr std::string_view body = "{\"hello\": \"world\"}\n";
constexpr std::string_view right = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:";

TEST(ContentDigest, knows_the_body_that_it_is_of) {
  EXPECT_TRUE(verify_content_digest(right, digests_of(body)));
  EXPECT_FALSE(verify_content_digest(right, digests_of("{\"hello\": \"world\"}")));
  const std::string both = cat(right, ", sha-512=:", crypto::base64_encode(digests_of(body).sha512), ":");
  EXPECT_TRUE(verify_content_digest(both, digests_of(body)));
  EXPECT_TRUE(verify_content_digest(cat("md5=:AAAA:, ", right), digests_of(body)));
}

TEST(ContentDigest, is_refused_where_one_of_several_is_wrong_or_none_counts) {
  const BodyDigests digests = digests_of(body);
  const std::string wrong_512 = cat("sha-512=:", crypto::base64_encode(std::string(64, 'x')), ":");
  const std::string refused[] = {
      "",
      "md5=:AAAA:",
      "sha=:AAAA:",
      "SHA-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:",
      "sha-256=\"RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=\"",
      "sha-256=RK",
      "sha-256=::",
      "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabA==:",
      "sha-256=(:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:)",
      cat(right, ", ", right),
      cat(right, ", ", wrong_512),
      wrong_512,
  };
  for (const std::string& field : refused) EXPECT_FALSE(verify_content_digest(field, digests)) << field;
  EXPECT_TRUE(check_content_digest(wrong_512));
  EXPECT_FALSE(check_content_digest("md5=:AAAA:"));
}

}  // namespace
}  // namespace keepgate::auth
