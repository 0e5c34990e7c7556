// `keepgate token mint`: a token, signed or encrypted or both, from a private JWK, a file of claims and options.
#include "base/bytes.h"
#include "base/clock.h"
#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/files.h"
#include "cli/output.h"
#include "cli/token.h"
#include "crypto/encryption_key.h"
#include "crypto/json.h"
#include "crypto/jwe.h"
#include "crypto/jws.h"
#include "crypto/random.h"

namespace keepgate::cli {

namespace {

using crypto::Json;

struct MintOptions {
  std::string key_file, claims_file, out = "-", expires_in = "1h", issued_ago = "0";
  std::string type = "JWT";
  std::string encryption_key_file, content;
  std::optional<std::string> subject, client, issuer;
  std::vector<std::string> roles, scopes, audiences, headers;
};

void set_member(Json::Object& object, std::string_view name, Json value) {
  for (Json::Member& member : object) {
    if (member.first == name) {
      member.second = std::move(value);
      return;
    }
  }
  object.emplace_back(std::string(name), std::move(value));
}

bool has_member(const Json::Object& object, std::string_view name) {
  for (const Json::Member& member : object) {
    if (member.first == name) return true;
  }
  return false;
}

Json array_of(const std::vector<std::string>& texts) {
  Json::Array out;
  for (const std::string& text : texts) out.emplace_back(text);
  return Json(std::move(out));
}

std::unexpected<Error> no_mint(std::string why) {
  return fail(ErrorKind::refused, Blame::configuration, "mint", std::move(why));
}

std::unexpected<Error> bad_usage(std::string why) {
  return fail(ErrorKind::malformed, Blame::client, "usage", std::move(why));
}

Result<Json::Object> read_claims(const std::string& path) {
  if (path.empty()) return Json::Object();
  const Result<std::string> text = read_text(path);
  if (!text) return std::unexpected(text.error());
  const Result<Json> json = crypto::parse_json(*text);
  if (!json) return no_mint(cat(path, ": ", json.error().detail));
  if (!json->object()) return no_mint(cat(path, ": the claims are not a JSON object"));
  return *json->object();
}

// Options win over the file; times and `jti` are added where the file has none.
Result<Json::Object> make_claims(const MintOptions& options) {
  Result<Json::Object> claims = read_claims(options.claims_file);
  if (!claims) return claims;
  const std::optional<std::int64_t> ago = parse_duration(options.issued_ago);
  if (!ago) return bad_usage(cat("--issued-ago ", options.issued_ago, ": a time like 90s, 1h30m or 14d"));
  const bool expires = options.expires_in != "never";
  const std::optional<std::int64_t> lifetime = expires ? parse_duration(options.expires_in) : 0;
  if (!lifetime)
    return bad_usage(cat("--expires-in ", options.expires_in, ": a time like 90s, 1h30m or 14d, or never"));
  if (options.issuer) set_member(*claims, "iss", Json(*options.issuer));
  if (options.subject) set_member(*claims, "sub", Json(*options.subject));
  if (options.client) set_member(*claims, "client_id", Json(*options.client));
  if (options.audiences.size() == 1) set_member(*claims, "aud", Json(options.audiences[0]));
  if (options.audiences.size() > 1) set_member(*claims, "aud", array_of(options.audiences));
  if (!options.roles.empty()) set_member(*claims, "roles", array_of(options.roles));
  if (!options.scopes.empty()) set_member(*claims, "scope", Json(joined(options.scopes, ' ')));
  const std::int64_t now = Now::read().wall_s();
  if (!has_member(*claims, "iat")) set_member(*claims, "iat", Json(now - *ago));
  if (expires && !has_member(*claims, "exp")) set_member(*claims, "exp", Json(now + *lifetime));
  if (!has_member(*claims, "jti")) set_member(*claims, "jti", Json(crypto::random_id()));
  return claims;
}

Result<Json::Object> make_header(const MintOptions& options, const crypto::Key& key) {
  Json::Object header;
  header.emplace_back("alg", Json(std::string(crypto::name_of(key.algorithm()))));
  if (!options.type.empty()) header.emplace_back("typ", Json(options.type));
  if (!key.id().empty()) header.emplace_back("kid", Json(key.id()));
  for (const std::string& one : options.headers) {
    const std::size_t equals = one.find('=');
    if (equals == 0 || equals == std::string::npos)
      return bad_usage(cat("--header ", one, ": it has to be NAME=VALUE"));
    const std::string name = one.substr(0, equals);
    if (name == "alg") return bad_usage("--header alg: the key has exactly one algorithm");
    set_member(header, name, Json(one.substr(equals + 1)));
  }
  return header;
}

Result<std::shared_ptr<const crypto::Key>> read_key(const std::string& path) {
  Result<std::string> text = read_text(path);
  if (!text) return std::unexpected(text.error());
  Result<std::shared_ptr<const crypto::Key>> key = crypto::parse_jwk(*text);
  wipe(*text);
  if (!key) return no_mint(cat(path, ": ", key.error().detail));
  if (!(*key)->is_private()) return no_mint(cat(path, ": this is a public key; signing needs the private JWK"));
  return key;
}

Result<std::shared_ptr<const crypto::EncryptionKey>> read_encryption_key(const std::string& path) {
  Result<std::string> text = read_text(path);
  if (!text) return std::unexpected(text.error());
  Result<std::shared_ptr<const crypto::EncryptionKey>> key = crypto::parse_encryption_jwk(*text);
  wipe(*text);
  if (!key) return no_mint(cat(path, ": ", key.error().detail));
  return key;
}

// RFC 7519 §5.2: cty JWT says that what was encrypted is a signed token.
Result<std::string> encrypt(const MintOptions& options, std::string_view plaintext, bool is_nested) {
  const auto key = read_encryption_key(options.encryption_key_file);
  if (!key) return std::unexpected(key.error());
  const bool direct = (*key)->management() == crypto::KeyManagement::dir;
  const std::string own(crypto::name_of((*key)->direct_content()));
  const std::string content = !options.content.empty() ? options.content : direct ? own : "A256GCM";
  if (direct && content != own) return bad_usage(cat("--enc ", content, ": the key is for ", own, " alone"));
  Json::Object header;
  header.emplace_back("alg", Json(std::string(crypto::name_of((*key)->management()))));
  header.emplace_back("enc", Json(content));
  if (is_nested) header.emplace_back("cty", Json("JWT"));
  if (!is_nested && !options.type.empty()) header.emplace_back("typ", Json(options.type));
  if (!(*key)->id().empty()) header.emplace_back("kid", Json((*key)->id()));
  return crypto::encrypt_jwe(std::move(header), plaintext, **key);
}

Result<std::string> sign(const MintOptions& options, Json::Object claims) {
  const auto key = read_key(options.key_file);
  if (!key) return std::unexpected(key.error());
  Result<Json::Object> header = make_header(options, **key);
  if (!header) return std::unexpected(header.error());
  return crypto::sign_jws(Json(std::move(*header)).write(), Json(std::move(claims)).write(), **key);
}

std::string check_options(const MintOptions& options) {
  const bool encrypts = !options.encryption_key_file.empty();
  if (options.key_file.empty() && !encrypts) return "--key FILE is missing";
  if ((options.key_file == "-") + (options.claims_file == "-") + (options.encryption_key_file == "-") > 1) {
    return "standard input can be read once: two of --key, --encrypt-with and --claims are -";
  }
  if (!options.content.empty() && !encrypts) return "--enc goes with --encrypt-with";
  if (!options.content.empty() &&
      crypto::content_encryption_named(options.content) == crypto::ContentEncryption::none) {
    return cat("--enc ", printable(options.content, 20), ": no content encryption has this name");
  }
  if (options.key_file.empty() && !options.headers.empty()) return "--header is for the signature: it needs --key";
  return {};
}

Result<std::string> mint(const MintOptions& options) {
  if (const std::string wrong = check_options(options); !wrong.empty()) return bad_usage(wrong);
  Result<Json::Object> claims = make_claims(options);
  if (!claims) return std::unexpected(claims.error());
  const bool is_signed = !options.key_file.empty();
  Result<std::string> token =
      is_signed ? sign(options, std::move(*claims)) : Result<std::string>(Json(std::move(*claims)).write());
  if (token && !options.encryption_key_file.empty()) token = encrypt(options, *token, is_signed);
  if (token && token->size() > crypto::token_bytes_max)
    say("warning: this token is longer than Keepgate accepts (16 KiB)");
  return token;
}

}  // namespace

int run_token_mint(int argc, char** argv) {
  MintOptions options;
  Arguments arguments(
      "token mint",
      "Signs a token with a private JWK, encrypts it if told, and prints it. `iat`, `exp` and `jti` are added where "
      "the claims have none.",
      {{"keepgate token mint --key issuer.jwk --client web --sub alice --role admin >token", ""},
       {"keepgate token mint --key issuer.jwk --sub client1 --aud shop --expires-in 30d --out token", ""},
       {"echo '{\"sub\":\"a\",\"department\":7}' | keepgate token mint --key issuer.jwk --claims -", ""},
       {"keepgate token mint --key issuer.jwk --sub a --issued-ago 2h --expires-in -1h", "an expired one, for a test"},
       {"keepgate token mint --key issuer.jwk --encrypt-with gateway.jwk --sub a", "signed, then encrypted"}});
  arguments.option("--key", "FILE", options.key_file, "private JWK that signs; - for standard input");
  arguments.option("--encrypt-with", "FILE", options.encryption_key_file,
                   "JWK that encrypts the signed token, or without --key the claims themselves");
  arguments.option("--enc", "NAME", options.content, "content encryption (default: A256GCM, or the key's own)");
  arguments.option("--claims", "FILE", options.claims_file, "JSON object of claims; - for standard input");
  arguments.option("--sub", "NAME", options.subject, "claim sub: the customer, or the caller itself");
  arguments.option("--client", "NAME", options.client, "claim client_id: the requester");
  arguments.options("--role", "NAME", options.roles, "claim roles");
  arguments.options("--scope", "SCOPE", options.scopes, "claim scope");
  arguments.options("--aud", "NAME", options.audiences, "claim aud");
  arguments.option("--iss", "URL", options.issuer, "claim iss");
  arguments.option("--expires-in", "TIME", options.expires_in,
                   "claim exp, counted from now: 1h, 14d, -1h, never (default: 1h)");
  arguments.option("--issued-ago", "TIME", options.issued_ago, "claim iat lies so far back (default: 0)");
  arguments.option("--typ", "TYPE", options.type, "header typ (default: JWT); \"\" for none");
  arguments.options("--header", "NAME=VALUE", options.headers, "more header members, as strings");
  arguments.option("--out", "FILE", options.out, "write there, mode 0600, replacing an older token");
  if (const auto code = arguments.parse(argc, argv)) return *code;

  const Result<std::string> token = mint(options);
  if (!token) {
    if (token.error().code == "usage") return arguments.usage_error(token.error().detail);
    complain("token mint", token.error().detail);
    return exit_failure;
  }
  if (Result<void> done = write_file(options.out, cat(*token, "\n"), 0600, Existing::replace); !done) {
    complain("token mint", done.error().detail);
    return exit_failure;
  }
  return exit_ok;
}

}  // namespace keepgate::cli
