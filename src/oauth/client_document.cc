// write_client and read_client of client.h: the document in the store.
#include <algorithm>

#include "base/bytes.h"
#include "crypto/json.h"
#include "oauth/client.h"

namespace keepgate::oauth {

namespace {

using crypto::Json;

constexpr crypto::JsonLimits document_limits{.bytes_max = 256 * 1024, .depth_max = 8, .values_max = 8192};

std::unexpected<Error> bad_client(std::string why) {
  return fail(ErrorKind::malformed, Blame::configuration, "bad_client", std::move(why));
}

Json json_of(const std::vector<std::string>& texts) {
  Json::Array out;
  for (const std::string& one : texts) out.emplace_back(one);
  return Json(std::move(out));
}

class ClientWriter {
 public:
  void text(const char* name, const std::string& value) {
    if (!value.empty()) members_.emplace_back(name, Json(value));
  }
  void list(const char* name, const std::vector<std::string>& values) {
    if (!values.empty()) members_.emplace_back(name, json_of(values));
  }
  void flag(const char* name, bool value) {
    if (value) members_.emplace_back(name, Json(true));
  }
  void number(const char* name, std::int64_t value) {
    if (value != 0) members_.emplace_back(name, Json(value));
  }
  std::string write() { return Json(std::move(members_)).write(); }

 private:
  Json::Object members_;
};

// Reads members one after another; what is of another kind is an error, and so is what nobody asked for.
class ClientReader {
 public:
  explicit ClientReader(const Json::Object& object) : object_(object) {}

  void text(std::string_view name, std::string& out) {
    const Json* value = take(name);
    if (value && value->string()) out = *value->string();
    if (value && !value->string()) fault(name);
  }
  void flag(std::string_view name, bool& out) {
    const Json* value = take(name);
    if (value && value->boolean()) out = *value->boolean();
    if (value && !value->boolean()) fault(name);
  }
  void number(std::string_view name, std::int64_t& out) {
    const Json* value = take(name);
    if (value && value->integer()) out = *value->integer();
    if (value && !value->integer()) fault(name);
  }
  void list(std::string_view name, std::vector<std::string>& out) {
    const Json* value = take(name);
    if (!value) return;
    if (!value->array()) return fault(name);
    for (const Json& one : *value->array()) {
      if (!one.string()) return fault(name);
      out.push_back(*one.string());
    }
  }
  std::string finish() {
    if (fault_.empty() && taken_ != object_.size()) return "it has a member that is not known";
    return fault_;
  }

 private:
  const Json* take(std::string_view name) {
    for (const auto& [key, value] : object_) {
      if (key != name) continue;
      ++taken_;
      return &value;
    }
    return nullptr;
  }
  void fault(std::string_view name) {
    if (fault_.empty()) fault_ = cat("its member '", name, "' is of the wrong kind");
  }

  const Json::Object& object_;
  std::size_t taken_ = 0;
  std::string fault_;
};

}  // namespace

std::string write_client(const Client& client) {
  std::vector<std::string> grant_types, secrets;
  for (const GrantRow& row : grants()) {
    if (client.may(row.grant)) grant_types.emplace_back(row.grant_type);
  }
  for (const SecretHash& hash : client.secrets) secrets.push_back(hash_text(hash));
  ClientWriter out;
  out.text("client_id", client.id);
  out.text("client_name", client.name);
  out.flag("public", client.is_public);
  out.list("secret_hashes", secrets);
  out.text("jwks_text", client.keys_text);
  out.text("tls_client_auth_subject_dn", client.tls_subject_dn);
  out.text("tls_client_auth_san_dns", client.tls_san_dns);
  out.text("tls_client_auth_san_uri", client.tls_san_uri);
  out.list("grant_types", grant_types);
  out.list("redirect_uris", client.redirect_uris);
  out.list("post_logout_redirect_uris", client.post_logout_redirect_uris);
  out.list("scopes", client.scopes);
  out.list("audiences", client.audiences);
  out.list("introspects", client.introspects);
  out.list("exchange_subjects", client.exchange.subjects);
  out.list("exchange_audiences", client.exchange.audiences);
  out.list("exchange_actors", client.exchange.actors);
  out.list("exchange_accepts", client.exchange.accepts);
  out.flag("exchange_impersonate", client.exchange.impersonate);
  out.flag("reads_revocations", client.reads_revocations);
  out.flag("require_pushed_authorization_requests", client.needs_pushed_requests);
  out.flag("binds_tokens", client.binds_tokens);
  out.flag("skips_consent", client.skips_consent);
  out.flag("old_assertions", client.makes_old_assertions);
  out.number("access_token_lifetime", client.access_token_lifetime_s);
  return out.write();
}

Result<Client> read_client(std::string_view document) {
  const auto json = crypto::parse_json(document, document_limits);
  if (!json || !json->object()) return bad_client("it is no JSON object");
  Client client;
  std::vector<std::string> grant_types, secrets;
  ClientReader in(*json->object());
  in.text("client_id", client.id);
  in.text("client_name", client.name);
  in.flag("public", client.is_public);
  in.list("secret_hashes", secrets);
  in.text("jwks_text", client.keys_text);
  in.text("tls_client_auth_subject_dn", client.tls_subject_dn);
  in.text("tls_client_auth_san_dns", client.tls_san_dns);
  in.text("tls_client_auth_san_uri", client.tls_san_uri);
  in.list("grant_types", grant_types);
  in.list("redirect_uris", client.redirect_uris);
  in.list("post_logout_redirect_uris", client.post_logout_redirect_uris);
  in.list("scopes", client.scopes);
  in.list("audiences", client.audiences);
  in.list("introspects", client.introspects);
  in.list("exchange_subjects", client.exchange.subjects);
  in.list("exchange_audiences", client.exchange.audiences);
  in.list("exchange_actors", client.exchange.actors);
  in.list("exchange_accepts", client.exchange.accepts);
  in.flag("exchange_impersonate", client.exchange.impersonate);
  in.flag("reads_revocations", client.reads_revocations);
  in.flag("require_pushed_authorization_requests", client.needs_pushed_requests);
  in.flag("binds_tokens", client.binds_tokens);
  in.flag("skips_consent", client.skips_consent);
  in.flag("old_assertions", client.makes_old_assertions);
  in.number("access_token_lifetime", client.access_token_lifetime_s);
  if (std::string fault = in.finish(); !fault.empty()) return bad_client(std::move(fault));
  for (const std::string& one : grant_types) {
    const GrantRow* row = grant_named(one);
    if (!row) return bad_client("it has a grant type that is not known");
    client.may_use[static_cast<std::size_t>(row->grant)] = true;
  }
  for (const std::string& one : secrets) {
    const auto hash = read_hash_text(one);
    if (!hash) return bad_client("it has a secret's hash that is none");
    client.secrets.push_back(*hash);
  }
  if (!client.keys_text.empty()) {
    Diagnostics complaints;
    client.keys = crypto::KeySet::parse(client.keys_text, {}, complaints);
    if (!client.keys) return bad_client("its keys cannot be used");
  }
  if (std::string fault = fault_of(client); !fault.empty()) return bad_client(std::move(fault));
  return client;
}

}  // namespace keepgate::oauth
