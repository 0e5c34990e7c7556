#include "auth/authenticate.h"
#include "auth/revocation_sources.h"

#include <gtest/gtest.h>

#include "auth/service_answer.h"
#include "base/bytes.h"
#include "crypto/base64url.h"
#include "crypto/certificate.h"
#include "crypto/test_keys.h"
#include "http/h1_parser.h"

namespace keepgate::auth {
namespace {

using crypto::Algorithm;
using Who = AddressRules::Who;

constexpr std::int64_t authenticated_s = 1'900'000'000;

class OneValue final : public route::VariableSource {
 public:
  std::string_view variable(const route::VariableRef&) override { return value; }
  std::string_view value;
};

// One location and one request.
struct Case {
  Case() { options.jwt.realm = route::Template::literal("shop"); }

  void ask_for_jwt() {
    options.jwt.enabled = true;
    options.jwt.keys = crypto::test::verifying_set(Algorithm::es256);
    options.jwt.verifier_id = 1;
  }
  void ask_for_variable() { options.identity_variable = route::VariableRef{}; }

  AccessResult run(std::string_view fields = "", bool policy_decides = false) {
    text = cat("GET / HTTP/1.1\r\nHost: x\r\n", fields, "\r\n");
    parser = std::make_unique<http::RequestParser>();
    EXPECT_EQ(parser->parse(text), http::ParseStatus::complete);
    Revocations known;
    if (revocations) known.add(revocations.get(), {});
    if (lacks_revocations) known.add(nullptr, {});
    return authenticate({.options = options,
                         .head = parser->head(),
                         .channel = {address, false, certificate},
                         .variables = variables,
                         .arena = arena,
                         .now = {0, authenticated_s * 1000},
                         .answers = &answers,
                         .token_cache = cache,
                         .share = share,
                         .method = "GET",
                         .revocations = revocations || lacks_revocations ? &known : nullptr},
                        policy_decides);
  }

  AuthOptions options;
  std::string_view address{"\x0a\0\0\1", 4};
  const crypto::PresentedCertificate* certificate = nullptr;
  OneValue variables;
  Arena arena;
  Answers answers;
  TokenCache* cache = nullptr;
  TurnShare* share = nullptr;
  std::shared_ptr<const RevocationList> revocations;
  bool lacks_revocations = false;  // There is a source of them of which nothing is known.
  std::string text;
  std::unique_ptr<http::RequestParser> parser;
};

std::string bearer(std::string_view token) { return cat("Authorization: Bearer ", token, "\r\n"); }

std::string good_token() {
  return crypto::test::signed_token(*crypto::test::signing_key(Algorithm::es256), R"({"client_id":"web"})", "");
}

TEST(Authenticate, accepts_everybody_where_nothing_is_asked) {
  Case one;
  const AccessResult result = one.run();
  EXPECT_EQ(result.access, Access::accepted);
  EXPECT_EQ(result.principal, nullptr);
}

TEST(Authenticate, the_zero_values_refuse) {
  EXPECT_EQ(AccessResult{}.access, Access::refused);
  EXPECT_EQ(AuthResult{}.verdict, AuthVerdict::bad);
  EXPECT_EQ(Method{}.authenticate, nullptr);
  EXPECT_EQ(AuthOptions{}.satisfy, Satisfy::all);
}

TEST(Authenticate, every_method_is_complete) {
  for (const Method& method : methods()) {
    EXPECT_NE(method.name, AuthMethod::none);
    EXPECT_TRUE(method.is_asked_for && method.authenticate && method.describe) << name_of(method.name);
    EXPECT_FALSE(method.is_asked_for(AuthOptions{})) << name_of(method.name);
  }
}

TEST(Authenticate, all_wants_the_address_and_every_credential) {
  Case one;
  one.ask_for_jwt();
  one.options.addresses.add(true, Who::network, *Cidr::parse("10.0.0.0/8"));
  one.options.addresses.add(false, Who::everybody);
  const std::string token = bearer(good_token());
  EXPECT_EQ(one.run(token).access, Access::accepted);
  EXPECT_EQ(one.run(token).principal->client, "web");
  EXPECT_EQ(one.run().status, 401);
  EXPECT_EQ(one.run().challenge, "Bearer realm=\"shop\"");
  one.address = std::string_view("\x0b\0\0\1", 4);
  EXPECT_EQ(one.run(token).access, Access::refused);
  EXPECT_EQ(one.run(token).status, 403);
}

TEST(Authenticate, any_is_content_with_one) {
  Case one;
  one.ask_for_jwt();
  one.options.satisfy = Satisfy::any;
  one.options.addresses.add(true, Who::network, *Cidr::parse("10.0.0.0/8"));
  one.options.addresses.add(false, Who::everybody);
  EXPECT_EQ(one.run().access, Access::accepted);
  EXPECT_EQ(one.run().principal, nullptr);
  one.address = std::string_view("\x0b\0\0\1", 4);
  EXPECT_EQ(one.run().status, 401);  // Preferred over 403: a credential would help.
  EXPECT_EQ(one.run(bearer(good_token())).principal->client, "web");
  EXPECT_EQ(one.run(bearer("x.y.z")).access, Access::refused);
}

TEST(Authenticate, any_looks_at_credentials_of_an_allowed_address_where_a_policy_asks_who_it_is) {
  Case one;
  one.ask_for_jwt();
  one.options.satisfy = Satisfy::any;
  one.options.addresses.add(true, Who::everybody);
  EXPECT_EQ(one.run(bearer(good_token())).principal, nullptr);
  EXPECT_EQ(one.run(bearer(good_token()), true).principal->client, "web");
  EXPECT_EQ(one.run(bearer("x.y.z")).access, Access::accepted);
  EXPECT_EQ(one.run(bearer("x.y.z"), true).access, Access::refused);
  EXPECT_EQ(one.run("", true).access, Access::accepted);
}

TEST(Authenticate, any_without_credentials_follows_the_address) {
  Case one;
  one.options.satisfy = Satisfy::any;
  EXPECT_EQ(one.run().access, Access::accepted);  // Every check abstains, as in nginx.
  one.options.addresses.add(false, Who::everybody);
  EXPECT_EQ(one.run().status, 403);
}

TEST(Authenticate, a_variable_names_only_whom_nothing_else_names) {
  Case one;
  one.ask_for_variable();
  EXPECT_EQ(one.run().access, Access::accepted);
  EXPECT_EQ(one.run().principal, nullptr);
  one.variables.value = "client1";
  EXPECT_EQ(one.run().principal->client, "client1");
  one.ask_for_jwt();
  EXPECT_EQ(one.run(bearer(good_token())).principal->client, "web");
  EXPECT_EQ(one.run().status, 401);
}

TEST(Authenticate, unusable_keys_are_no_fault_of_the_client) {
  Case one;
  one.ask_for_jwt();
  one.options.jwt.keys = nullptr;
  EXPECT_EQ(one.run(bearer(good_token())).status, 503);
  EXPECT_EQ(one.run().status, 503);
}

TEST(Authenticate, a_token_of_a_certificate_is_good_with_that_certificate_only) {
  Case one;
  one.ask_for_jwt();
  crypto::PresentedCertificate own, other;
  own.leaf.der = "abc";
  other.leaf.der = "abd";
  const auto digest = own.leaf.sha256();
  const std::string thumbprint =
      crypto::base64url_encode({reinterpret_cast<const char*>(digest.data()), digest.size()});
  const std::string token =
      bearer(crypto::test::signed_token(*crypto::test::signing_key(Algorithm::es256),
                                        cat(R"({"client_id":"web","cnf":{"x5t#S256":")", thumbprint, R"("}})"), ""));
  EXPECT_EQ(one.run(token).status, 401);
  one.certificate = &other;
  EXPECT_EQ(one.run(token).access, Access::refused);
  EXPECT_EQ(one.run(token).challenge, "Bearer realm=\"shop\", error=\"invalid_token\"");
  one.certificate = &own;
  EXPECT_EQ(one.run(token).access, Access::accepted);
  one.options.satisfy = Satisfy::any;
  EXPECT_EQ(one.run(token).access, Access::accepted);
  one.certificate = nullptr;
  EXPECT_EQ(one.run(token).access, Access::refused);
}

TEST(Authenticate, above_its_share_a_new_token_waits_for_the_next_turn) {
  Case one;
  one.ask_for_jwt();
  TurnShare share(2);
  share.begin(1);
  one.share = &share;
  const std::string token = bearer(good_token());
  EXPECT_EQ(one.run(token).access, Access::accepted);
  EXPECT_EQ(one.run(bearer("x.y.z")).access, Access::refused);
  const AccessResult third = one.run(token);
  ASSERT_EQ(third.access, Access::need);
  EXPECT_EQ(third.need->kind, NeedKind::turn);
  share.begin(2);
  EXPECT_EQ(one.run(token).access, Access::accepted);
}

TEST(Authenticate, what_is_revoked_is_no_credential_cached_or_not) {
  Case one;
  one.ask_for_jwt();
  TokenCache cache(8);
  const std::string token = bearer(good_token());
  for (TokenCache* const used : {static_cast<TokenCache*>(nullptr), &cache}) {
    one.cache = used;
    one.revocations = nullptr;
    EXPECT_EQ(one.run(token).access, Access::accepted);
    one.revocations = *RevocationList::parse("client other\nclient we\nsub web\n");
    EXPECT_EQ(one.run(token).access, Access::accepted) << "its siblings";
    one.revocations = *RevocationList::parse("client other\nclient web\n");
    const AccessResult result = one.run(token);
    EXPECT_EQ(result.access, Access::refused);
    EXPECT_EQ(result.status, 401);
    EXPECT_EQ(result.reason, "revoked: client \"web\" (line 2)");
    EXPECT_EQ(result.challenge, "Bearer realm=\"shop\", error=\"invalid_token\"");
  }
}

TEST(Authenticate, a_token_is_revoked_with_its_grant) {
  Case one;
  one.ask_for_jwt();
  const std::string token = bearer(crypto::test::signed_token(
      *crypto::test::signing_key(Algorithm::es256), R"({"client_id":"web","iss":"https://as","grant_id":"g-1"})", ""));
  for (const std::string_view line : {"grant g-1\n", "grant g-1 iss=https://as\n", "{\"grant\":\"g-1\"}\n"}) {
    one.revocations = *RevocationList::parse(line);
    EXPECT_EQ(one.run(token).access, Access::refused) << line;
  }
  one.revocations = *RevocationList::parse("grant g-2\ngrant g-1 iss=https://other\njti g-1\ngrant web\n");
  EXPECT_EQ(one.run(token).access, Access::accepted);
}

TEST(Authenticate, no_credential_is_good_while_revocations_are_not_known) {
  Case one;
  one.ask_for_jwt();
  one.lacks_revocations = true;
  const AccessResult result = one.run(bearer(good_token()));
  EXPECT_EQ(result.access, Access::refused);
  EXPECT_EQ(result.status, 503);
  EXPECT_EQ(result.code, "revocations_unavailable");
  EXPECT_EQ(result.principal, nullptr);
  EXPECT_EQ(one.run().status, 401);
  EXPECT_EQ(one.run(bearer("x")).status, 401);
  one.ask_for_variable();
  one.variables.value = "mapped";
  one.options.satisfy = Satisfy::any;
  EXPECT_EQ(one.run().status, 503) << "nor is what a variable says";
}

TEST(Authenticate, a_key_is_revoked_whatever_a_token_says_of_it) {
  Case one;
  one.ask_for_jwt();
  const std::string id = one.options.jwt.keys->keys.front()->id();
  ASSERT_FALSE(id.empty());
  const std::string unnamed =
      *crypto::sign_jws(R"({"alg":"ES256"})", R"({"client_id":"web"})", *crypto::test::signing_key(Algorithm::es256));
  EXPECT_EQ(one.run(bearer(unnamed)).access, Access::accepted);
  one.revocations = *RevocationList::parse(cat("kid ", id, "\n"));
  EXPECT_EQ(one.run(bearer(unnamed)).access, Access::refused);
  one.revocations = *RevocationList::parse(cat("kid ", id, "x\n"));
  EXPECT_EQ(one.run(bearer(unnamed)).access, Access::accepted);
}

TEST(Authenticate, any_does_not_take_another_method_for_what_is_revoked) {
  Case one;
  one.ask_for_jwt();
  one.ask_for_variable();
  one.variables.value = "mapped";
  one.options.satisfy = Satisfy::any;
  one.revocations = *RevocationList::parse("client web\n");
  EXPECT_EQ(one.run(bearer(good_token())).access, Access::refused);
  one.revocations = *RevocationList::parse("client mapped\n");
  EXPECT_EQ(one.run(bearer(good_token())).access, Access::accepted);
  EXPECT_EQ(one.run().access, Access::refused);
}

// Whatever credential is asked for: what is not one is refused, and never as an error of ours.
TEST(Authenticate, refuses_what_is_no_credential) {
  const std::string hostile[] = {
      "",
      "Authorization:\r\n",
      "Authorization: Bearer\r\n",
      "Authorization: Bearer  \r\n",
      "Authorization: Bearer x\r\n",
      "Authorization: Bearer ..\r\n",
      cat("Authorization: Bearer ", std::string(7000, 'A'), "\r\n"),
      cat("Authorization: Bearer ", std::string(7000, '.'), "\r\n"),
      cat(bearer(good_token()), bearer(good_token())),
      cat("Authorization: Bearer ", good_token(), ", Bearer ", good_token(), "\r\n"),
      "Authorization: Basic Og==\r\n",
      "Authorization: Basic \xff\xff\r\n",
      "Authorization: Negotiate abc\r\n",
  };
  Case one;
  one.ask_for_jwt();
  for (const std::string& fields : hostile) {
    const AccessResult result = one.run(fields);
    EXPECT_EQ(result.access, Access::refused) << printable(fields, 60);
    EXPECT_EQ(result.status, 401) << printable(fields, 60);
    EXPECT_FALSE(result.challenge.empty()) << printable(fields, 60);
  }
  EXPECT_EQ(one.run(bearer(good_token())).access, Access::accepted);
}

void service_says(Case& one, std::uint16_t status, std::string challenge = "") {
  one.options.request_uri = "/auth";
  auto said = std::make_shared<ServiceAnswer>();
  said->status = status;
  said->challenge = std::move(challenge);
  one.answers.clear();
  one.answers.add({NeedKind::subrequest, "/auth", true, "", std::move(said)});
}

TEST(AuthRequest, is_asked_behind_every_credential) {
  Case one;
  one.ask_for_jwt();
  one.options.request_uri = "/auth";
  EXPECT_EQ(one.run().status, 401);
  EXPECT_FALSE(one.run(bearer("x.y.z")).need);
  const AccessResult asks = one.run(bearer(good_token()));
  EXPECT_EQ(asks.access, Access::need);
  ASSERT_TRUE(asks.need);
  EXPECT_EQ(asks.need->kind, NeedKind::subrequest);
  EXPECT_EQ(asks.need->key, "/auth");
  service_says(one, 204);
  EXPECT_EQ(one.run(bearer(good_token())).principal->client, "web");
  EXPECT_EQ(one.run().status, 401);
  service_says(one, 403);
  EXPECT_EQ(one.run(bearer(good_token())).status, 403);
}

TEST(AuthRequest, passes_by_2xx_alone) {
  for (unsigned status = 100; status < 1000; ++status) {
    Case one;
    service_says(one, static_cast<std::uint16_t>(status), "Basic");
    const AccessResult result = one.run();
    if (status >= 200 && status < 300) {
      EXPECT_EQ(result.access, Access::accepted) << status;
      EXPECT_EQ(result.principal, nullptr) << status;
      continue;
    }
    EXPECT_EQ(result.access, Access::refused) << status;
    EXPECT_EQ(result.status, status == 401 || status == 403 ? status : 500) << status;
  }
}

TEST(AuthRequest, opens_nothing_without_an_answer_that_is_one) {
  Case one;
  one.options.request_uri = "/auth";
  one.answers.add({NeedKind::subrequest, "/auth", false, "no answer", nullptr});
  EXPECT_EQ(one.run().status, 500);
  service_says(one, 200);
  EXPECT_EQ(one.run().access, Access::accepted);
  one.answers.clear();
  one.answers.add({NeedKind::subrequest, "/auth", true, "", std::make_shared<AnswerValue>()});
  EXPECT_EQ(one.run().status, 500);
  one.answers.clear();
  one.answers.add({NeedKind::subrequest, "/other", true, "", std::make_shared<ServiceAnswer>()});
  EXPECT_EQ(one.run().access, Access::need);
}

TEST(AuthRequest, is_one_of_those_that_any_is_content_with) {
  Case one;
  one.options.satisfy = Satisfy::any;
  one.options.addresses.add(false, Who::everybody);
  service_says(one, 200);
  EXPECT_EQ(one.run().access, Access::accepted);
  service_says(one, 403);
  EXPECT_EQ(one.run().status, 403);
  service_says(one, 401, "Basic");
  EXPECT_EQ(one.run().status, 401);
  EXPECT_EQ(one.run().challenge, "Basic");
  service_says(one, 500);
  EXPECT_EQ(one.run().status, 500);
  one.ask_for_jwt();
  EXPECT_EQ(one.run().status, 500);
  EXPECT_EQ(one.run(bearer(good_token())).access, Access::accepted);  // Enough: nobody is asked.
  service_says(one, 200);
  EXPECT_EQ(one.run().access, Access::accepted);
  EXPECT_EQ(one.run(bearer("x.y.z")).access, Access::refused);
  service_says(one, 403);
  EXPECT_EQ(one.run().status, 401);
  EXPECT_EQ(one.run().challenge, "Bearer realm=\"shop\"");
  service_says(one, 401, "Basic");
  EXPECT_EQ(one.run().challenge, "Bearer realm=\"shop\", Basic");
}

}  // namespace
}  // namespace keepgate::auth
