#include "auth/jwt.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "crypto/jwe_vectors.h"
#include "crypto/test_keys.h"

namespace keepgate::auth {
namespace {

using crypto::Algorithm;

constexpr std::int64_t jwt_noon_s = 1'900'000'000;

Now at_wall_ms(std::int64_t wall_ms) { return {.monotonic_ms = 0, .wall_ms = wall_ms}; }
Now jwt_noon() { return at_wall_ms(jwt_noon_s * 1000); }

JwtOptions jwt_options(Algorithm algorithm = Algorithm::es256, std::int64_t leeway_s = 0) {
  JwtOptions options;
  options.enabled = true;
  options.keys = crypto::test::verifying_set(algorithm);
  options.verifier_id = 7;
  options.leeway_s = leeway_s;
  return options;
}

std::string token_of(std::string_view payload, std::string_view more_header = "") {
  return crypto::test::signed_token(*crypto::test::signing_key(Algorithm::es256), payload, more_header);
}

bool accepts(std::string_view payload, Now now = jwt_noon(), std::int64_t leeway_s = 0) {
  return verify_jwt(token_of(payload), jwt_options(Algorithm::es256, leeway_s), now).has_value();
}

TEST(Jwt, gives_the_claims_and_the_identity_of_a_good_token) {
  const auto token =
      verify_jwt(token_of(cat(R"({"client_id":"web","sub":"alice","roles":["admins"],"scope":"a b","exp":)",
                              jwt_noon_s + 60, '}')),
                 jwt_options(), jwt_noon());
  ASSERT_TRUE(token);
  const VerifiedToken& good = **token;
  EXPECT_EQ(good.principal.describe(), "client:web on behalf of user:alice");
  EXPECT_EQ(good.principal.method, AuthMethod::jwt);
  EXPECT_EQ(good.principal.roles, std::vector<std::string>{"admins"});
  EXPECT_EQ(good.principal.scopes, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(good.expires_s, jwt_noon_s + 60);
  EXPECT_EQ(good.not_before_s, 0);
  EXPECT_EQ(good.token_hash.size(), 16u);
  EXPECT_EQ(good.header.string_at("alg"), "ES256");
  EXPECT_NE(good.header_text.find("ES256"), std::string::npos);
  EXPECT_NE(good.payload_text.find("alice"), std::string::npos);
}

TEST(Jwt, refuses_a_token_of_another_key_and_without_keys) {
  const std::string token = token_of(R"({"sub":"a"})");
  EXPECT_TRUE(verify_jwt(token, jwt_options(), jwt_noon()));
  JwtOptions options = jwt_options();
  options.keys = crypto::test::verifying_set(Algorithm::es256, "k2");
  EXPECT_EQ(verify_jwt(token, options, jwt_noon()).error().code, "unknown_key");
  options.keys = crypto::test::verifying_set(Algorithm::rs256, "k1");
  EXPECT_EQ(verify_jwt(token, options, jwt_noon()).error().code, "unknown_key");
  options.keys = nullptr;
  EXPECT_EQ(verify_jwt(token, options, jwt_noon()).error().kind, ErrorKind::configuration);
}

TEST(Jwt, refuses_payloads_that_are_no_strict_json_object) {
  const std::string rows[] = {"",
                              "[]",
                              "null",
                              "\"x\"",
                              "7",
                              "{",
                              "{} {}",
                              R"({"sub":"a","sub":"b"})",
                              R"({"sub":"a","\u0073ub":"b"})",
                              "\xef\xbb\xbf{}",
                              "{\"a\":\"\xff\"}",
                              R"({"a":"\ud800"})",
                              R"({"a":1e400})",
                              R"({"a":NaN})",
                              R"({"exp":18446744073709551616})",
                              cat(R"({"a":)", std::string(3000, '['), std::string(3000, ']'), '}'),
                              std::string("{}\0", 3)};
  for (const std::string& row : rows) EXPECT_FALSE(accepts(row)) << printable(row, 60);
  EXPECT_TRUE(accepts("{}"));
}

struct TimeRow {
  std::string_view claim;
  std::int64_t claim_s;
  std::int64_t leeway_s, offset_ms;
  bool good;
};

TEST(Jwt, holds_exp_and_nbf_to_the_millisecond) {
  constexpr TimeRow rows[] = {
      {"exp", jwt_noon_s, 0, -1, true},
      {"exp", jwt_noon_s, 0, 0, false},
      {"exp", jwt_noon_s, 0, 1, false},
      {"exp", jwt_noon_s, 10, 9'999, true},
      {"exp", jwt_noon_s, 10, 10'000, false},
      {"exp", jwt_noon_s, 10, 11'000, false},
      {"exp", jwt_noon_s, 10, 9'000, true},
      {"nbf", jwt_noon_s, 0, -1, false},
      {"nbf", jwt_noon_s, 0, 0, true},
      {"nbf", jwt_noon_s, 0, -1'000, false},
      {"nbf", jwt_noon_s, 10, -10'000, true},
      {"nbf", jwt_noon_s, 10, -10'001, false},
      {"nbf", jwt_noon_s, 10, -9'000, true},
      {"nbf", jwt_noon_s, 10, -11'000, false},
      {"iat", jwt_noon_s, 0, -100'000, true},
      {"exp", 0, 0, 0, false},
      {"exp", -1, 0, 0, false},
      {"exp", -5, 10, 0, false},
      {"nbf", -5, 0, 0, true},
      {"nbf", 5, 10, 0, true},
  };
  for (const TimeRow& row : rows) {
    EXPECT_EQ(accepts(cat(R"({")", row.claim, R"(":)", row.claim_s, '}'), at_wall_ms(jwt_noon_s * 1000 + row.offset_ms),
                      row.leeway_s),
              row.good)
        << row.claim << ' ' << row.claim_s << ' ' << row.leeway_s << ' ' << row.offset_ms;
  }
}

TEST(Jwt, treats_fractions_so_that_they_never_lengthen_a_life) {
  EXPECT_TRUE(accepts(cat(R"({"exp":)", jwt_noon_s, ".9}"), at_wall_ms(jwt_noon_s * 1000 - 1)));
  EXPECT_FALSE(accepts(cat(R"({"exp":)", jwt_noon_s, ".9}"), at_wall_ms(jwt_noon_s * 1000)));
  EXPECT_FALSE(accepts(cat(R"({"nbf":)", jwt_noon_s, ".1}"), at_wall_ms(jwt_noon_s * 1000 + 999)));
  EXPECT_TRUE(accepts(cat(R"({"nbf":)", jwt_noon_s, ".1}"), at_wall_ms(jwt_noon_s * 1000 + 1000)));
}

TEST(Jwt, refuses_times_that_are_no_numbers) {
  for (const std::string_view claim : {"exp", "nbf", "iat"}) {
    EXPECT_TRUE(accepts(cat(R"({")", claim, R"(":)", claim == "exp" ? jwt_noon_s + 9 : jwt_noon_s - 9, '}')));
    for (const std::string_view value : {"\"1900000009\"", "null", "true", "[1900000009]", "{}", "1e300",
                                         "9007199254740992", "-9007199254740992", "\"\"", "\"never\""}) {
      EXPECT_FALSE(accepts(cat(R"({")", claim, R"(":)", value, '}'))) << claim << value;
    }
  }
}

TEST(Jwt, refuses_a_transaction_token) {
  for (const std::string_view type : {"txntoken+jwt", "TXNTOKEN+JWT", "application/txntoken+jwt"}) {
    const std::string token = token_of(R"({"sub":"a"})", cat(R"(,"typ":")", type, '"'));
    EXPECT_FALSE(verify_jwt(token, jwt_options(), jwt_noon())) << type;
  }
  for (const std::string_view type : {"JWT", "at+jwt"}) {
    EXPECT_TRUE(verify_jwt(token_of(R"({"sub":"a"})", cat(R"(,"typ":")", type, '"')), jwt_options(), jwt_noon()));
  }
}

struct NameRow {
  std::string_view payload, identity;
};

TEST(Principal, reads_requester_and_customer) {
  constexpr NameRow rows[] = {
      {R"({})", "anonymous"},
      {R"({"sub":"svc"})", "client:svc"},
      {R"({"sub":"client:svc"})", "client:svc"},
      {R"({"sub":"user:alice"})", "user:alice"},
      {R"({"client_id":"web"})", "client:web"},
      {R"({"azp":"web"})", "client:web"},
      {R"({"client_id":"web","azp":"other"})", "client:web"},
      {R"({"client_id":"web","sub":"web"})", "client:web"},
      {R"({"client_id":"web","sub":"client:web"})", "client:web"},
      {R"({"client_id":"web","sub":"alice"})", "client:web on behalf of user:alice"},
      {R"({"client_id":"web","sub":"user:alice"})", "client:web on behalf of user:alice"},
      {R"({"client_id":"web","sub":"user:web"})", "client:web on behalf of user:web"},
      {R"({"client_id":"web","sub":"client:other"})", "client:web on behalf of user:client:other"},
      {R"({"azp":"web","sub":"alice"})", "client:web on behalf of user:alice"},
  };
  for (const NameRow& row : rows) {
    const Result<Principal> principal = read_principal(*crypto::parse_json(row.payload), {}, AuthMethod::jwt);
    ASSERT_TRUE(principal) << row.payload;
    EXPECT_EQ(principal->describe(), row.identity) << row.payload;
    EXPECT_EQ(principal_of(*crypto::parse_json(row.payload), {}, AuthMethod::jwt).describe(), row.identity);
  }
}

TEST(Principal, knows_how_well_it_was_proven_where_that_can_be_shown) {
  const auto assurance = [](std::string_view acr) {
    return read_principal(*crypto::parse_json(cat(R"({"sub":"a","acr":)", acr, "}")), {}, AuthMethod::jwt)->assurance;
  };
  EXPECT_EQ(assurance(R"("urn:mace:incommon:iap:silver")"), "urn:mace:incommon:iap:silver");
  for (const std::string_view none : {R"("")", "7", "null", R"(["a"])", R"("a
b")"})
    EXPECT_EQ(assurance(none), "");
}

TEST(Principal, follows_the_claims_that_the_operator_names) {
  const IdentityClaims claims{.client = {"app"}, .user = {"email"}, .roles = {"groups", "roles"}, .scopes = {"perm"}};
  const auto payload = crypto::parse_json(R"({"client_id":"x","sub":"y","email":"a@b","roles":"r","perm":"p"})");
  const Result<Principal> principal = read_principal(*payload, claims, AuthMethod::jwt);
  ASSERT_TRUE(principal);
  EXPECT_EQ(principal->describe(), "user:a@b");
  EXPECT_EQ(principal->roles, std::vector<std::string>{"r"});
  EXPECT_EQ(principal->scopes, std::vector<std::string>{"p"});
}

TEST(Principal, refuses_claims_that_may_name_nobody) {
  const std::string rows[] = {
      R"({"sub":""})",
      R"({"sub":7})",
      R"({"sub":null})",
      R"({"sub":["a"]})",
      R"({"sub":"user:"})",
      R"({"sub":"client:"})",
      R"({"sub":"client: x"})",
      R"({"sub":" a"})",
      R"({"sub":"a "})",
      R"({"sub":"a\r\nX-Role: admin"})",
      R"({"sub":"a\u0000"})",
      R"({"sub":"a\u007f"})",
      R"({"sub":"a\u202eb"})",
      R"({"client_id":null,"sub":"a"})",
      R"({"client_id":"","sub":"a"})",
      R"({"client_id":7,"sub":"a"})",
      R"({"client_id":"a\nb","sub":"a"})",
      R"({"sub":"a","roles":7})",
      R"({"sub":"a","roles":["x\ny"]})",
      R"({"sub":"a","roles":["x,admins"]})",
      R"({"sub":"a","roles":{"x":1}})",
      R"({"sub":"a","scope":7})",
      R"({"sub":"a","scope":"x\ty"})",
      R"({"sub":"a","scp":[""]})",
      cat(R"({"sub":")", std::string(1025, 'a'), "\"}"),
      cat(R"({"sub":"a","roles":")", std::string(1025, 'r'), "\"}"),
  };
  for (const std::string& row : rows) {
    EXPECT_FALSE(read_principal(*crypto::parse_json(row), {}, AuthMethod::jwt)) << row;
    EXPECT_FALSE(principal_of(*crypto::parse_json(row), {}, AuthMethod::jwt).identified()) << row;
    EXPECT_FALSE(accepts(row)) << row;
  }
  EXPECT_TRUE(accepts(cat(R"({"sub":")", std::string(1024, 'a'), "\"}")));
}

TEST(ClaimText, shows_claims_as_nginx_variables_do) {
  const auto payload = crypto::parse_json(
      R"({"s":"a b","i":-5,"r":1.5,"t":true,"n":null,"l":["a",1,true],"e":[],"d":[["x"],1],"o":{"x":"y"},"a.b":"c"})");
  constexpr std::pair<std::string_view, std::string_view> rows[] = {
      {"s", "a b"}, {"i", "-5"},    {"r", "1.5"}, {"t", "true"}, {"n", "null"}, {"l", "a,1,true"},
      {"e", ""},    {"absent", ""}, {"d", ""},    {"o", ""},     {"a.b", "c"}};
  for (const auto& [name, text] : rows) EXPECT_EQ(claim_text(*payload, name), text) << name;
  EXPECT_EQ(claim_text(*crypto::parse_json("[]"), "s"), "");
}

TEST(ClaimText, follows_a_path_of_members) {
  const auto payload = crypto::parse_json(R"({"a":{"b":{"c":"deep"},"l":[1,2]},"s":"flat"})");
  constexpr std::pair<std::string_view, std::string_view> rows[] = {{"a/b/c", "deep"}, {"a/l", "1,2"}, {"s", "flat"},
                                                                    {"a/b", ""},       {"a/b/x", ""},  {"s/x", ""},
                                                                    {"a/l/0", ""},     {"x/b/c", ""}};
  for (const auto& [path, text] : rows) EXPECT_EQ(claim_text_at(*payload, path, '/'), text) << path;
}

TEST(AuthenticateJwt, is_not_mine_without_a_credential) {
  EXPECT_EQ(authenticate_jwt("", jwt_options(), jwt_noon(), nullptr).verdict, AuthVerdict::not_mine);
  JwtOptions off = jwt_options();
  off.enabled = false;
  EXPECT_EQ(authenticate_jwt(token_of("{}"), off, jwt_noon(), nullptr).verdict, AuthVerdict::not_mine);
}

TEST(AuthenticateJwt, is_good_or_bad_with_one_and_the_same_with_a_cache) {
  TokenCache cache(64);
  const std::string good = token_of(R"({"sub":"a"})"), bad = good.substr(0, good.size() - 8) + "AAAAAAAA";
  for (int i = 0; i < 3; ++i) {
    for (TokenCache* use : {&cache, static_cast<TokenCache*>(nullptr)}) {
      const AuthResult result = authenticate_jwt(good, jwt_options(), jwt_noon(), use);
      EXPECT_EQ(result.verdict, AuthVerdict::good);
      ASSERT_TRUE(result.token);
      EXPECT_EQ(result.token->principal.client, "a");
      const AuthResult refusal = authenticate_jwt(bad, jwt_options(), jwt_noon(), use);
      EXPECT_EQ(refusal.verdict, AuthVerdict::bad);
      EXPECT_FALSE(refusal.token);
      EXPECT_NE(refusal.reason, "");
      EXPECT_EQ(refusal.reason.find(bad), std::string::npos);
    }
  }
  EXPECT_EQ(cache.find(bad, 7, jwt_noon()), nullptr);
  EXPECT_EQ(AuthResult{}.verdict, AuthVerdict::bad);
}

TEST(AuthenticateJwt, judges_a_cached_token_by_the_clock_of_now) {
  TokenCache cache(64);
  const std::string token = token_of(cat(R"({"sub":"a","nbf":)", jwt_noon_s, R"(,"exp":)", jwt_noon_s + 60, '}'));
  const auto verdict = [&](std::int64_t offset_ms) {
    return authenticate_jwt(token, jwt_options(Algorithm::es256, 5), at_wall_ms(jwt_noon_s * 1000 + offset_ms), &cache)
        .verdict;
  };
  EXPECT_EQ(verdict(0), AuthVerdict::good);
  EXPECT_EQ(verdict(64'999), AuthVerdict::good);
  EXPECT_EQ(verdict(65'000), AuthVerdict::bad);
  EXPECT_EQ(verdict(0), AuthVerdict::good);
  EXPECT_EQ(verdict(-5'000), AuthVerdict::good);
  EXPECT_EQ(verdict(-5'001), AuthVerdict::bad);
}

// RFC 7520 §6.
TEST(Jwt, opens_the_nested_example_with_both_layers_only) {
  JwtOptions options;
  options.enabled = true;
  options.form = TokenForm::nested;
  options.keys = crypto::test::set_of(cat(crypto::test::nested_encryption_jwk, ',', crypto::test::nested_signing_jwk));
  ASSERT_TRUE(options.keys);
  const Now then = at_wall_ms(1'300'000'000'000);
  const auto token = verify_jwt(crypto::test::nested_token, options, then);
  ASSERT_TRUE(token) << token.error().detail;
  EXPECT_EQ((*token)->payload.string_at("iss"), "hobbiton.example");
  EXPECT_EQ((*token)->header.string_at("alg"), "PS256");
  EXPECT_TRUE((*token)->enclosed.starts_with("eyJhbGciOiJQUzI1NiIsInR5cCI6IkpXVCJ9."));
  EXPECT_FALSE(verify_jwt(crypto::test::nested_token, options, jwt_noon()));  // Expired.

  // The signed token inside is none by itself here, nor is the whole one elsewhere.
  EXPECT_FALSE(verify_jwt((*token)->enclosed, options, then));
  options.form = TokenForm::jws;
  EXPECT_TRUE(verify_jwt((*token)->enclosed, options, then));
  EXPECT_FALSE(verify_jwt(crypto::test::nested_token, options, then));
  options.form = TokenForm::jwe;
  EXPECT_FALSE(verify_jwt(crypto::test::nested_token, options, then));

  // One key less of either kind.
  options.form = TokenForm::nested;
  for (const std::string_view jwk : {crypto::test::nested_encryption_jwk, crypto::test::nested_signing_jwk}) {
    options.keys = crypto::test::set_of(jwk);
    EXPECT_FALSE(verify_jwt(crypto::test::nested_token, options, then));
    EXPECT_FALSE(has_keys_for(*options.keys, TokenForm::nested));
  }
}

TEST(Jwt, refuses_a_binding_that_cannot_be_read) {
  const std::string thumbprint(43, 'A');
  const auto token =
      verify_jwt(token_of(cat(R"({"sub":"a","cnf":{"jkt":")", thumbprint, R"("}})")), jwt_options(), jwt_noon());
  ASSERT_TRUE(token);
  EXPECT_EQ((*token)->bound_key, thumbprint);
  for (const std::string_view cnf : {"5", "null", "[]", R"("x")", R"({"jkt":5})", R"({"jkt":""})", R"({"jkt":"AAAA"})",
                                     R"({"jkt":null})", R"({"jkt":"!"})"}) {
    EXPECT_FALSE(accepts(cat(R"({"sub":"a","cnf":)", cnf, '}'))) << cnf;
  }
  EXPECT_TRUE(accepts(R"({"sub":"a","cnf":{}})"));
}

TEST(AuthenticateJwt, keeps_good_tokens_through_a_flood_of_bad_ones) {
  TokenCache cache(8);
  const JwtOptions options = jwt_options();
  const std::string good = token_of(R"({"sub":"a"})");
  ASSERT_EQ(authenticate_jwt(good, options, jwt_noon(), &cache).verdict, AuthVerdict::good);
  const auto entry = cache.find(good, options.verifier_id, jwt_noon());
  ASSERT_TRUE(entry);
  const std::string_view part = std::string_view(good).substr(0, good.rfind('.'));
  for (int i = 0; i < 500; ++i) {
    const std::string bad = cat(part, '.', crypto::base64url_encode(cat(std::string(60, 'x'), 1000 + i)));
    EXPECT_EQ(authenticate_jwt(bad, options, jwt_noon(), &cache).verdict, AuthVerdict::bad);
  }
  EXPECT_EQ(cache.find(good, options.verifier_id, jwt_noon()), entry);
}

}  // namespace
}  // namespace keepgate::auth
