#include "auth/dpop.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "crypto/digest.h"
#include "crypto/json.h"
#include "crypto/test_keys.h"

namespace keepgate::auth {
namespace {

using crypto::Algorithm;
using crypto::Json;

constexpr std::int64_t issued_s = 1562262618;

Now at(std::int64_t wall_s) { return {0, wall_s * 1000}; }

// RFC 9449 §7.1, figure 12.
constexpr std::string_view rfc_token = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
constexpr std::string_view rfc_proof =
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRj"
    "QyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19."
    "eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZX"
    "NvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9."
    "2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
const ProofSubject rfc_subject{"GET", true, "resource.example.org", "/protectedresource", rfc_token};

constexpr std::string_view token = "an.access.token";
const ProofSubject subject{"POST", true, "api.example", "/orders", token};

std::string hash_of(std::string_view text) {
  const auto sum = crypto::sha256(text);
  return crypto::base64url_encode({reinterpret_cast<const char*>(sum.data()), sum.size()});
}

// A proof, properly signed, whose parts a test may change.
struct Proof {
  Algorithm algorithm = Algorithm::es256;
  std::string type = R"("dpop+jwt")";
  std::string key = crypto::test::public_half(Algorithm::es256);
  std::string claims = cat(R"({"jti":"one","htm":"POST","htu":"https://api.example/orders","iat":)", issued_s,
                           R"(,"ath":")", hash_of(token), R"("})");
  std::string more_header;

  std::string text() const {
    const auto signer = crypto::test::signing_key(algorithm);
    const std::string header =
        cat(R"({"typ":)", type, R"(,"alg":")", crypto::name_of(algorithm), R"(","jwk":)", key, more_header, '}');
    Result<std::string> made = crypto::sign_jws(header, claims, *signer);
    // What cannot be signed is no acceptable JSON: any signature will do.
    return made ? *made : crypto::test::forged(header, claims, std::string(64, 'x'));
  }
};

std::string claims_with(std::string_view from, std::string_view to) {
  std::string claims = Proof().claims;
  const std::size_t where = claims.find(from);
  KG_ASSERT(where != std::string::npos);
  return claims.replace(where, from.size(), to);
}

// "" when it is accepted.
std::string refusal(const Proof& proof, const ProofSubject& of = subject, std::int64_t now_s = issued_s) {
  const Result<ProvenKey> proven = verify_dpop(proof.text(), of, at(now_s));
  return proven ? std::string() : proven.error().detail;
}

TEST(Dpop, accepts_the_example_of_rfc_9449) {
  const Result<ProvenKey> proven = verify_dpop(rfc_proof, rfc_subject, at(issued_s));
  ASSERT_TRUE(proven) << proven.error().detail;
  EXPECT_EQ(proven->thumbprint, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
  EXPECT_EQ(proven->id, cat(proven->thumbprint, ".e1j3V_bKic8-LAEB"));
  for (std::size_t i = 0; i + 1 < rfc_proof.size(); ++i) {
    std::string changed(rfc_proof);
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(verify_dpop(changed, rfc_subject, at(issued_s))) << i;
  }
}

TEST(Dpop, is_for_one_method_url_and_token) {
  EXPECT_EQ(refusal({}), "");
  ProofSubject other = subject;
  other.method = "GET";
  EXPECT_NE(refusal({}, other).find("htm"), std::string::npos);
  other = subject;
  other.method = "post";
  EXPECT_NE(refusal({}, other), "");
  other = subject;
  other.path = "/orders/1";
  EXPECT_NE(refusal({}, other).find("htu"), std::string::npos);
  other = subject;
  other.authority = "other.example";
  EXPECT_NE(refusal({}, other).find("htu"), std::string::npos);
  other = subject;
  other.tls = false;
  EXPECT_NE(refusal({}, other).find("htu"), std::string::npos);
  other = subject;
  other.token = "another.access.token";
  EXPECT_NE(refusal({}, other).find("ath"), std::string::npos);
}

TEST(Dpop, holds_for_a_minute_and_a_clock_that_is_a_little_ahead) {
  EXPECT_EQ(refusal({}, subject, issued_s + proof_age_max_s), "");
  EXPECT_NE(refusal({}, subject, issued_s + proof_age_max_s + 1).find("iat"), std::string::npos);
  EXPECT_EQ(refusal({}, subject, issued_s - proof_future_max_s), "");
  EXPECT_NE(refusal({}, subject, issued_s - proof_future_max_s - 1).find("iat"), std::string::npos);
  const Result<ProvenKey> proven = verify_dpop(Proof().text(), subject, at(issued_s + proof_age_max_s));
  ASSERT_TRUE(proven);
  EXPECT_GT(proven->expires_s, issued_s + proof_age_max_s);  // Still remembered in the last second it would pass.
}

TEST(Dpop, refuses_claims_that_are_missing_or_of_another_kind) {
  const std::string iat = cat(R"("iat":)", issued_s);
  const std::string rows[] = {
      claims_with(R"("jti":"one",)", ""),
      claims_with(R"("jti":"one")", R"("jti":5)"),
      claims_with(R"("jti":"one")", R"("jti":"")"),
      claims_with(R"("jti":"one")", cat(R"("jti":")", std::string(proof_id_bytes_max + 1, 'j'), '"')),
      claims_with(R"("htm":"POST",)", ""),
      claims_with(R"("htm":"POST")", R"("htm":["POST"])"),
      claims_with(R"("htu":"https://api.example/orders",)", ""),
      claims_with(iat + ",", ""),
      claims_with(iat, cat(R"("iat":")", issued_s, '"')),
      claims_with(iat, R"("iat":1e400)"),
      claims_with(iat, R"("iat":null)"),
      claims_with(R"("ath":)", R"("other":)"),
      claims_with(R"("jti":"one")", R"("jti":"one","jti":"two")"),
      "[]",
      "",
      "x"};
  for (const std::string& claims : rows) {
    Proof proof;
    proof.claims = claims;
    EXPECT_NE(refusal(proof), "") << claims;
  }
}

TEST(Dpop, takes_every_asymmetric_algorithm_and_no_other) {
  for (const Algorithm algorithm :
       {Algorithm::es256, Algorithm::es384, Algorithm::es512, Algorithm::eddsa, Algorithm::rs256, Algorithm::ps256}) {
    Proof proof;
    proof.algorithm = algorithm;
    proof.key = crypto::test::public_half(algorithm);
    EXPECT_EQ(refusal(proof), "") << crypto::name_of(algorithm);
    EXPECT_NE(proof_algorithms.find(crypto::name_of(algorithm)), std::string_view::npos);
    proof.key = crypto::test::public_half(algorithm, "other");
    EXPECT_NE(refusal(proof), "") << crypto::name_of(algorithm);
  }
  Proof secret;
  secret.algorithm = Algorithm::hs256;
  secret.key = crypto::test::private_jwk(crypto::KeyType::oct256, Algorithm::hs256, "k1");
  EXPECT_NE(refusal(secret), "");
  secret.key = crypto::test::public_half(Algorithm::es256);
  EXPECT_NE(refusal(secret), "");
  EXPECT_EQ(proof_algorithms.find("HS"), std::string_view::npos);
}

TEST(Dpop, refuses_headers_that_are_no_proofs) {
  const std::string& key = crypto::test::public_half(Algorithm::es256);
  std::string without_y = key;
  without_y.erase(without_y.find(R"(,"y")"), 50);
  const auto with = [&](std::string_view member) { return cat(key.substr(0, key.size() - 1), ',', member, '}'); };
  Proof proof;
  for (const std::string& type :
       {std::string(R"("JWT")"), std::string(R"("DPOP+JWT")"), std::string("5"), std::string(R"("")")}) {
    proof = {};
    proof.type = type;
    EXPECT_NE(refusal(proof), "") << type;
  }
  for (const std::string& jwk :
       {std::string("{}"), std::string("5"), std::string(R"("key")"), std::string("null"), without_y,
        std::string(crypto::test::private_jwk(crypto::KeyType::p256, Algorithm::es256, "k1")), with(R"("d":"AA")"),
        with(R"("d":null)"), with(R"("k":"AA")"), with(R"("x":"AA")")}) {
    proof = {};
    proof.key = jwk;
    EXPECT_NE(refusal(proof), "") << jwk;
  }
  for (const std::string_view more :
       {R"(,"crit":["x"],"x":1)", R"(,"b64":false)", R"(,"jku":"http://a/")", R"(,"x5c":[])"}) {
    proof = {};
    proof.more_header = more;
    EXPECT_NE(refusal(proof), "") << more;
  }
  EXPECT_FALSE(verify_dpop("", subject, at(issued_s)));
  EXPECT_FALSE(verify_dpop(cat(Proof().text(), '.'), subject, at(issued_s)));
  EXPECT_FALSE(verify_dpop(std::string(proof_bytes_max + 1, 'A'), subject, at(issued_s)));
  // A client's token is no proof, and a proof no token.
  const auto signer = crypto::test::signing_key(Algorithm::es256);
  EXPECT_FALSE(verify_dpop(crypto::test::signed_token(*signer, Proof().claims), subject, at(issued_s)));
  EXPECT_FALSE(crypto::parse_jws(Proof().text()));
}

TEST(Dpop, reads_urls_as_rfc_3986_wants) {
  struct Row {
    std::string_view htu;
    bool tls;
    std::string_view authority, path;
    bool same;
  };
  const Row rows[] = {
      {"https://a.example/x", true, "a.example", "/x", true},
      {"HTTPS://A.Example/x", true, "a.EXAMPLE", "/x", true},
      {"https://a.example:443/x", true, "a.example", "/x", true},
      {"https://a.example/x", true, "a.example:443", "/x", true},
      {"http://a.example:80/x", false, "a.example", "/x", true},
      {"https://a.example:8443/x", true, "a.example:8443", "/x", true},
      {"https://a.example", true, "a.example", "/", true},
      {"https://a.example/x?y=1#z", true, "a.example", "/x", true},
      {"https://a.example/%7eb%2fc", true, "a.example", "/~b%2Fc", true},
      {"https://a.example/x", false, "a.example", "/x", false},
      {"http://a.example/x", true, "a.example", "/x", false},
      {"https://a.example:444/x", true, "a.example", "/x", false},
      {"https://a.example:80/x", true, "a.example", "/x", false},
      {"https://a.example.evil/x", true, "a.example", "/x", false},
      {"https://evil@a.example/x", true, "a.example", "/x", false},
      {"https://a.example/X", true, "a.example", "/x", false},
      {"https://a.example/x/", true, "a.example", "/x", false},
      {"https://a.example/b/c", true, "a.example", "/b%2Fc", false},
      {"https://a.example?/x", true, "a.example", "/x", false},
      {"a.example/x", true, "a.example", "/x", false},
      {"/x", true, "a.example", "/x", false},
      {"", true, "", "", false},
      {"https:///x", true, "", "/x", false},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(names_same_url(row.htu, row.tls, row.authority, row.path), row.same) << row.htu;
  }
}

}  // namespace
}  // namespace keepgate::auth
