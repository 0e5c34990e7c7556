// limit_req and limit_conn: their zones and what limits by them.
#include <algorithm>

#include "base/bytes.h"
#include "conf/directives/row.h"
#include "limit/limit_conn.h"
#include "limit/limit_req.h"

namespace keepgate::conf {

namespace {

using O = LevelOptions;

constexpr std::uint64_t zone_bytes_max = 64ULL << 30;
constexpr std::uint64_t burst_max = 1'000'000'000;
constexpr std::uint64_t connections_max = 65535;
static_assert(limit::Zone::size_bytes_min == limit::ConnZone::size_bytes_min);

// "10r/s", "30r/m", "10" → thousandths of a request per second, as nginx rounds them.
std::optional<std::uint64_t> parse_rate(std::string_view text) {
  std::uint64_t scale = 1;
  if (text.ends_with("r/m")) scale = 60;
  if (text.ends_with("r/m") || text.ends_with("r/s")) text.remove_suffix(3);
  const auto count = parse_unsigned<std::uint32_t>(text);
  if (!count || *count == 0) return std::nullopt;
  return *count * 1000ULL / scale;
}

bool read_zone(Reader& reader, const Word& word, std::string_view value, ZoneModel& zone) {
  const std::size_t colon = value.rfind(':');
  const auto size = colon == std::string_view::npos ? std::nullopt : parse_size(value.substr(colon + 1));
  if (!size || colon == 0) {
    reader.error(code::bad_value, cat("invalid zone size '", printable(word.text), "'"), word.at, "zone=NAME:10m");
    return false;
  }
  if (*size < limit::Zone::size_bytes_min || *size > zone_bytes_max) {
    const bool small = *size < limit::Zone::size_bytes_min;
    reader.error(code::bad_value,
                 cat("zone '", printable(value.substr(0, colon)), small ? "' is too small" : "' is too large"), word.at,
                 "from 32k to 64 GiB");
    return false;
  }
  zone.name = {std::string(value.substr(0, colon)), word.at, word.quoted};
  zone.size_bytes = *size;
  return true;
}

// nginx has one name space for all shared memory.
void keep_zone(Reader& reader, const Directive& directive, std::vector<ZoneModel>& zones,
               const std::vector<ZoneModel>& others, ZoneModel zone) {
  const std::string& kind = directive.name.text;
  if (zone.name.text.empty()) {
    return reader.error(code::bad_parameter, cat("'", kind, "' directive must have 'zone' parameter"),
                        directive.name.at);
  }
  const auto has_name = [&](const ZoneModel& other) { return other.name.text == zone.name.text; };
  if (std::ranges::any_of(zones, has_name)) {
    return reader.error(code::taken_name, cat(kind, " '", printable(zone.name.text), "' is already defined"),
                        zone.name.at);
  }
  if (std::ranges::any_of(others, has_name)) {
    return reader.error(code::taken_name,
                        cat("the zone '", printable(zone.name.text), "' is already declared for a different use"),
                        zone.name.at, "limit_req_zone and limit_conn_zone need names of their own");
  }
  zones.push_back(std::move(zone));
}

void add_conn_zone(Reader& reader, const Scope&, const Directive& directive) {
  ZoneModel zone;
  zone.key = directive.arguments[0];
  const Word& word = directive.arguments[1];
  const auto value = parameter(word, "zone=");
  if (!value) return reader.invalid_parameter(directive, word, "zone=NAME:SIZE");
  if (!read_zone(reader, word, *value, zone)) return;
  Model& model = reader.model();
  keep_zone(reader, directive, model.conn_zones, model.zones, std::move(zone));
}

void add_conn_limit(Reader& reader, const Scope& scope, const Directive& directive) {
  const std::vector<Word>& words = directive.arguments;
  const auto most = reader.number(directive, words[1], words[1].text, 1, connections_max);
  if (!most) return;
  ConnLimitModel limit{words[0], static_cast<std::uint32_t>(*most), words.size() == 3};
  if (limit.after_auth && words[2].text != "after=auth") {
    return reader.invalid_parameter(directive, words[2], "limit_conn ZONE NUMBER [after=auth]");
  }
  auto& limits = scope.level->conn_limits;
  if (!limits) limits.emplace();
  if (std::ranges::any_of(*limits, [&](const ConnLimitModel& other) { return other.zone.text == limit.zone.text; })) {
    return reader.duplicate(directive);
  }
  limits->push_back(std::move(limit));
}

void add_zone(Reader& reader, const Scope&, const Directive& directive) {
  ZoneModel zone;
  zone.key = directive.arguments[0];
  for (std::size_t i = 1; i < directive.arguments.size(); ++i) {
    const Word& word = directive.arguments[i];
    if (const auto value = parameter(word, "zone=")) {
      if (!read_zone(reader, word, *value, zone)) return;
    } else if (const auto rate = parameter(word, "rate=")) {
      const auto milli = parse_rate(*rate);
      if (!milli)
        return reader.error(code::bad_value, cat("invalid rate '", printable(word.text), "'"), word.at,
                            "rate=10r/s or rate=30r/m");
      zone.rate_milli = std::max<std::uint64_t>(*milli, 1);
    } else if (word.text == "sync") {
      return reader.not_built(word, "parameter 'sync' of 'limit_req_zone'", "each program counts for itself");
    } else {
      return reader.invalid_parameter(directive, word, "zone=NAME:SIZE rate=RATE");
    }
  }
  Model& model = reader.model();
  keep_zone(reader, directive, model.zones, model.conn_zones, std::move(zone));
}

bool read_limit_parameter(Reader& reader, const Directive& directive, const Word& word, LimitModel& limit) {
  if (const auto zone = parameter(word, "zone=")) {
    limit.zone = {std::string(*zone), word.at, word.quoted};
  } else if (const auto burst = parameter(word, "burst=")) {
    const auto value = reader.number(directive, word, *burst, 1, burst_max);
    limit.burst = value.value_or(0);
    return value.has_value();
  } else if (const auto delay = parameter(word, "delay=")) {
    const auto value = reader.number(directive, word, *delay, 1, burst_max);
    limit.delay = value.value_or(0);
    return value.has_value();
  } else if (word.text == "nodelay") {
    limit.nodelay = true;
  } else if (word.text == "after=auth") {
    limit.after_auth = true;
  } else {
    reader.invalid_parameter(directive, word, "zone=NAME burst=N nodelay delay=N after=auth");
    return false;
  }
  return true;
}

void add_limit(Reader& reader, const Scope& scope, const Directive& directive) {
  LimitModel limit;
  for (const Word& word : directive.arguments) {
    if (!read_limit_parameter(reader, directive, word, limit)) return;
  }
  if (limit.zone.text.empty()) {
    return reader.error(code::bad_parameter, "'limit_req' directive must have 'zone' parameter", directive.name.at);
  }
  auto& limits = scope.level->limits;
  if (!limits) limits.emplace();
  if (std::ranges::any_of(*limits, [&](const LimitModel& other) { return other.zone.text == limit.zone.text; })) {
    return reader.duplicate(directive);
  }
  limits->push_back(std::move(limit));
}

template <auto Member>
void set_level(Reader& reader, const Scope& scope, const Directive& directive) {
  const Word& word = directive.arguments[0];
  const bool usual = word.text == "info" || word.text == "notice" || word.text == "warn" || word.text == "error";
  const auto level = usual ? log_level_named(word.text) : std::nullopt;
  if (!level) reader.invalid_value(directive, word, "one of info, notice, warn, error");
  detail::set_once<Member>(reader, scope, directive, level);
}

constexpr DirectiveRow limit_table[] = {
    {"limit_req_zone",
     in_http,
     {2, many},
     Support::built,
     add_zone,
     "rate=1r/s",
     "A table of counters: KEY zone=NAME:SIZE [rate=Nr/s|Nr/m]; an empty key is not limited."},
    {"limit_req",
     in_levels,
     {1, many},
     Support::built,
     add_limit,
     "burst=0, delay=0",
     "Limits requests by a zone, before authentication: zone=NAME [burst=N] [nodelay|delay=N]; after=auth: behind "
     "authorization, on verified identity."},
    {"limit_req_status",
     in_levels,
     {1, 1},
     Support::built,
     set_number<&O::limit_status, 400, 599>,
     "503",
     "The status of requests over the limit."},
    {"limit_req_log_level",
     in_levels,
     {1, 1},
     Support::built,
     set_level<&O::limit_log_level>,
     "error",
     "The log level of refused requests; delays are logged one level lower."},
    {"limit_req_dry_run",
     in_levels,
     {1, 1},
     Support::built,
     set_flag<&O::limit_dry_run>,
     "off",
     "Counts and logs, but neither refuses nor delays."},
    {"limit_req_headers",
     in_levels,
     {1, 1},
     Support::built,
     set_flag<&O::limit_headers>,
     "off",
     "Sends RateLimit fields, and Retry-After with refusals."},
    {"limit_conn_zone",
     in_http,
     {2, 2},
     Support::built,
     add_conn_zone,
     "",
     "A table of counters for limit_conn: KEY zone=NAME:SIZE; an empty key is not limited, a full zone refuses."},
    {"limit_conn",
     in_levels,
     {2, 3},
     Support::built,
     add_conn_limit,
     "",
     "Limits the requests under way at the same time: ZONE NUMBER; after=auth: behind authorization, on verified "
     "identity."},
    {"limit_conn_status",
     in_levels,
     {1, 1},
     Support::built,
     set_number<&O::conn_status, 400, 599>,
     "503",
     "The status of requests over that limit."},
    {"limit_conn_log_level",
     in_levels,
     {1, 1},
     Support::built,
     set_level<&O::conn_log_level>,
     "error",
     "The log level of requests that limit_conn refuses."},
    {"limit_conn_dry_run",
     in_levels,
     {1, 1},
     Support::built,
     set_flag<&O::conn_dry_run>,
     "off",
     "Counts and logs, but refuses nothing."},
};

}  // namespace

std::span<const DirectiveRow> limit_rows() { return limit_table; }

}  // namespace keepgate::conf
