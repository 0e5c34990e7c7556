// auth_jwt_issuer: one Issuer for all who accept it in the same way, over reloads too.
#include <algorithm>

#include "base/bytes.h"
#include "conf/codes.h"
#include "conf/compile/compiler.h"

namespace keepgate::conf {

namespace {

constexpr std::size_t authorities_bytes_max = 1 << 20;

}  // namespace

std::shared_ptr<const std::string> Compiler::authorities(const Word& file) {
  const std::string path = configuration_path(file.text);
  auto text = std::make_shared<std::string>();
  std::string why;
  if (!read_text(path, authorities_bytes_max, *text, why)) {
    error(code::missing_certificate, cat("cannot read '", printable(path, 400), "': ", why), file.at);
  } else if (text->find("-----BEGIN CERTIFICATE-----") == std::string::npos) {
    error(code::missing_certificate, cat("'", printable(path, 400), "' has no certificate in PEM"), file.at);
  }
  return text;
}

std::shared_ptr<auth::Issuer> Compiler::issuer(const JwtIssuerModel& model) {
  auth::IssuerOptions options;
  options.issuer = model.issuer.text;
  options.allow_private = model.allow_private;
  options.allow_plain = model.allow_plain;
  options.refresh_ms = model.refresh_ms;
  options.keep_ms = model.keep_ms;
  if (model.authorities) options.authorities = authorities(*model.authorities);
  const bool is_file = model.keys && model.keys->text.find("://") == std::string::npos;
  if (is_file) {
    options.keys_file = configuration_path(model.keys->text);
  } else if (model.keys) {
    options.keys_url = model.keys->text;
  }
  const auto is_same = [&](const auto& one) { return one->options().same_as(options); };
  if (const auto found = std::ranges::find_if(out_->issuers, is_same); found != out_->issuers.end()) return *found;
  if (options_.previous && !is_file) {  // A file is read again.
    const auto& before = options_.previous->issuers;
    if (const auto found = std::ranges::find_if(before, is_same); found != before.end()) {
      return out_->issuers.emplace_back(*found);
    }
  }
  auto made = std::make_shared<auth::Issuer>(std::move(options));
  if (is_file) {
    if (auto keys = key_set({*model.keys}, false)) made->publish(std::move(keys), INT64_MAX);
  }
  return out_->issuers.emplace_back(std::move(made));
}

void Compiler::compile_issuers(auth::JwtOptions& jwt, const Level& level) {
  if (!level.options.jwt_issuers) return;
  for (const JwtIssuerModel& model : *level.options.jwt_issuers) {
    const Position& at = model.issuer.at;
    bool& is_used = issuers_used_.try_emplace({at.file, at.offset}, at, false).first->second.second;
    if (!jwt.enabled) continue;
    auth::AcceptedIssuer accepted;
    accepted.issuer = issuer(model);
    accepted.audiences = model.audiences;
    accepted.algorithms = model.algorithms;
    accepted.only_access_tokens = model.only_access_tokens;
    if (accepted.audiences.empty()) {
      unsafe(code::any_audience, "tokens that this issuer made for other services are accepted too", at,
             "name this service as its tokens do: audience=NAME");
    }
    jwt.issuers.push_back(std::move(accepted));
    is_used = true;
  }
}

void Compiler::report_unused_issuers() {
  for (const auto& [place, use] : issuers_used_) {
    const auto& [at, is_used] = use;
    if (is_used) continue;
    warning(code::missing_keys, "'auth_jwt_issuer' without 'auth_jwt' is never asked", at, "say auth_jwt REALM;");
  }
}

}  // namespace keepgate::conf
