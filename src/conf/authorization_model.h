// What the block authorization_server says, as written. Thread rule: one owner; plain values.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "conf/model.h"
#include "oauth/settings.h"

namespace keepgate::conf {

struct OauthClientModel {
  Word id;
  oauth::Client client;  // What needs no file.
  std::vector<Word> secret_files;
  std::optional<Word> keys_file;
  std::vector<std::string> seen;  // Directives that may stand once.
};

struct OauthUserModel {
  Word name;
  oauth::User user;
  std::optional<Word> password_hash_file, totp_secret_file;
};

struct TrustedIssuerModel {
  Word url;
  std::optional<Word> keys_file;
  std::string subject_kind;
};

struct AuthorizationModel {
  Position at;
  ServerModel* server = nullptr;      // In Model::servers: it listens, limits and logs like any other.
  LocationModel* location = nullptr;  // Its one location.
  std::optional<Word> issuer, store, key_file, trust_domain, transaction_key;
  std::optional<std::string> title;
  std::optional<std::int64_t> access_token_lifetime_s, id_token_lifetime_s, refresh_token_lifetime_s, grant_lifetime_s,
      refresh_token_grace_s, authorization_code_lifetime_s, pushed_request_lifetime_s, device_code_lifetime_s,
      transaction_token_lifetime_s, session_lifetime_s, session_idle_s, key_rotation_s;
  std::optional<crypto::Algorithm> signing_algorithm;
  std::optional<bool> dpop_nonces;
  std::vector<OauthClientModel> clients;
  std::vector<OauthUserModel> users;
  std::vector<std::pair<Word, oauth::Resource>> resources;
  std::vector<std::pair<Word, std::string>> scopes;
  std::vector<TrustedIssuerModel> trusted_issuers;
};

}  // namespace keepgate::conf
