// limit_req_zone and limit_req, limit_conn_zone and limit_conn.
#include <algorithm>

#include "base/bytes.h"
#include "conf/codes.h"
#include "conf/compile/compiler.h"

namespace keepgate::conf {

namespace {

using route::Template;

}  // namespace

std::shared_ptr<limit::Zone> Compiler::kept_zone(const ZoneModel& model, const Template& key) const {
  if (!options_.previous) return nullptr;
  for (const auto& zone : options_.previous->limit_zones) {
    if (zone->name() == model.name.text && zone->size_bytes() == model.size_bytes &&
        zone->rate_milli() == model.rate_milli && zone->key() == key) {
      return zone;
    }
  }
  return nullptr;
}

std::shared_ptr<limit::ConnZone> Compiler::kept_conn_zone(const ZoneModel& model, const Template& key) const {
  if (!options_.previous) return nullptr;
  for (const auto& zone : options_.previous->conn_zones) {
    if (zone->name() == model.name.text && zone->size_bytes() == model.size_bytes && zone->key() == key) {
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
  for (std::size_t i = 0; i < model_.conn_zones.size(); ++i) {
    const ZoneModel& model = model_.conn_zones[i];
    Template key = text(model.key);
    std::shared_ptr<limit::ConnZone> zone = kept_conn_zone(model, key);
    if (!zone) {
      zone = std::make_shared<limit::ConnZone>(model.name.text, static_cast<std::size_t>(model.size_bytes),
                                               std::move(key));
    }
    out_->conn_zones.push_back(std::move(zone));
    conn_zones_.emplace(model.name.text, i);
  }
}

// Whether a limit with this key counts behind authorization: before it there is no identity, the key would be empty and
// nothing limited.
bool Compiler::counts_after_auth(const Template& key, const Word& zone, bool asked_for) {
  if (asked_for || !find_variable(key, route::reads_identity).empty()) return true;
  const std::string claim = find_variable(key, route::reads_jwt);
  if (!claim.empty() && zones_warned_.insert(zone.text).second) {
    unsafe(code::limit_on_unverified,
           cat("zone '", zone.text, "' is keyed on ", claim, ", which is not verified yet when the limit counts"),
           zone.at, "a forger can spend another's budget: use `after=auth`, or key the zone on $client_id");
  }
  return false;
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
    limit.after_auth = counts_after_auth(limit.zone->key(), model.zone, limit.after_auth);
    (limit.after_auth ? out.identity_limits : out.limits).push_back(std::move(limit));
  }
}

void Compiler::compile_conn_limits(Location& out, const Level& level) {
  const LevelOptions& options = level.options;
  out.conn_status = options.conn_status.value_or(503);
  out.conn_log_level = options.conn_log_level.value_or(LogLevel::error);
  out.conn_dry_run = options.conn_dry_run.value_or(false);
  if (!options.conn_limits) return;
  if (options.conn_limits->size() > limit::limits_max) {
    return error(code::too_much, cat("more than ", limit::limits_max, " 'limit_conn' at one level"),
                 options.conn_limits->back().zone.at);
  }
  for (const ConnLimitModel& model : *options.conn_limits) {
    const auto found = conn_zones_.find(model.zone.text);
    if (found == conn_zones_.end()) {
      error(code::unknown_name, cat("unknown limit_conn_zone '", printable(model.zone.text), "'"), model.zone.at,
            cat("limit_conn_zone KEY zone=", printable(model.zone.text, 40), ":10m;"));
      continue;
    }
    limit::ConnLimit limit{out_->conn_zones[found->second], model.most, model.after_auth};
    limit.after_auth = counts_after_auth(limit.zone->key(), model.zone, limit.after_auth);
    (limit.after_auth ? out.identity_conn_limits : out.conn_limits).push_back(std::move(limit));
  }
}

}  // namespace keepgate::conf
