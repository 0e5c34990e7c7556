// Request, Answer and Failure: what an endpoint gets, gives, and refuses with. No sockets here.
//
// Thread rule: plain values. Lifetime: the views of a Request live as long as the exchange it was made from.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "http/head.h"
#include "oauth/params.h"

namespace keepgate::crypto {
struct PresentedCertificate;
}

namespace keepgate::oauth {

struct Request {
  http::Method method = http::Method::other;
  std::string_view path;  // Decoded, behind the prefix of the issuer: "/token".
  Params query, form;     // `form`: of a body in application/x-www-form-urlencoded.
  std::string_view authorization;
  bool has_two_authorizations = false;
  std::string_view cookie;                    // All Cookie fields, joined by "; ".
  std::vector<std::string_view> dpop_proofs;  // Values of DPoP fields.
  std::string_view origin, accept, user_agent;
  std::string client_address;  // Text of the IP address, real_ip considered.
  bool tls = false;
  std::string_view authority;                                 // Host, with its port if it has one.
  const crypto::PresentedCertificate* certificate = nullptr;  // nullptr: none was shown.
  Now now;
};

struct Answer {
  std::uint16_t status = 200;
  std::string_view content_type;  // A literal; "": no body.
  std::string body;
  std::string location;  // Of a redirect.
  std::string fields;    // Further fields, whole lines with CRLF.
};

// A refusal of an endpoint, in the words of RFC 6749 §5.2 and its relatives. The description is for developers and
// never tells more than the caller knows.
struct Failure {
  std::uint16_t status = 400;
  std::string_view error = "server_error";  // A literal.
  std::string description;
  std::string fields;  // As of an Answer.
};

template <typename T>
using Checked = std::expected<T, Failure>;

std::unexpected<Failure> refuse(std::string_view error, std::string description);
std::unexpected<Failure> refuse(std::uint16_t status, std::string_view error, std::string description);
// The store cannot be asked: 503 with Retry-After, never an error that blames the client. RFC 6749 §4.1.2.1 has the
// name.
std::unexpected<Failure> unavailable();

// JSON with Cache-Control: no-store (RFC 6749 §5.1, §5.2).
Answer json_answer(std::string body, std::uint16_t status = 200);
Answer answer_of(const Failure& failure);

}  // namespace keepgate::oauth
