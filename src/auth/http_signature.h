// HTTP Message Signatures (RFC 9421) as a client credential: a request that was signed by a key we know.
//
// One signature of a request is verified; what it has to cover, how old it may be and whose key may make it is the
// location's. Each key has exactly one algorithm. Thread rule: pure functions over immutable keys and options.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/signature_base.h"
#include "base/clock.h"
#include "base/error.h"
#include "crypto/jwk.h"
#include "http/structured_field.h"

namespace keepgate::auth {

inline constexpr std::size_t signatures_max = 8;  // Of a request.
inline constexpr std::string_view signature_error = "invalid_signature";

struct SignatureOptions {
  std::shared_ptr<const crypto::KeySet> keys;  // nullptr: unusable, 503.
  std::vector<std::string> components;         // What has to be covered, each in its one spelling with quotes.
  bool covers_body = true;                     // content-digest as well, where the request has a body.
  std::int64_t max_age_s = 300;                // Since `created`, which is required.
  std::int64_t leeway_s = 5;
  bool once = false;       // A nonce is required, and each passes once for its key.
  std::string label, tag;  // "": any.
  std::string realm;
};

// A signature that has held.
struct VerifiedSignature {
  std::string key_id;
  std::string nonce;           // "": none.
  std::int64_t expires_s = 0;  // From then on it would be refused for its age.
  std::string content_digest;  // The field, where it is covered: the body is still to be compared with it.
};

// "rsa-pss-sha512" for PS512; "" where RFC 9421 §3.3 has no such algorithm.
std::string_view signature_algorithm(const crypto::Key& key);

bool has_body(const http::RequestHead& head);

// The components that a location demands, as a directive writes them: `@method,@query-param;name="x",date`. On failure
// the detail says which.
Result<std::vector<std::string>> parse_components(std::string_view text);

// Is there a signature at all? Half of one is one.
bool is_signed(const http::RequestHead& head);

// The whole of RFC 9421 §3.2 but the body. Error::detail is for the logs.
Result<VerifiedSignature> verify_signature(const SignedRequest& request, const SignatureOptions& options, Now now);

}  // namespace keepgate::auth
