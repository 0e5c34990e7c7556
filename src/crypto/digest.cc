#include "crypto/digest.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <openssl/sha.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/bytes.h"
#include "base/error.h"
#include "crypto/openssl.h"
#include "crypto/random.h"

namespace keepgate::crypto {

namespace {

constexpr std::size_t hash_count = 5;

// Fetched on first use and kept until the process ends: a fetch takes a lock and costs more than hashing a token.
struct Digests {
  EVP_MD* digests[hash_count] = {};
  EVP_MAC* hmac = nullptr;

  Digests() {
    for (const Hash hash : {Hash::sha256, Hash::sha384, Hash::sha512, Hash::sha1}) {
      EVP_MD*& slot = digests[static_cast<std::size_t>(hash)];
      slot = EVP_MD_fetch(nullptr, openssl_name(hash), nullptr);
      KG_ASSERT(slot != nullptr);
    }
    hmac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    KG_ASSERT(hmac != nullptr);
  }
};

const Digests& algorithms() {
  static const Digests* const all = new Digests;
  return *all;
}

EVP_MD_CTX* digest_context() {
  thread_local const DigestContextPtr context(EVP_MD_CTX_new());
  KG_ASSERT(context != nullptr);
  return context.get();
}

EVP_MAC_CTX* hmac_context(Hash hash) {
  thread_local MacContextPtr contexts[hash_count];
  MacContextPtr& context = contexts[static_cast<std::size_t>(hash)];
  if (!context) {
    context.reset(EVP_MAC_CTX_new(algorithms().hmac));
    std::string name = openssl_name(hash);
    const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name.data(), 0),
                                     OSSL_PARAM_construct_end()};
    KG_ASSERT(context != nullptr && EVP_MAC_CTX_set_params(context.get(), parameters) == 1);
  }
  return context.get();
}

// SipHash reads its input little-endian, whatever the machine.
std::uint64_t load_word(const char* at) {
  std::uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);
  if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
  return word;
}

struct SipState {
  std::uint64_t v0, v1, v2, v3;

  void round() {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  }
  void absorb(std::uint64_t word) {
    v3 ^= word;
    round();
    v0 ^= word;
  }
};

}  // namespace

const EVP_MD* fetched(Hash hash) { return algorithms().digests[static_cast<std::size_t>(hash)]; }

const char* openssl_name(Hash hash) {
  switch (hash) {
    case Hash::sha256:
      return "SHA256";
    case Hash::sha384:
      return "SHA384";
    case Hash::sha512:
      return "SHA512";
    case Hash::sha1:
      return "SHA1";
    case Hash::none:
      break;
  }
  return "";
}

std::size_t digest_bytes(Hash hash) {
  switch (hash) {
    case Hash::sha256:
      return 32;
    case Hash::sha384:
      return 48;
    case Hash::sha512:
      return 64;
    case Hash::sha1:
      return 20;
    case Hash::none:
      break;
  }
  return 0;
}

void digest(Hash hash, std::string_view bytes, unsigned char* out) {
  if (hash == Hash::sha256) {  // By far the most, and EVP's detours cost as much as a short text.
    std::ranges::copy(sha256(bytes), out);
    return;
  }
  EVP_MD_CTX* const context = digest_context();
  KG_ASSERT(EVP_DigestInit_ex2(context, fetched(hash), nullptr) == 1 &&
            EVP_DigestUpdate(context, bytes.data(), bytes.size()) == 1 &&
            EVP_DigestFinal_ex(context, out, nullptr) == 1);
}

void hmac(Hash hash, std::string_view key, std::string_view bytes, unsigned char* out) {
  EVP_MAC_CTX* const context = hmac_context(hash);
  std::size_t written = 0;
  KG_ASSERT(EVP_MAC_init(context, as_bytes(key), key.size(), nullptr) == 1 &&
            EVP_MAC_update(context, as_bytes(bytes), bytes.size()) == 1 &&
            EVP_MAC_final(context, out, &written, digest_bytes_max) == 1 && written == digest_bytes(hash));
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
// Not by way of EVP: that would load the provider and all its tables, two megabytes and several milliseconds of a
// start, for a program whose configuration may need nothing else of them.
std::array<unsigned char, 32> sha256(std::string_view bytes) {
  std::array<unsigned char, 32> out;
  SHA256_CTX state;
  KG_ASSERT(SHA256_Init(&state) == 1 && SHA256_Update(&state, bytes.data(), bytes.size()) == 1 &&
            SHA256_Final(out.data(), &state) == 1);
  return out;
}
#pragma GCC diagnostic pop

std::array<unsigned char, 32> hmac_sha256(std::string_view key, std::string_view bytes) {
  std::array<unsigned char, 32> out;
  static_assert(sizeof out <= digest_bytes_max);
  unsigned char hash[digest_bytes_max];
  hmac(Hash::sha256, key, bytes, hash);
  std::memcpy(out.data(), hash, out.size());
  return out;
}

std::string sha1_base64(std::string_view bytes) {
  unsigned char hash[digest_bytes_max];
  digest(Hash::sha1, bytes, hash);
  unsigned char text[2 * digest_bytes_max];
  const int length = EVP_EncodeBlock(text, hash, static_cast<int>(digest_bytes(Hash::sha1)));
  return {reinterpret_cast<const char*>(text), static_cast<std::size_t>(length)};
}

std::string sha256_hex(std::string_view bytes) {
  const std::array<unsigned char, 32> sum = sha256(bytes);
  return to_hex({reinterpret_cast<const char*>(sum.data()), sum.size()});
}

bool equal_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

SipKey SipKey::random() { return {random_u64(), random_u64()}; }

std::uint64_t siphash13(const SipKey& key, std::string_view bytes) {
  SipState state{key.k0 ^ 0x736f6d6570736575U, key.k1 ^ 0x646f72616e646f6dU, key.k0 ^ 0x6c7967656e657261U,
                 key.k1 ^ 0x7465646279746573U};
  const char* at = bytes.data();
  for (std::size_t words = bytes.size() / 8; words > 0; --words, at += 8) state.absorb(load_word(at));
  char tail[8] = {};
  if (bytes.size() % 8 != 0) std::memcpy(tail, at, bytes.size() % 8);
  state.absorb(load_word(tail) | std::uint64_t{bytes.size()} << 56);
  state.v2 ^= 0xff;
  for (int i = 0; i < 3; ++i) state.round();
  return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

}  // namespace keepgate::crypto
