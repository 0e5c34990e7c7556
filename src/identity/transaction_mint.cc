// mint of transaction_token.h.
#include <algorithm>

#include "auth/claims.h"
#include "base/bytes.h"
#include "crypto/random.h"
#include "identity/transaction_token.h"

namespace keepgate::identity {

namespace {

constexpr std::string_view own_members[] = {"method",
                                            "path",
                                            "service",
                                            "client_id",
                                            "client_service",
                                            "customer",
                                            "roles",
                                            "scopes",
                                            auth::carried_grant_id,
                                            auth::carried_grant_issuer};

std::unexpected<Error> misconfigured(std::string detail) {
  return fail(ErrorKind::configuration, Blame::configuration, "cannot_mint", std::move(detail));
}
std::unexpected<Error> refused(std::string detail) {
  return fail(ErrorKind::refused, Blame::client, "cannot_mint", std::move(detail));
}

Result<void> check_options(const TransactionOptions& options) {
  if (options.signing_key == nullptr || !options.signing_key->is_private()) return misconfigured("no signing key");
  if (!auth::is_identity_text(options.trust_domain)) return misconfigured("no sound trust domain");
  if (!auth::is_identity_text(options.workload)) return misconfigured("no sound name for this workload");
  if (options.ttl_s < 1 || options.ttl_s > lifetime_s_max) return misconfigured("ttl is out of bounds");
  return {};
}

// A claim of the location must not pass for one of ours, nor two of them for each other.
Result<void> check_extra(const std::vector<std::pair<std::string, std::string>>& extra) {
  for (auto one = extra.begin(); one != extra.end(); ++one) {
    const auto same_name = [&](const auto& other) { return other.first == one->first; };
    if (one->first.empty() ||
        std::find(std::begin(own_members), std::end(own_members), one->first) != std::end(own_members)) {
      return misconfigured(cat("the claim '", printable(one->first, 60), "' cannot be set"));
    }
    if (std::any_of(extra.begin(), one, same_name)) {
      return misconfigured(cat("the claim '", printable(one->first, 60), "' is set twice"));
    }
  }
  return {};
}

// What the guard would not take back is not sent out.
Result<void> check_principal(const auth::Principal* principal) {
  if (principal == nullptr || !principal->identified()) return refused("nobody to mint for");
  for (const std::string* name : {&principal->client, &principal->service, &principal->user}) {
    if (!name->empty() && !auth::is_identity_text(*name)) return refused("the principal has no sound name");
  }
  return {};
}

// Writes one JSON object, member by member, into a string of the caller. Refusing text that is not UTF-8 is the
// caller's next step: `sound()` says whether all of it was.
class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  void open(std::string_view name = {}) {
    if (!name.empty()) key(name);
    out_.push_back('{');
  }
  void close() { out_.push_back('}'); }
  void number(std::string_view name, std::int64_t value) {
    key(name);
    append(out_, value);
  }
  template <typename... Pieces>
  void text(std::string_view name, const Pieces&... pieces) {
    key(name);
    out_.push_back('"');
    (escaped(pieces), ...);
    out_.push_back('"');
  }
  void text_if_any(std::string_view name, std::string_view value) {
    if (!value.empty()) text(name, value);
  }
  void texts(std::string_view name, const std::vector<std::string>& values) {
    key(name);
    out_.push_back('[');
    for (const std::string& value : values) {
      out_ += &value == values.data() ? "\"" : ",\"";
      escaped(value);
      out_.push_back('"');
    }
    out_.push_back(']');
  }
  bool sound() const { return sound_; }

 private:
  void key(std::string_view name) {
    if (out_.back() != '{') out_.push_back(',');
    out_.push_back('"');
    escaped(name);
    out_ += "\":";
  }
  void escaped(std::string_view value) {
    sound_ = sound_ && crypto::is_utf8(value);
    append_json_escaped(out_, value);
  }

  std::string& out_;
  bool sound_ = true;
};

void write_subject(Writer& json, const auth::Principal& principal) {
  if (!principal.user.empty()) return json.text("sub", "user:", principal.user);
  if (!principal.client.empty()) return json.text("sub", "client:", principal.client);
  json.text("sub", "service:", principal.service);
}

void write_scope(Writer& json, const MintInput& input) {
  std::string scope;
  for (const std::string& one : input.principal->scopes) append(scope, scope.empty() ? "" : " ", one);
  if (scope.empty()) scope = to_lower(cat(input.request.service, ':', input.request.method));
  json.text("scope", scope);
}

// What no list of revocations could name is left out: a client's token shall not make ours too long.
void write_grant(Writer& json, const auth::Grant& grant) {
  constexpr std::size_t bytes_max = auth::RevocationList::value_bytes_max;
  if (grant.id.empty() || grant.id.size() > bytes_max) return;
  json.text(auth::carried_grant_id, grant.id);
  if (grant.issuer.size() <= bytes_max) json.text_if_any(auth::carried_grant_issuer, grant.issuer);
}

void write_context(Writer& json, const MintInput& input) {
  const auth::Principal& principal = *input.principal;
  json.open("tctx");
  json.text("method", input.request.method);
  json.text("path", input.request.path);
  json.text("service", input.request.service);
  json.text_if_any("client_id", principal.client);
  json.text_if_any("client_service", principal.service);
  json.text_if_any("customer", principal.user);
  if (!principal.roles.empty()) json.texts("roles", principal.roles);
  // Then `scope` is the purpose, and must not be taken for a scope that the principal holds.
  if (principal.scopes.empty()) json.texts("scopes", {});
  write_grant(json, input.grant);
  for (const auto& [name, value] : input.extra) json.text(name, value);
  json.close();
  json.open("rctx");
  json.text("req_ip", input.peer_address);
  json.text("authn", name_of(principal.method));
  json.text("transport", input.transport);
  json.close();
}

}  // namespace

Result<Minted> mint(const MintInput& input, const TransactionOptions& options) {
  if (Result<void> done = check_options(options); !done) return std::unexpected(done.error());
  if (Result<void> done = check_extra(input.extra); !done) return std::unexpected(done.error());
  if (Result<void> done = check_principal(input.principal); !done) return std::unexpected(done.error());

  std::string payload;
  payload.reserve(768);
  Writer json(payload);
  Minted minted;
  minted.txn = crypto::random_id();
  json.open();
  json.number("iat", input.now.wall_s());
  json.number("exp", input.now.wall_s() + options.ttl_s);
  json.text("aud", options.trust_domain);
  json.text("txn", minted.txn);
  write_subject(json, *input.principal);
  write_scope(json, input);
  json.text("req_wl", options.workload);
  write_context(json, input);
  json.close();
  if (!json.sound()) return refused("the request holds text that is not UTF-8");

  std::string header;
  Writer head(header);
  head.open();
  head.text("alg", name_of(options.signing_key->algorithm()));
  head.text_if_any("kid", options.signing_key->id());
  head.text("typ", transaction_token_type);
  head.close();
  Result<std::string> token = crypto::sign_jws(header, payload, *options.signing_key);
  if (!token) return std::unexpected(std::move(token.error()));
  if (token->size() > crypto::token_bytes_max) return refused("the token would be longer than 16 KiB");
  minted.token = std::move(*token);
  return minted;
}

}  // namespace keepgate::identity
