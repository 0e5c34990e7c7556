// Settings: what the configuration says about the authorization server, compiled (directive authorization_server).
//
// Thread rule: immutable once in a Snapshot. Times are seconds.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/jwk.h"
#include "oauth/client.h"
#include "oauth/user.h"

namespace keepgate::oauth {

// What tokens may be for. With at least one of these named, there are no others.
struct Resource {
  std::string name;                 // `aud`
  std::vector<std::string> scopes;  // Empty: any that the client may have.
};

// Somebody else whose signed statements are believed as subject tokens and assertions (RFC 7523, RFC 8693).
struct TrustedIssuer {
  std::string issuer;
  std::shared_ptr<const crypto::KeySet> keys;
  std::string subject_kind;  // "user": its `sub` NAME is our "user:NAME".
};

struct Settings {
  std::string issuer;       // An URL without a slash at its end.
  std::string issuer_path;  // Of it: "" or "/as".
  std::string authority;    // Of it: "as.example:9100".
  bool issuer_is_tls = false;
  std::string title;         // What the pages call this server.
  std::string trust_domain;  // "": no transaction tokens.

  std::int64_t access_token_lifetime_s = 600;
  std::int64_t id_token_lifetime_s = 600;
  std::int64_t refresh_token_lifetime_s = 30 * 86'400;  // Each one, unused.
  std::int64_t grant_lifetime_s = 365 * 86'400;         // A family of them, however often it is refreshed.
  std::int64_t refresh_token_grace_s = 0;               // RFC 9700 §4.14.2: the same successor once more, so long.
  std::int64_t authorization_code_lifetime_s = 60;
  std::int64_t pushed_request_lifetime_s = 60;
  std::int64_t device_code_lifetime_s = 600;
  std::int64_t transaction_token_lifetime_s = 30;
  std::int64_t session_lifetime_s = 12 * 3600, session_idle_s = 2 * 3600;
  crypto::Algorithm signing_algorithm = crypto::Algorithm::es256;
  std::int64_t key_rotation_s = 30 * 86'400;
  bool dpop_nonces = true;
  std::shared_ptr<const crypto::Key> transaction_key;  // nullptr: the server's own keys.

  ClientTable clients;
  OriginSet origins;  // Of these clients.
  UserTable users;
  std::vector<Resource> resources;
  std::map<std::string, std::string, std::less<>> scope_texts;  // What a scope allows, in words for people.
  std::vector<TrustedIssuer> trusted_issuers;

  std::string url(std::string_view path) const { return issuer + std::string(path); }
};

}  // namespace keepgate::oauth
