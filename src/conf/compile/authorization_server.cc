// authorization_server: from what was written to oauth::Settings, the service behind them, and the content that serves.
#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "conf/authorization_model.h"
#include "conf/codes.h"
#include "conf/compile/compiler.h"
#include "crypto/base32.h"
#include "fetch/url.h"
#include "oauth/params.h"
#include "oauth/server_content.h"
#include "oauth/service.h"
#include "store/files.h"

namespace keepgate::conf {

namespace {

constexpr std::size_t line_bytes_max = 4096;
constexpr std::size_t keys_text_bytes_max = 64 * 1024;

template <typename T>
void take(const std::optional<T>& from, T& to) {
  if (from) to = *from;
}

}  // namespace

void Compiler::compile_authorization_server(const AuthorizationModel& model) {
  auto settings = std::make_shared<oauth::Settings>();
  set_authorization_address(model, *settings);
  set_authorization_times(model, *settings);
  for (const auto& [word, resource] : model.resources) settings->resources.push_back(resource);
  for (const auto& [word, text] : model.scopes) settings->scope_texts.emplace(word.text, text);
  add_authorization_clients(model, *settings);
  add_authorization_users(model, *settings);
  add_trusted_issuers(model, *settings);
  check_authorization_targets(model, *settings);
  if (model.trust_domain) settings->trust_domain = model.trust_domain->text;
  if (model.transaction_key) settings->transaction_key = signing_key(*model.transaction_key);
  if (model.server->listens.empty()) {
    error(code::bad_listener, "authorization_server does not listen anywhere", model.at, "listen 127.0.0.1:9100;");
  }
  out_->authorization_service = authorization_service(model);
  out_->authorization_settings = settings;
  Location& location = out_->locations[model.location->index];
  location.content = oauth::make_server_content(std::move(settings), out_->authorization_service);
  location.client_body_bytes_max = oauth::Params::bytes_max;
}

void Compiler::set_authorization_address(const AuthorizationModel& model, oauth::Settings& settings) {
  if (!model.issuer) {
    return error(code::missing_section, "authorization_server has no issuer", model.at, "issuer https://as.example;");
  }
  std::string why;
  const auto url = fetch::Url::parse(model.issuer->text, why);
  KG_ASSERT(url);
  settings.issuer = model.issuer->text;
  settings.issuer_path = url->path;
  settings.issuer_is_tls = url->tls;
  const std::string origin = url->origin();
  settings.authority = origin.substr(origin.find("://") + 3);
  settings.title = model.title.value_or(url->host);
}

void Compiler::set_authorization_times(const AuthorizationModel& model, oauth::Settings& settings) {
  take(model.access_token_lifetime_s, settings.access_token_lifetime_s);
  take(model.id_token_lifetime_s, settings.id_token_lifetime_s);
  take(model.refresh_token_lifetime_s, settings.refresh_token_lifetime_s);
  take(model.grant_lifetime_s, settings.grant_lifetime_s);
  take(model.refresh_token_grace_s, settings.refresh_token_grace_s);
  take(model.authorization_code_lifetime_s, settings.authorization_code_lifetime_s);
  take(model.pushed_request_lifetime_s, settings.pushed_request_lifetime_s);
  take(model.device_code_lifetime_s, settings.device_code_lifetime_s);
  take(model.transaction_token_lifetime_s, settings.transaction_token_lifetime_s);
  take(model.session_lifetime_s, settings.session_lifetime_s);
  take(model.session_idle_s, settings.session_idle_s);
  take(model.key_rotation_s, settings.key_rotation_s);
  take(model.signing_algorithm, settings.signing_algorithm);
  take(model.dpop_nonces, settings.dpop_nonces);
}

// The first line of a file that nobody but its owner may read.
std::optional<std::string> Compiler::first_line(const Word& file, std::string_view what) {
  const std::string path = configuration_path(file.text);
  auto text = store::read_small(path, line_bytes_max, S_IRWXG | S_IRWXO);
  if (!text) {
    error(code::unusable_keys, cat("cannot use the ", what, ": ", text.error().detail), file.at,
          cat("chmod 600 ", printable(path, 400)));
    return std::nullopt;
  }
  while (text->ends_with('\n') || text->ends_with('\r')) text->pop_back();
  const auto is_visible = [](char c) { return c >= 0x20 && c < 0x7f; };  // RFC 6749 Appendix A.2.
  if (!text->empty() && std::ranges::all_of(*text, is_visible)) return std::move(*text);
  error(code::unusable_keys, cat("'", printable(path, 400), "' is no ", what, ": one line of ASCII is expected"),
        file.at);
  return std::nullopt;
}

bool Compiler::read_client_files(const OauthClientModel& model, oauth::Client& client) {
  for (const Word& file : model.secret_files) {
    auto secret = first_line(file, "client secret");
    if (!secret) return false;
    const auto hash = oauth::read_hash_text(*secret);
    client.secrets.push_back(hash ? *hash : oauth::hash_of_secret(*secret));
    ::explicit_bzero(secret->data(), secret->size());
  }
  if (!model.keys_file) return true;
  client.keys = key_set({*model.keys_file}, true);
  std::string why;
  return client.keys &&
         read_text(configuration_path(model.keys_file->text), keys_text_bytes_max, client.keys_text, why);
}

void Compiler::add_authorization_clients(const AuthorizationModel& model, oauth::Settings& settings) {
  for (const OauthClientModel& one : model.clients) {
    auto client = std::make_shared<oauth::Client>(one.client);
    if (!read_client_files(one, *client)) continue;
    if (const std::string fault = oauth::fault_of(*client); !fault.empty()) {
      error(code::bad_value, cat("client '", printable(one.id.text), "': ", fault), one.id.at);
      continue;
    }
    oauth::add_origins(*client, settings.origins);
    settings.clients.emplace(client->id, std::move(client));
  }
}

void Compiler::add_authorization_users(const AuthorizationModel& model, oauth::Settings& settings) {
  for (const OauthUserModel& one : model.users) {
    auto user = std::make_shared<oauth::User>(one.user);
    if (one.password_hash_file) {
      const auto hash = first_line(*one.password_hash_file, "password hash");
      if (!hash) continue;
      if (!hash->starts_with('$')) {
        error(code::unusable_keys, cat("user '", printable(one.name.text), "': the file holds no hash of a password"),
              one.password_hash_file->at, "`keepgate user` makes one, and so does `mkpasswd -m yescrypt`");
        continue;
      }
      user->password_hash = *hash;
    }
    if (one.totp_secret_file) {
      const auto secret = first_line(*one.totp_secret_file, "second factor's secret");
      if (!secret) continue;
      if (!crypto::base32_decode_secret(*secret)) {
        error(code::unusable_keys, "the second factor's secret is no base32 text", one.totp_secret_file->at);
        continue;
      }
      user->totp_secret = *secret;
    }
    if (const std::string fault = oauth::fault_of(*user); !fault.empty()) {
      error(code::bad_value, cat("user '", printable(one.name.text), "': ", fault), one.name.at);
      continue;
    }
    settings.users.emplace(user->name, std::move(user));
  }
}

void Compiler::add_trusted_issuers(const AuthorizationModel& model, oauth::Settings& settings) {
  for (const TrustedIssuerModel& one : model.trusted_issuers) {
    oauth::TrustedIssuer issuer;
    issuer.issuer = one.url.text;
    issuer.keys = key_set({*one.keys_file}, true);
    issuer.subject_kind = one.subject_kind;
    if (issuer.issuer == settings.issuer) {
      error(code::bad_value, "an issuer trusts itself without being told", one.url.at);
    }
    if (one.subject_kind == "client") {
      warning(code::trusts_everybody, cat("'", printable(one.url.text), "' may name any client of this server"),
              one.url.at, "a kind of its own keeps its subjects apart: subject=partner");
    }
    settings.trusted_issuers.push_back(std::move(issuer));
  }
}

// With a list of resources, an audience that is not on it is a mistake.
void Compiler::check_authorization_targets(const AuthorizationModel& model, const oauth::Settings& settings) {
  if (settings.resources.empty()) return;
  for (const OauthClientModel& one : model.clients) {
    for (const auto* list : {&one.client.audiences, &one.client.exchange.audiences}) {
      for (const std::string& audience : *list) {
        const bool is_known =
            std::ranges::find(settings.resources, audience, &oauth::Resource::name) != settings.resources.end();
        if (!is_known) error(code::unknown_name, cat("there is no resource '", printable(audience), "'"), one.id.at);
      }
    }
  }
}

// The same object while the store is the same.
std::shared_ptr<oauth::Service> Compiler::authorization_service(const AuthorizationModel& model) {
  const std::string text = model.store ? model.store->text : model_.store ? model_.store->text : "sqlite:keepgate.db";
  auto address = store::parse_store_address(text);
  KG_ASSERT(address);
  oauth::ServiceOptions options;
  options.store = std::move(*address);
  if (options.store.kind == store::StoreKind::sqlite) {
    options.store.file = prefix_path(options.store.file);
    options.store.shown = options.store.file;
  }
  options.key_file = prefix_path(model.key_file ? model.key_file->text : "keepgate.key");
  const auto& before = options_.previous ? options_.previous->authorization_service : nullptr;
  if (before && before->options() == options) return before;
  return std::make_shared<oauth::Service>(std::move(options));
}

}  // namespace keepgate::conf
