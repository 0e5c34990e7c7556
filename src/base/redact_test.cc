#include "base/redact.h"

#include <gtest/gtest.h>

namespace keepgate {
namespace {

const std::string secret(49, 'S');
const std::string key = "kg_4tXqk2mJw0Za_" + secret;

std::string redacted(std::string text) {
  redact_api_keys(text);
  return text;
}

TEST(Redaction, the_secret_goes_and_the_id_stays) {
  EXPECT_EQ(redacted(key), "kg_4tXqk2mJw0Za_[redacted]");
  EXPECT_EQ(redacted("GET /x?k=" + key + "&a=1 HTTP/1.1"), "GET /x?k=kg_4tXqk2mJw0Za_[redacted]&a=1 HTTP/1.1");
  EXPECT_EQ(redacted(key + ", " + key), "kg_4tXqk2mJw0Za_[redacted], kg_4tXqk2mJw0Za_[redacted]");
  EXPECT_EQ(redacted("x" + key + "y"), "xkg_4tXqk2mJw0Za_[redacted]");
  EXPECT_EQ(redacted("kgkg" + key), "kgkgkg_4tXqk2mJw0Za_[redacted]");
}

TEST(Redaction, a_secret_that_is_cut_goes_too) { EXPECT_EQ(redacted(key.substr(0, 40)), "kg_4tXqk2mJw0Za_[redacted]"); }

TEST(Redaction, what_looks_like_a_key_hides_no_other) {
  EXPECT_EQ(redacted("kg_AAAAAAAAAAAA_" + key), "kg_AAAAAAAAAAAA_[redacted]_4tXqk2mJw0Za_[redacted]");
  EXPECT_EQ(redacted("kg_AAAAAAAAAA" + key), "kg_AAAAAAAAAAkg_[redacted]_[redacted]");
}

TEST(Redaction, an_encoded_underscore_hides_nothing) {
  EXPECT_EQ(redacted("kg%5F4tXqk2mJw0Za%5f" + secret), "kg%5F4tXqk2mJw0Za%5f[redacted]");
}

TEST(Redaction, what_is_no_key_stays_as_it_is) {
  for (const std::string text : {"", "kg", "kg_", "kg_short_x", "12 kg_of sugar", "kg_4tXqk2mJw0Za", "kg_4tXqk2mJw0Za_",
                                 "kg_4tXqk2mJw0Z-_SSSS", "kg%5", "kg%5F", "/kg/_/"}) {
    EXPECT_EQ(redacted(text), text);
  }
}

}  // namespace
}  // namespace keepgate
