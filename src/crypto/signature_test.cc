#include "crypto/signature.h"

#include <gtest/gtest.h>
#include <openssl/rsa.h>

#include <atomic>
#include <thread>

#include "base/bytes.h"
#include "crypto/jws.h"
#include "crypto/openssl.h"
#include "crypto/test_keys.h"

namespace keepgate::crypto {
namespace {

using test::set_of;
using test::signed_token;
using test::signing_key;
using test::verifying_set;

constexpr std::string_view signed_payload = R"({"sub":"client:web"})";

// "" when the token verifies, else the code of the refusal.
std::string signature_verdict(std::string_view token, const KeySet& keys) {
  const Result<Jws> jws = parse_jws(token);
  if (!jws) return std::string(jws.error().code);
  const Result<const Key*> key = verify_jws(*jws, keys);
  return key ? std::string() : std::string(key.error().code);
}

// A properly signed token whose signature bytes are then replaced.
struct Tampering {
  std::string part;
  std::string signature;
  std::shared_ptr<const KeySet> keys;

  explicit Tampering(Algorithm algorithm) : keys(verifying_set(algorithm)) {
    const std::string token = signed_token(*signing_key(algorithm), signed_payload);
    const std::size_t dot = token.rfind('.');
    part = token.substr(0, dot);
    signature = *base64url_decode(std::string_view(token).substr(dot + 1));
  }
  std::string with(std::string_view bytes) const {
    return signature_verdict(cat(part, '.', base64url_encode(bytes)), *keys);
  }
};

// One number in 256 begins with a zero byte, which the DER of OpenSSL leaves out.
TEST(JwsEcdsa, writes_both_numbers_at_their_full_length) {
  const std::pair<Algorithm, int> rows[] = {{Algorithm::es256, 700}, {Algorithm::es384, 200}, {Algorithm::es512, 200}};
  bool was_short = false;
  for (const auto& [algorithm, count] : rows) {
    const auto key = signing_key(algorithm);
    const auto keys = verifying_set(algorithm);
    const std::size_t bytes = keys->keys[0]->curve_order().size();
    for (int i = 0; i < count; ++i) {
      const std::string message = cat("message ", i);
      const auto signature = make_signature(*key, message);
      ASSERT_TRUE(signature);
      ASSERT_EQ(signature->size(), 2 * bytes);
      ASSERT_TRUE(signature_is_valid(*keys->keys[0], message, *signature)) << message;
      ASSERT_FALSE(signature_is_valid(*keys->keys[0], message + '.', *signature)) << message;
      was_short = was_short || signature->front() == '\0' || (*signature)[bytes] == '\0';
    }
  }
  EXPECT_TRUE(was_short) << "P-521's order has only one bit in its first byte";
}

TEST(JwsEcdsa, refuses_numbers_outside_the_order_and_other_forms) {
  for (const Algorithm algorithm : {Algorithm::es256, Algorithm::es384, Algorithm::es512}) {
    const Tampering token(algorithm);
    const std::size_t half = token.signature.size() / 2;
    const std::string r = token.signature.substr(0, half), s = token.signature.substr(half);
    const std::string order(token.keys->keys[0]->curve_order());
    const std::string zero(half, '\0'), one = zero.substr(1) + '\1', most(half, '\xff');
    std::string over = order;
    over.back() = static_cast<char>(over.back() + 1);
    const auto native = signing_key(algorithm);
    unsigned char sum[digest_bytes_max];
    const Hash hash = algorithm == Algorithm::es256   ? Hash::sha256
                      : algorithm == Algorithm::es384 ? Hash::sha384
                                                      : Hash::sha512;
    digest(hash, token.part, sum);
    const PkeyContextPtr context(EVP_PKEY_CTX_dup(native->sign_template()));
    std::string der(200, '\0');
    std::size_t der_size = der.size();
    ASSERT_EQ(EVP_PKEY_sign(context.get(), as_bytes(der), &der_size, sum, digest_bytes(hash)), 1);
    der.resize(der_size);

    ASSERT_EQ(token.with(r + s), "");
    const std::string rows[] = {zero + zero,
                                zero + s,
                                r + zero,
                                one + one,
                                order + s,
                                r + order,
                                over + s,
                                r + over,
                                most + most,
                                r + most,
                                s + r,
                                r,
                                r + s + "x",
                                std::string(1, '\0') + r + s,
                                r.substr(1) + s,
                                der,
                                der + s,
                                std::string(1, '\0'),
                                std::string(300, 'x')};
    for (const std::string& row : rows) EXPECT_NE(token.with(row), "") << name_of(algorithm) << ' ' << to_hex(row);
  }
}

// Adds Ed25519's group order to a little-endian number.
std::string plus_order(std::string s) {
  constexpr unsigned char order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7,
                                       0xa2, 0xde, 0xf9, 0xde, 0x14, 0,    0,    0,    0,    0,    0,
                                       0,    0,    0,    0,    0,    0,    0,    0,    0,    0x10};
  unsigned carry = 0;
  for (std::size_t i = 0; i < 32; ++i) {
    carry += static_cast<unsigned char>(s[i]) + order[i];
    s[i] = static_cast<char>(carry & 0xff);
    carry >>= 8;
  }
  return s;
}

TEST(JwsEddsa, refuses_the_second_spelling_of_s_and_wrong_lengths) {
  const Tampering token(Algorithm::eddsa);
  const std::string r = token.signature.substr(0, 32), s = token.signature.substr(32);
  ASSERT_EQ(token.with(r + s), "");
  const std::string rows[] = {r + plus_order(s), r + std::string(32, '\0'), std::string(64, '\0'), s + r, r,
                              r + s + "x",       token.signature.substr(1), std::string(114, 'x')};
  for (const std::string& row : rows) EXPECT_EQ(token.with(row), row.empty() ? "bad_token" : "bad_signature");
}

TEST(JwsEddsa, verifies_ed448_and_refuses_a_change) {
  // No generator of ours makes Ed448 keys: build one JWK from a fresh OpenSSL key.
  const PkeyPtr native(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED448"));
  std::string x(57, '\0'), d(57, '\0');
  std::size_t size = 57;
  ASSERT_EQ(EVP_PKEY_get_raw_public_key(native.get(), as_bytes(x), &size), 1);
  ASSERT_EQ(EVP_PKEY_get_raw_private_key(native.get(), as_bytes(d), &size), 1);
  const std::string half = cat(R"({"kty":"OKP","crv":"Ed448","kid":"k","x":")", base64url_encode(x), '"');
  const auto key = parse_jwk(cat(half, R"(,"d":")", base64url_encode(d), "\"}"));
  ASSERT_TRUE(key);
  std::string token = signed_token(**key, signed_payload);
  const auto keys = set_of(half + "}");
  EXPECT_EQ(signature_verdict(token, *keys), "");
  token[token.size() - 10] = token[token.size() - 10] == 'A' ? 'B' : 'A';
  EXPECT_EQ(signature_verdict(token, *keys), "bad_signature");
  EXPECT_EQ(signature_verdict(signed_token(*signing_key(Algorithm::eddsa), signed_payload), *keys), "unknown_key");
}

TEST(JwsRsa, refuses_signatures_of_another_length_or_beyond_the_modulus) {
  for (const Algorithm algorithm : {Algorithm::rs256, Algorithm::ps256}) {
    const Tampering token(algorithm);
    const std::string& good = token.signature;
    ASSERT_EQ(token.with(good), "");
    const std::string rows[] = {good.substr(1),
                                good.substr(0, 255),
                                std::string(1, '\0') + good,
                                good + std::string(1, '\0'),
                                std::string(256, '\0'),
                                std::string(255, '\0') + '\1',
                                std::string(256, '\xff'),
                                std::string(512, 'x'),
                                "x"};
    for (const std::string& row : rows) EXPECT_EQ(token.with(row), "bad_signature") << name_of(algorithm);
  }
}

std::string pss_signature(const Key& key, std::string_view message, int salt, const char* mgf_hash) {
  const DigestContextPtr context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* settings = nullptr;
  std::string out(256, '\0');
  std::size_t size = out.size();
  KG_ASSERT(EVP_DigestSignInit_ex(context.get(), &settings, "SHA256", nullptr, nullptr, key.native(), nullptr) == 1 &&
            EVP_PKEY_CTX_set_rsa_padding(settings, RSA_PKCS1_PSS_PADDING) == 1 &&
            EVP_PKEY_CTX_set_rsa_pss_saltlen(settings, salt) == 1 &&
            EVP_PKEY_CTX_set_rsa_mgf1_md_name(settings, mgf_hash, nullptr) == 1 &&
            EVP_DigestSign(context.get(), as_bytes(out), &size, as_bytes(message), message.size()) == 1);
  return out;
}

TEST(JwsRsa, refuses_pss_with_another_salt_length_or_mask_hash) {
  const Tampering token(Algorithm::ps256);
  const auto key = signing_key(Algorithm::ps256);
  EXPECT_EQ(token.with(pss_signature(*key, token.part, 32, "SHA256")), "");
  EXPECT_EQ(token.with(pss_signature(*key, token.part, 0, "SHA256")), "bad_signature");
  EXPECT_EQ(token.with(pss_signature(*key, token.part, 20, "SHA256")), "bad_signature");
  EXPECT_EQ(token.with(pss_signature(*key, token.part, 64, "SHA256")), "bad_signature");
  EXPECT_EQ(token.with(pss_signature(*key, token.part, 32, "SHA1")), "bad_signature");
}

TEST(JwsHmac, refuses_a_cut_or_empty_mac) {
  const Tampering token(Algorithm::hs256);
  ASSERT_EQ(token.with(token.signature), "");
  EXPECT_EQ(token.with(""), "bad_token");
  EXPECT_EQ(token.with(token.signature.substr(0, 16)), "bad_signature");
  EXPECT_EQ(token.with(token.signature + "x"), "bad_signature");
  EXPECT_EQ(token.with(std::string(32, '\0')), "bad_signature");
}

TEST(Signature, serves_many_threads_with_one_key) {
  for (const Algorithm algorithm :
       {Algorithm::rs256, Algorithm::ps256, Algorithm::es256, Algorithm::eddsa, Algorithm::hs256}) {
    const auto key = signing_key(algorithm);
    std::atomic<int> good = 0, bad = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 25; ++i) {
          const std::string message = cat("message ", t, ' ', i);
          const std::optional<std::string> signature = make_signature(*key, message);
          good += signature && signature_is_valid(*key, message, *signature) ? 1 : 0;
          bad += signature && signature_is_valid(*key, message + "x", *signature) ? 1 : 0;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(good, 100) << name_of(algorithm);
    EXPECT_EQ(bad, 0) << name_of(algorithm);
  }
}

TEST(Signature, leaves_the_error_queue_of_the_thread_empty) {
  const Tampering token(Algorithm::rs256);
  EXPECT_EQ(token.with(std::string(256, '\xff')), "bad_signature");
  EXPECT_EQ(ERR_peek_error(), 0u);
  EXPECT_FALSE(parse_jwk(R"({"kty":"EC","crv":"P-256","x":"AQ","y":"AQ"})"));
  EXPECT_EQ(ERR_peek_error(), 0u);
}

}  // namespace
}  // namespace keepgate::crypto
