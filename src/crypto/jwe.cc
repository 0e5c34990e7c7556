#include "crypto/jwe.h"

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "crypto/base64url.h"
#include "crypto/content_cipher.h"
#include "crypto/jose_header.h"
#include "crypto/jws.h"
#include "crypto/random.h"

namespace keepgate::crypto {

namespace {

constexpr std::size_t part_count = 5, aes_block_bytes = 16;
using JweParts = std::array<std::string_view, part_count>;

Result<JweParts> split_jwe(std::string_view token) {
  if (token.size() > token_bytes_max) return bad_jose("longer than 16 KiB");
  if (!looks_like_jwe(token)) return bad_jose("not five parts");
  JweParts parts;
  for (std::string_view& part : parts) {
    const std::size_t dot = token.find('.');
    part = token.substr(0, dot);
    token.remove_prefix(std::min(token.size(), part.size() + 1));
  }
  return parts;
}

Result<void> decode_into(std::string& out, std::string_view part, std::string_view name) {
  std::optional<std::string> bytes = base64url_decode(part);
  if (!bytes) return bad_jose(cat("the ", name, " is not base64url"));
  out = std::move(*bytes);
  return {};
}

// RFC 7518 §4.7.1: IV and tag of the wrapped key are members of the header.
Result<void> read_wrap_member(std::string& out, const Json& header, std::string_view name, std::size_t bytes) {
  const Result<std::string_view> text = required_text(header, name);
  if (!text) return std::unexpected(text.error());
  if (Result<void> done = decode_into(out, *text, name); !done) return done;
  if (out.size() != bytes) return bad_jose(cat("header member ", name, " has ", out.size(), " bytes, not ", bytes));
  return {};
}

Result<void> read_header(Jwe& jwe) {
  Result<Json> header = read_jose_header(jwe.header_text);
  if (!header) return std::unexpected(header.error());
  jwe.header = std::move(*header);
  const Result<std::string_view> alg = required_text(jwe.header, "alg");
  if (!alg) return std::unexpected(alg.error());
  jwe.management = key_management_named(*alg);
  if (jwe.management == KeyManagement::none) {
    const std::string_view why = why_not_used(*alg);
    return bad_jose(why.empty() ? cat("alg '", printable(*alg, 20), "' is not accepted") : std::string(why));
  }
  const Result<std::string_view> enc = required_text(jwe.header, "enc");
  if (!enc) return std::unexpected(enc.error());
  jwe.content = content_encryption_named(*enc);
  if (jwe.content == ContentEncryption::none) return bad_jose(cat("enc '", printable(*enc, 20), "' is not accepted"));
  jwe.key_id = jwe.header.string_at("kid").value_or(std::string_view());
  if (row_of(jwe.management).wrapping != Wrapping::aes_gcm_kw) return {};
  if (Result<void> done = read_wrap_member(jwe.wrap_iv, jwe.header, "iv", gcm_iv_bytes); !done) return done;
  return read_wrap_member(jwe.wrap_tag, jwe.header, "tag", gcm_tag_bytes);
}

bool encrypted_key_fits(const Jwe& jwe) {
  const std::size_t size = jwe.encrypted_key.size(), content_key = row_of(jwe.content).key_bytes;
  switch (row_of(jwe.management).wrapping) {
    case Wrapping::direct:
      return size == 0;  // RFC 7516 §5.2 step 10.
    case Wrapping::aes_kw:
      return size == content_key + key_wrap_overhead_bytes;
    case Wrapping::aes_gcm_kw:
      return size == content_key;
    case Wrapping::rsa_oaep:
      return size >= rsa_bits_min / 8 && size <= rsa_bits_max / 8;
    case Wrapping::none:
      break;
  }
  return false;
}

Result<void> check_lengths(const Jwe& jwe) {
  const ContentRow& row = row_of(jwe.content);
  if (!encrypted_key_fits(jwe)) return bad_jose("the encrypted key has the wrong length");
  if (jwe.iv.size() != row.iv_bytes) return bad_jose("the initialization vector has the wrong length");
  if (jwe.tag.size() != row.tag_bytes) return bad_jose("the authentication tag has the wrong length");
  const bool is_cbc = row.mac != Hash::none;
  if (is_cbc && (jwe.ciphertext.empty() || jwe.ciphertext.size() % aes_block_bytes != 0)) {
    return bad_jose("the ciphertext has the wrong length");
  }
  return {};
}

bool fits(const EncryptionKey& key, const Jwe& jwe, bool names_key) {
  if (!key.is_private() || key.management() != jwe.management) return false;
  if (key.management() == KeyManagement::dir && key.direct_content() != jwe.content) return false;
  return !names_key || key.id().empty() || key.id() == jwe.key_id;
}

std::optional<std::string> rsa_decrypt(const EncryptionKey& key, std::string_view encrypted) {
  const ErrorQueueGuard guard;
  // RFC 8017 §7.1.2 step 1: exactly as long as the modulus.
  const auto modulus_bytes = static_cast<std::size_t>(EVP_PKEY_get_size(key.native()));
  if (encrypted.size() != modulus_bytes) return std::nullopt;
  const PkeyContextPtr context(EVP_PKEY_CTX_dup(key.decrypt_template()));
  std::string out(modulus_bytes, '\0');
  std::size_t size = out.size();
  const bool good =
      context && EVP_PKEY_decrypt(context.get(), as_bytes(out), &size, as_bytes(encrypted), encrypted.size()) == 1;
  if (good) out.resize(size);
  return good ? std::optional(std::move(out)) : std::nullopt;
}

std::optional<std::string> unwrapped(const Jwe& jwe, const EncryptionKey& key) {
  switch (row_of(jwe.management).wrapping) {
    case Wrapping::rsa_oaep:
      return rsa_decrypt(key, jwe.encrypted_key);
    case Wrapping::aes_kw:
      return unwrap_key(key.secret(), jwe.encrypted_key);
    case Wrapping::aes_gcm_kw:
      return open_gcm(key.secret(), jwe.wrap_iv, jwe.encrypted_key, jwe.wrap_tag, {});
    case Wrapping::direct:
      return std::string(key.secret());
    case Wrapping::none:
      break;
  }
  return std::nullopt;
}

std::string random_text(std::size_t bytes) {
  std::string out(bytes, '\0');
  random_bytes({as_bytes(out), out.size()});
  return out;
}

// RFC 7516 §11.5: a content key there always is, made before anything can fail.
SecretBytes content_key(const Jwe& jwe, const EncryptionKey& key, const ContentRow& row) {
  SecretBytes substitute(random_text(row.key_bytes));
  std::optional<std::string> found = unwrapped(jwe, key);
  if (found && found->size() == row.key_bytes) substitute.bytes.swap(*found);
  if (found) OPENSSL_cleanse(found->data(), found->size());
  return SecretBytes(std::move(substitute.bytes));
}

Result<std::string> wrapped(const EncryptionKey& key, std::string_view content_key, Json::Object& header) {
  switch (row_of(key.management()).wrapping) {
    case Wrapping::rsa_oaep: {
      const ErrorQueueGuard guard;
      const PkeyContextPtr context(EVP_PKEY_CTX_dup(key.encrypt_template()));
      std::string out(static_cast<std::size_t>(EVP_PKEY_get_size(key.native())), '\0');
      std::size_t size = out.size();
      if (!context ||
          EVP_PKEY_encrypt(context.get(), as_bytes(out), &size, as_bytes(content_key), content_key.size()) != 1) {
        return fail(ErrorKind::internal, Blame::us, "cannot_encrypt", "OpenSSL does not encrypt with this key");
      }
      return out;
    }
    case Wrapping::aes_kw:
      return wrap_key(key.secret(), content_key);
    case Wrapping::aes_gcm_kw: {
      const std::string iv = random_text(gcm_iv_bytes);
      Sealed sealed = seal_gcm(key.secret(), iv, content_key, {});
      header.emplace_back("iv", Json(base64url_encode(iv)));
      header.emplace_back("tag", Json(base64url_encode(sealed.tag)));
      return std::move(sealed.ciphertext);
    }
    case Wrapping::direct:
      return std::string();
    case Wrapping::none:
      break;
  }
  return fail(ErrorKind::internal, Blame::us, "cannot_encrypt", "a key without an algorithm");
}

}  // namespace

bool looks_like_jwe(std::string_view token) {
  return std::count(token.begin(), token.end(), '.') == static_cast<std::ptrdiff_t>(part_count) - 1;
}

Result<Jwe> parse_jwe(std::string_view token) {
  const Result<JweParts> parts = split_jwe(token);
  if (!parts) return std::unexpected(parts.error());
  Jwe jwe;
  jwe.associated = (*parts)[0];
  const std::pair<std::string*, std::string_view> places[] = {{&jwe.header_text, "header"},
                                                              {&jwe.encrypted_key, "encrypted key"},
                                                              {&jwe.iv, "initialization vector"},
                                                              {&jwe.ciphertext, "ciphertext"},
                                                              {&jwe.tag, "authentication tag"}};
  for (std::size_t i = 0; i < part_count; ++i) {
    if (Result<void> done = decode_into(*places[i].first, (*parts)[i], places[i].second); !done) {
      return std::unexpected(done.error());
    }
  }
  if (Result<void> done = read_header(jwe); !done) return std::unexpected(done.error());
  if (Result<void> done = check_lengths(jwe); !done) return std::unexpected(done.error());
  return jwe;
}

Result<std::string> decrypt_jwe(const Jwe& jwe, const KeySet& keys, std::string* key_id) {
  const bool names_key = jwe.header.find("kid") != nullptr;
  const ContentRow& row = row_of(jwe.content);
  std::size_t attempts = 0;
  for (const std::shared_ptr<const EncryptionKey>& key : keys.decryption_keys) {
    if (!fits(*key, jwe, names_key)) continue;
    if (++attempts > decrypt_attempts_max) break;
    const SecretBytes secret = content_key(jwe, *key, row);
    std::optional<std::string> plain = open_content(row, secret.bytes, jwe.iv, jwe.ciphertext, jwe.tag, jwe.associated);
    if (!plain) continue;
    if (key_id) *key_id = key->id();
    return std::move(*plain);
  }
  const std::string which = names_key ? cat("kid '", printable(jwe.key_id, 60), "'") : std::string("no kid");
  if (attempts == 0) {
    return fail(ErrorKind::refused, Blame::client, "unknown_key",
                cat("no ", name_of(jwe.management), " key for an encrypted token with ", which));
  }
  return fail(ErrorKind::refused, Blame::client, "bad_decryption", cat("it cannot be decrypted (", which, ")"));
}

Result<std::string> encrypt_jwe(Json::Object header, std::string_view plaintext, const EncryptionKey& key) {
  const auto refuse = [](std::string why) {
    return fail(ErrorKind::internal, Blame::us, "cannot_encrypt", std::move(why));
  };
  const Json named(header);
  if (named.string_at("alg") != name_of(key.management()))
    return refuse("the header does not name the key's algorithm");
  const ContentEncryption content = content_encryption_named(named.string_at("enc").value_or(""));
  if (content == ContentEncryption::none) return refuse("the header names no content encryption");
  const ContentRow& row = row_of(content);
  const bool direct = key.management() == KeyManagement::dir;
  if (direct && key.direct_content() != content) return refuse("the key is for another content encryption");
  const SecretBytes secret(direct ? std::string(key.secret()) : random_text(row.key_bytes));
  const Result<std::string> encrypted_key = wrapped(key, secret.bytes, header);
  if (!encrypted_key) return std::unexpected(encrypted_key.error());
  const std::string iv = random_text(row.iv_bytes);
  const std::string associated = base64url_encode(Json(std::move(header)).write());
  const Sealed sealed = seal_content(row, secret.bytes, iv, plaintext, associated);
  return cat(associated, '.', base64url_encode(*encrypted_key), '.', base64url_encode(iv), '.',
             base64url_encode(sealed.ciphertext), '.', base64url_encode(sealed.tag));
}

}  // namespace keepgate::crypto
