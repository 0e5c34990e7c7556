// Client: who may ask for tokens, what for, and how it proves itself (RFC 6749 §2, RFC 7591 §2 for the names).
//
// Made from the configuration or from a document in the store; both hold the same. Thread rule: immutable once shared.
// Safe zero: a client without grants may do nothing, one without a credential that is not public cannot prove itself.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/error.h"
#include "crypto/jwk.h"

namespace keepgate::oauth {

enum class Grant : std::uint8_t {
  client_credentials = 0,
  authorization_code,
  refresh_token,
  token_exchange,
  device_code,
  jwt_bearer,
};
inline constexpr std::size_t grant_count = 6;

struct GrantRow {
  Grant grant;
  std::string_view name;        // In the configuration.
  std::string_view grant_type;  // On the wire.
};
const std::array<GrantRow, grant_count>& grants();
const GrantRow* grant_named(std::string_view name);  // Either way of naming it; nullptr: unknown.
const GrantRow& row_of(Grant grant);

// Token exchange (design: token-exchange contract): whose tokens this client may exchange, for which audiences.
// Patterns: "user:*", "client:*", or an exact subject. Empty: none.
struct ExchangeRules {
  std::vector<std::string> subjects, audiences, actors;
  // Whom a subject token may be for, besides the server and the client itself. Empty: the client's own audiences.
  std::vector<std::string> accepts;
  bool impersonate = false;  // Without `act`. Off unless an operator says so.
  bool operator==(const ExchangeRules&) const = default;
};

using SecretHash = std::array<unsigned char, 32>;  // SHA-256 of a secret.

struct Client {
  static constexpr std::size_t id_bytes_max = 128;
  static constexpr std::size_t secrets_max = 4;  // Old and new ones, while a secret is replaced.

  std::string id;
  std::string name;  // For people; "": the id.
  bool is_public = false;
  std::vector<SecretHash> secrets;
  std::string keys_text;  // A JWK Set, of private_key_jwt.
  std::shared_ptr<const crypto::KeySet> keys;
  // tls_client_auth (RFC 8705 §2.1.2): what the verified certificate has to name. "": not this way.
  std::string tls_subject_dn, tls_san_dns, tls_san_uri;

  std::array<bool, grant_count> may_use{};
  std::vector<std::string> redirect_uris, post_logout_redirect_uris;
  std::vector<std::string> scopes;       // The most it may ask for.
  std::vector<std::string> audiences;    // Of its tokens; a lone one is the default.
  std::vector<std::string> introspects;  // Audiences whose tokens it may ask about; "*": all.
  ExchangeRules exchange;
  bool reads_revocations = false;            // A gateway or a guard.
  bool needs_pushed_requests = false;        // RFC 9126 §6
  bool binds_tokens = false;                 // RFC 9449 §5.2, RFC 8705 §3.4: without a proof or a certificate no token.
  bool skips_consent = false;                // The operator's own.
  bool makes_old_assertions = false;         // By RFC 7523 of 2015: for an endpoint, among others, for an hour.
  std::int64_t access_token_lifetime_s = 0;  // 0: as the server's.

  bool may(Grant grant) const { return may_use[static_cast<std::size_t>(grant)]; }
  bool is_confidential() const { return !is_public; }
  bool uses_certificate() const { return !tls_subject_dn.empty() || !tls_san_dns.empty() || !tls_san_uri.empty(); }
  std::string_view shown_name() const { return name.empty() ? std::string_view(id) : std::string_view(name); }
  std::string subject() const { return "client:" + id; }
};

// VSCHAR without spaces (RFC 6749 Appendix A.1), and no ':' at all: it goes into Basic credentials.
bool is_client_id(std::string_view text);
// RFC 6749 Appendix A.4.
bool is_scope_token(std::string_view text);
// Absolute, no fragment, no user name, http only to this machine or with a private-use scheme (RFC 8252 §7, RFC 9700
// §4.1.3). Says what is wrong with it; "" if nothing is.
std::string fault_of_redirect_uri(std::string_view text);
// Byte for byte; of http to 127.0.0.1 or [::1] the port may be another (RFC 8252 §7.3).
bool is_redirect_uri_of(const Client& client, std::string_view text);

// Everything that would make it useless or unsafe; "" if nothing does.
std::string fault_of(const Client& client);

// The document of the store: JSON with the names of RFC 7591 §2 where there are any.
std::string write_client(const Client& client);
Result<Client> read_client(std::string_view document);

// The client's secret as a person or a program keeps it: "kgs_" 43 characters, 6 of a checksum.
std::string make_client_secret();
SecretHash hash_of_secret(std::string_view secret);
std::string hash_text(const SecretHash& hash);  // "sha256:" and 64 hex digits.
std::optional<SecretHash> read_hash_text(std::string_view text);

// Origins of the redirect URIs of public clients, in lower case: pages from there may read answers (CORS).
using OriginSet = std::unordered_set<std::string>;
void add_origins(const Client& client, OriginSet& origins);

using ClientTable = std::unordered_map<std::string, std::shared_ptr<const Client>>;

}  // namespace keepgate::oauth
