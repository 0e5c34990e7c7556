#include "crypto/jwe.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "crypto/base64url.h"
#include "crypto/content_cipher.h"
#include "crypto/jwe_vectors.h"
#include "crypto/jws.h"
#include "crypto/test_keys.h"

namespace keepgate::crypto {
namespace {

using test::set_of;

constexpr std::string_view plaintext = R"({"sub":"client:web"})";
constexpr KeyManagement managements[] = {
    KeyManagement::rsa_oaep,  KeyManagement::rsa_oaep_256, KeyManagement::rsa_oaep_384, KeyManagement::rsa_oaep_512,
    KeyManagement::a128kw,    KeyManagement::a192kw,       KeyManagement::a256kw,       KeyManagement::a128gcmkw,
    KeyManagement::a192gcmkw, KeyManagement::a256gcmkw,    KeyManagement::dir};
constexpr ContentEncryption contents[] = {ContentEncryption::a128cbc_hs256, ContentEncryption::a192cbc_hs384,
                                          ContentEncryption::a256cbc_hs512, ContentEncryption::a128gcm,
                                          ContentEncryption::a192gcm,       ContentEncryption::a256gcm};

// The same key for the same arguments, so that each is made once; `place` tells two keys of one kid apart.
const std::string& jwk_for(KeyManagement management, ContentEncryption content, const std::string& place = "e1",
                           const std::string& id = {}) {
  static std::map<std::string, std::string> made;
  const bool direct = management == KeyManagement::dir;
  std::string& jwk = made[cat(name_of(management), '/', direct ? name_of(content) : "", '/', place)];
  if (jwk.empty()) jwk = generate_encryption_jwk(management, content, id.empty() ? place : id);
  return jwk;
}

Json::Object header_for(KeyManagement management, ContentEncryption content, std::string_view kid = "e1") {
  Json::Object header;
  header.emplace_back("alg", Json(std::string(name_of(management))));
  header.emplace_back("enc", Json(std::string(name_of(content))));
  if (!kid.empty()) header.emplace_back("kid", Json(std::string(kid)));
  return header;
}

std::string encrypted(KeyManagement management, ContentEncryption content, const std::string& id = "e1") {
  const auto key = parse_encryption_jwk(jwk_for(management, content, id));
  KG_ASSERT(key.has_value());
  Result<std::string> token = encrypt_jwe(header_for(management, content, id), plaintext, **key);
  KG_ASSERT(token.has_value());
  return *token;
}

// The plaintext, or "!" and the code of the refusal.
std::string outcome(std::string_view token, const KeySet& keys) {
  const Result<Jwe> jwe = parse_jwe(token);
  if (!jwe) return cat('!', jwe.error().code);
  const Result<std::string> plain = decrypt_jwe(*jwe, keys);
  return plain ? *plain : cat('!', plain.error().code);
}

// Why it is refused before a key is looked at.
std::string refusal(std::string_view token) {
  const Result<Jwe> jwe = parse_jwe(token);
  return jwe ? std::string() : jwe.error().detail;
}

std::vector<std::string> parts_of(std::string_view token) {
  std::vector<std::string> parts(1);
  for (const char c : token) {
    if (c == '.') {
      parts.emplace_back();
    } else {
      parts.back().push_back(c);
    }
  }
  return parts;
}

std::string joined(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& part : parts) append(out, &part == parts.data() ? "" : ".", part);
  return out;
}

std::string with_header(std::string_view token, std::string_view header) {
  std::vector<std::string> parts = parts_of(token);
  parts[0] = base64url_encode(header);
  return joined(parts);
}

std::string with_part(std::string_view token, std::size_t index, std::string_view bytes) {
  std::vector<std::string> parts = parts_of(token);
  parts[index] = base64url_encode(bytes);
  return joined(parts);
}

TEST(Jwe, decrypts_the_examples_of_the_rfcs) {
  for (const test::JweVector& vector : test::jwe_vectors) {
    const auto keys = set_of(vector.jwk);
    ASSERT_TRUE(keys) << vector.name;
    const std::string plain = outcome(vector.token, *keys);
    EXPECT_TRUE(plain.starts_with(vector.plaintext_start)) << vector.name << ": " << plain;
  }
  const auto keys = set_of(cat(test::nested_encryption_jwk, ',', test::nested_signing_jwk));
  ASSERT_TRUE(keys);
  const std::string inner = outcome(test::nested_token, *keys);
  const Result<Jws> jws = parse_jws(inner);
  ASSERT_TRUE(jws) << inner;
  EXPECT_TRUE(verify_jws(*jws, *keys));
  EXPECT_TRUE(jws->payload.starts_with(R"({"iss":"hobbiton.example")"));
}

TEST(Jwe, refuses_the_examples_when_any_one_character_changes) {
  const auto keys = set_of(test::jwe_vectors[0].jwk);
  const std::string token(test::jwe_vectors[0].token);
  for (std::size_t i = 0; i < token.size(); ++i) {
    std::string changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_TRUE(outcome(changed, *keys).starts_with('!')) << i;
  }
}

// RFC 7518 B.1: AES_128_CBC_HMAC_SHA_256 with the numbers 0 to 31 as key.
TEST(ContentCipher, follows_rfc_7518_appendix_b) {
  const auto from_hex = [](std::string_view hex) {
    std::string out;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
      out.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
    }
    return out;
  };
  std::string key;
  for (char i = 0; i < 32; ++i) key.push_back(i);
  const std::string iv = from_hex("1af38c2dc2b96ffdd86694092341bc04");
  const std::string_view text =
      "A cipher system must not be required to be secret, and it must be able to fall into the hands of the enemy "
      "without "
      "inconvenience";
  const std::string_view associated = "The second principle of Auguste Kerckhoffs";
  const ContentRow& row = row_of(ContentEncryption::a128cbc_hs256);
  const Sealed sealed = seal_content(row, key, iv, text, associated);
  EXPECT_EQ(sealed.tag, from_hex("652c3fa36b0a7c5b3219fab3a30bc1c4"));
  EXPECT_EQ(sealed.ciphertext.substr(0, 16), from_hex("c80edfa32ddf39d5ef00c0b468834279"));
  EXPECT_EQ(open_content(row, key, iv, sealed.ciphertext, sealed.tag, associated), text);
  EXPECT_FALSE(open_content(row, key, iv, sealed.ciphertext, sealed.tag, "The second principle of Auguste Kerckhoff"));
}

TEST(Jwe, encrypts_and_decrypts_with_every_pair_of_algorithms) {
  for (const KeyManagement management : managements) {
    for (const ContentEncryption content : contents) {
      const auto keys = set_of(jwk_for(management, content));
      ASSERT_TRUE(keys) << name_of(management);
      ASSERT_EQ(keys->decryption_keys.size(), 1U);
      EXPECT_EQ(outcome(encrypted(management, content), *keys), plaintext) << name_of(management) << name_of(content);
    }
  }
}

TEST(Jwe, calls_every_failure_behind_the_lengths_by_one_name) {
  for (const KeyManagement management : managements) {
    for (const ContentEncryption content : contents) {
      const auto keys = set_of(jwk_for(management, content));
      const std::string token = encrypted(management, content);
      const std::vector<std::string> parts = parts_of(token);
      for (const std::size_t part : {1U, 2U, 3U, 4U}) {
        std::string bytes = *base64url_decode(parts[part]);
        if (bytes.empty()) continue;  // The encrypted key of dir.
        for (const std::size_t at : {std::size_t{0}, bytes.size() / 2, bytes.size() - 1}) {
          std::string changed = bytes;
          changed[at] = static_cast<char>(changed[at] ^ 1);
          EXPECT_EQ(outcome(with_part(token, part, changed), *keys), "!bad_decryption") << name_of(management) << part;
        }
      }
      // The header is authenticated too.
      Json::Object header = *parse_json(*base64url_decode(parts[0]))->object();
      header.emplace_back("x", Json("y"));
      EXPECT_EQ(outcome(with_header(token, Json(header).write()), *keys), "!bad_decryption") << name_of(management);
      EXPECT_EQ(outcome(token, *set_of(jwk_for(management, content, "other", "e1"))), "!bad_decryption");
    }
  }
}

TEST(Jwe, refuses_lengths_that_no_algorithm_has) {
  for (const KeyManagement management :
       {KeyManagement::rsa_oaep_256, KeyManagement::a256kw, KeyManagement::a128gcmkw, KeyManagement::dir}) {
    for (const ContentEncryption content : {ContentEncryption::a128cbc_hs256, ContentEncryption::a256gcm}) {
      const std::string token = encrypted(management, content);
      const std::vector<std::string> parts = parts_of(token);
      const bool gcm = content == ContentEncryption::a256gcm;
      for (const std::size_t part : {1U, 2U, 4U}) {
        const std::string bytes = *base64url_decode(parts[part]);
        const bool any_modulus = management == KeyManagement::rsa_oaep_256 && part == 1;
        const std::string longer = with_part(token, part, bytes + "a");
        EXPECT_EQ(refusal(longer).empty(), any_modulus) << name_of(management) << part;
        EXPECT_TRUE(outcome(longer, *set_of(jwk_for(management, content))).starts_with('!'));
        if (bytes.empty()) continue;
        EXPECT_NE(refusal(with_part(token, part, bytes.substr(1))), "") << name_of(management) << part;
        EXPECT_NE(refusal(with_part(token, part, "")), "") << name_of(management) << part;
      }
      EXPECT_EQ(refusal(with_part(token, 3, "")).empty(), gcm);
      EXPECT_EQ(refusal(with_part(token, 3, "0123456789abcde")).empty(), gcm);
    }
  }
}

TEST(Jwe, refuses_headers_that_it_does_not_accept) {
  const std::string token = encrypted(KeyManagement::a128kw, ContentEncryption::a128gcm);
  const std::string wrapped = encrypted(KeyManagement::a128gcmkw, ContentEncryption::a128gcm);
  const std::pair<std::string, std::string> rows[] = {
      {R"({"enc":"A128GCM"})", "alg is missing"},
      {R"({"alg":5,"enc":"A128GCM"})", "alg is missing"},
      {R"({"alg":"A128KW"})", "enc is missing"},
      {R"({"alg":"A128KW","enc":["A128GCM"]})", "enc is missing"},
      {R"({"alg":"A128KW","enc":"A512GCM"})", "enc 'A512GCM'"},
      {R"({"alg":"A128KW","enc":"a128gcm"})", "enc 'a128gcm'"},
      {R"({"alg":"A128KW","enc":""})", "enc ''"},
      {R"({"alg":"none","enc":"A128GCM"})", "alg 'none'"},
      {R"({"alg":"a128kw","enc":"A128GCM"})", "alg 'a128kw'"},
      {R"({"alg":"RSA1_5","enc":"A128GCM"})", "RSA1_5 leaks"},
      {R"({"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":2147483647,"p2s":"AAAA"})", "PBES2"},
      {R"({"alg":"ECDH-ES","enc":"A128GCM","epk":{"kty":"EC"}})", "ECDH-ES"},
      {R"({"alg":"ECDH-ES+A128KW","enc":"A128GCM"})", "ECDH-ES"},
      {R"({"alg":"RS256","enc":"A128GCM"})", "alg 'RS256'"},
      {R"({"alg":"A128KW","enc":"A128GCM","zip":"DEF"})", "'zip'"},
      {R"({"alg":"A128KW","enc":"A128GCM","crit":["exp"],"exp":1})", "'crit'"},
      {R"({"alg":"A128KW","enc":"A128GCM","crit":[]})", "'crit'"},
      {R"({"alg":"A128KW","enc":"A128GCM","jwk":{}})", "'jwk'"},
      {R"({"alg":"A128KW","enc":"A128GCM","jku":"http://127.0.0.1/"})", "'jku'"},
      {R"({"alg":"A128KW","enc":"A128GCM","x5u":"http://127.0.0.1/"})", "'x5u'"},
      {R"({"alg":"A128KW","enc":"A128GCM","x5c":[]})", "'x5c'"},
      {R"({"alg":"A128KW","enc":"A128GCM","kid":5})", "kid is not"},
      {R"({"alg":"A128KW","enc":"A128GCM","cty":5})", "cty is not"},
      {R"({"alg":"A128KW","enc":"A128GCM","typ":{}})", "typ is not"},
      {R"({"alg":"A128KW","alg":"A128KW","enc":"A128GCM"})", "not acceptable JSON"},
      {R"({"alg":"A128KW","enc":"A128GCM","\u0065nc":"A256GCM"})", "not acceptable JSON"},
      {R"(["A128KW"])", "not an object"},
      {R"({"alg":"A128KW","enc":"A128GCM"}x)", "not acceptable JSON"},
      {"", "not acceptable JSON"},
  };
  for (const auto& [header, why] : rows) {
    EXPECT_NE(refusal(with_header(token, header)).find(why), std::string::npos)
        << header << ": " << refusal(with_header(token, header));
  }
  for (const std::string_view more :
       {"", R"(,"iv":"AAAAAAAAAAAAAAAA")", R"(,"tag":"AAAAAAAAAAAAAAAAAAAAAA")",
        R"(,"iv":"AAAA","tag":"AAAAAAAAAAAAAAAAAAAAAA")", R"(,"iv":"AAAAAAAAAAAAAAAA","tag":"AAAA")",
        R"(,"iv":"AAAAAAAAAAAAAAAA","tag":"AAAAAAAAAAAAAAAAAAAAAB")", R"(,"iv":5,"tag":"AAAAAAAAAAAAAAAAAAAAAA")"}) {
    EXPECT_NE(refusal(with_header(wrapped, cat(R"({"alg":"A128GCMKW","enc":"A128GCM")", more, '}'))), "") << more;
  }
}

TEST(Jwe, refuses_what_is_not_five_strict_parts) {
  const std::string token = encrypted(KeyManagement::a128kw, ContentEncryption::a128gcm);
  const std::vector<std::string> parts = parts_of(token);
  EXPECT_EQ(refusal(token), "");
  for (const std::string& bad :
       {std::string(), std::string("...."), token + ".", token + "=", " " + token, token + "\n", "." + token,
        token.substr(0, token.rfind('.')), std::string(10'000, '.'), std::string(token_bytes_max + 1, 'A'),
        parts[0] + "+" + token.substr(parts[0].size()), cat(token, '.', token)}) {
    EXPECT_NE(refusal(bad), "") << bad.substr(0, 60);
  }
}

TEST(Jwe, picks_keys_by_kid_algorithm_and_kind) {
  const std::string token = encrypted(KeyManagement::a128kw, ContentEncryption::a128gcm, "one");
  const std::string& one = jwk_for(KeyManagement::a128kw, ContentEncryption::a128gcm, "one");
  const auto with = [&](std::string_view from, std::string_view to) {
    std::string jwk = one;
    return jwk.replace(jwk.find(from), from.size(), to);
  };
  EXPECT_EQ(outcome(token, *set_of(one)), plaintext);
  EXPECT_EQ(outcome(token, *set_of(with(R"("kid":"one",)", ""))), plaintext);
  EXPECT_EQ(outcome(token, *set_of(with(R"("kid":"one")", R"("kid":"two")"))), "!unknown_key");
  EXPECT_EQ(outcome(token, *set_of(with(R"("alg":"A128KW")", R"("alg":"A128GCMKW")"))), "!unknown_key");
  EXPECT_EQ(outcome(token, *set_of(with(R"("alg":"A128KW")", R"("alg":"A128GCM")"))), "!unknown_key");
  EXPECT_EQ(outcome(token, *test::verifying_set(Algorithm::hs256, "one")), "!unknown_key");

  const std::string direct = encrypted(KeyManagement::dir, ContentEncryption::a256gcm);
  const std::string& secret = jwk_for(KeyManagement::dir, ContentEncryption::a256gcm);
  std::string cbc = secret, any = secret;
  cbc.replace(cbc.find("A256GCM"), 7, "A128CBC-HS256");
  any.replace(any.find("A256GCM"), 7, "dir");
  EXPECT_EQ(outcome(direct, *set_of(secret)), plaintext);
  EXPECT_EQ(outcome(direct, *set_of(any)), plaintext);
  EXPECT_EQ(outcome(direct, *set_of(cbc)), "!unknown_key");
}

TEST(Jwe, tries_a_bounded_number_of_keys) {
  std::string others;
  for (std::size_t i = 0; i < decrypt_attempts_max; ++i) {
    std::string jwk = generate_encryption_jwk(KeyManagement::a128kw, ContentEncryption::none, cat("o", i));
    const std::size_t at = jwk.find(R"("kid":)");
    append(others, jwk.erase(at, jwk.find(',', at) - at + 1), ',');
  }
  const auto key = parse_encryption_jwk(jwk_for(KeyManagement::a128kw, ContentEncryption::none));
  const auto token = encrypt_jwe(header_for(KeyManagement::a128kw, ContentEncryption::a128gcm, ""), plaintext, **key);
  const std::string& right = jwk_for(KeyManagement::a128kw, ContentEncryption::none);
  EXPECT_EQ(outcome(*token, *set_of(right)), plaintext);
  EXPECT_EQ(outcome(*token, *set_of(others + right)), "!bad_decryption");
}

TEST(Jwe, encrypts_only_as_the_key_says) {
  const auto key = parse_encryption_jwk(jwk_for(KeyManagement::dir, ContentEncryption::a256gcm));
  EXPECT_TRUE(encrypt_jwe(header_for(KeyManagement::dir, ContentEncryption::a256gcm), plaintext, **key));
  EXPECT_FALSE(encrypt_jwe(header_for(KeyManagement::dir, ContentEncryption::a128cbc_hs256), plaintext, **key));
  EXPECT_FALSE(encrypt_jwe(header_for(KeyManagement::a256kw, ContentEncryption::a256gcm), plaintext, **key));
  EXPECT_FALSE(encrypt_jwe({}, plaintext, **key));
}

TEST(EncryptionKey, is_refused_when_its_members_disagree) {
  const std::string good = R"("k":"GawgguFyGrWKav7AX4VKUg")";
  const auto read = [](std::string_view members) {
    return parse_encryption_jwk(cat(R"({"kty":"oct",)", members, '}'));
  };
  EXPECT_TRUE(read(cat(R"("alg":"A128KW","use":"enc","key_ops":["unwrapKey"],)", good)));
  for (const std::string_view members :
       {R"("alg":"A128KW","use":"sig",)", R"("alg":"A256KW",)", R"("alg":"A128CBC-HS256",)", R"("alg":5,)",
        R"("alg":"A128KW","key_ops":["sign","decrypt"],)", R"("alg":"A128KW","key_ops":["sign"],)",
        R"("alg":"RSA-OAEP",)", R"("alg":"HS256","use":"enc",)", R"("alg":"A128KW","kid":5,)"}) {
    const auto key = read(cat(members, good));
    ASSERT_FALSE(key) << members;
    EXPECT_EQ(key.error().kind, ErrorKind::refused) << members;
  }
  for (const std::string_view members : {R"("use":"enc",)", R"("alg":"RSA1_5",)", R"("alg":"PBES2-HS256+A128KW",)",
                                         R"("alg":"ECDH-ES",)", R"("alg":"odd","use":"enc",)"}) {
    const auto key = read(cat(members, good));
    ASSERT_FALSE(key) << members;
    EXPECT_EQ(key.error().kind, ErrorKind::unsupported) << members;
  }
  EXPECT_FALSE(read(R"("alg":"dir","k":"AAAAAAAAAAAAAAAAAAAAAAA")"));  // 17 bytes.
}

TEST(EncryptionKey, stands_beside_signature_keys_in_a_set) {
  const std::string& rsa = jwk_for(KeyManagement::rsa_oaep_256, ContentEncryption::none);
  Diagnostics diagnostics;
  const auto keys =
      KeySet::parse(cat(R"({"keys":[)", rsa, ',', test::public_half(Algorithm::es256), "]}"), {}, diagnostics);
  ASSERT_TRUE(keys);
  EXPECT_EQ(keys->keys.size(), 1U);
  EXPECT_EQ(keys->decryption_keys.size(), 1U);
  EXPECT_TRUE(diagnostics.all().empty());

  const Result<std::string> half = public_jwk(rsa);
  ASSERT_TRUE(half);
  EXPECT_EQ(half->find("\"d\""), std::string::npos);
  const auto without =
      KeySet::parse(cat(R"({"keys":[)", *half, ',', test::public_half(Algorithm::es256), "]}"), {}, diagnostics);
  ASSERT_TRUE(without);
  EXPECT_TRUE(without->decryption_keys.empty());
  ASSERT_EQ(diagnostics.all().size(), 1U);
  EXPECT_EQ(diagnostics.all()[0].code, "KG202");
  EXPECT_FALSE(public_jwk(jwk_for(KeyManagement::a128kw, ContentEncryption::none)));
  EXPECT_FALSE(set_of(cat(rsa, ',', rsa)));
  EXPECT_FALSE(set_of(R"({"kty":"oct","alg":"A128KW","k":"AAAA"})"));
}

}  // namespace
}  // namespace keepgate::crypto
