// `keepgate jwk`: makes private JWKs, lists them, writes their public halves.
#include <algorithm>

#include "base/bytes.h"
#include "cli/files.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "crypto/encryption_key.h"
#include "crypto/json.h"
#include "crypto/jwk.h"

namespace keepgate::cli {

namespace {

using crypto::Algorithm;
using crypto::Json;
using crypto::KeyType;

constexpr crypto::JsonLimits set_limits{.bytes_max = file_bytes_max, .depth_max = 8, .values_max = 65536};

// A fresh private JWK for an algorithm of signatures or of encryption; "" if there is none of that name.
std::string new_jwk(std::string_view algorithm_name, std::string_view bits, std::string_view id) {
  const Algorithm algorithm = crypto::algorithm_named(algorithm_name);
  if (const std::optional<KeyType> type = crypto::key_type_for(algorithm)) {
    const bool is_larger = *type == KeyType::rsa2048 && bits == "3072";
    return crypto::generate_jwk(is_larger ? KeyType::rsa3072 : *type, algorithm, id);
  }
  const auto content = crypto::content_encryption_named(algorithm_name);
  const auto management = content == crypto::ContentEncryption::none ? crypto::key_management_named(algorithm_name)
                                                                     : crypto::KeyManagement::dir;
  return crypto::generate_encryption_jwk(management, content, id, bits == "3072" ? 3072 : 2048);
}

// Why a key cannot be used; "" if it can.
std::string fault_of(const Json& jwk) {
  if (crypto::is_meant_for_encryption(jwk)) {
    const auto key = crypto::read_encryption_key(jwk);
    return key ? std::string() : key.error().detail;
  }
  const auto key = crypto::parse_jwk(jwk.write());
  return key ? std::string() : key.error().detail;
}

}  // namespace

int run_jwk_create(int argc, char** argv) {
  std::string algorithm_name = "ES256", id, out, bits = "2048";
  bool force = false;
  Arguments arguments("jwk create", "Makes a private key and writes it to a new file with mode 0600.",
                      {{"keepgate jwk create --alg ES256 --kid issuer-1 --out issuer.jwk", ""},
                       {"keepgate jwk create --alg EdDSA --out gateway.jwk", "kid: the key's thumbprint (RFC 7638)"},
                       {"keepgate jwk create --alg RSA-OAEP-256 --out gateway.jwk", "decrypts tokens"}});
  arguments.option("--alg", "NAME", algorithm_name,
                   "ES256, ES384, ES512, EdDSA, RS256 … PS512, HS256 … (default: ES256); to decrypt tokens "
                   "RSA-OAEP-256, A256KW, A256GCMKW, A256GCM (direct) and their kind");
  arguments.option("--kid", "ID", id, "key id (default: the thumbprint)");
  arguments.option("--bits", "N", bits, "of an RSA key: 2048 or 3072 (default: 2048)");
  arguments.option("--out", "FILE", out, "where to; - for standard output", Need::required);
  arguments.flag("--force", force, "replace a file that is there");
  if (const auto code = arguments.parse(argc, argv)) return *code;
  if (bits != "2048" && bits != "3072") return arguments.usage_error("--bits: 2048 or 3072");
  std::string jwk = new_jwk(algorithm_name, bits, id);
  if (jwk.empty()) return arguments.usage_error(cat("--alg ", printable(algorithm_name, 20), ": no such algorithm"));
  const Result<Json> made = crypto::parse_json(jwk);
  if (!made) return failed("jwk create", "the new key is not usable");
  if (const std::string fault = fault_of(*made); !fault.empty()) {
    return failed("jwk create", cat("the new key is not usable: ", fault));
  }
  jwk.push_back('\n');
  const Result<void> done = write_file(out, jwk, 0600, force ? Existing::replace : Existing::refuse);
  wipe(jwk);
  if (!done) return failed("jwk create", done.error().detail);
  if (out != "-")
    say(cat("wrote ", out, ": ", algorithm_name, " private key '", printable(made->string_at("kid").value_or("")),
            "', mode 0600"));
  return exit_ok;
}

namespace {

// The JWK objects of a file: one JWK or a JWK Set.
Result<Json::Array> read_jwks(const std::string& path) {
  Result<std::string> text = read_text(path);
  if (!text) return std::unexpected(text.error());
  const Result<Json> json = crypto::parse_json(*text, set_limits);
  wipe(*text);
  const auto refuse = [&](std::string_view why) {
    return fail(ErrorKind::refused, Blame::configuration, "bad_key", cat(path, ": ", why));
  };
  if (!json) return refuse(json.error().detail);
  if (const Json* keys = json->find("keys")) {
    if (!keys->array() || keys->array()->empty()) return refuse("a JWK Set without keys");
    return *keys->array();
  }
  if (!json->find("kty")) return refuse("neither a JWK nor a JWK Set");
  return Json::Array{*json};
}

Result<Json> public_half(const Json& jwk, const std::string& path, bool allow_secret) {
  const std::string text = jwk.write();
  const auto refuse = [&](std::string_view why) {
    return fail(ErrorKind::refused, Blame::configuration, "bad_key", cat(path, ": ", why));
  };
  if (jwk.string_at("kty") == "oct") {
    if (!allow_secret) {
      return refuse(
          "a shared secret (oct) has no public half: who can verify with it can sign with it. "
          "--allow-secret writes it as it is, with mode 0600");
    }
    if (const std::string fault = fault_of(jwk); !fault.empty()) return refuse(fault);
    return jwk;
  }
  const Result<std::string> half = crypto::public_jwk(text);
  if (!half) return refuse(half.error().detail);
  return crypto::parse_json(*half);
}

}  // namespace

int run_jwk_public(int argc, char** argv) {
  std::vector<std::string> files;
  std::string out = "-";
  bool allow_secret = false;
  Arguments arguments("jwk public",
                      "Prints a JWK Set with the public halves of private keys: what verifies their signatures.",
                      {{"keepgate jwk public issuer.jwk --out jwks.json", ""},
                       {"keepgate jwk public old.jwk new.jwk >jwks.json", "both verify while keys are changed"}});
  arguments.operands("FILE", files, "private JWK or JWK Set; - for standard input", Need::required);
  arguments.option("--out", "FILE", out, "write there instead of printing, replacing what was there");
  arguments.flag("--allow-secret", allow_secret, "copy shared secrets (oct) too: whoever reads the set can sign");
  if (const auto code = arguments.parse(argc, argv)) return *code;

  Json::Array halves;
  bool secret = false;
  for (const std::string& file : files) {
    if (file == out && out != "-") return arguments.usage_error("--out names a private key file that is read");
    const Result<Json::Array> jwks = read_jwks(file);
    if (!jwks) return failed("jwk public", jwks.error().detail);
    for (const Json& jwk : *jwks) {
      Result<Json> half = public_half(jwk, file, allow_secret);
      if (!half) return failed("jwk public", half.error().detail);
      secret = secret || half->string_at("kty") == "oct";
      halves.push_back(std::move(*half));
    }
  }
  JsonObject set;
  set.add("keys", Json(std::move(halves)));
  const unsigned mode = secret ? 0600 : 0644;
  if (const auto done = write_file(out, pretty(set.take()), mode, Existing::replace); !done) {
    return failed("jwk public", done.error().detail);
  }
  return exit_ok;
}

namespace {

struct KeyRow {
  std::string id, algorithm, kind, note;
};

KeyRow describe(const Json& jwk) {
  KeyRow row{printable(jwk.string_at("kid").value_or("")), printable(jwk.string_at("alg").value_or("")), "", ""};
  if (std::string fault = fault_of(jwk); !fault.empty()) {
    row.kind = "unusable";
    row.note = std::move(fault);
    return row;
  }
  if (crypto::is_meant_for_encryption(jwk)) {
    const auto key = *crypto::read_encryption_key(jwk);
    row.kind = !key->secret().empty() ? "secret" : key->is_private() ? "private" : "public";
    row.note = "encryption";
    return row;
  }
  const Result<std::shared_ptr<const crypto::Key>> key = crypto::parse_jwk(jwk.write());
  row.algorithm = crypto::name_of((*key)->algorithm());
  row.kind = !(*key)->secret().empty() ? "secret" : (*key)->is_private() ? "private" : "public";
  return row;
}

}  // namespace

int run_jwk_list(int argc, char** argv) {
  std::string file, output = "table";
  Arguments arguments("jwk list", "Lists the keys in a JWK or JWK Set file. Never prints key material.",
                      {{"keepgate jwk list jwks.json", ""}, {"keepgate jwk list jwks.json --output json", ""}});
  arguments.operand("FILE", file, "JWK or JWK Set; - for standard input");
  arguments.option("--output", "FORMAT", output, "table or json (default: table)");
  if (const auto code = arguments.parse(argc, argv)) return *code;
  if (output != "table" && output != "json") return arguments.usage_error("--output: table or json");
  const Result<Json::Array> jwks = read_jwks(file);
  if (!jwks) return failed("jwk list", jwks.error().detail);

  std::vector<std::vector<std::string>> lines = {{"KID", "ALG", "KIND"}};
  Json::Array objects;
  for (const Json& jwk : *jwks) {
    const KeyRow row = describe(jwk);
    lines.push_back({row.id, row.algorithm, row.kind, row.note});
    JsonObject object;
    object.add("kid", row.id).add("alg", row.algorithm).add("kind", row.kind).add("note", row.note);
    objects.push_back(object.take());
  }
  return print(output == "json" ? pretty(Json(std::move(objects))) : table(lines));
}

namespace {

constexpr Command jwk_verbs[] = {
    {"create", "make a private key", run_jwk_create},
    {"public", "the public halves of private keys, as a JWK Set", run_jwk_public},
    {"list", "what keys a file holds", run_jwk_list},
};
constexpr Example jwk_examples[] = {
    {"keepgate jwk create --alg ES256 --kid issuer-1 --out issuer.jwk", ""},
    {"keepgate jwk public issuer.jwk --out jwks.json", ""},
    {"keepgate jwk list jwks.json", ""},
};

}  // namespace

int run_jwk(int argc, char** argv) { return run_noun({"jwk", jwk_verbs, jwk_examples}, argc, argv); }

}  // namespace keepgate::cli
