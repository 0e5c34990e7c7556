#include "oauth/user.h"

#include <algorithm>

#include "auth/claims.h"
#include "base/bytes.h"
#include "crypto/json.h"

namespace keepgate::oauth {

namespace {

using crypto::Json;

constexpr crypto::JsonLimits user_limits{.bytes_max = 64 * 1024, .depth_max = 4, .values_max = 1024};

constexpr std::string_view reserved_claims[] = {"iss",
                                                "sub",
                                                "aud",
                                                "exp",
                                                "nbf",
                                                "iat",
                                                "jti",
                                                "scope",
                                                "scp",
                                                "client_id",
                                                "azp",
                                                "act",
                                                "may_act",
                                                "cnf",
                                                "txn",
                                                "acr",
                                                "amr",
                                                "nonce",
                                                "at_hash",
                                                "c_hash",
                                                "sid",
                                                "auth_time",
                                                "preferred_username",
                                                "req_wl",
                                                "tctx",
                                                "rctx",
                                                "roles",
                                                "typ",
                                                "grant_id",
                                                "active",
                                                "username",
                                                "events",
                                                "token_type"};

std::unexpected<Error> bad_user(std::string_view why) {
  return fail(ErrorKind::malformed, Blame::configuration, "bad_user", std::string(why));
}

}  // namespace

bool is_user_name(std::string_view text) {
  return text.size() <= user_name_bytes_max && auth::is_identity_text(text) &&
         text.find_first_of(":/*") == std::string_view::npos;
}

bool is_reserved_claim(std::string_view name) {
  return std::ranges::find(reserved_claims, name) != std::end(reserved_claims);
}

std::string fault_of(const User& user) {
  if (!is_user_name(user.name)) return "its name must be 1 to 128 bytes of visible text without ':', '/' and '*'";
  for (const std::string& role : user.roles) {
    if (!auth::is_identity_text(role) || role.find(',') != std::string::npos) {
      return cat("'", printable(role), "' is no role");
    }
  }
  for (const auto& [name, value] : user.claims) {
    if (is_reserved_claim(name)) return cat("the claim '", printable(name), "' is the server's own");
    if (!auth::is_identity_text(name) || !auth::is_identity_text(value)) {
      return cat("the claim '", printable(name), "' has no sound name or value");
    }
  }
  return {};
}

std::string write_user(const User& user) {
  Json::Array roles;
  for (const std::string& role : user.roles) roles.emplace_back(role);
  Json::Object claims;
  for (const auto& [name, value] : user.claims) claims.emplace_back(name, Json(value));
  Json::Object out;
  out.emplace_back("name", Json(user.name));
  out.emplace_back("password_hash", Json(user.password_hash));
  out.emplace_back("roles", Json(std::move(roles)));
  out.emplace_back("claims", Json(std::move(claims)));
  out.emplace_back("disabled", Json(user.disabled));
  return Json(std::move(out)).write();
}

Result<User> read_user(std::string_view document) {
  const auto json = crypto::parse_json(document, user_limits);
  if (!json || !json->object()) return bad_user("it is no JSON object");
  User user;
  const auto name = json->string_at("name"), hash = json->string_at("password_hash");
  const Json* roles = json->find("roles");
  const Json* claims = json->find("claims");
  const Json* disabled = json->find("disabled");
  const bool is_whole = name && hash && roles && roles->array() && claims && claims->object() && disabled &&
                        disabled->boolean() && json->object()->size() == 5;
  if (!is_whole) return bad_user("a member is missing, of the wrong kind or not known");
  user.name = *name;
  user.password_hash = *hash;
  user.disabled = *disabled->boolean();
  for (const Json& role : *roles->array()) {
    if (!role.string()) return bad_user("a role is no text");
    user.roles.push_back(*role.string());
  }
  for (const auto& [key, value] : *claims->object()) {
    if (!value.string()) return bad_user("a claim is no text");
    user.claims.emplace_back(key, *value.string());
  }
  if (const std::string fault = fault_of(user); !fault.empty()) return bad_user(fault);
  return user;
}

}  // namespace keepgate::oauth
