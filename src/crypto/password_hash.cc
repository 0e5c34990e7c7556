#include "crypto/password_hash.h"

#include <crypt.h>
#include <openssl/evp.h>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/error.h"
#include "crypto/base64.h"
#include "crypto/digest.h"
#include "crypto/openssl.h"
#include "crypto/secret.h"

namespace keepgate::crypto {

namespace {

// The alphabet of crypt(3), in the order of its values.
constexpr std::string_view crypt_alphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
constexpr std::string_view apr1_prefix = "$apr1$", plain_prefix = "{PLAIN}", sha_prefix = "{SHA}",
                           ssha_prefix = "{SSHA}";
constexpr std::size_t sha1_bytes = 20;
constexpr std::size_t md5_bytes = 16;

bool is_crypt_text(std::string_view text) { return text.find_first_not_of(crypt_alphabet) == std::string_view::npos; }

// SALT$HASH behind the prefix, the hash of exactly `hash_length` characters.
bool is_salted(std::string_view rest, std::size_t salt_max, std::size_t hash_length) {
  const std::size_t end = rest.find('$');
  if (end == std::string_view::npos || end > salt_max) return false;
  return is_crypt_text(rest.substr(0, end)) && is_crypt_text(rest.substr(end + 1)) &&
         rest.size() - end - 1 == hash_length;
}

bool is_bcrypt(std::string_view stored) {
  constexpr std::size_t length = 60;  // $2y$10$, 22 characters of salt, 31 of hash.
  if (stored.size() != length || stored[3] != '$' || stored[6] != '$') return false;
  if (stored[2] != 'a' && stored[2] != 'b' && stored[2] != 'y') return false;
  const auto cost = parse_unsigned<unsigned>(stored.substr(4, 2));
  return cost && *cost >= 4 && *cost <= bcrypt_cost_max && is_crypt_text(stored.substr(7));
}

bool is_sha_crypt(std::string_view rest, std::size_t hash_length) {
  constexpr std::string_view rounds_prefix = "rounds=";
  constexpr unsigned rounds_min = 1000;  // crypt(3) takes fewer for a mistake.
  if (rest.starts_with(rounds_prefix)) {
    rest.remove_prefix(rounds_prefix.size());
    const std::size_t end = std::min(rest.find('$'), rest.size());
    const auto rounds = parse_unsigned<unsigned>(rest.substr(0, end));
    if (!rounds || *rounds < rounds_min || *rounds > sha_crypt_rounds_max || end == rest.size()) return false;
    rest.remove_prefix(end + 1);
  }
  return is_salted(rest, 16, hash_length);
}

// $y$jNr$SALT$HASH: flavour j, then the logarithm of N and r, a character each, both counted from 1.
bool is_yescrypt(std::string_view rest) {
  constexpr std::size_t one_character_max = 47;  // Greater values take more characters: far above the bound.
  if (rest.size() < 4 || rest[0] != 'j' || rest[3] != '$') return false;
  const std::size_t n_log2 = crypt_alphabet.find(rest[1]) + 1, r = crypt_alphabet.find(rest[2]) + 1;
  if (n_log2 == 0 || r == 0 || n_log2 > one_character_max || r > one_character_max) return false;
  if (n_log2 > 40 || (std::size_t{128} * r << n_log2) > yescrypt_memory_bytes_max) return false;
  return is_salted(rest.substr(4), 86, 43);
}

constexpr std::string_view argon2id_prefix = "$argon2id$v=19$";
constexpr std::size_t kibibyte = 1024;

// NAME=NUMBER in front of `rest`, and what ends it; the number in its one spelling. 0: it is something else.
std::size_t take_parameter(std::string_view& rest, std::string_view name, char end) {
  if (!rest.starts_with(name)) return 0;
  rest.remove_prefix(name.size());
  const std::size_t length = std::min(rest.find(end), rest.size());
  const auto value = parse_unsigned<std::uint32_t>(rest.substr(0, length));
  if (!value || rest.starts_with('0') || length == rest.size()) return 0;
  rest.remove_prefix(length + 1);
  return *value;
}

// base64 of RFC 9106's reference program: without padding.
std::size_t unpadded_bytes(std::string_view text) {
  if (text.ends_with('=')) return 0;
  const std::optional<SecretText> decoded = base64_decode_secret(text);
  return decoded ? decoded->size() : 0;
}

// m=KIBIBYTES,t=PASSES,p=LANES$SALT$HASH: RFC 9106 §3.1 says what the numbers may be, our bounds how great.
bool is_argon2id(std::string_view rest) {
  constexpr std::size_t salt_min = 8, salt_max = 64, hash_min = 16, hash_max = 64;
  if (argon2id_prefix.size() + rest.size() >= crypto_pwhash_STRBYTES) return false;
  const std::size_t memory = take_parameter(rest, "m=", ',') * kibibyte;
  const std::size_t passes = take_parameter(rest, "t=", ',');
  const std::size_t lanes = take_parameter(rest, "p=", '$');
  if (memory == 0 || passes == 0 || lanes == 0 || lanes > argon2_lanes_max) return false;
  if (memory < 8 * kibibyte * lanes || memory > argon2_memory_bytes_max) return false;
  if (passes > argon2_work_bytes_max / memory) return false;
  const std::size_t end = std::min(rest.find('$'), rest.size());
  const std::size_t salt = unpadded_bytes(rest.substr(0, end));
  const std::size_t hash = end == rest.size() ? 0 : unpadded_bytes(rest.substr(end + 1));
  return salt >= salt_min && salt <= salt_max && hash >= hash_min && hash <= hash_max;
}

bool has_sodium() {
  static const bool is_ready = ::sodium_init() >= 0;
  return is_ready;
}

bool is_acceptable(std::string_view password) {
  return password.size() <= password_bytes_max && password.find('\0') == std::string_view::npos;
}

const EVP_MD* md5() {
  // nullptr where a policy of the system forbids it: then nobody passes with $apr1$.
  static const EVP_MD* const fetched_md5 = EVP_MD_fetch(nullptr, "MD5", nullptr);
  return fetched_md5;
}

// One MD5 over several pieces.
class Md5 {
 public:
  Md5() : context_(EVP_MD_CTX_new()) { start(); }
  void start() { KG_ASSERT(context_ && EVP_DigestInit_ex2(context_.get(), md5(), nullptr) == 1); }
  void add(std::string_view bytes) { KG_ASSERT(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1); }
  void finish(SecretText& out) {
    KG_ASSERT(EVP_DigestFinal_ex(context_.get(), reinterpret_cast<unsigned char*>(out.data()), nullptr) == 1);
  }

 private:
  DigestContextPtr context_;
};

// The order in which the bytes of the digest are written, three to a group of four characters.
std::string apr1_text(std::string_view digest) {
  constexpr unsigned char order[] = {0, 6, 12, 1, 7, 13, 2, 8, 14, 3, 9, 15, 4, 10, 5};
  std::string out;
  const auto write = [&](std::uint32_t bits, int characters) {
    for (; characters > 0; --characters, bits >>= 6) out.push_back(crypt_alphabet[bits & 0x3f]);
  };
  const auto byte = [&](std::size_t at) { return std::uint32_t{static_cast<unsigned char>(digest[at])}; };
  for (std::size_t i = 0; i < sizeof order; i += 3) {
    write(byte(order[i]) << 16 | byte(order[i + 1]) << 8 | byte(order[i + 2]), 4);
  }
  write(byte(11), 2);
  return out;
}

// The algorithm of md5-crypt with Apache's prefix, a thousand rounds.
std::string apr1_hash(std::string_view password, std::string_view salt) {
  constexpr int rounds = 1000;
  SecretText sum(md5_bytes);
  Md5 hash;
  for (const std::string_view piece : {password, salt, password}) hash.add(piece);
  hash.finish(sum);
  hash.start();
  for (const std::string_view piece : {password, apr1_prefix, salt}) hash.add(piece);
  for (std::size_t left = password.size(); left > 0; left -= std::min(left, md5_bytes)) {
    hash.add(sum.view().substr(0, std::min(left, md5_bytes)));
  }
  for (std::size_t bits = password.size(); bits != 0; bits >>= 1) {
    hash.add((bits & 1) != 0 ? std::string_view("\0", 1) : password.substr(0, 1));
  }
  hash.finish(sum);
  for (int round = 0; round < rounds; ++round) {
    const bool is_odd = round % 2 != 0;
    hash.start();
    hash.add(is_odd ? password : sum.view());
    if (round % 3 != 0) hash.add(salt);
    if (round % 7 != 0) hash.add(password);
    hash.add(is_odd ? sum.view() : password);
    hash.finish(sum);
  }
  return apr1_text(sum.view());
}

bool matches_apr1(std::string_view password, std::string_view rest) {
  if (md5() == nullptr) return false;
  const std::size_t end = rest.find('$');
  return equal_constant_time(apr1_hash(password, rest.substr(0, end)), rest.substr(end + 1));
}

bool matches_sha1(std::string_view password, std::string_view encoded) {
  const std::optional<SecretText> stored = base64_decode_secret(encoded);
  if (!stored || stored->size() < sha1_bytes) return false;
  const std::string_view salt = stored->view().substr(sha1_bytes);
  SecretText salted(password.size() + salt.size());
  std::ranges::copy(password, salted.data());
  std::ranges::copy(salt, salted.data() + password.size());
  unsigned char sum[digest_bytes_max];
  digest(Hash::sha1, salted.view(), sum);
  return equal_constant_time({reinterpret_cast<const char*>(sum), sha1_bytes}, stored->view().substr(0, sha1_bytes));
}

// A plain password is compared by its hash: how long it takes says nothing about how much of it was right.
bool matches_plain(std::string_view password, std::string_view stored) {
  const auto a = sha256(password), b = sha256(stored);
  return equal_constant_time({reinterpret_cast<const char*>(a.data()), a.size()},
                             {reinterpret_cast<const char*>(b.data()), b.size()});
}

bool matches_crypt(std::string_view password, std::string_view stored) {
  struct Wiping {
    void operator()(crypt_data* data) const {
      wipe(data, sizeof *data);
      delete data;
    }
  };
  const std::unique_ptr<crypt_data, Wiping> data(new crypt_data{});
  const SecretText phrase(password), setting(stored);
  const char* const hashed = ::crypt_r(phrase.c_str(), setting.c_str(), data.get());
  return hashed != nullptr && hashed[0] != '*' && equal_constant_time(hashed, stored);
}

// Where its memory is not to be had, nobody passes.
bool matches_argon2id(std::string_view password, std::string_view stored) {
  std::array<char, crypto_pwhash_STRBYTES> text{};
  std::ranges::copy(stored, text.begin());  // is_argon2id() says that it fits, with a NUL behind it.
  return has_sodium() && ::crypto_pwhash_argon2id_str_verify(text.data(), password.data(), password.size()) == 0;
}

}  // namespace

std::string_view name_of(PasswordForm form) {
  switch (form) {
    case PasswordForm::plain:
      return "{PLAIN}";
    case PasswordForm::sha1:
      return "{SHA}";
    case PasswordForm::salted_sha1:
      return "{SSHA}";
    case PasswordForm::des_crypt:
      return "crypt";
    case PasswordForm::md5_crypt:
      return "$1$";
    case PasswordForm::apr1:
      return "$apr1$";
    case PasswordForm::bcrypt:
      return "bcrypt";
    case PasswordForm::sha256_crypt:
      return "$5$";
    case PasswordForm::sha512_crypt:
      return "$6$";
    case PasswordForm::yescrypt:
      return "yescrypt";
    case PasswordForm::argon2id:
      return "argon2id";
    case PasswordForm::none:
      break;
  }
  return "none";
}

PasswordForm password_form(std::string_view stored) {
  const auto behind = [&](std::string_view prefix) { return stored.substr(prefix.size()); };
  const auto when = [](bool holds, PasswordForm form) { return holds ? form : PasswordForm::none; };
  if (stored.size() > stored_password_bytes_max || stored.find('\0') != std::string_view::npos) {
    return PasswordForm::none;
  }
  if (stored.starts_with(plain_prefix)) return when(!behind(plain_prefix).empty(), PasswordForm::plain);
  if (stored.starts_with(sha_prefix)) {
    const auto decoded = base64_decode_secret(behind(sha_prefix));
    return when(decoded && decoded->size() == sha1_bytes, PasswordForm::sha1);
  }
  if (stored.starts_with(ssha_prefix)) {
    const auto decoded = base64_decode_secret(behind(ssha_prefix));
    return when(decoded && decoded->size() > sha1_bytes, PasswordForm::salted_sha1);
  }
  if (stored.starts_with(apr1_prefix)) return when(is_salted(behind(apr1_prefix), 8, 22), PasswordForm::apr1);
  if (stored.starts_with("$1$")) return when(is_salted(behind("$1$"), 8, 22), PasswordForm::md5_crypt);
  if (stored.starts_with("$2")) return when(is_bcrypt(stored), PasswordForm::bcrypt);
  if (stored.starts_with("$5$")) return when(is_sha_crypt(behind("$5$"), 43), PasswordForm::sha256_crypt);
  if (stored.starts_with("$6$")) return when(is_sha_crypt(behind("$6$"), 86), PasswordForm::sha512_crypt);
  if (stored.starts_with("$y$")) return when(is_yescrypt(behind("$y$")), PasswordForm::yescrypt);
  if (stored.starts_with(argon2id_prefix)) {
    return when(is_argon2id(behind(argon2id_prefix)), PasswordForm::argon2id);
  }
  return when(stored.size() == 13 && is_crypt_text(stored), PasswordForm::des_crypt);
}

bool is_slow(PasswordForm form) { return form > PasswordForm::salted_sha1; }

bool matches_password(std::string_view password, std::string_view stored) {
  if (!is_acceptable(password)) return false;
  const ErrorQueueGuard guard;
  switch (password_form(stored)) {
    case PasswordForm::none:
      return false;
    case PasswordForm::plain:
      return matches_plain(password, stored.substr(plain_prefix.size()));
    case PasswordForm::sha1:
      return matches_sha1(password, stored.substr(sha_prefix.size()));
    case PasswordForm::salted_sha1:
      return matches_sha1(password, stored.substr(ssha_prefix.size()));
    case PasswordForm::apr1:
      return matches_apr1(password, stored.substr(apr1_prefix.size()));
    case PasswordForm::des_crypt:
    case PasswordForm::md5_crypt:
    case PasswordForm::bcrypt:
    case PasswordForm::sha256_crypt:
    case PasswordForm::sha512_crypt:
    case PasswordForm::yescrypt:
      return matches_crypt(password, stored);
    case PasswordForm::argon2id:
      return matches_argon2id(password, stored);
  }
  return false;
}

Result<std::string> make_password_hash(std::string_view password) {
  if (password.empty() || !is_acceptable(password)) {
    return fail(ErrorKind::malformed, Blame::client, "bad_password",
                cat("a password is 1 to ", password_bytes_max, " bytes long and holds no NUL"));
  }
  std::array<char, crypto_pwhash_STRBYTES> text{};
  if (!has_sodium() || ::crypto_pwhash_argon2id_str(text.data(), password.data(), password.size(), argon2_passes,
                                                    argon2_memory_bytes) != 0) {
    return fail(ErrorKind::io, Blame::us, "no_memory", cat("hashing a password takes ", argon2_memory_bytes, " bytes"));
  }
  return std::string(text.data());
}

}  // namespace keepgate::crypto
