// authorization_server: from what was written to oauth::Settings, the service behind them, and the content that serves.
#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "conf/authorization_model.h"
#include "conf/codes.h"
#include "conf/compile/compiler.h"
#include "crypto/base32.h"
#include "crypto/password_hash.h"
#include "fetch/url.h"
#include "oauth/params.h"
#include "oauth/public_keys.h"
#include "oauth/server_content.h"
#include "oauth/service.h"
#include "store/files.h"

namespace keepgate::conf {

namespace {

constexpr std::size_t line_bytes_max = 4096;
constexpr std::size_t keys_text_bytes_max = 64 * 1024;
constexpr const char* only_public_keys = "public keys only: whoever can read another one can make what it proves";
constexpr std::size_t issuer_keys_bytes_max = 1024 * 1024;
// 22 random characters of base64url are 128 bits (RFC 6749 §10.10).
constexpr std::size_t secret_bytes_good = 22;

template <typename T>
void take(const std::optional<T>& from, T& to) {
  if (from) to = *from;
}

// Of "127.0.0.1:80", "[::1]:80", "localhost", "unix:PATH". Anything else may be reached from outside.
bool listens_on_this_machine(std::string_view address) {
  const std::size_t bracket = address.rfind(']'), colon = address.rfind(':');
  const bool has_port = colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket);
  const std::string_view host = has_port ? address.substr(0, colon) : address;
  const bool is_number = host.find_first_not_of("0123456789.") == std::string_view::npos;
  return address.starts_with("unix:") || equals_ignoring_case(host, "localhost") || host == "[::1]" ||
         (is_number && host.starts_with("127."));
}

// What a thief of the file would soon have guessed: no salt, few rounds, or no hash at all.
bool is_weak(crypto::PasswordForm form) {
  switch (form) {
    case crypto::PasswordForm::bcrypt:
    case crypto::PasswordForm::sha256_crypt:
    case crypto::PasswordForm::sha512_crypt:
    case crypto::PasswordForm::yescrypt:
    case crypto::PasswordForm::argon2id:
      return false;
    default:
      return true;
  }
}

// A grant that every request would be refused by. "": none.
std::string_view grant_without_effect(const oauth::Client& client, const oauth::Settings& settings) {
  const bool has_subjects = !client.exchange.subjects.empty();
  if (client.may(oauth::Grant::jwt_bearer) && (!has_subjects || settings.trusted_issuers.empty())) return "jwt_bearer";
  const bool has_targets = !client.exchange.audiences.empty() || !settings.trust_domain.empty();
  if (client.may(oauth::Grant::token_exchange) && (!has_subjects || !has_targets)) return "token_exchange";
  return {};
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
  if (model.trust_domain) settings->trust_domain = model.trust_domain->text;
  check_authorization_targets(model, *settings);
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
  if (settings.issuer_is_tls) return;  // Without ssl here, a proxy in front has it.
  for (const ListenModel& listen : model.server->listens) {
    if (listen.ssl || listens_on_this_machine(listen.address.text)) continue;
    warning(code::bad_listener, "passwords, codes and secrets cross the network in clear here", listen.address.at,
            "an http issuer is for this machine: listen 127.0.0.1:PORT, or an https issuer");
  }
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
    struct stat facts{};
    const bool is_regular = ::stat(path.c_str(), &facts) == 0 && S_ISREG(facts.st_mode);
    error(code::unusable_keys, cat("cannot use the ", what, ": ", text.error().detail), file.at,
          is_regular ? cat("chmod 600 ", printable(path, 400)) : std::string());
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
    if (!hash && secret->size() < secret_bytes_good) {
      warning(code::unusable_keys,
              cat("the secret of client '", printable(model.id.text), "' is short enough to be guessed"), file.at,
              "at least 22 random characters: openssl rand -base64 32");
    }
    ::explicit_bzero(secret->data(), secret->size());
  }
  if (!model.keys_file) return true;
  client.keys = key_set({*model.keys_file}, true);
  if (!client.keys) return false;
  std::string why;
  if (!read_text(configuration_path(model.keys_file->text), keys_text_bytes_max, client.keys_text, why)) {
    error(code::unusable_keys, cat("cannot read the client's keys: ", why), model.keys_file->at);
    return false;
  }
  const std::string fault = oauth::fault_of_public_keys(client.keys_text);
  if (fault.empty()) return true;
  error(code::unusable_keys, cat("the keys of client '", printable(model.id.text), "': ", fault), model.keys_file->at,
        only_public_keys);
  return false;
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
      const crypto::PasswordForm form = crypto::password_form(*hash);
      if (form == crypto::PasswordForm::none) {
        error(code::unusable_keys,
              cat("no password matches the hash of user '", printable(one.name.text), "': its form is not known"),
              one.password_hash_file->at, "`keepgate user` makes one, and so does `mkpasswd -m yescrypt`");
        continue;
      }
      if (is_weak(form)) {
        warning(code::unusable_keys,
                cat("the hash of user '", printable(one.name.text), "' is weak: ", crypto::name_of(form)),
                one.password_hash_file->at, "`keepgate user` makes a better one, and so does `mkpasswd -m yescrypt`");
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
    std::string text, why;
    if (issuer.keys && read_text(configuration_path(one.keys_file->text), issuer_keys_bytes_max, text, why)) {
      why = oauth::fault_of_public_keys(text);
    }
    if (!why.empty()) {
      error(code::unusable_keys, cat("the keys of '", printable(one.url.text), "': ", why), one.keys_file->at,
            only_public_keys);
    }
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

// With a list of resources, an audience that is not on it is a mistake. A transaction token is for its trust domain and
// never taken elsewhere: another token must not be for that name.
void Compiler::check_authorization_targets(const AuthorizationModel& model, const oauth::Settings& settings) {
  const bool is_issuer = !settings.trust_domain.empty() && settings.trust_domain == settings.issuer;
  const auto is_domain = [&](const std::string& name) { return !name.empty() && name == settings.trust_domain; };
  bool is_taken = is_issuer || std::ranges::any_of(settings.resources, is_domain, &oauth::Resource::name);
  for (const OauthClientModel& one : model.clients) {
    is_taken = is_taken || std::ranges::any_of(one.client.audiences, is_domain) ||
               std::ranges::any_of(one.client.exchange.audiences, is_domain);
    if (one.client.exchange.impersonate) {
      warning(code::trusts_everybody, cat("client '", printable(one.id.text), "' may act as the users it names"),
              one.id.at, "without `impersonate` its tokens say who acts");
    }
    if (const std::string_view grant = grant_without_effect(one.client, settings); !grant.empty()) {
      warning(code::no_effect, cat("client '", printable(one.id.text), "': every request with ", grant, " is refused"),
              one.id.at,
              grant == "jwt_bearer" ? "it needs `exchange subjects=…` and a trusted_issuer"
                                    : "it needs `exchange subjects=… audiences=…`");
    }
  }
  if (is_taken) {
    error(code::bad_value, cat("trust_domain '", printable(settings.trust_domain), "' is an audience of other tokens"),
          model.trust_domain->at, "a name of its own: no issuer, resource or audience");
  }
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
