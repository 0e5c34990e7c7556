// `keepgate token verify`: the same verification that a request gets, for one token or for a batch.
#include <algorithm>

#include "auth/jwt.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/diagnostics.h"
#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/files.h"
#include "cli/output.h"
#include "cli/token.h"
#include "crypto/base64url.h"
#include "crypto/encryption_key.h"
#include "crypto/json.h"
#include "crypto/jwe.h"
#include "crypto/jws.h"

namespace keepgate::cli {

namespace {

using crypto::Json;
using KeySetPointer = std::shared_ptr<const crypto::KeySet>;

struct VerifyOptions {
  std::string jwks_file, leeway = "0";
  std::vector<std::string> algorithms;
  std::optional<std::string> audience, issuer;
  std::string type = "signed";
  auth::TokenForm form = auth::TokenForm::jws;
  bool no_claims = false, batch = false;
  std::int64_t leeway_s = 0;
};

std::unexpected<Error> refused_line(std::string why) {
  return fail(ErrorKind::refused, Blame::client, "bad_token", std::move(why));
}

// RFC 7519 §4.1.3: one string or an array of them.
bool names_audience(const Json& payload, std::string_view audience) {
  const Json* aud = payload.find("aud");
  if (!aud) return false;
  if (aud->string()) return *aud->string() == audience;
  const auto is_it = [&](const Json& one) { return one.string() && *one.string() == audience; };
  return aud->array() && std::ranges::any_of(*aud->array(), is_it);
}

// Before any key is tried, so that a wrong algorithm is what is said of it.
Result<void> check_algorithm(std::string_view token, const VerifyOptions& options) {
  std::string_view name;
  if (options.form == auth::TokenForm::jws) {
    const Result<crypto::Jws> jws = crypto::parse_jws(token);
    if (!jws) return std::unexpected(jws.error());
    name = crypto::name_of(jws->algorithm);
  } else {
    const Result<crypto::Jwe> jwe = crypto::parse_jwe(token);
    if (!jwe) return std::unexpected(jwe.error());
    name = crypto::name_of(jwe->management);
  }
  if (options.algorithms.empty() || std::ranges::find(options.algorithms, name) != options.algorithms.end()) return {};
  return refused_line(cat("alg ", name, " is not among those asked for"));
}

struct Plain {
  Json header;
  std::string payload;
};

// Any JWS or JWE whatever it is for: a client's token, a transaction token, a document.
Result<Plain> open(std::string_view token, const crypto::KeySet& keys, auth::TokenForm form) {
  if (form == auth::TokenForm::jws) {
    Result<crypto::Jws> jws = crypto::parse_jws(token);
    if (!jws) return std::unexpected(jws.error());
    if (const auto good = crypto::verify_jws(*jws, keys); !good) return std::unexpected(good.error());
    return Plain{std::move(jws->header), std::move(jws->payload)};
  }
  Result<crypto::Jwe> jwe = crypto::parse_jwe(token);
  if (!jwe) return std::unexpected(jwe.error());
  Result<std::string> plaintext = crypto::decrypt_jwe(*jwe, keys);
  if (!plaintext) return std::unexpected(plaintext.error());
  if (form == auth::TokenForm::nested) return open(*plaintext, keys, auth::TokenForm::jws);
  return Plain{std::move(jwe->header), std::move(*plaintext)};
}

// --no-claims: any payload; the layers alone.
Result<Json> verify_signature(std::string_view token, const KeySetPointer& keys, const VerifyOptions& options) {
  if (const auto good = check_algorithm(token, options); !good) return std::unexpected(good.error());
  const Result<Plain> plain = open(token, *keys, options.form);
  if (!plain) return std::unexpected(plain.error());
  JsonObject out;
  out.add("header", plain->header);
  Result<Json> claims = crypto::parse_json(plain->payload);
  if (claims && claims->object()) {
    out.add("claims", std::move(*claims));
  } else if (crypto::is_utf8(plain->payload)) {
    out.add("payload", plain->payload);
  } else {
    out.add("payload_base64url", crypto::base64url_encode(plain->payload));
  }
  return out.take();
}

Result<Json> verify_claims(std::string_view token, const KeySetPointer& keys, const VerifyOptions& options) {
  if (const auto good = check_algorithm(token, options); !good) return std::unexpected(good.error());
  auth::JwtOptions jwt;
  jwt.form = options.form;
  jwt.enabled = true;
  jwt.keys = keys;
  jwt.leeway_s = options.leeway_s;
  const auto verified = auth::verify_jwt(token, jwt, Now::read());
  if (!verified) return std::unexpected(verified.error());
  const Json& payload = (*verified)->payload;
  if (options.audience && !names_audience(payload, *options.audience)) {
    return refused_line(cat("it is not for audience '", printable(*options.audience, 60), "'"));
  }
  if (options.issuer && payload.string_at("iss") != std::string_view(*options.issuer)) {
    return refused_line(cat("it was not issued by '", printable(*options.issuer, 60), "'"));
  }
  JsonObject out;
  out.add("header", (*verified)->header).add("claims", payload);
  return out.take();
}

Result<Json> verify(std::string_view token, const KeySetPointer& keys, const VerifyOptions& options) {
  return options.no_claims ? verify_signature(token, keys, options) : verify_claims(token, keys, options);
}

// A set, or a single JWK for convenience.
KeySetPointer read_keys(const std::string& path) {
  Result<std::string> text = read_text(path);
  if (!text) {
    complain("token verify", text.error().detail);
    return nullptr;
  }
  const Result<Json> json =
      crypto::parse_json(*text, {.bytes_max = file_bytes_max, .depth_max = 8, .values_max = 65536});
  if (json && json->find("kty") && !json->find("keys")) *text = cat(R"({"keys":[)", *text, "]}");
  Diagnostics diagnostics;
  SourcePlace place;
  place.file = path;
  KeySetPointer keys = crypto::KeySet::parse(*text, place, diagnostics);
  wipe(*text);
  const std::string words = diagnostics.render_text();
  if (!words.empty()) say(std::string_view(words).substr(0, words.size() - 1));
  return keys;
}

Result<KeySetPointer> keys_of_line(const Json& line, const KeySetPointer& common) {
  const Json* jwk = line.find("jwk");
  if (!jwk && common) return common;
  if (!jwk || !jwk->object()) return refused_line("no jwk in this line");
  auto keys = std::make_shared<crypto::KeySet>();
  if (crypto::is_meant_for_encryption(*jwk)) {
    auto key = crypto::read_encryption_key(*jwk);
    if (!key) return refused_line(cat("the key is refused: ", key.error().detail));
    keys->decryption_keys.push_back(std::move(*key));
    return keys;
  }
  auto key = crypto::parse_jwk(jwk->write());
  if (!key) return refused_line(cat("the key is refused: ", key.error().detail));
  keys->keys.push_back(std::move(*key));
  return keys;
}

Result<void> verify_line(const LineReader::Line& line, const KeySetPointer& common, const VerifyOptions& options) {
  if (line.too_long) return refused_line("the line is too long");
  const Result<Json> json = crypto::parse_json(line.text, {.bytes_max = LineReader::line_bytes_max});
  if (!json) return refused_line(cat("the line is not acceptable JSON: ", json.error().detail));
  const std::string_view member = options.form == auth::TokenForm::jws ? "jws" : "jwe";
  const std::optional<std::string_view> token = json->string_at(member);
  if (!token) return refused_line(cat("no ", member, " in this line"));
  const Result<KeySetPointer> keys = keys_of_line(*json, common);
  if (!keys) return std::unexpected(keys.error());
  if (const auto good = verify(*token, *keys, options); !good) return std::unexpected(good.error());
  return {};
}

// One answer for each line, as soon as the line is there.
int run_batch(const KeySetPointer& common, const VerifyOptions& options) {
  LineReader lines;
  while (const std::optional<LineReader::Line> line = lines.next()) {
    const Result<void> good = verify_line(*line, common, options);
    JsonObject answer;
    answer.add("valid", good.has_value()).add("why", good ? std::string("verified") : good.error().detail);
    if (const int code = print(cat(answer.take().write(), "\n")); code != exit_ok) return code;
  }
  return exit_ok;
}

int run_one(const KeySetPointer& keys, const VerifyOptions& options) {
  const Result<std::string> token = read_token();
  if (!token) {
    complain("token verify", token.error().detail);
    return token.error().kind == ErrorKind::io ? exit_failure : exit_denied;
  }
  const Result<Json> answer = verify(*token, keys, options);
  if (answer) return print(pretty(*answer));
  complain("token verify", cat("refused: ", answer.error().detail));
  return exit_denied;
}

std::string check_options(VerifyOptions& options) {
  const std::optional<std::int64_t> leeway = parse_duration(options.leeway);
  if (!leeway || *leeway < 0) return cat("--leeway ", options.leeway, ": a time like 30s");
  options.leeway_s = *leeway;
  bool is_known = false;
  for (const auth::TokenForm form : {auth::TokenForm::jws, auth::TokenForm::jwe, auth::TokenForm::nested}) {
    if (options.type != auth::name_of(form)) continue;
    options.form = form;
    is_known = true;
  }
  if (!is_known) return cat("--type ", printable(options.type, 20), ": signed, encrypted or nested");
  for (const std::string& name : options.algorithms) {
    const bool is_signed = options.form == auth::TokenForm::jws;
    if (is_signed ? crypto::algorithm_named(name) == crypto::Algorithm::none
                  : crypto::key_management_named(name) == crypto::KeyManagement::none) {
      return cat("--alg ", printable(name, 20), ": no algorithm that Keepgate accepts has this name");
    }
  }
  if (options.no_claims && (options.audience || options.issuer))
    return "--no-claims looks at no claim: no --aud, no --iss";
  if (options.jwks_file == "-") return "--jwks -: standard input is for the token";
  if (options.jwks_file.empty() && !options.batch) return "--jwks FILE is missing";
  return {};
}

}  // namespace

int run_token_verify(int argc, char** argv) {
  VerifyOptions options;
  Arguments arguments(
      "token verify",
      "Verifies the token on standard input: prints its header and claims as JSON and exits 0, or says "
      "why not and exits 4.",
      {{"keepgate token verify --jwks jwks.json <token", ""},
       {"keepgate token verify --jwks jwks.json --alg ES256 --aud shop --iss https://login.example <token", ""},
       {"keepgate token verify --type nested --jwks keys.json <token", "encrypted, with a signed one inside"},
       {"keepgate token verify --no-claims --jwks jwks.json <any.jws", "the signature alone, any payload"},
       {"echo '{\"jws\":\"…\",\"jwk\":{…}}' | keepgate token verify --batch", "a line of JSON for each token"}});
  arguments.option("--jwks", "FILE", options.jwks_file, "key set (or one JWK) that verifies");
  arguments.option("--type", "FORM", options.type, "signed, encrypted or nested (default: signed)");
  arguments.options("--alg", "NAME", options.algorithms,
                    "accept these algorithms only; of an encrypted token those of the encryption");
  arguments.option("--aud", "NAME", options.audience, "the token has to be for this audience");
  arguments.option("--iss", "URL", options.issuer, "the token has to be from this issuer");
  arguments.option("--leeway", "TIME", options.leeway, "for exp and nbf (default: 0)");
  arguments.flag("--no-claims", options.no_claims, "check the signature (or the decryption) alone: any payload");
  arguments.flag(
      "--batch", options.batch,
      "read one JSON object {\"jws\": …, \"jwk\": …} a line (\"jwe\" with --type encrypted or nested), answer "
      "{\"valid\": …, \"why\": …} a line");
  if (const auto code = arguments.parse(argc, argv)) return *code;
  if (const std::string wrong = check_options(options); !wrong.empty()) return arguments.usage_error(wrong);

  KeySetPointer keys;
  if (!options.jwks_file.empty()) {
    keys = read_keys(options.jwks_file);
    if (!keys) return exit_failure;
  }
  return options.batch ? run_batch(keys, options) : run_one(keys, options);
}

}  // namespace keepgate::cli
