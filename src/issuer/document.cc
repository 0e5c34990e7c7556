#include "issuer/document.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/diagnostics.h"
#include "crypto/json.h"
#include "fetch/url.h"

namespace keepgate::issuer {

namespace {

constexpr crypto::JsonLimits metadata_limits{.bytes_max = metadata_bytes_max, .depth_max = 16, .values_max = 8192};
constexpr std::int64_t lifetime_s_max = 366 * 86'400;

std::unexpected<Error> bad_document(std::string detail) {
  return fail(ErrorKind::malformed, Blame::upstream, "bad_issuer_document", std::move(detail));
}

}  // namespace

std::string trouble_with_url(std::string_view text, bool allow_plain) {
  std::string why;
  const auto url = fetch::Url::parse(text, why);
  if (!url) return why;
  if (!url->tls && !allow_plain) return "it is not https";
  return {};
}

// OpenID Connect Discovery §2, RFC 8414 §2: no query and no fragment.
std::string trouble_with_issuer(std::string_view issuer, bool allow_plain) {
  if (issuer.size() > issuer_bytes_max) return cat("it is longer than ", issuer_bytes_max, " bytes");
  if (std::string why = trouble_with_url(issuer, allow_plain); !why.empty()) return why;
  std::string why;
  return fetch::Url::parse(issuer, why)->query ? "an issuer has no query" : std::string();
}

std::vector<std::string> metadata_urls(std::string_view issuer) {
  std::string why;
  const auto url = fetch::Url::parse(issuer, why);
  KG_ASSERT(url);
  std::string_view path = url->path;
  if (path.ends_with('/')) path.remove_suffix(1);  // Both specifications: a terminating "/" is removed first.
  return {cat(url->origin(), path, "/.well-known/openid-configuration"),
          cat(url->origin(), "/.well-known/oauth-authorization-server", path)};
}

std::string describe_source(const auth::IssuerOptions& options) {
  if (!options.keys_file.empty()) return cat("keys from the file ", options.keys_file);
  if (!options.keys_url.empty()) return cat("keys from ", options.keys_url);
  const std::vector<std::string> urls = metadata_urls(options.issuer);
  return cat("keys by discovery, from ", urls[0], " or ", urls[1]);
}

Result<std::string> keys_url_of(std::string_view metadata, const auth::IssuerOptions& options) {
  const Result<crypto::Json> document = crypto::parse_json(metadata, metadata_limits);
  if (!document || document->object() == nullptr) {
    return bad_document(cat("the metadata is no JSON object", document ? "" : ": ",
                            document ? std::string_view() : std::string_view(document.error().detail)));
  }
  const auto issuer = document->string_at("issuer");
  if (!issuer || *issuer != options.issuer) {
    return bad_document(cat("the metadata is of the issuer '", printable(issuer.value_or(""), 200), "'"));
  }
  const auto keys_url = document->string_at("jwks_uri");
  if (!keys_url) return bad_document("the metadata has no jwks_uri");
  if (const std::string why = trouble_with_url(*keys_url, options.allow_plain); !why.empty()) {
    return bad_document(cat("its jwks_uri cannot be fetched: ", why));
  }
  return std::string(*keys_url);
}

Result<std::shared_ptr<const crypto::KeySet>> keys_of(std::string_view document, const std::string& url,
                                                      std::vector<std::string>& remarks) {
  SourcePlace place;
  place.file = url;
  Diagnostics diagnostics;
  const auto set = crypto::KeySet::parse(document, place, diagnostics);
  std::string why = "the key set cannot be used";
  for (const Diagnostic& one : diagnostics.all()) {
    if (one.severity == Severity::error) why = one.message;
    if (one.severity == Severity::warning) remarks.push_back(one.message);
  }
  if (!set) return bad_document(std::move(why));
  auto kept = std::make_shared<crypto::KeySet>();
  for (const auto& key : set->keys) {
    if (key->secret().empty()) {
      kept->keys.push_back(key);
    } else {
      remarks.push_back(
          cat("key '", printable(key->id(), 60), "' is passed over: a published secret verifies nothing"));
    }
  }
  if (kept->keys.empty()) return bad_document("the key set has no public key for signatures");
  return kept;
}

std::optional<std::int64_t> lifetime_s(std::string_view cache_control, std::string_view age) {
  std::optional<std::int64_t> out;
  while (!cache_control.empty()) {
    const std::size_t comma = cache_control.find(',');
    const std::string directive = to_lower(trim(cache_control.substr(0, comma)));
    cache_control.remove_prefix(comma == std::string_view::npos ? cache_control.size() : comma + 1);
    if (directive == "no-store" || directive == "no-cache" || directive.starts_with("no-cache=")) return 0;
    if (!directive.starts_with("max-age=")) continue;
    std::string_view value = std::string_view(directive).substr(8);
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
    const auto seconds = parse_unsigned<std::uint64_t>(value);
    // §1.2.2: what is too large is as large as can be; two values: the shorter one.
    const bool all_digits = !value.empty() && std::ranges::all_of(value, is_digit);
    if (!seconds && !all_digits) return 0;
    const auto stated =
        static_cast<std::int64_t>(std::min<std::uint64_t>(seconds.value_or(lifetime_s_max), lifetime_s_max));
    out = out ? std::min(*out, stated) : stated;
  }
  if (!out) return std::nullopt;
  const auto spent = parse_unsigned<std::uint64_t>(trim(age));
  if (!spent) return out;
  return *spent >= static_cast<std::uint64_t>(*out) ? 0 : *out - static_cast<std::int64_t>(*spent);
}

}  // namespace keepgate::issuer
