#include "auth/api_key_credential.h"

#include <gtest/gtest.h>

namespace keepgate::auth {
namespace {

constexpr std::string_view key = "kg_4tXqk2mJw0Za_secret";

class Credential : public testing::Test {
 protected:
  void header(std::string_view name, std::string_view value) {
    lines.push_back({name, value, {}, http::field_of(name)});
    head.headers = lines;
  }
  void place(ApiKeyPlaceKind kind, std::string name) { options.places.push_back({kind, std::move(name)}); }
  // "-": none, "!": refused.
  std::string found() const {
    const Result<FoundApiKey> result = find_api_key(options, head);
    if (!result) return "!";
    return result->is_there ? std::string(result->text) : "-";
  }

  ApiKeyOptions options;
  http::RequestHead head;
  std::vector<http::HeaderLine> lines;
  Arena arena;
};

TEST_F(Credential, is_found_in_its_header_whatever_the_case) {
  place(ApiKeyPlaceKind::header, "X-API-Key");
  EXPECT_EQ(found(), "-");
  header("Accept", "*/*");
  EXPECT_EQ(found(), "-");
  header("x-api-KEY", key);
  EXPECT_EQ(found(), key);
  EXPECT_TRUE(is_api_key_field(options, lines.back()));
  EXPECT_FALSE(is_api_key_field(options, lines.front()));
}

TEST_F(Credential, a_field_without_a_value_is_a_credential_too) {
  place(ApiKeyPlaceKind::header, "X-API-Key");
  header("X-API-Key", "");
  EXPECT_EQ(found(), "");
}

TEST_F(Credential, two_are_refused_even_when_they_are_the_same) {
  place(ApiKeyPlaceKind::header, "X-API-Key");
  place(ApiKeyPlaceKind::query, "key");
  header("X-API-Key", key);
  EXPECT_EQ(found(), key);
  head.query = "key=kg_4tXqk2mJw0Za_secret";
  EXPECT_EQ(found(), "!");
  head.query = "";
  header("x-api-key", key);
  EXPECT_EQ(found(), "!");
}

TEST_F(Credential, of_authorization_only_what_is_a_key_counts) {
  place(ApiKeyPlaceKind::header, "Authorization");
  const auto with = [&](std::string_view value) {
    lines.clear();
    header("Authorization", value);
    return found();
  };
  EXPECT_EQ(with("ApiKey kg_4tXqk2mJw0Za_secret"), key);
  EXPECT_EQ(with("apikey   anything"), "anything");
  EXPECT_EQ(with("Bearer kg_4tXqk2mJw0Za_secret"), key);
  EXPECT_EQ(with("ApiKey"), "");
  EXPECT_EQ(with("Bearer eyJhbGciOiJub25lIn0.e30."), "-");
  EXPECT_EQ(with("Basic kg_4tXqk2mJw0Za_secret"), "-");
  EXPECT_EQ(with(""), "-");
}

TEST_F(Credential, is_found_in_the_query_however_its_name_is_spelt) {
  place(ApiKeyPlaceKind::query, "api_key");
  for (const std::string_view query : {"api_key=K", "a=1&API_KEY=K", "api%5Fkey=K&b", "&&api_key=K&"}) {
    head.query = query;
    EXPECT_EQ(found(), "K") << query;
    EXPECT_EQ(without_api_key_arguments(options, query, arena).find('K'), std::string_view::npos) << query;
  }
  for (const std::string_view query : {"", "api_keys=K", "xapi_key=K", "a=api_key", "api_ke%79s=K"}) {
    head.query = query;
    EXPECT_EQ(found(), "-") << query;
    EXPECT_EQ(without_api_key_arguments(options, query, arena), query);
  }
  head.query = "api_key=K&api_key=K";
  EXPECT_EQ(found(), "!");
  head.query = "api_key";
  EXPECT_EQ(found(), "");
}

TEST_F(Credential, leaves_the_other_arguments_in_their_order) {
  place(ApiKeyPlaceKind::query, "k");
  EXPECT_EQ(without_api_key_arguments(options, "a=1&k=K&b=2", arena), "a=1&b=2");
  EXPECT_EQ(without_api_key_arguments(options, "k=K&b=%2B", arena), "b=%2B");
  EXPECT_EQ(without_api_key_arguments(options, "k=K", arena), "");
}

TEST_F(Credential, is_found_among_cookies_and_leaves_the_others) {
  place(ApiKeyPlaceKind::cookie, "key");
  header("Cookie", "a=1; key=K; b=2");
  EXPECT_EQ(found(), "K");
  EXPECT_FALSE(is_api_key_field(options, lines.back()));
  EXPECT_EQ(without_api_key_cookies(options, lines.back().value, arena), "a=1; b=2");
  EXPECT_EQ(without_api_key_cookies(options, "key=K", arena), "");
  EXPECT_EQ(without_api_key_cookies(options, "monkey=K;x", arena), "monkey=K;x");
  header("Cookie", "KEY = L");
  EXPECT_EQ(found(), "!");
}

}  // namespace
}  // namespace keepgate::auth
