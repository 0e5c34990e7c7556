// auth_introspect without a network: which answers are answers, what their claims have to say, and what is asked.
#include "auth/introspection.h"

#include <gtest/gtest.h>

#include "auth/api_key.h"
#include "auth/authenticate.h"
#include "base/bytes.h"
#include "crypto/digest.h"
#include "crypto/test_keys.h"
#include "http/h1_parser.h"

namespace keepgate::auth {
namespace {

constexpr std::int64_t introspected_s = 1'900'000'000;
constexpr std::string_view json_type = "application/json";
const std::string thumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

std::string active(std::string_view more = "") {
  return cat(R"({"active":true,"client_id":"web","sub":"alice")", more, "}");
}

TEST(IntrospectionAnswer, is_active_or_not_and_nothing_else) {
  const auto good = read_introspection(json_type, active(R"(,"exp":1900000060)"));
  ASSERT_TRUE(good) << good.error().detail;
  EXPECT_TRUE((*good)->is_active);
  EXPECT_EQ((*good)->expires_s, introspected_s + 60);
  const auto inactive = read_introspection("Application/JSON; charset=utf-8", R"({"active":false,"exp":1})");
  ASSERT_TRUE(inactive);
  EXPECT_FALSE((*inactive)->is_active);
  EXPECT_EQ((*inactive)->text, "");
}

TEST(IntrospectionAnswer, is_none_where_anything_else_is_said) {
  const std::string deep = std::string(20, '[') + std::string(20, ']');
  const std::pair<std::string, std::string> answers[] = {
      {R"({"active":"true"})", "no boolean"},
      {R"({"active":1})", "no boolean"},
      {R"({"active":null})", "no boolean"},
      {R"({"active":[true]})", "no boolean"},
      {R"({"active":{"a":true}})", "no boolean"},
      {"{}", "no member"},
      {R"({"Active":true})", "no member"},
      {R"({"active":true,"active":true})", "JSON"},
      {R"({"active":false,"active":true})", "JSON"},
      {R"({"active":false,"\u0061ctive":true})", "JSON"},
      {R"({"active":true,"sub":"a","sub":"b"})", "JSON"},
      {R"([{"active":true}])", "no JSON object"},
      {"true", "no JSON object"},
      {R"("active")", "no JSON object"},
      {"", "JSON"},
      {"<html>active: true</html>", "JSON"},
      {"active=true", "JSON"},
      {R"({"active":true)", "JSON"},
      {R"({"active":true}})", "JSON"},
      {R"({"active":true} {"active":true})", "JSON"},
      {"\xef\xbb\xbf{\"active\":true}", "JSON"},
      {"{\"active\":true,\"sub\":\"\xff\"}", "JSON"},
      {R"({"active":true,"sub":"\ud800"})", "JSON"},
      {R"({"active":true,"exp":1e400})", "JSON"},
      {cat(R"({"active":true,"x":)", deep, "}"), "JSON"},
  };
  for (const auto& [text, why] : answers) {
    const auto read = read_introspection(json_type, text);
    ASSERT_FALSE(read) << text;
    EXPECT_NE(read.error().detail.find(why), std::string::npos) << text << ": " << read.error().detail;
  }
}

TEST(IntrospectionAnswer, has_a_size_that_is_bounded) {
  const auto padded = [](std::size_t bytes) {
    std::string text = R"({"active":true,"x":")";
    text.append(bytes - text.size() - 2, 'x');
    return text + "\"}";
  };
  EXPECT_TRUE(read_introspection(json_type, padded(answer_limits.bytes_max)));
  EXPECT_FALSE(read_introspection(json_type, padded(answer_limits.bytes_max + 1)));
}

TEST(IntrospectionAnswer, of_another_type_is_refused_by_name) {
  for (const char* type :
       {"", "text/html", "text/plain", "application/jwt", "application/json+x", "json", ";application/json"}) {
    EXPECT_FALSE(read_introspection(type, active())) << type;
  }
  const auto is_signed = read_introspection("application/token-introspection+jwt", "eyJ.eyJ.x");
  ASSERT_FALSE(is_signed);
  EXPECT_NE(is_signed.error().detail.find("RFC 9701"), std::string::npos);
}

IntrospectionOptions options_for(std::string issuer = "", std::vector<std::string> audiences = {}) {
  IntrospectionOptions out;
  EndpointOptions endpoint;
  endpoint.url = "https://idp.example/introspect";
  out.endpoint = std::make_shared<IntrospectionEndpoint>(endpoint);
  out.issuer = std::move(issuer);
  out.audiences = std::move(audiences);
  out.realm = "shop";
  return out;
}

Result<std::shared_ptr<const VerifiedToken>> judge(std::string_view more,
                                                   const IntrospectionOptions& options = options_for()) {
  const auto answer = read_introspection(json_type, active(more));
  EXPECT_TRUE(answer) << more;
  return verify_introspected("opaque", **answer, options, {0, introspected_s * 1000});
}

TEST(IntrospectedToken, names_client_user_and_scopes_like_a_jwt) {
  const auto token = judge(R"(,"scope":"read write","roles":["admin"],"exp":1900000060,"token_type":"Bearer")");
  ASSERT_TRUE(token) << token.error().detail;
  const Principal& who = (*token)->principal;
  EXPECT_EQ(who.method, AuthMethod::introspection);
  EXPECT_EQ(who.client, "web");
  EXPECT_EQ(who.user, "alice");
  EXPECT_EQ(who.scopes, (std::vector<std::string>{"read", "write"}));
  EXPECT_EQ(who.roles, (std::vector<std::string>{"admin"}));
  EXPECT_EQ(claim_text((*token)->payload, "scope"), "read write");
  EXPECT_EQ((*token)->token_hash, short_hash("opaque"));
  IntrospectionOptions other = options_for();
  other.claims.user = {"username"};
  const auto named = judge(R"(,"username":"Alice A.")", other);
  ASSERT_TRUE(named);
  EXPECT_EQ((*named)->principal.user, "Alice A.");
}

TEST(IntrospectedToken, is_refused_when_one_claim_says_so) {
  const IntrospectionOptions strict = options_for("https://idp.example", {"orders", "stock"});
  const std::string right = R"(,"iss":"https://idp.example","aud":"orders")";
  EXPECT_TRUE(judge(right, strict));
  EXPECT_TRUE(judge(R"(,"iss":"https://idp.example","aud":["web","stock"],"token_type":"bearer")", strict));
  const std::string refused[] = {
      R"(,"aud":"orders")",
      R"(,"iss":"https://idp.example/","aud":"orders")",
      R"(,"iss":["https://idp.example"],"aud":"orders")",
      R"(,"iss":"https://idp.example")",
      R"(,"iss":"https://idp.example","aud":"web")",
      R"(,"iss":"https://idp.example","aud":[])",
      R"(,"iss":"https://idp.example","aud":["orders",1])",
      R"(,"iss":"https://idp.example","aud":"orders stock")",
      cat(right, R"(,"exp":1900000000)"),
      cat(right, R"(,"exp":"1900000060")"),
      cat(right, R"(,"exp":null)"),
      cat(right, R"(,"nbf":1900000001)"),
      cat(right, R"(,"iat":"now")"),
      cat(right, R"(,"token_use":"refresh")"),
      cat(right, R"(,"typ":"Refresh")"),
      cat(right, R"(,"at_hash":"x")"),
      cat(right, R"(,"token_type":"mac")"),
      cat(right, R"(,"token_type":7)"),
      cat(right, R"(,"token_type":"DPoP")"),
      cat(right, R"(,"cnf":"x")"),
      cat(right, R"(,"cnf":{"jkt":"short"})"),
      cat(right, R"(,"scope":7)"),
      cat(right, R"(,"roles":["a,b"])"),
  };
  for (const std::string& more : refused) EXPECT_FALSE(judge(more, strict)) << more;
  EXPECT_TRUE(judge(cat(right, R"(,"token_type":"DPoP","cnf":{"jkt":")", thumbprint, "\"}"), strict));
}

TEST(IntrospectedToken, of_an_answer_that_is_not_active_is_never_good) {
  IntrospectionAnswer answer;
  answer.text = active();
  EXPECT_FALSE(verify_introspected("opaque", answer, options_for(), {0, introspected_s * 1000}));
  answer.is_active = true;
  answer.text = "[]";
  EXPECT_FALSE(verify_introspected("opaque", answer, options_for(), {0, introspected_s * 1000}));
}

TEST(Introspection, tells_a_jwt_from_other_tokens_by_its_form) {
  const std::string jwt = "eyJhbGciOiJub25lIn0.e30.";
  EXPECT_TRUE(looks_like_jwt(jwt));
  EXPECT_TRUE(looks_like_jwt("eyJhbGciOiJub25lIn0.a.b.c.d"));
  for (const char* token : {"", "opaque", "a.b.c", "e30.e30.x", "eyJhbGciOiJub25lIn0", "eyJhbGciOiJub25lIn0.a",
                            "eyJhbGciOiJub25lIn0.a.b.c", "..", "....", "bnVsbA.e30.x"}) {
    EXPECT_FALSE(looks_like_jwt(token)) << token;
  }
}

class NoClaims final : public route::VariableSource {
 public:
  std::string_view variable(const route::VariableRef&) override { return {}; }
};

struct Case {
  Case() { options.introspection = std::make_shared<IntrospectionOptions>(options_for("", {"orders"})); }

  AccessResult run(std::string_view authorization) {
    text = cat("GET / HTTP/1.1\r\nHost: x\r\n",
               authorization.empty() ? "" : cat("Authorization: ", authorization, "\r\n"), "\r\n");
    parser = std::make_unique<http::RequestParser>(http::HeadLimits{.line_bytes_max = 20'000});
    EXPECT_EQ(parser->parse(text), http::ParseStatus::complete);
    return authenticate({.options = options,
                         .head = parser->head(),
                         .channel = {},
                         .variables = variables,
                         .arena = arena,
                         .now = {0, introspected_s * 1000},
                         .answers = &answers,
                         .method = "GET"},
                        false);
  }
  void answer(const AccessResult& asked, std::string_view body, bool is_good = true) {
    Answer out;
    out.kind = NeedKind::introspection;
    out.key = asked.need->key;
    out.is_good = is_good;
    out.reason = "no answer in time";
    if (is_good) out.value = read_introspection(json_type, body).value();
    answers.add(std::move(out));
  }

  AuthOptions options;
  Answers answers;
  NoClaims variables;
  Arena arena;
  std::string text;
  std::unique_ptr<http::RequestParser> parser;
};

TEST(Introspection, asks_and_goes_by_the_answer) {
  Case one;
  const AccessResult asked = one.run("Bearer opaque");
  ASSERT_EQ(asked.access, Access::need);
  ASSERT_EQ(asked.need->kind, NeedKind::introspection);
  EXPECT_EQ(asked.need->key.find("opaque"), std::string::npos);
  const auto* need = dynamic_cast<const IntrospectionNeed*>(asked.need->detail.get());
  ASSERT_NE(need, nullptr);
  EXPECT_EQ(need->token, "opaque");
  one.answer(asked, active(R"(,"aud":"orders")"));
  const AccessResult good = one.run("Bearer opaque");
  ASSERT_EQ(good.access, Access::accepted) << good.reason;
  EXPECT_EQ(good.principal->describe(), "client:web on behalf of user:alice");
  // The answer is about this token and about no other one.
  EXPECT_EQ(one.run("Bearer opaque2").access, Access::need);
}

TEST(Introspection, refuses_what_is_inactive_for_others_or_not_known) {
  Case inactive;
  inactive.answer(inactive.run("Bearer opaque"), R"({"active":false})");
  const AccessResult dead = inactive.run("Bearer opaque");
  EXPECT_EQ(dead.access, Access::refused);
  EXPECT_EQ(dead.status, 401);
  EXPECT_EQ(dead.challenge, R"(Bearer realm="shop", error="invalid_token")");
  Case foreign;
  foreign.answer(foreign.run("Bearer opaque"), active(R"(,"aud":"web")"));
  EXPECT_EQ(foreign.run("Bearer opaque").status, 401);
  Case down;
  down.answer(down.run("Bearer opaque"), "", false);
  const AccessResult unknown = down.run("Bearer opaque");
  EXPECT_EQ(unknown.access, Access::refused);
  EXPECT_EQ(unknown.status, 503);
  EXPECT_EQ(unknown.code, "introspection_unavailable");
  EXPECT_EQ(unknown.reason.find("opaque"), std::string::npos);
}

TEST(Introspection, asks_nobody_about_what_is_no_token) {
  Case one;
  const AccessResult none = one.run("");
  EXPECT_EQ(none.status, 401);
  EXPECT_EQ(none.challenge, R"(Bearer realm="shop")");
  EXPECT_EQ(one.run("Basic YTpi").status, 401);
  EXPECT_EQ(one.run("Bearer a, Bearer b").access, Access::refused);
  EXPECT_EQ(one.run(cat("Bearer ", std::string(opaque_bytes_max + 1, 'a'))).access, Access::refused);
  EXPECT_EQ(one.run(cat("Bearer ", std::string(opaque_bytes_max, 'a'))).access, Access::need);
  EXPECT_EQ(one.run(cat("Bearer ", make_api_key())).access, Access::refused);
}

TEST(Introspection, of_a_bound_token_needs_the_proof) {
  Case one;
  one.answer(one.run("Bearer opaque"), active(cat(R"(,"aud":"orders","cnf":{"jkt":")", thumbprint, "\"}")));
  const AccessResult stolen = one.run("Bearer opaque");
  EXPECT_EQ(stolen.status, 401);
  EXPECT_TRUE(stolen.challenge.starts_with(R"(DPoP realm="shop")")) << stolen.challenge;
  EXPECT_EQ(one.run("DPoP opaque").status, 401);
  Case certificate;
  certificate.answer(certificate.run("Bearer opaque"),
                     active(cat(R"(,"aud":"orders","cnf":{"x5t#S256":")", thumbprint, "\"}")));
  EXPECT_EQ(certificate.run("Bearer opaque").status, 401);
}

TEST(Introspection, leaves_jwts_to_auth_jwt_where_both_are_asked_for) {
  Case one;
  one.options.jwt.enabled = true;
  one.options.jwt.realm = route::Template::literal("both");
  one.options.jwt.keys = crypto::test::verifying_set(crypto::Algorithm::es256);
  EXPECT_EQ(one.run("Bearer opaque").access, Access::need);
  const std::string jwt =
      crypto::test::signed_token(*crypto::test::signing_key(crypto::Algorithm::es256, "k1"), R"({"sub":"web"})", "");
  EXPECT_EQ(one.run(cat("Bearer ", jwt)).access, Access::accepted);
  const AccessResult forged = one.run(cat("Bearer ", jwt.substr(0, jwt.size() - 4), "AAAA"));
  EXPECT_EQ(forged.status, 401);
  EXPECT_EQ(forged.challenge, R"(Bearer realm="both", error="invalid_token")");
  EXPECT_EQ(one.run("").status, 401);
  // Without auth_jwt a JWT is a token like any other.
  one.options.jwt.enabled = false;
  EXPECT_EQ(one.run(cat("Bearer ", jwt)).access, Access::need);
}

}  // namespace
}  // namespace keepgate::auth
