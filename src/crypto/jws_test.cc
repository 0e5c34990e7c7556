#include "crypto/jws.h"

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <chrono>

#include "base/bytes.h"
#include "crypto/json.h"
#include "crypto/openssl.h"
#include "crypto/signature.h"
#include "crypto/test_keys.h"

namespace keepgate::crypto {
namespace {

using test::forged;
using test::set_of;
using test::signed_token;
using test::signing_key;
using test::verifying_set;

constexpr std::string_view payload = R"({"sub":"client:web"})";

constexpr Algorithm all_algorithms[] = {Algorithm::rs256, Algorithm::rs384, Algorithm::rs512, Algorithm::ps256,
                                        Algorithm::ps384, Algorithm::ps512, Algorithm::es256, Algorithm::es384,
                                        Algorithm::es512, Algorithm::eddsa, Algorithm::hs256, Algorithm::hs384,
                                        Algorithm::hs512};

// "" when the token verifies, else the code of the refusal.
std::string verdict(std::string_view token, const KeySet& keys) {
  const Result<Jws> jws = parse_jws(token);
  if (!jws) return std::string(jws.error().code);
  const Result<const Key*> key = verify_jws(*jws, keys);
  return key ? std::string() : std::string(key.error().code);
}

struct Vector {
  std::string_view name, key, token, payload;
};
constexpr std::string_view joe = "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}";
constexpr Vector rfc_vectors[] = {
    {"RFC 7515 A.1",
     R"({"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"})",
     "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
     "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
     "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
     joe},
    {"RFC 7515 A.2",
     R"({"kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2m)"
     R"(JPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexM)"
     R"(dbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco)"
     R"(9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"})",
     "eyJhbGciOiJSUzI1NiJ9."
     "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
     "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr"
     "7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--x"
     "i12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_Ioy"
     "pGlUPQGe77Rw",
     joe},
    {"RFC 7515 A.3",
     R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
     R"("y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})",
     "eyJhbGciOiJFUzI1NiJ9."
     "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
     "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
     joe},
    {"RFC 7515 A.4",
     R"({"kty":"EC","crv":"P-521",)"
     R"("x":"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",)"
     R"("y":"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"})",
     "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA."
     "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZ"
     "CPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn",
     "Payload"},
    {"RFC 8037 A.4", R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})",
     "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
     "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
     "Example of Ed25519 signing"},
};

TEST(Jws, verifies_the_examples_of_the_rfcs) {
  for (const Vector& vector : rfc_vectors) {
    const auto keys = set_of(vector.key);
    ASSERT_TRUE(keys) << vector.name;
    EXPECT_EQ(verdict(vector.token, *keys), "") << vector.name;
    EXPECT_EQ(parse_jws(vector.token)->payload, vector.payload) << vector.name;
  }
}

TEST(Jws, refuses_the_examples_when_any_one_character_of_the_signed_part_changes) {
  for (const Vector& vector : rfc_vectors) {
    const auto keys = set_of(vector.key);
    const std::size_t end = vector.token.rfind('.');
    for (std::size_t i = 0; i < end; i += 7) {
      std::string token(vector.token);
      if (token[i] == '.') continue;
      token[i] = token[i] == 'A' ? 'B' : 'A';
      EXPECT_NE(verdict(token, *keys), "") << vector.name << " at " << i;
    }
  }
}

TEST(Jws, signs_and_verifies_with_every_algorithm) {
  for (const Algorithm algorithm : all_algorithms) {
    const std::string token = signed_token(*signing_key(algorithm), payload);
    EXPECT_EQ(verdict(token, *verifying_set(algorithm)), "") << name_of(algorithm);
    EXPECT_EQ(verdict(token, *verifying_set(algorithm, "k2")), "unknown_key") << name_of(algorithm);
  }
}

TEST(Jws, refuses_every_algorithm_but_the_keys_own) {
  for (const Algorithm key_algorithm : all_algorithms) {
    const auto keys = verifying_set(key_algorithm);
    for (const Algorithm algorithm : all_algorithms) {
      const std::string token = signed_token(*signing_key(algorithm), payload);
      EXPECT_EQ(verdict(token, *keys), algorithm == key_algorithm ? "" : "unknown_key")
          << name_of(key_algorithm) << ' ' << name_of(algorithm);
    }
  }
}

TEST(Jws, refuses_a_valid_signature_under_another_name_of_algorithm) {
  // The signature is right for the key; only the header's alg was exchanged before signing.
  const auto key = signing_key(Algorithm::rs256);
  for (const std::string_view alg : {"RS384", "PS256", "HS256", "none", "rs256", "RS256 ", ""}) {
    const std::string part =
        cat(base64url_encode(cat(R"({"alg":")", alg, R"(","kid":"k1"})")), '.', base64url_encode(payload));
    const std::string token = cat(part, '.', base64url_encode(*make_signature(*key, part)));
    EXPECT_NE(verdict(token, *verifying_set(Algorithm::rs256)), "") << alg;
  }
}

TEST(Jws, refuses_the_signature_of_another_key) {
  for (const Algorithm algorithm : all_algorithms) {
    const auto other = signing_key(algorithm, "k2");
    const std::string header = test::header_for(*signing_key(algorithm, "k1"));
    EXPECT_EQ(verdict(*sign_jws(header, payload, *other), *verifying_set(algorithm)), "bad_signature");
  }
}

TEST(Jws, refuses_headers_that_it_does_not_accept) {
  const std::string rows[] = {
      R"({"alg":"none"})",
      R"({"alg":"None"})",
      R"({"alg":"NONE"})",
      R"({"alg":"nOnE"})",
      R"({"alg":""})",
      R"({"alg":null})",
      R"({"alg":true})",
      R"({"alg":256})",
      R"({"alg":["RS256"]})",
      R"({"alg":{"RS256":1}})",
      R"({"alg":"rs256"})",
      R"({"alg":"RS256\u0000"})",
      R"({"alg":"ES256K"})",
      R"({"alg":"RSA-OAEP","enc":"A128GCM"})",
      R"({"alg":"PBES2-HS256+A128KW","p2c":2147483648})",
      R"({"ALG":"RS256"})",
      R"({})",
      R"([])",
      R"("RS256")",
      R"(null)",
      R"()",
      R"({"alg":"RS256","alg":"none"})",
      R"({"alg":"RS256","\u0061lg":"RS256"})",
      R"({"alg":"RS256","kid":"k1","kid":"k1"})",
      R"({"alg":"RS256","kid":1})",
      R"({"alg":"RS256","kid":null})",
      R"({"alg":"RS256","kid":["k1"]})",
      R"({"alg":"RS256","crit":["exp"],"exp":1})",
      R"({"alg":"RS256","crit":[]})",
      R"({"alg":"RS256","crit":"b64"})",
      R"({"alg":"RS256","crit":null})",
      R"({"alg":"RS256","b64":false})",
      R"({"alg":"RS256","b64":true})",
      R"({"alg":"RS256","\u00624\u0034":false,"b64":false})",
      R"({"alg":"RS256","zip":"DEF"})",
      R"({"alg":"RS256","jwk":{"kty":"RSA"}})",
      R"({"alg":"RS256","jku":"https://example.com/"})",
      R"({"alg":"RS256","x5u":"file:///etc/passwd"})",
      R"({"alg":"RS256","x5c":[]})",
      R"({"alg":"RS256"} )"
      "x",
      R"({"alg":"RS256")",
      R"({"alg":"RS256",})",
      R"({"alg":'RS256'})",
      "\xef\xbb\xbf{\"alg\":\"RS256\"}",
      "{\"alg\":\"RS256\",\"x\":\"\xff\"}",
      R"({"alg":"RS256","x":"\ud800"})",
      R"({"alg":"RS256","x":1e400})",
      R"({"alg":"RS256","x":NaN})",
      R"({"alg":"RS256","x":[[[[[[]]]]]]})",
      cat(R"({"alg":"RS256","x":)", std::string(5000, '['), std::string(5000, ']'), '}'),
      R"({"payload":"e30","signatures":[{"protected":"e30","signature":"e30"}]})",
  };
  for (const std::string& header : rows) {
    const Result<Jws> jws = parse_jws(forged(header, payload, "signature"));
    ASSERT_FALSE(jws) << printable(header);
    EXPECT_EQ(jws.error().code, "bad_token");
  }
  EXPECT_TRUE(parse_jws(forged(R"({"alg":"RS256","typ":"JWT","cty":"x","x5t":"y","other":1})", payload, "signature")));
  EXPECT_FALSE(parse_jws(forged(R"({"alg":"RS256","typ":"JWT","cty":5})", payload, "signature")));
  EXPECT_FALSE(parse_jws(forged(R"({"alg":"RS256","typ":["JWT"]})", payload, "signature")));
}

TEST(Jws, refuses_what_is_not_three_strict_parts) {
  const std::string good = signed_token(*signing_key(Algorithm::es256), payload);
  const auto keys = verifying_set(Algorithm::es256);
  ASSERT_EQ(verdict(good, *keys), "");
  const std::size_t first = good.find('.'), second = good.rfind('.');
  const std::string header = good.substr(0, first), body = good.substr(first, second - first),
                    end = good.substr(second);
  const std::string rows[] = {"",
                              ".",
                              "..",
                              "...",
                              header,
                              header + body,
                              header + body + ".",
                              header + "." + end,
                              body + end,
                              good + ".",
                              good + ".x",
                              "." + good,
                              good + "=",
                              good + "==",
                              header + "=" + body + end,
                              header + body + "=" + end,
                              " " + good,
                              good + " ",
                              good + "\n",
                              good + std::string(1, '\0'),
                              header + " " + body + end,
                              header + "\r\n" + body + end,
                              header + body + "." + end,
                              header + "+" + body + end,
                              good + "A",
                              "Bearer " + good,
                              std::string(10'000, '.'),
                              std::string(token_bytes_max + 1, 'a'),
                              header + "." + std::string(token_bytes_max, 'A') + end,
                              R"({"payload":"e30","protected":"e30","signature":"e30"})"};
  for (const std::string& row : rows) EXPECT_NE(verdict(row, *keys), "") << printable(row, 80);
}

TEST(Jws, refuses_a_second_spelling_of_the_last_character) {
  // 64 bytes leave four unused bits in the 86th character: sixteen spellings, one of them right.
  const std::string good = signed_token(*signing_key(Algorithm::es256), payload);
  const std::size_t last =
      std::string_view("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_").find(good.back());
  ASSERT_EQ(last % 16, 0u);
  std::string other = good;
  other.back() = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[last + 1];
  EXPECT_EQ(verdict(other, *verifying_set(Algorithm::es256)), "bad_token");
}

TEST(Jws, refuses_a_flood_of_dots_quickly) {
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(parse_jws(std::string(10'000, '.')));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

// Everything a public key may look like, used as the secret of HS256 (CVE-2016-10555 and its many heirs).
std::vector<std::string> spellings_of_a_public_key(const Key& key, const std::string& jwk) {
  unsigned char* der = nullptr;
  const int der_size = i2d_PUBKEY(key.native(), &der);
  const std::string der_bytes(reinterpret_cast<char*>(der), static_cast<std::size_t>(der_size));
  OPENSSL_free(der);
  const std::unique_ptr<BIO, Freer<BIO_free_all>> memory(BIO_new(BIO_s_mem()));
  PEM_write_bio_PUBKEY(memory.get(), key.native());
  char* text = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &text);
  const std::string pem(text, static_cast<std::size_t>(size));
  const Result<Json> members = parse_json(jwk);
  std::vector<std::string> out = {pem, pem.substr(0, pem.size() - 1), der_bytes, jwk, base64url_encode(der_bytes), "",
                                  "k1"};
  for (const std::string_view name : {"n", "x", "y"}) {
    if (const auto value = members->string_at(name)) {
      out.emplace_back(*value);
      out.push_back(*base64url_decode(*value));
    }
  }
  return out;
}

TEST(Jws, never_takes_a_public_key_for_a_secret) {
  for (const Algorithm algorithm : {Algorithm::rs256, Algorithm::ps256, Algorithm::es256, Algorithm::eddsa}) {
    const auto keys = verifying_set(algorithm);
    for (const std::string& secret : spellings_of_a_public_key(*keys->keys[0], test::public_half(algorithm))) {
      for (const std::string_view header : {R"({"alg":"HS256"})", R"({"alg":"HS256","kid":"k1"})"}) {
        const std::string part = cat(base64url_encode(header), '.', base64url_encode(payload));
        std::string mac(32, '\0');
        hmac(Hash::sha256, secret, part, as_bytes(mac));
        EXPECT_EQ(verdict(cat(part, '.', base64url_encode(mac)), *keys), "unknown_key");
      }
    }
  }
}

TEST(Jws, picks_keys_by_kid) {
  const std::string anonymous = [] {
    std::string jwk = test::public_half(Algorithm::es256, "k9");
    const std::string kid = R"("kid":"k9",)";
    return jwk.erase(jwk.find(kid), kid.size());
  }();
  const std::string one = test::public_half(Algorithm::es256, "k1"), two = test::public_half(Algorithm::es256, "k2");
  const auto both = set_of(cat(one, ',', two));
  const auto with_anonymous = set_of(cat(one, ',', anonymous));
  const auto sign = [&](const char* key, std::string_view header) {
    return *sign_jws(header, payload, *signing_key(Algorithm::es256, key));
  };
  EXPECT_EQ(verdict(sign("k2", R"({"alg":"ES256","kid":"k2"})"), *both), "");
  EXPECT_EQ(verdict(sign("k2", R"({"alg":"ES256","kid":"k1"})"), *both), "bad_signature");
  EXPECT_EQ(verdict(sign("k2", R"({"alg":"ES256","kid":"k3"})"), *both), "unknown_key");
  EXPECT_EQ(verdict(sign("k2", R"({"alg":"ES256","kid":""})"), *both), "unknown_key");
  EXPECT_EQ(verdict(sign("k2", R"({"alg":"ES256","kid":"../../k2"})"), *both), "unknown_key");
  EXPECT_EQ(verdict(sign("k2", R"({"alg":"ES256","kid":"k2\u0000"})"), *both), "unknown_key");
  EXPECT_EQ(verdict(sign("k2", R"({"alg":"ES256","kid":"K2"})"), *both), "unknown_key");
  EXPECT_EQ(verdict(sign("k2", R"({"alg":"ES256"})"), *both), "");
  EXPECT_EQ(verdict(sign("k3", R"({"alg":"ES256"})"), *both), "bad_signature");
  EXPECT_EQ(verdict(sign("k9", R"({"alg":"ES256","kid":"anything"})"), *with_anonymous), "");
  EXPECT_EQ(verdict(sign("k2", R"({"alg":"ES256","kid":"anything"})"), *with_anonymous), "bad_signature");
  EXPECT_EQ(verdict(sign("k2", cat(R"({"alg":"ES256","kid":")", std::string(8000, 'k'), R"("})")), *both),
            "unknown_key");
}

TEST(Jws, tries_a_bounded_number_of_keys) {
  std::string keys;
  for (std::size_t i = 0; i <= verify_attempts_max; ++i) {
    if (i > 0) keys.push_back(',');
    keys += test::public_half(Algorithm::es256, cat("many", i));
  }
  const auto set = set_of(keys);
  const auto sign = [&](std::size_t i) {
    return *sign_jws(R"({"alg":"ES256"})", payload, *signing_key(Algorithm::es256, cat("many", i)));
  };
  EXPECT_EQ(verdict(sign(verify_attempts_max - 1), *set), "");
  EXPECT_EQ(verdict(sign(verify_attempts_max), *set), "bad_signature");
}

TEST(Jws, does_not_sign_without_a_private_key_or_under_another_name) {
  const auto keys = verifying_set(Algorithm::es256);
  EXPECT_FALSE(sign_jws(R"({"alg":"ES256"})", payload, *keys->keys[0]));
  EXPECT_FALSE(sign_jws(R"({"alg":"none"})", payload, *signing_key(Algorithm::es256)));
  EXPECT_FALSE(sign_jws(R"({"alg":"ES384"})", payload, *signing_key(Algorithm::es256)));
  EXPECT_FALSE(sign_jws(R"({})", payload, *signing_key(Algorithm::es256)));
  EXPECT_FALSE(sign_jws("", payload, *signing_key(Algorithm::es256)));
  EXPECT_TRUE(sign_jws(R"({"alg":"ES256"})", "", *signing_key(Algorithm::es256)));
}

}  // namespace
}  // namespace keepgate::crypto
