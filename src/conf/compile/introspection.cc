// auth_introspect: one endpoint for all who ask it in the same way, over reloads too.
#include "auth/introspection.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "conf/codes.h"
#include "conf/compile/compiler.h"
#include "store/files.h"

namespace keepgate::conf {

namespace {

constexpr std::size_t client_secret_bytes_max = 1024;

}  // namespace

// The first line of the file; nobody but its owner may read it.
std::shared_ptr<const std::string> Compiler::client_secret(const Word& file) {
  const std::string path = configuration_path(file.text);
  const auto wiped = [](std::string* text) {
    ::explicit_bzero(text->data(), text->size());
    delete text;
  };
  auto text = store::read_small(path, client_secret_bytes_max, S_IRWXG | S_IRWXO);
  if (!text) {
    error(code::unusable_keys, cat("cannot use the client secret: ", text.error().detail), file.at,
          cat("chmod 600 ", printable(path, 400)));
    return nullptr;
  }
  if (text->ends_with('\n')) text->pop_back();
  if (text->ends_with('\r')) text->pop_back();
  const auto is_visible = [](char c) { return c >= 0x20 && c < 0x7f; };  // RFC 6749 Appendix A.2.
  if (text->empty() || !std::ranges::all_of(*text, is_visible)) {
    error(code::unusable_keys, cat("'", printable(path, 400), "' is no client secret: one line of ASCII is expected"),
          file.at);
    return nullptr;
  }
  std::shared_ptr<const std::string> secret(new std::string(*text), wiped);
  ::explicit_bzero(text->data(), text->size());
  return secret;
}

std::shared_ptr<const auth::IntrospectionEndpoint> Compiler::introspection_endpoint(const IntrospectModel& model) {
  auth::EndpointOptions options;
  options.url = model.url.text;
  options.allow_private = model.allow_private;
  options.allow_plain = model.allow_plain;
  options.timeout_ms = model.timeout_ms;
  if (model.client_id) options.client_id = model.client_id->text;
  if (model.secret_file) options.client_secret = client_secret(*model.secret_file);
  if (model.secret_file && !options.client_secret) options.client_id.clear();  // An error was reported.
  if (model.authorities) options.authorities = authorities(*model.authorities);
  const auto is_same = [&](const auto& one) { return one->options().same_as(options); };
  auto& known = out_->introspection;
  if (const auto found = std::ranges::find_if(known, is_same); found != known.end()) return *found;
  if (options_.previous) {
    const auto& before = options_.previous->introspection;
    if (const auto found = std::ranges::find_if(before, is_same); found != before.end()) {
      return known.emplace_back(*found);
    }
  }
  return known.emplace_back(std::make_shared<auth::IntrospectionEndpoint>(std::move(options)));
}

// `auth_jwt off token=$variable` lets claims be read that nobody vouches for, also beside introspection.
bool Compiler::claims_are_verified(const Location& out) {
  return out.auth.jwt.enabled || (out.auth.introspection && !out.auth.jwt.token);
}

// identity_claims are the same as for JWTs, and set already.
void Compiler::compile_introspection(Location& out, const Level& level) {
  const auto& model = level.options.auth_introspect;
  if (!model || model->off) return;
  auto options = std::make_shared<auth::IntrospectionOptions>();
  options->endpoint = introspection_endpoint(*model);
  options->issuer = model->issuer;
  options->audiences = model->audiences;
  options->cache_ms = model->cache_ms;
  options->leeway_s = level.options.jwt_leeway_s.value_or(0);
  options->claims = out.auth.jwt.claims;
  options->realm = model->realm;
  if (options->audiences.empty() && (level.location || level.server.locations.empty())) {
    warning(code::any_audience, cat(level.described(), " accepts tokens that were made for other services"), model->at,
            "name this service as its tokens do: audience=NAME");
  }
  out.auth.introspection = std::move(options);
}

}  // namespace keepgate::conf
