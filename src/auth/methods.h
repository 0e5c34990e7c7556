// The authentication methods, as a table: to see what credentials there are, read methods.cc.
//
// A method is a pure function of an AuthInput: *not mine*, *good* or *bad*, or what it needs to know first. It never
// sees the response, and what it is handed beside the request is memory (caches, shares), no I/O. To add one: its
// options in options.h, its file method_NAME.cc, its row in methods.cc. Thread rule: called on the request's worker.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "auth/options.h"
#include "auth/result.h"
#include "base/arena.h"
#include "base/clock.h"
#include "crypto/certificate.h"
#include "http/head.h"
#include "route/template.h"

namespace keepgate::auth {

class Revocations;
class VerifiedPasswords;

// What is known of the connection that a request came over.
struct Channel {
  std::string_view address;  // Of the client (real_ip applied): 4 or 16 bytes; empty: a Unix socket.
  bool tls = false;
  // What the client showed in the TLS handshake with this server, verified or not; nullptr: nothing.
  const crypto::PresentedCertificate* certificate = nullptr;
};

struct AuthInput {
  const AuthOptions& options;
  const http::RequestHead& head;
  Channel channel;
  route::VariableSource& variables;
  Arena& arena;
  Now now;
  const Answers* answers = nullptr;          // Absent (explain): nothing was answered.
  TokenCache* token_cache = nullptr;         // May be absent: slower, same answer.
  TurnShare* share = nullptr;                // Absent: costly checks are not shared out.
  std::string_view method;                   // The method as decided on.
  VerifiedPasswords* passwords = nullptr;    // May be absent: slower, same answer.
  const Revocations* revocations = nullptr;  // Absent: nothing is revoked.
};

struct Method {
  AuthMethod name = AuthMethod::none;
  bool (*is_asked_for)(const AuthOptions& options) = nullptr;
  AuthResult (*authenticate)(const AuthInput& input) = nullptr;
  // One WWW-Authenticate value; `error` is empty when no credential was there (RFC 6750 §3). nullptr: this method has
  // no challenge, and its absence alone refuses nobody.
  std::string (*challenge)(const AuthInput& input, std::string_view error) = nullptr;
  // For explain and check: "a JWT (auth_jwt, 2 keys)".
  std::string (*describe)(const AuthOptions& options) = nullptr;
  // What it checks with cannot be used: every request is answered 503. nullptr: that cannot happen.
  bool (*is_unusable)(const AuthOptions& options) = nullptr;
  // Not asked of this request, by what variables say. nullptr: that cannot happen.
  bool (*is_waived)(const AuthInput& input) = nullptr;
  bool names_workloads = false;  // Principal::service may come from it.
};

// In the order in which they are asked.
std::span<const Method> methods();

// Does the location ask for any credential at all?
bool asks_for_credential(const AuthOptions& options);

// ---- one function a method: method_NAME.cc

AuthResult authenticate_by_client_certificate(const AuthInput& input);
std::string challenge_for_client_certificate(const AuthInput& input, std::string_view error);
AuthResult authenticate_by_api_key(const AuthInput& input);
std::string challenge_for_api_key(const AuthInput& input, std::string_view error);
std::string describe_api_key(const AuthOptions& options);
bool is_api_key_unusable(const AuthOptions& options);
AuthResult authenticate_by_basic(const AuthInput& input);
std::string challenge_for_basic(const AuthInput& input, std::string_view error);
std::string describe_basic(const AuthOptions& options);
bool is_basic_unusable(const AuthOptions& options);
bool is_basic_waived(const AuthInput& input);
// Where the location's tokens come from: a variable (then without a scheme) or Authorization.
Result<TokenCredential> presented_token(const AuthInput& input);
AuthResult authenticate_by_jwt(const AuthInput& input);
std::string challenge_for_jwt(const AuthInput& input, std::string_view error);
std::string describe_jwt(const AuthOptions& options);
// RFC 7662. Where auth_jwt is asked for as well, the form of the token decides: see method_introspect.cc.
AuthResult authenticate_by_introspection(const AuthInput& input);
std::string describe_introspection(const AuthOptions& options);
// The realm of what is said to holders of tokens.
std::string_view token_realm(const AuthInput& input);
// RFC 9421.
AuthResult authenticate_by_signature(const AuthInput& input);
std::string challenge_for_signature(const AuthInput& input, std::string_view error);
std::string describe_signature(const AuthOptions& options);
AuthResult authenticate_by_variable(const AuthInput& input);

}  // namespace keepgate::auth
