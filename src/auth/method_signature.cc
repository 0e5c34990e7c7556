// auth_http_signature: a request that the client's key has signed (RFC 9421), and the body with it (RFC 9530).
#include "auth/challenge.h"
#include "auth/content_digest.h"
#include "auth/http_signature.h"
#include "auth/methods.h"
#include "base/bytes.h"
#include "crypto/digest.h"
#include "crypto/running_digest.h"

namespace keepgate::auth {

namespace {

constexpr std::string_view body_key = "body";

// Nothing to say, or what comes of it. Only a client whose signature has held makes us read its body.
std::optional<AuthResult> check_body(const AuthInput& input, const std::string& digest) {
  if (const auto readable = check_content_digest(digest); !readable) {
    return AuthResult::is_bad(readable.error().detail, signature_error);
  }
  BodyDigests empty;
  const BodyDigests* body = nullptr;
  if (!has_body(input.head)) {
    empty.sha256 = crypto::digest_of("", crypto::DigestKind::sha256);
    empty.sha512 = crypto::digest_of("", crypto::DigestKind::sha512);
    body = &empty;
  } else {
    const Answer* answer = input.answers ? input.answers->find(NeedKind::body_digest, body_key) : nullptr;
    if (answer == nullptr) return AuthResult::needs({NeedKind::body_digest, std::string(body_key), nullptr});
    body = dynamic_cast<const BodyDigests*>(answer->value.get());
    if (!answer->is_good || body == nullptr) {
      return AuthResult::is_unavailable(cat("the body cannot be compared with what was signed: ", answer->reason),
                                        "body_unavailable");
    }
  }
  const auto verified = verify_content_digest(digest, *body);
  if (!verified) return AuthResult::is_bad(verified.error().detail, signature_error);
  return std::nullopt;
}

}  // namespace

AuthResult authenticate_by_signature(const AuthInput& input) {
  const SignatureOptions& options = *input.options.signature;
  if (!options.keys) return AuthResult::is_unavailable("the keys of signatures of this location cannot be used");
  if (!is_signed(input.head)) return AuthResult::is_not_mine();
  if (input.share != nullptr && !input.share->take()) return AuthResult::needs({NeedKind::turn, {}, nullptr});
  const SignedRequest request{input.head, input.options.dpop_over_tls.value_or(input.channel.tls)};
  const auto verified = verify_signature(request, options, input.now);
  if (!verified) return AuthResult::is_bad(verified.error().detail, signature_error);
  if (!verified->content_digest.empty()) {
    if (auto other = check_body(input, verified->content_digest)) return std::move(*other);
  }
  auto principal = std::make_shared<Principal>();
  principal->method = AuthMethod::signature;
  principal->client = verified->key_id;
  AuthResult out = AuthResult::is_good(std::move(principal));
  if (options.once) {
    // A name of a key has no line break: no two of these are one.
    out.signature = {cat(verified->key_id, '\n', crypto::sha256_hex(verified->nonce)), verified->expires_s};
  }
  return out;
}

std::string challenge_for_signature(const AuthInput& input, std::string_view error) {
  std::string names;
  for (const std::string& one : input.options.signature->components) append(names, names.empty() ? "" : " ", one);
  return cat(challenge("Signature", input.options.signature->realm, error), ", components=", quoted(names));
}

std::string describe_signature(const AuthOptions& options) {
  const std::size_t keys = options.signature->keys ? options.signature->keys->keys.size() : 0;
  return cat("a signed request (auth_http_signature, ", keys, keys == 1 ? " key)" : " keys)");
}

}  // namespace keepgate::auth
