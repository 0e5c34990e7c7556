#include "issuer/document.h"

#include <gtest/gtest.h>

#include "base/bytes.h"

namespace keepgate::issuer {
namespace {

TEST(IssuerDocument, metadata_is_where_both_specifications_put_it) {
  using Urls = std::vector<std::string>;
  const Urls at_root = {"https://idp.example/.well-known/openid-configuration",
                        "https://idp.example/.well-known/oauth-authorization-server"};
  EXPECT_EQ(metadata_urls("https://idp.example"), at_root);
  EXPECT_EQ(metadata_urls("https://idp.example/"), at_root);
  EXPECT_EQ(metadata_urls("https://idp.example:8443/a/b/"),
            (Urls{"https://idp.example:8443/a/b/.well-known/openid-configuration",
                  "https://idp.example:8443/.well-known/oauth-authorization-server/a/b"}));
}

TEST(IssuerDocument, an_issuer_is_an_https_url_without_query_and_fragment) {
  EXPECT_EQ(trouble_with_issuer("https://idp.example/a", false), "");
  EXPECT_EQ(trouble_with_issuer("http://127.0.0.1:80/a", true), "");
  EXPECT_NE(trouble_with_issuer("http://idp.example/a", false), "");
  for (const char* text :
       {"", "idp.example", "https://idp.example/?a", "https://idp.example/#a", "https://u@idp.example"}) {
    EXPECT_NE(trouble_with_issuer(text, true), "") << text;
  }
  EXPECT_NE(trouble_with_issuer(cat("https://a/", std::string(issuer_bytes_max, 'a')), true), "");
}

TEST(IssuerDocument, a_lifetime_is_what_is_left_of_max_age) {
  EXPECT_EQ(lifetime_s("max-age=60", ""), 60);
  EXPECT_EQ(lifetime_s("public, Max-Age=\"60\"", "20"), 40);
  EXPECT_EQ(lifetime_s("max-age=60", "61"), 0);
  EXPECT_EQ(lifetime_s("max-age=60", "x"), 60);
  EXPECT_EQ(lifetime_s("max-age=60, no-store", ""), 0);
  EXPECT_EQ(lifetime_s("no-cache=\"a\", max-age=60", ""), 0);
  EXPECT_EQ(lifetime_s("max-age=-1", ""), 0);
  EXPECT_EQ(lifetime_s("max-age=", ""), 0);
  EXPECT_EQ(lifetime_s("max-age=1.5", ""), 0);
  EXPECT_EQ(lifetime_s("", ""), std::nullopt);
  EXPECT_EQ(lifetime_s("public, s-maxage=60", ""), std::nullopt);
  EXPECT_GT(lifetime_s("max-age=99999999999999999999", "").value_or(0), 86'400);
}

TEST(IssuerDocument, of_a_key_set_only_public_keys_for_signatures_count) {
  const std::string good =
      R"({"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})";
  const std::string secret = R"({"kty":"oct","kid":"s","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})";
  std::vector<std::string> remarks;
  const auto keys = keys_of(cat(R"({"keys":[)", good, ',', secret, R"(,{"kty":"new"}]})"), "https://a/", remarks);
  ASSERT_TRUE(keys) << keys.error().detail;
  ASSERT_EQ((*keys)->keys.size(), 1U);
  EXPECT_EQ((*keys)->keys[0]->id(), "a");
  EXPECT_EQ(remarks.size(), 2U);
  EXPECT_FALSE(keys_of(cat(R"({"keys":[)", secret, "]}"), "https://a/", remarks));
  EXPECT_FALSE(keys_of(cat(R"({"keys":[)", good, ',', good, "]}"), "https://a/", remarks)) << "two of one kid";
}

}  // namespace
}  // namespace keepgate::issuer
