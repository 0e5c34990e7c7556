#include <gtest/gtest.h>

#include "auth/authenticate.h"
#include "base/bytes.h"
#include "http/h1_parser.h"

namespace keepgate::auth {
namespace {

constexpr std::int64_t now_s = 1'900'000'000;
const std::string secret(32, 's');

class NoValues final : public route::VariableSource {
 public:
  std::string_view variable(const route::VariableRef&) override { return {}; }
};

struct Case {
  Case() {
    options.api_key.enabled = true;
    options.api_key.realm = route::Template::literal("shop");
    options.api_key.places = {{ApiKeyPlaceKind::header, "X-API-Key"}};
    options.api_key.keys = published;
    key = make_api_key();
    record.id = *parse_api_key(key);
    record.hash = hash_api_key(secret, key);
    record.client = "orders-app";
    publish();
  }
  Case(const Case&) = delete;
  Case& operator=(const Case&) = delete;

  void publish() {
    ApiKeySetBuilder builder{std::string(secret)};
    EXPECT_TRUE(builder.add(api_key_file_head(secret) + write_api_key_record(record).value()).has_value());
    published->publish(*builder.finish());
  }
  AccessResult run(std::string_view fields, std::string_view target = "/") {
    text = cat("GET ", target, " HTTP/1.1\r\nHost: x\r\n", fields, "\r\n");
    parser = std::make_unique<http::RequestParser>();
    EXPECT_EQ(parser->parse(text), http::ParseStatus::complete);
    return authenticate({.options = options,
                         .head = parser->head(),
                         .channel = {},
                         .variables = variables,
                         .arena = arena,
                         .now = {0, now_s * 1000},
                         .method = "GET"},
                        false);
  }
  std::string field() const { return cat("X-API-Key: ", key, "\r\n"); }

  AuthOptions options;
  std::shared_ptr<Published<ApiKeySet>> published = std::make_shared<Published<ApiKeySet>>();
  std::string key;
  ApiKeyRecord record;
  NoValues variables;
  Arena arena;
  std::string text;
  std::unique_ptr<http::RequestParser> parser;
};

void expect_refused(const AccessResult& result, std::string_view reason) {
  EXPECT_EQ(result.access, Access::refused);
  EXPECT_EQ(result.status, 401);
  EXPECT_EQ(result.principal, nullptr);
  EXPECT_NE(result.reason.find(reason), std::string::npos) << result.reason;
}

TEST(ApiKeyMethod, a_key_is_a_credential) {
  Case one;
  const AccessResult result = one.run(one.field());
  EXPECT_EQ(result.access, Access::accepted);
  ASSERT_NE(result.principal, nullptr);
  EXPECT_EQ(result.principal->client, "orders-app");
  EXPECT_EQ(result.principal->method, AuthMethod::api_key);
}

TEST(ApiKeyMethod, no_key_is_challenged) {
  Case one;
  const AccessResult result = one.run("");
  expect_refused(result, "no credential");
  EXPECT_EQ(result.challenge, "ApiKey realm=\"shop\"");
}

TEST(ApiKeyMethod, the_reason_names_the_id_and_never_the_key) {
  Case one;
  one.record.revoked_s = 1;
  one.publish();
  const AccessResult revoked = one.run(one.field());
  expect_refused(revoked, "is revoked");
  EXPECT_NE(revoked.reason.find(one.record.id), std::string::npos);
  EXPECT_EQ(revoked.reason.find(one.key.substr(16)), std::string::npos);
  EXPECT_EQ(revoked.challenge, "ApiKey realm=\"shop\", error=\"invalid_token\"");
}

TEST(ApiKeyMethod, every_other_key_is_refused) {
  Case one;
  const std::string fields[] = {"X-API-Key:\r\n",
                                "X-API-Key: x\r\n",
                                cat("X-API-Key: ", make_api_key(), "\r\n"),
                                cat("X-API-Key: ", one.key, "A\r\n"),
                                cat("X-API-Key: ", one.key, ",", one.key, "\r\n"),
                                cat("X-API-Key: ", std::string(4000, 'k'), "\r\n"),
                                one.field() + one.field(),
                                one.field() + cat("X-API-Key: ", make_api_key(), "\r\n")};
  for (const std::string& field : fields) expect_refused(one.run(field), "key");
  one.record.expires_s = now_s;
  one.publish();
  expect_refused(one.run(one.field()), "is expired");
  one.record.expires_s = 0;
  one.record.not_before_s = now_s + 1;
  one.publish();
  expect_refused(one.run(one.field()), "is not yet valid");
}

TEST(ApiKeyMethod, only_the_places_that_are_named_count) {
  Case one;
  expect_refused(one.run("", cat("/?X-API-Key=", one.key)), "no credential");
  expect_refused(one.run(cat("Authorization: Bearer ", one.key, "\r\n")), "no credential");
  one.options.api_key.places.push_back({ApiKeyPlaceKind::query, "key"});
  EXPECT_EQ(one.run("", cat("/?key=", one.key)).access, Access::accepted);
  expect_refused(one.run(one.field(), cat("/?key=", one.key)), "more than one");
}

TEST(ApiKeyMethod, without_a_usable_file_it_is_503_for_everybody) {
  Case one;
  one.options.api_key.keys = std::make_shared<Published<ApiKeySet>>();
  EXPECT_EQ(one.run(one.field()).status, 503);
  EXPECT_EQ(one.run("").status, 503);
  one.options.api_key.keys = nullptr;
  EXPECT_EQ(one.run(one.field()).status, 503);
  EXPECT_EQ(one.run(one.field()).access, Access::refused);
}

TEST(ApiKeyMethod, beside_other_methods_a_bad_key_is_never_tried_as_anonymous) {
  Case one;
  one.options.satisfy = Satisfy::any;
  one.options.identity_variable = route::VariableRef{};
  expect_refused(one.run("X-API-Key: x\r\n"), "key");
}

}  // namespace
}  // namespace keepgate::auth
