#include "fetch/url.h"

#include <gtest/gtest.h>

namespace keepgate::fetch {
namespace {

TEST(Url, takes_what_it_is_made_of) {
  std::string why;
  const auto url = Url::parse("HTTPS://Idp.Example:8443/tenant/a%2Fb?x=1&y=?", why);
  ASSERT_TRUE(url) << why;
  EXPECT_TRUE(url->tls);
  EXPECT_EQ(url->host, "idp.example");
  EXPECT_EQ(url->port, 8443);
  EXPECT_EQ(url->path, "/tenant/a%2Fb");
  EXPECT_EQ(url->query, "x=1&y=?");
  EXPECT_EQ(url->text(), "https://idp.example:8443/tenant/a%2Fb?x=1&y=?");
}

TEST(Url, leaves_the_port_of_its_scheme_out) {
  std::string why;
  EXPECT_EQ(Url::parse("https://a:443", why)->text(), "https://a");
  EXPECT_EQ(Url::parse("http://a:80/", why)->text(), "http://a/");
  EXPECT_EQ(Url::parse("http://[::1]:443/", why)->text(), "http://[::1]:443/");
}

TEST(Url, refuses_what_two_readers_could_read_differently) {
  for (const char* text : {"",
                           "a",
                           "//a/",
                           "ftp://a/",
                           "file:///etc/passwd",
                           "unix:/run/x",
                           "https:/a",
                           "https://",
                           "https:///x",
                           "https://u@a/",
                           "https://u:p@a/",
                           "https://a:0/",
                           "https://a:65536/",
                           "https://a:/",
                           "https://a:1x/",
                           "https://a/#f",
                           "https://a#f",
                           "https://a/ b",
                           "https://a/\n",
                           "https://a\\@b/",
                           "https://a/\\b",
                           "https://a%2e/",
                           "https://[::1/",
                           "https://[::1]x/",
                           "https://[fe80::1%25eth0]/",
                           "https://.a/",
                           "https://a..b/",
                           "https://-a/",
                           "https://a/%",
                           "https://a/%4",
                           "https://a/%zz",
                           "https://\xc3\xa4/",
                           "https://a/\xc3",
                           "https://a/\x7f",
                           "https://a/?x=\"",
                           "https://a/?#",
                           "https://a/[",
                           " https://a/"}) {
    std::string why;
    EXPECT_FALSE(Url::parse(text, why)) << text;
    EXPECT_FALSE(why.empty()) << text;
  }
  std::string why;
  EXPECT_FALSE(Url::parse(std::string_view("https://a/\0b", 12), why));
  EXPECT_FALSE(Url::parse("https://a/" + std::string(url_bytes_max, 'a'), why));
}

}  // namespace
}  // namespace keepgate::fetch
