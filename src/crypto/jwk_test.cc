#include "crypto/jwk.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "crypto/base64url.h"
#include "crypto/digest.h"
#include "crypto/json.h"
#include "crypto/jws.h"
#include "crypto/test_keys.h"

namespace keepgate::crypto {
namespace {

// RFC 7515 A.2.1, A.3.1, A.4.1; RFC 8037 A.1.
constexpr std::string_view rsa_n =
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-"
    "pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapH"
    "g665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4F"
    "RWyuXpoQ";
// A modulus that is 1 modulo every prime up to 167: the fingerprint of CVE-2017-15361.
constexpr std::string_view roca_n =
    "gAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABml-vtLJyxuBBYVZP4HaMg36sQ"
    "vfLg8dnoAvzw";
constexpr std::string_view ec_x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
constexpr std::string_view ec_y = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
constexpr std::string_view ec_d = "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI";
constexpr std::string_view okp_x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
constexpr std::string_view okp_d = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";

std::string rsa(std::string_view more = "", std::string_view e = "AQAB", std::string_view n = rsa_n) {
  return cat(R"({"kty":"RSA","n":")", n, R"(","e":")", e, '"', more, '}');
}
std::string ec(std::string_view more = "", std::string_view crv = "P-256", std::string_view x = ec_x,
               std::string_view y = ec_y) {
  return cat(R"({"kty":"EC","crv":")", crv, R"(","x":")", x, R"(","y":")", y, '"', more, '}');
}
std::string okp(std::string_view more = "", std::string_view crv = "Ed25519", std::string_view x = okp_x) {
  return cat(R"({"kty":"OKP","crv":")", crv, R"(","x":")", x, '"', more, '}');
}
std::string oct(std::string_view k = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY", std::string_view more = "") {
  return cat(R"({"kty":"oct","k":")", k, '"', more, '}');
}

TEST(Jwk, has_the_algorithm_it_names_or_its_kinds_own) {
  const std::pair<std::string, Algorithm> rows[] = {
      {rsa(), Algorithm::rs256},
      {rsa(R"(,"alg":"PS384")"), Algorithm::ps384},
      {ec(), Algorithm::es256},
      {ec(R"(,"alg":"ES256","use":"sig","key_ops":["verify"])"), Algorithm::es256},
      {okp(), Algorithm::eddsa},
      {oct(), Algorithm::hs256},
      {oct("MDEyMzQ1Njc", R"(,"alg":"HS512")"), Algorithm::hs512},
  };
  for (const auto& [jwk, algorithm] : rows) {
    const auto key = parse_jwk(jwk);
    ASSERT_TRUE(key) << jwk << key.error().detail;
    EXPECT_EQ((*key)->algorithm(), algorithm);
    EXPECT_EQ((*key)->is_private(), !(*key)->secret().empty());
  }
}

TEST(Jwk, refuses_keys_that_are_broken) {
  const std::string rows[] = {
      "[]",
      "{}",
      R"({"kty":7})",
      R"({"kty":"RSA"})",
      R"({"kty":"RSA","kty":"EC"})",
      rsa(R"(,"alg":"ES256")"),
      rsa(R"(,"alg":"HS256")"),
      rsa(R"(,"alg":7)"),
      rsa(R"(,"kid":7)"),
      rsa(R"(,"use":["sig"])"),
      rsa(R"(,"key_ops":"verify")"),
      rsa("", "AQ"),            // e = 1
      rsa("", "Ag"),            // e = 2
      rsa("", "AA"),            // e = 0
      rsa("", "AQAAAAAAAAAB"),  // e = 2^64 + 1
      rsa("", "AQAB="),
      rsa("", "AQ AB"),
      rsa("", ""),
      rsa("", "AQAB", rsa_n.substr(0, 172)),                                   // 1032 bits
      rsa("", "AQAB", std::string(rsa_n.substr(0, rsa_n.size() - 2)) + "oA"),  // even
      rsa("", "AQAB", roca_n),
      rsa("", "AQAB", std::string(rsa_n) + std::string(1400, 'A') + "AQ"),  // too long
      rsa(R"(,"d":"AQAB")"),
      ec(R"(,"alg":"ES384")"),
      ec(R"(,"alg":"RS256")"),
      ec(R"(,"alg":"EdDSA")"),
      ec(R"(,"alg":"HS256")"),
      ec("", "P-384"),
      ec("", "P-256", ec_y, ec_x),
      ec("", "P-256", ec_x, ec_x),
      ec("", "P-256", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
      ec("", "P-256", ec_x, "AQ"),
      ec(R"(,"d":"AQ")"),
      ec(cat(R"(,"d":")", okp_d, '"')),
      okp(R"(,"alg":"ES256")"),
      okp("", "Ed448"),
      okp("", "Ed25519", "AQ"),
      okp(cat(R"(,"d":")", ec_d, '"')),
      okp(R"(,"d":7)"),
      oct(""),
      oct("MDEyMzQ1Ng"),  // 7 bytes
      oct("MDEyMzQ1Njc="),
      oct("MDEyMzQ1Njc", R"(,"alg":"RS256")"),
  };
  for (const std::string& row : rows) {
    const auto key = parse_jwk(row);
    ASSERT_FALSE(key) << row;
    EXPECT_EQ(key.error().kind, ErrorKind::refused) << row << key.error().detail;
  }
}

std::string bytes_of_hex(std::string_view hex) {
  std::string out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    out.push_back(static_cast<char>(hex_value(hex[i]) * 16 + hex_value(hex[i + 1])));
  }
  return out;
}

TEST(Jwk, refuses_edwards_points_of_small_order_and_second_spellings) {
  EXPECT_TRUE(parse_jwk(okp()));
  const std::string zeros(62, '0'), f(60, 'f');
  std::vector<std::string> points = {zeros + "00",
                                     "01" + zeros,
                                     "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
                                     "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
                                     "ec" + f + "7f",
                                     "ed" + f + "7f",
                                     "ee" + f + "7f",
                                     "ff" + f + "7f"};
  for (const std::string& hex : points) {
    for (const bool sign : {false, true}) {
      std::string point = bytes_of_hex(hex);
      if (sign) point.back() = static_cast<char>(point.back() | 0x80);
      const auto key = parse_jwk(okp("", "Ed25519", base64url_encode(point)));
      ASSERT_FALSE(key) << hex;
      EXPECT_EQ(key.error().code, "bad_key");
    }
  }
  std::string minus_one(57, '\xff');
  minus_one[0] = minus_one[28] = '\xfe';
  minus_one[56] = '\0';
  std::string prime = minus_one;
  prime[0] = '\xff';
  for (const std::string& point : {std::string(57, '\0'), "\1" + std::string(56, '\0'), minus_one, prime}) {
    EXPECT_FALSE(parse_jwk(okp("", "Ed448", base64url_encode(point))));
  }
}

TEST(Jwk, calls_keys_for_other_purposes_unsupported) {
  const std::string rows[] = {rsa(R"(,"use":"enc")"),
                              rsa(R"(,"alg":"RSA-OAEP")"),
                              rsa(R"(,"alg":"none")"),
                              rsa(R"(,"alg":"rs256")"),
                              ec("", "secp256k1"),
                              okp("", "X25519"),
                              R"({"kty":"unknown"})",
                              rsa(R"(,"key_ops":["encrypt"])"),
                              oct("MDEyMzQ1Njc", R"(,"alg":"A128KW")")};
  for (const std::string& row : rows) {
    const auto key = parse_jwk(row);
    ASSERT_FALSE(key) << row;
    EXPECT_EQ(key.error().kind, ErrorKind::unsupported) << row;
  }
}

TEST(Jwk, takes_private_halves_that_fit) {
  EXPECT_TRUE((*parse_jwk(ec(cat(R"(,"d":")", ec_d, '"'))))->is_private());
  EXPECT_TRUE((*parse_jwk(okp(cat(R"(,"d":")", okp_d, '"'))))->is_private());
}

TEST(Jwk, generates_keys_that_sign_for_their_public_halves) {
  const std::pair<KeyType, Algorithm> rows[] = {
      {KeyType::rsa2048, Algorithm::rs256}, {KeyType::rsa2048, Algorithm::ps512}, {KeyType::rsa3072, Algorithm::rs384},
      {KeyType::p256, Algorithm::es256},    {KeyType::p384, Algorithm::es384},    {KeyType::p521, Algorithm::es512},
      {KeyType::ed25519, Algorithm::eddsa}, {KeyType::oct256, Algorithm::hs512}};
  for (const auto& [type, algorithm] : rows) {
    const std::string jwk = generate_jwk(type, algorithm);
    const auto key = parse_jwk(jwk);
    ASSERT_TRUE(key) << name_of(algorithm);
    EXPECT_EQ((*key)->id().size(), 43u);
    const std::string token = test::signed_token(**key, "x");
    const Result<std::string> half = public_jwk(jwk);
    EXPECT_EQ(half.has_value(), type != KeyType::oct256);
    const auto set = test::set_of(half ? *half : jwk);
    ASSERT_TRUE(set);
    const Result<Jws> jws = parse_jws(token);
    ASSERT_TRUE(jws);
    EXPECT_TRUE(verify_jws(*jws, *set)) << name_of(algorithm);
  }
}

TEST(Jwk, every_algorithm_has_a_type_of_key_that_it_can_be_made_with) {
  for (const Algorithm algorithm : {Algorithm::rs256, Algorithm::rs512, Algorithm::ps256, Algorithm::es256,
                                    Algorithm::es384, Algorithm::es512, Algorithm::eddsa, Algorithm::hs384}) {
    const auto type = key_type_for(algorithm);
    ASSERT_TRUE(type) << name_of(algorithm);
    EXPECT_NE(generate_jwk(*type, algorithm), "") << name_of(algorithm);
  }
  EXPECT_FALSE(key_type_for(Algorithm::none));
}

TEST(Jwk, generates_nothing_when_type_and_algorithm_disagree) {
  EXPECT_EQ(generate_jwk(KeyType::p256, Algorithm::rs256), "");
  EXPECT_EQ(generate_jwk(KeyType::p256, Algorithm::es384), "");
  EXPECT_EQ(generate_jwk(KeyType::oct256, Algorithm::eddsa), "");
  EXPECT_NE(generate_jwk(KeyType::p384, Algorithm::none).find("ES384"), std::string::npos);
}

TEST(Jwk, has_the_kid_it_is_given_or_the_thumbprint_of_rfc_7638) {
  EXPECT_EQ((*parse_jwk(generate_jwk(KeyType::ed25519, Algorithm::eddsa, "a \"name\"")))->id(), "a \"name\"");
  const auto jwk = parse_json(generate_jwk(KeyType::ed25519, Algorithm::eddsa));
  const auto sum = sha256(cat(R"({"crv":"Ed25519","kty":"OKP","x":")", *jwk->string_at("x"), R"("})"));
  EXPECT_EQ(jwk->string_at("kid"), base64url_encode({reinterpret_cast<const char*>(sum.data()), sum.size()}));
}

TEST(Jwk, shows_no_private_member_in_the_public_half) {
  const auto half = parse_json(*public_jwk(generate_jwk(KeyType::rsa2048, Algorithm::rs256)));
  for (const std::string_view name : {"d", "p", "q", "dp", "dq", "qi", "k"}) EXPECT_EQ(half->find(name), nullptr);
  EXPECT_NE(half->find("n"), nullptr);
}

struct SetResult {
  std::shared_ptr<const KeySet> set;
  Diagnostics diagnostics;
};
SetResult read_set(std::string_view text) {
  SetResult result;
  SourcePlace place;
  place.file = "keys.json";
  result.set = KeySet::parse(text, place, result.diagnostics);
  return result;
}
SetResult read_keys(std::string_view keys) { return read_set(cat(R"({"keys":[)", keys, "]}")); }

TEST(KeySet, passes_over_keys_it_does_not_know_with_a_warning) {
  const SetResult result = read_keys(cat(rsa(R"(,"use":"enc")"), ',', ec(), R"(,{"kty":"new"})"));
  ASSERT_TRUE(result.set);
  EXPECT_EQ(result.set->keys.size(), 1u);
  EXPECT_EQ(result.diagnostics.all().size(), 2u);
}

TEST(KeySet, refuses_the_whole_for_one_broken_key) {
  const SetResult result = read_keys(cat(ec(), ',', rsa("", "AQ")));
  EXPECT_FALSE(result.set);
  ASSERT_EQ(result.diagnostics.error_count(), 1u);
  EXPECT_EQ(result.diagnostics.all()[0].place.file, "keys.json");
}

TEST(KeySet, refuses_two_keys_of_one_kid_and_algorithm) {
  const std::string other = test::public_half(Algorithm::es256, "a");
  EXPECT_FALSE(read_keys(cat(ec(R"(,"kid":"a")"), ',', other)).set);
  EXPECT_TRUE(read_keys(cat(ec(R"(,"kid":"b")"), ',', other)).set);
  EXPECT_TRUE(read_keys(cat(ec(R"(,"kid":"a")"), ',', rsa(R"(,"kid":"a")"))).set);
  EXPECT_TRUE(read_keys(cat(ec(), ',', ec())).set);
}

TEST(KeySet, takes_only_the_public_part_of_a_private_key_and_warns) {
  const SetResult result = read_keys(ec(cat(R"(,"d":")", ec_d, '"')));
  ASSERT_TRUE(result.set);
  EXPECT_FALSE(result.set->keys[0]->is_private());
  ASSERT_EQ(result.diagnostics.all().size(), 1u);
  EXPECT_EQ(result.diagnostics.all()[0].code, "KG204");
  EXPECT_EQ(result.diagnostics.render_text().find(ec_d), std::string::npos);
}

TEST(KeySet, warns_of_a_short_secret) {
  EXPECT_EQ(read_keys(oct("MDEyMzQ1Njc")).diagnostics.all().size(), 1u);
  EXPECT_EQ(read_keys(oct()).diagnostics.all().size(), 0u);
}

TEST(KeySet, refuses_what_is_no_set) {
  const std::string rows[] = {"",
                              "[]",
                              "{}",
                              R"({"keys":{}})",
                              R"({"keys":[]})",
                              R"({"keys":[7]})",
                              ec(),
                              R"({"keys":[],"keys":[]})",
                              cat(R"({"keys":[)", rsa(R"(,"use":"enc")"), "]}")};
  for (const std::string& row : rows) {
    const SetResult result = read_set(row);
    EXPECT_FALSE(result.set) << row;
    EXPECT_TRUE(result.diagnostics.has_errors()) << row;
  }
}

TEST(KeySet, refuses_more_keys_than_its_bound) {
  std::string keys = ec();
  for (std::size_t i = 0; i < key_set_keys_max; ++i) append(keys, ",{}");
  EXPECT_FALSE(read_keys(keys).set);
}

TEST(Algorithms, eddsa_has_the_name_of_its_curve_too) {  // RFC 9864 §2.2; the name that we write is EdDSA.
  EXPECT_EQ(algorithm_named("Ed25519"), Algorithm::eddsa);
  EXPECT_EQ(name_of(Algorithm::eddsa), "EdDSA");
}

TEST(Algorithms, are_named_exactly) {
  for (const std::string_view name : {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512",
                                      "EdDSA", "HS256", "HS384", "HS512"}) {
    EXPECT_EQ(name_of(algorithm_named(name)), name);
  }
  for (const std::string_view name :
       {"", "none", "None", "rs256", "RS256 ", "ES256K", "eddsa", "ed25519", "Ed448", "RS1"}) {
    EXPECT_EQ(algorithm_named(name), Algorithm::none) << name;
  }
}

}  // namespace
}  // namespace keepgate::crypto
