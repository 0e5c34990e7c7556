// limit_req_zone and limit_req.
#include <algorithm>

#include "base/bytes.h"
#include "conf/codes.h"
#include "conf/compile/compiler.h"

namespace keepgate::conf {

namespace {

using route::Template;
using route::Variable;

// A template names maps by number, so two that were written alike are the same only if the numbers are.
bool same_template(const Template& a, const Template& b) {
  return std::ranges::equal(a.parts(), b.parts(), [](const Template::Part& x, const Template::Part& y) {
    return x.literal == y.literal && x.reference.variable == y.reference.variable &&
           x.reference.index == y.reference.index && x.reference.argument == y.reference.argument;
  });
}

bool is_identity(Variable variable) {
  return variable == Variable::client_id || variable == Variable::identity_client ||
         variable == Variable::identity_user || variable == Variable::identity_roles ||
         variable == Variable::identity_method || variable == Variable::transaction_id;
}

}  // namespace

std::shared_ptr<limit::Zone> Compiler::kept_zone(const ZoneModel& model, const Template& key) const {
  if (!options_.previous) return nullptr;
  for (const auto& zone : options_.previous->limit_zones) {
    if (zone->name() == model.name.text && zone->size_bytes() == model.size_bytes &&
        zone->rate_milli() == model.rate_milli && same_template(zone->key(), key)) {
      return zone;
    }
  }
  return nullptr;
}

void Compiler::compile_zones() {
  for (std::size_t i = 0; i < model_.zones.size(); ++i) {
    const ZoneModel& model = model_.zones[i];
    Template key = text(model.key);
    std::shared_ptr<limit::Zone> zone = kept_zone(model, key);
    if (!zone) {
      zone = std::make_shared<limit::Zone>(model.name.text, static_cast<std::size_t>(model.size_bytes),
                                           model.rate_milli, std::move(key));
    }
    out_->limit_zones.push_back(std::move(zone));
    zones_.emplace(model.name.text, i);
  }
}

void Compiler::compile_limits(Location& out, const Level& level) {
  const LevelOptions& options = level.options;
  out.limit_status = options.limit_status.value_or(503);
  out.limit_log_level = options.limit_log_level.value_or(LogLevel::error);
  out.limit_dry_run = options.limit_dry_run.value_or(false);
  out.limit_headers = options.limit_headers.value_or(false);
  if (!options.limits) return;
  if (options.limits->size() > limit::limits_max) {
    return error(code::too_much, cat("more than ", limit::limits_max, " 'limit_req' at one level"),
                 options.limits->back().zone.at);
  }
  for (const LimitModel& model : *options.limits) {
    const auto found = zones_.find(model.zone.text);
    if (found == zones_.end()) {
      error(code::unknown_name, cat("unknown limit_req_zone '", printable(model.zone.text), "'"), model.zone.at,
            cat("limit_req_zone KEY zone=", printable(model.zone.text, 40), ":10m rate=10r/s;"));
      continue;
    }
    limit::Limit limit{out_->limit_zones[found->second], model.burst, model.nodelay ? model.burst : model.delay,
                       model.after_auth};
    // Before authentication there is no identity: such a key would be empty and nothing limited.
    if (!find_variable(limit.zone->key(), is_identity).empty()) limit.after_auth = true;
    const std::string claim = limit.after_auth ? std::string() : find_variable(limit.zone->key(), route::reads_jwt);
    if (!claim.empty() && zones_warned_.insert(model.zone.text).second) {
      unsafe(
          code::limit_on_unverified,
          cat("zone '", model.zone.text, "' is keyed on ", claim, ", which is not verified yet when the limit counts"),
          model.zone.at, "a forger can spend another's budget: use `after=auth`, or key the zone on $client_id");
    }
    (limit.after_auth ? out.identity_limits : out.limits).push_back(std::move(limit));
  }
}

}  // namespace keepgate::conf
