// bench_tokens: what the verification of a token costs: seen for the first time, seen again, and OpenSSL's part of it.
//
// bench/run.py starts it without arguments. First sight is all of authenticate_jwt without its cache: parts, base64url,
// JSON, signature, times, identity. OpenSSL's part is what any program has to pay: EVP_DigestVerify over as many bytes,
// with a key and a digest that were fetched before. Prints one line of JSON, in nanoseconds of processor time, the best
// of its rounds. Unlike the load generator it links the room that it measures.
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/jwt.h"
#include "auth/result.h"
#include "base/bytes.h"
#include "crypto/jwk.h"
#include "crypto/jws.h"

namespace keepgate::bench {
namespace {

constexpr std::size_t tokens = 256;
constexpr std::size_t rounds = 12;
constexpr std::size_t claims_bytes = 400;  // So that a token has the 900 bytes or so of the other scenarios.
constexpr std::int64_t lifetime_s = 3600;

double now_ns() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}

// Nanoseconds for one of `count`, in the best round; negative: `work` failed.
template <typename Work>
double best_of(std::size_t count, const Work& work) {
  double best = -1;
  for (std::size_t round = 0; round < rounds; ++round) {
    const double began = now_ns();
    for (std::size_t i = 0; i < count; ++i) {
      if (!work(i)) return -1;
    }
    const double each = (now_ns() - began) / static_cast<double>(count);
    if (best < 0 || each < best) best = each;
  }
  return best;
}

struct Case {
  std::string_view name;
  crypto::Algorithm algorithm;
  const char* digest;  // OpenSSL's name; nullptr: the algorithm has its own.
};

EVP_PKEY* make_key(crypto::Algorithm algorithm) {
  constexpr unsigned modulus_bits = 2048;
  if (algorithm == crypto::Algorithm::rs256) return EVP_RSA_gen(modulus_bits);
  if (algorithm == crypto::Algorithm::es256) return EVP_EC_gen("P-256");
  return EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
}

double openssl_ns(const Case& one, std::size_t bytes) {
  using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
  using Digest = std::unique_ptr<EVP_MD, decltype(&EVP_MD_free)>;
  using Context = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;
  const Key key(make_key(one.algorithm), EVP_PKEY_free);
  const Digest digest(one.digest ? EVP_MD_fetch(nullptr, one.digest, nullptr) : nullptr, EVP_MD_free);
  const std::string text(bytes, 't');
  const auto* const data = reinterpret_cast<const unsigned char*>(text.data());
  unsigned char signature[512];
  std::size_t size = sizeof signature;
  const Context context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  if (!key || EVP_DigestSignInit(context.get(), nullptr, digest.get(), nullptr, key.get()) != 1 ||
      EVP_DigestSign(context.get(), signature, &size, data, bytes) != 1) {
    return -1;
  }
  return best_of(tokens, [&](std::size_t) {
    const Context fresh(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    return EVP_DigestVerifyInit(fresh.get(), nullptr, digest.get(), nullptr, key.get()) == 1 &&
           EVP_DigestVerify(fresh.get(), signature, size, data, bytes) == 1;
  });
}

bool measure(const Case& one, bool is_first) {
  const Now now = Now::read();
  const std::string jwk = crypto::generate_jwk(*crypto::key_type_for(one.algorithm), one.algorithm, "k1");
  const auto key = crypto::parse_jwk(jwk);
  const auto half = crypto::public_jwk(jwk);
  if (!key || !half) return false;
  Diagnostics diagnostics;
  auth::JwtOptions options;
  options.enabled = true;
  options.keys = crypto::KeySet::parse(cat(R"({"keys":[)", *half, "]}"), {}, diagnostics);
  options.verifier_id = 1;
  std::vector<std::string> made;
  for (std::size_t i = 0; i < tokens; ++i) {
    const std::string payload =
        cat(R"({"iss":"https://id.example","sub":"client)", i, R"(","aud":"orders","exp":)", now.wall_s() + lifetime_s,
            R"(,"scope":"read write","note":")", std::string(claims_bytes, 'n'), "\"}");
    auto token = crypto::sign_jws(cat(R"({"alg":")", one.name, R"(","kid":"k1","typ":"at+jwt"})"), payload, **key);
    if (!token) return false;
    made.push_back(std::move(*token));
  }
  auth::TokenCache cache(64 * tokens);  // So that none pushes another out.
  const auto verifies = [&](std::size_t i, auth::TokenCache* with) {
    return auth::authenticate_jwt(made[i], options, now, with).verdict == auth::AuthVerdict::good;
  };
  const double first = best_of(tokens, [&](std::size_t i) { return verifies(i, nullptr); });
  const double again = best_of(tokens, [&](std::size_t i) { return verifies(i, &cache); });
  const double openssl = openssl_ns(one, made[0].rfind('.'));
  if (first < 0 || again < 0 || openssl < 0) return false;
  std::printf(
      "%s{\"algorithm\": \"%.*s\", \"token_bytes\": %zu, \"first_ns\": %.0f, \"again_ns\": %.0f, \"openssl_ns\": %.0f}",
      is_first ? "[" : ", ", static_cast<int>(one.name.size()), one.name.data(), made[0].size(), first, again, openssl);
  return true;
}

}  // namespace
}  // namespace keepgate::bench

int main() {
  using keepgate::bench::Case;
  using keepgate::crypto::Algorithm;
  constexpr Case cases[] = {{"RS256", Algorithm::rs256, "SHA256"},
                            {"ES256", Algorithm::es256, "SHA256"},
                            {"EdDSA", Algorithm::eddsa, nullptr}};
  bool is_first = true;
  for (const Case& one : cases) {
    if (!keepgate::bench::measure(one, is_first)) {
      std::fprintf(stderr, "bench_tokens: %.*s could not be measured\n", static_cast<int>(one.name.size()),
                   one.name.data());
      return 1;
    }
    is_first = false;
  }
  std::puts("]");
  return 0;
}
