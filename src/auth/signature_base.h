// The signature base of HTTP Message Signatures (RFC 9421 §2): what exactly a signature covers, built from a request.
//
// Derived components of requests, fields whole, byte by byte (`;bs`), by key (`;key`) and, where we know that they are
// dictionaries, in their one spelling (`;sf`). Refused by name: `;req` (answers only), `;tr` (trailers are not here yet
// when it is decided), `@status`, `;sf` of other fields. Thread rule: pure functions. Bounds: components_max.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "http/head.h"
#include "http/structured_field.h"

namespace keepgate::auth {

inline constexpr std::size_t components_max = 64;

struct SignedRequest {
  const http::RequestHead& head;
  bool tls = false;  // As the client sees us.
};

// The value of one component. Failures: it is not there, there more than once, or of no kind that is known.
Result<std::string> component_value(const http::StructuredItem& component, const SignedRequest& request);

// `input`: a member of Signature-Input. Refused when it is no list of strings, or names a component twice.
Result<std::string> signature_base(const http::StructuredMember& input, const SignedRequest& request);

// All lines of a field, joined by ", " (RFC 9110 §5.3). false: there are none.
bool joined_field(const http::RequestHead& head, std::string_view name, std::string& out);

// Host and port in lower case, without the port that the scheme has anyway (RFC 9421 §2.2.3).
std::string normal_authority(std::string_view authority, bool tls);

}  // namespace keepgate::auth
