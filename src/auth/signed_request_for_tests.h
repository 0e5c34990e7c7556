// Requests and their signatures for the tests of HTTP message signatures. Not part of the program.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>

#include "auth/http_signature.h"
#include "base/bytes.h"
#include "crypto/base64.h"
#include "crypto/signature.h"
#include "crypto/test_keys.h"
#include "http/h1_parser.h"

namespace keepgate::auth::test {

struct ParsedRequest {
  explicit ParsedRequest(std::string its_text, bool tls = false) : text(std::move(its_text)), is_tls(tls) {
    EXPECT_EQ(parser.parse(text), http::ParseStatus::complete) << text;
  }
  SignedRequest signed_request() const { return {parser.head(), is_tls}; }
  std::string text;
  bool is_tls;
  http::RequestParser parser{{.line_bytes_max = 20'000}};
};

// The member of Signature-Input with these components and parameters.
inline http::StructuredMember input_of(std::string_view value) {
  auto parsed = http::parse_dictionary(cat("sig=", value));
  EXPECT_TRUE(parsed && parsed->size() == 1) << value;
  return parsed ? std::move(parsed->front()) : http::StructuredMember();
}

// Both fields of a signature over `lines`, the request line and the fields without them.
inline std::string signature_fields(std::string_view lines, std::string_view input, const crypto::Key& key,
                                    std::string_view label = "sig", bool tls = false) {
  const ParsedRequest request(cat(lines, "\r\n"), tls);
  const auto base = signature_base(input_of(input), request.signed_request());
  EXPECT_TRUE(base) << (base ? std::string() : base.error().detail);
  const auto signature = crypto::make_signature(key, base.value_or(""));
  EXPECT_TRUE(signature);
  return cat("Signature-Input: ", label, "=", input, "\r\nSignature: ", label,
             "=:", crypto::base64_encode(signature.value_or("")), ":\r\n");
}

}  // namespace keepgate::auth::test
