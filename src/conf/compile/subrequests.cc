// Requests of our own: where auth_request, auth_jwt_key_request and mirror lead.
#include <algorithm>
#include <functional>

#include "base/bytes.h"
#include "conf/codes.h"
#include "conf/compile/compiler.h"

namespace keepgate::conf {

void Compiler::compile_auth_request(Location& out, const Level& level) {
  const LevelOptions& options = level.options;
  if (options.auth_request && !options.auth_request->off) out.auth.request_uri = options.auth_request->path.text;
  for (const AssignmentModel& model : options.assignments.value_or(std::vector<AssignmentModel>{})) {
    const auto slot = names_.slot(model_.assigned[model.index].text);
    if (slot) out.assignments.push_back({*slot, text(model.value)});
  }
  out.mirror_body = options.mirror_request_body.value_or(true);
  if (!options.mirrors) return;
  for (const Word& uri : options.mirrors->uris) out.mirrors.push_back(uri.text);
}

// One object for all levels of a server that want the same keys: what is asked for is asked for once.
std::shared_ptr<auth::RequestedKeys> Compiler::requested_keys(const auth::JwtOptions& jwt, const Level& level) {
  auth::RequestedKeys::Options wanted;
  for (const Word& uri : *level.options.jwt_key_requests) wanted.uris.push_back(uri.text);
  wanted.files = jwt.keys;
  wanted.form = jwt.form;
  wanted.cache_ms = level.options.jwt_key_cache_ms.value_or(0);
  const auto server = static_cast<std::uint32_t>(out_->servers.size());
  for (const auto& [its_server, known] : requested_keys_) {
    const auth::RequestedKeys::Options& has = known->options();
    if (its_server == server && has.uris == wanted.uris && has.files == wanted.files && has.form == wanted.form &&
        has.cache_ms == wanted.cache_ms) {
      return known;
    }
  }
  return requested_keys_.emplace_back(server, std::make_shared<auth::RequestedKeys>(std::move(wanted))).second;
}

void Compiler::check_subrequests(const ServerModel& model, const pipeline::ServerConfig& server) {
  std::set<std::string> seen;
  const auto check_uri = [&](std::string_view directive, const Word& uri) {
    if (!seen.insert(cat(directive, ' ', uri.text)).second) return;
    const auto found = server.locations.find(uri.text);
    const Location* target = found.location ? &out_->locations[*found.location] : nullptr;
    if (!target || (!target->content && !target->return_action)) {
      return warning(code::error_page_target,
                     cat(directive, " leads to '", printable(uri.text), "', which this server does not have"), uri.at,
                     "the answer will be 500");
    }
    if (target->authorize == pipeline::Authorize::required && !target->return_action) {
      warning(code::refuses_everybody,
              cat(directive, " leads to location '", printable(target->pattern),
                  "', where a policy decides: a subrequest is anonymous there"),
              uri.at, "say `authorize off` in that location");
    }
  };
  const auto check = [&](const LevelOptions& options) {
    if (options.auth_request && !options.auth_request->off) check_uri("auth_request", options.auth_request->path);
    for (const Word& uri : options.jwt_key_requests.value_or(std::vector<Word>{}))
      check_uri("auth_jwt_key_request", uri);
    if (!options.mirrors) return;
    for (const Word& uri : options.mirrors->uris) check_uri("mirror", uri);
  };
  check(model.options);
  const std::function<void(const std::vector<std::unique_ptr<LocationModel>>&)> descend = [&](const auto& models) {
    for (const auto& one : models) {
      check(one->options);
      descend(one->nested);
    }
  };
  descend(model.locations);
}

}  // namespace keepgate::conf
