// Content-Digest (RFC 9530): whether the body is the one that was signed.
//
// The body is read and hashed outside (a need of kind body_digest); here the field is judged. Thread rule: pure
// functions and plain values.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "auth/need.h"
#include "base/error.h"

namespace keepgate::auth {

// The answer: digests of the whole body as it was sent, in bytes.
struct BodyDigests final : AnswerValue {
  std::string sha256, sha512;
};

// Can it be verified at all: is there sha-256 or sha-512, and is it of the right size? Asked before a body is read.
Result<void> check_content_digest(std::string_view field);
// Every digest of a kind that we know agrees, and there is one. Kinds that nobody should use (md5, sha, …) do not
// count.
Result<void> verify_content_digest(std::string_view field, const BodyDigests& body);

}  // namespace keepgate::auth
