#include "auth/introspection.h"

#include <cstring>

#include <algorithm>
#include <atomic>

#include "auth/claims.h"
#include "auth/token_kind.h"
#include "base/bytes.h"
#include "crypto/base64url.h"

namespace keepgate::auth {

namespace {

using crypto::Json;

constexpr std::string_view answer_type = "application/json";
constexpr std::string_view signed_answer_type = "application/token-introspection+jwt";

std::unexpected<Error> no_answer(std::string detail) {
  return fail(ErrorKind::malformed, Blame::upstream, "bad_introspection", std::move(detail));
}

bool same_text(const std::shared_ptr<const std::string>& a, const std::shared_ptr<const std::string>& b) {
  return a == b || (a && b && *a == *b);
}

std::uint64_t next_number() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

// RFC 7662 §2.2 takes token_type from RFC 6749 §5.1: it is that of access tokens. A token that has to be sent with a
// proof of its key and is bound to none could be used by whoever stole it.
Result<void> check_token_type(const VerifiedToken& token) {
  const Json* type = token.payload.find("token_type");
  if (type == nullptr || type->is_null()) return {};
  if (type->string() == nullptr) return bad_token("claim 'token_type' is not a string");
  if (equals_ignoring_case(*type->string(), "Bearer")) return {};
  if (!equals_ignoring_case(*type->string(), "DPoP")) return bad_token("claim 'token_type' is neither Bearer nor DPoP");
  return token.bound_key.empty() ? Result<void>(bad_token("a DPoP token that is bound to no key")) : Result<void>();
}

}  // namespace

bool EndpointOptions::same_as(const EndpointOptions& other) const {
  return url == other.url && client_id == other.client_id && same_text(client_secret, other.client_secret) &&
         allow_private == other.allow_private && allow_plain == other.allow_plain &&
         same_text(authorities, other.authorities) && timeout_ms == other.timeout_ms;
}

IntrospectionEndpoint::IntrospectionEndpoint(EndpointOptions options)
    : options_(std::move(options)), number_(next_number()) {}

IntrospectionNeed::IntrospectionNeed(std::shared_ptr<const IntrospectionEndpoint> its_endpoint,
                                     std::string_view its_token, std::int64_t its_cache_ms)
    : endpoint(std::move(its_endpoint)), token(its_token), cache_ms(its_cache_ms) {}

IntrospectionNeed::~IntrospectionNeed() { ::explicit_bzero(token.data(), token.size()); }

Result<std::shared_ptr<const IntrospectionAnswer>> read_introspection(std::string_view content_type,
                                                                      std::string_view body) {
  const std::string_view type = trim(content_type.substr(0, content_type.find(';')));
  if (equals_ignoring_case(type, signed_answer_type)) {
    return no_answer("a signed answer (RFC 9701) was not asked for and is not understood");
  }
  if (!equals_ignoring_case(type, answer_type)) {
    return no_answer(cat("its answer is of type '", printable(type, 60), "', not application/json"));
  }
  const Result<Json> document = crypto::parse_json(body, answer_limits);
  if (!document) return no_answer(cat("its answer is not acceptable JSON: ", document.error().detail));
  if (document->object() == nullptr) return no_answer("its answer is no JSON object");
  // §2.2: REQUIRED, a boolean. A text "true" or a number is somebody's mistake, and a mistake lets nobody in.
  const Json* active = document->find("active");
  if (active == nullptr) return no_answer("its answer has no member 'active'");
  if (active->boolean() == nullptr) return no_answer("member 'active' of its answer is no boolean");
  auto answer = std::make_shared<IntrospectionAnswer>();
  if (!*active->boolean()) return answer;
  answer->is_active = true;
  answer->text = body;
  // One that cannot be read is refused when it is judged; until then it only bounds how long this is remembered.
  const auto expires = numeric_date(*document, "exp");
  if (expires && *expires) answer->expires_s = std::max<std::int64_t>(**expires, 1);
  if (!expires) answer->expires_s = 1;
  return answer;
}

Result<std::shared_ptr<const VerifiedToken>> verify_introspected(std::string_view token,
                                                                 const IntrospectionAnswer& answer,
                                                                 const IntrospectionOptions& options, Now now) {
  if (!answer.is_active) return bad_token("not active");
  Result<Json> payload = crypto::parse_json(answer.text, answer_limits);
  if (!payload || payload->object() == nullptr) return bad_token("the answer about the token is no JSON object");
  auto verified = std::make_shared<VerifiedToken>();
  verified->payload = std::move(*payload);
  const Result<void> read = read_claims(*verified, options.leeway_s, options.claims, AuthMethod::introspection, now);
  if (!read) return std::unexpected(read.error());
  if (!options.issuer.empty() && verified->payload.string_at("iss") != options.issuer) {
    return bad_token("the token is of another issuer, or of none");
  }
  if (!options.audiences.empty() && !is_for_one_of(verified->payload.find("aud"), options.audiences)) {
    return bad_token("the token is for another audience, or for none");
  }
  if (Result<void> done = check_claims_of_access_token(verified->payload); !done) return std::unexpected(done.error());
  if (Result<void> done = check_token_type(*verified); !done) return std::unexpected(done.error());
  verified->payload_text = answer.text;
  verified->token_hash = short_hash(token);
  return verified;
}

bool looks_like_jwt(std::string_view token) {
  const auto dots = std::ranges::count(token, '.');
  if (dots != 2 && dots != 4) return false;
  if (token.size() > crypto::token_bytes_max) return true;  // auth_jwt refuses it; nobody is asked about it.
  const std::optional<std::string> text = crypto::base64url_decode(token.substr(0, token.find('.')));
  if (!text) return false;
  const Result<Json> header = crypto::parse_json(*text, payload_limits);
  return header && header->find("alg") != nullptr;
}

}  // namespace keepgate::auth
