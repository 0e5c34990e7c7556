// upstream { }.
#include <algorithm>
#include <limits>

#include "base/bytes.h"
#include "conf/directives/row.h"

namespace keepgate::conf {

namespace {

using U = UpstreamModel;
using upstream::Method;

void read_upstream(Reader& reader, const Scope&, const Directive& directive) {
  const Word& name = directive.arguments[0];
  auto& upstreams = reader.model().upstreams;
  for (const auto& other : upstreams) {
    if (!equals_ignoring_case(other->name.text, name.text)) continue;
    return reader.error(code::taken_name, cat("duplicate upstream '", printable(name.text), "'"), name.at);
  }
  U& upstream = *upstreams.emplace_back(std::make_unique<U>());
  upstream.name = name;
  Scope inner;
  inner.context = in_upstream;
  inner.upstream = &upstream;
  reader.read(directive.block, inner);
  if (upstream.servers.empty()) {
    reader.error(code::missing_section, cat("no servers are inside upstream '", printable(name.text), "'"), name.at);
  }
}

bool jumps(const U& upstream) {
  return upstream.method && *upstream.method != Method::round_robin && *upstream.method != Method::least_conn;
}

// As nginx: refused where the method stands before the server.
bool unsupported(Reader& reader, const U& upstream, const Word& word, std::string_view name) {
  if (!jumps(upstream)) return false;
  reader.error(code::bad_parameter, cat("balancing method does not support parameter '", name, "'"), word.at);
  return true;
}

bool read_server_number(Reader& reader, const Directive& directive, const Word& word, UpstreamServerModel& server) {
  struct Parameter {
    std::string_view name;
    unsigned UpstreamServerModel::* field;
    std::uint64_t least, most;
  };
  constexpr Parameter parameters[] = {
      {"weight=", &UpstreamServerModel::weight, 1, 65535},
      {"max_fails=", &UpstreamServerModel::fails_max, 0, 1'000'000},
      {"max_conns=", &UpstreamServerModel::conns_max, 0, 1'000'000},
  };
  for (const Parameter& one : parameters) {
    const auto text = parameter(word, one.name);
    if (!text) continue;
    const auto value = reader.number(directive, word, *text, one.least, one.most);
    if (value) server.*one.field = static_cast<unsigned>(*value);
    return true;
  }
  return false;
}

void read_server_time(Reader& reader, const Directive& directive, const Word& word, std::string_view text,
                      std::int64_t& out_ms) {
  const auto value = reader.time_s(directive, word, text);
  if (value && *value > std::numeric_limits<std::int32_t>::max()) return reader.invalid_parameter(directive, word);
  if (value) out_ms = *value * 1000;
}

void read_server_parameter(Reader& reader, const Scope& scope, const Directive& directive, const Word& word,
                           UpstreamServerModel& server) {
  if (read_server_number(reader, directive, word, server)) return;
  if (const auto timeout = parameter(word, "fail_timeout=")) {
    read_server_time(reader, directive, word, *timeout, server.fail_timeout_ms);
  } else if (const auto slow = parameter(word, "slow_start=")) {
    if (unsupported(reader, *scope.upstream, word, "slow_start")) return;
    read_server_time(reader, directive, word, *slow, server.slow_start_ms);
  } else if (word.text == "backup") {
    if (!unsupported(reader, *scope.upstream, word, "backup")) server.backup = true;
  } else if (word.text == "down" || word.text == "drain") {
    server.down = true;  // Draining: only requests that are bound to the server would go on, and none is.
  } else if (word.text == "resolve") {
    server.resolve = true;
  } else if (const auto service = parameter(word, "service=")) {
    if (service->empty()) return reader.invalid_parameter(directive, word, "service is empty");
    server.service = Word{std::string(*service), word.at, word.quoted};
  } else {
    constexpr std::string_view known[] = {"route="};
    const bool listed = std::ranges::any_of(known, [&](std::string_view name) { return word.text.starts_with(name); });
    if (listed) return reader.not_built(word, cat("parameter '", printable(word.text), "' of 'server'"), "remove it");
    reader.invalid_parameter(directive, word,
                             "weight=N max_fails=N fail_timeout=TIME max_conns=N slow_start=TIME backup down drain");
  }
}

void add_server(Reader& reader, const Scope& scope, const Directive& directive) {
  UpstreamServerModel server;
  server.address = directive.arguments[0];
  for (std::size_t i = 1; i < directive.arguments.size(); ++i) {
    read_server_parameter(reader, scope, directive, directive.arguments[i], server);
  }
  scope.upstream->servers.push_back(std::move(server));
}

void set_keepalive(Reader& reader, const Scope& scope, const Directive& directive) {
  if (directive.arguments.size() == 2 && directive.arguments[1].text != "local") {
    return reader.invalid_parameter(directive, directive.arguments[1], "only 'local' may follow");
  }
  set_number<&U::keepalive, 0, 65535>(reader, scope, directive);
}

// The size is checked and not needed: what the workers share lies in the program's own memory.
void set_zone(Reader& reader, const Scope& scope, const Directive& directive) {
  set_word<&U::zone>(reader, scope, directive);
  if (directive.arguments.size() < 2) return;
  const Word& word = directive.arguments[1];
  const auto size = reader.size(directive, word, word.text);
  if (size && *size < 32 * 1024) reader.invalid_value(directive, word, "the zone is too small: at least 32k");
}

// As nginx: the last one holds, with a warning.
void set_method(Reader& reader, const Scope& scope, const Directive& directive, Method method) {
  if (scope.upstream->method) {
    reader.warning(code::duplicate, "load balancing method redefined", directive.name.at);
  }
  scope.upstream->method = method;
}

void set_least_conn(Reader& reader, const Scope& scope, const Directive& directive) {
  set_method(reader, scope, directive, Method::least_conn);
}

void set_ip_hash(Reader& reader, const Scope& scope, const Directive& directive) {
  set_method(reader, scope, directive, Method::ip_hash);
}

void set_hash(Reader& reader, const Scope& scope, const Directive& directive) {
  const bool consistent = directive.arguments.size() == 2;
  if (consistent && directive.arguments[1].text != "consistent") {
    return reader.invalid_parameter(directive, directive.arguments[1], "only 'consistent' may follow the key");
  }
  set_method(reader, scope, directive, consistent ? Method::consistent_hash : Method::hash);
  scope.upstream->hash_key = directive.arguments[0];
}

void set_random(Reader& reader, const Scope& scope, const Directive& directive) {
  const auto& words = directive.arguments;
  if (!words.empty() && words[0].text != "two") return reader.invalid_parameter(directive, words[0], "random [two]");
  if (words.size() == 2 && words[1].text.starts_with("least_time")) {
    return reader.not_built(words[1], "'random two least_time'", "random two least_conn");
  }
  if (words.size() == 2 && words[1].text != "least_conn") {
    return reader.invalid_parameter(directive, words[1], "random two [least_conn]");
  }
  set_method(reader, scope, directive, words.empty() ? Method::random : Method::random_two);
}

void set_queue(Reader& reader, const Scope& scope, const Directive& directive) {
  if (scope.upstream->queue) return reader.duplicate(directive);
  const Word& word = directive.arguments[0];
  const auto places = reader.number(directive, word, word.text, 1, 1'000'000);
  std::optional<std::int64_t> timeout_ms = 60'000;
  if (directive.arguments.size() == 2) {
    const Word& second = directive.arguments[1];
    const auto text = parameter(second, "timeout=");
    if (!text) return reader.invalid_parameter(directive, second, "queue NUMBER [timeout=TIME]");
    timeout_ms = reader.time_ms(directive, second, *text);
  }
  if (places && timeout_ms) scope.upstream->queue = {static_cast<unsigned>(*places), *timeout_ms};
}

// "20%" → 20.
std::optional<unsigned> read_percent(Reader& reader, const Directive& directive, const Word& word,
                                     std::string_view text, unsigned most) {
  if (!text.ends_with('%')) {
    reader.invalid_parameter(directive, word, "a percentage, such as 20%");
    return std::nullopt;
  }
  text.remove_suffix(1);
  const auto value = reader.number(directive, word, text, 0, most);
  return value ? std::optional(static_cast<unsigned>(*value)) : std::nullopt;
}

void set_retry_budget(Reader& reader, const Scope& scope, const Directive& directive) {
  if (scope.upstream->retries) return reader.duplicate(directive);
  upstream::RetryBudgetOptions& options = scope.upstream->retries.emplace();
  const auto& words = directive.arguments;
  options.off = words[0].text == "off";
  if (options.off && words.size() == 2) return reader.invalid_parameter(directive, words[1], "nothing follows 'off'");
  if (options.off) return;
  if (const auto percent = read_percent(reader, directive, words[0], words[0].text, 1000)) options.percent = *percent;
  if (words.size() < 2) return;
  auto least = parameter(words[1], "min=");
  if (!least || !least->ends_with("/s")) {
    return reader.invalid_parameter(directive, words[1], "retry_budget PERCENT% [min=N/s]");
  }
  least->remove_suffix(2);
  const auto value = reader.number(directive, words[1], *least, 0, 1'000'000);
  if (value) options.per_second = static_cast<unsigned>(*value);
}

void set_outlier_ejection(Reader& reader, const Scope& scope, const Directive& directive) {
  if (scope.upstream->ejection) return reader.duplicate(directive);
  upstream::EjectionOptions& options = scope.upstream->ejection.emplace();
  if (directive.arguments.size() == 1 && directive.arguments[0].text == "off") return;
  for (const Word& word : directive.arguments) {
    if (const auto count = parameter(word, "consecutive=")) {
      const auto value = reader.number(directive, word, *count, 1, 1'000'000);
      if (value) options.consecutive = static_cast<unsigned>(*value);
    } else if (const auto time = parameter(word, "time=")) {
      const auto value = reader.time_ms(directive, word, *time);
      if (value && *value > 86'400'000) return reader.invalid_parameter(directive, word, "a day at most");
      if (value) options.time_ms = *value;
    } else if (const auto most = parameter(word, "max_ejected=")) {
      const auto value = read_percent(reader, directive, word, *most, 100);
      if (value) options.ejected_percent_max = *value;
    } else {
      return reader.invalid_parameter(directive, word, "consecutive=N [time=TIME] [max_ejected=PERCENT%], or off");
    }
  }
  if (options.consecutive == 0) {
    reader.error(code::argument_count, "'outlier_ejection' needs 'consecutive=N'", directive.name.at);
  }
}

constexpr DirectiveRow upstream_table[] = {
    {"upstream", in_http, {1, 1, true}, Support::built, read_upstream, "", "A group of servers to forward to."},
    {"server",
     in_upstream,
     {1, many},
     Support::built,
     add_server,
     "",
     "A server of the group: ADDRESS [weight=N] [max_fails=N] [fail_timeout=TIME] [max_conns=N] [slow_start=TIME] "
     "[backup] [down] [drain] [resolve] [service=NAME]."},
    {"least_conn",
     in_upstream,
     {0, 0},
     Support::built,
     set_least_conn,
     "",
     "Chooses the server with the fewest requests for its weight."},
    {"ip_hash",
     in_upstream,
     {0, 0},
     Support::built,
     set_ip_hash,
     "",
     "Chooses by the client's address: the first three octets of IPv4, all of IPv6."},
    {"hash",
     in_upstream,
     {1, 2},
     Support::built,
     set_hash,
     "",
     "KEY [consistent]: chooses by a key, as nginx would; consistent: few keys move when servers change."},
    {"random",
     in_upstream,
     {0, 2},
     Support::built,
     set_random,
     "",
     "[two [least_conn]]: chooses at random by weight; two: the less busy of two."},
    {"queue",
     in_upstream,
     {1, 2},
     Support::built,
     set_queue,
     "",
     "NUMBER [timeout=60s]: so many requests wait, first come first served, while all servers are at max_conns; else "
     "502."},
    {"retry_budget",
     in_upstream,
     {1, 2},
     Support::built,
     set_retry_budget,
     "20% min=10/s",
     "PERCENT% [min=N/s] | off: how many further attempts there may be, of the requests of the last ten seconds."},
    {"outlier_ejection",
     in_upstream,
     {1, 3},
     Support::built,
     set_outlier_ejection,
     "off",
     "consecutive=N [time=30s] [max_ejected=50%] | off: leaves a server alone that fails or answers 5xx so often in a "
     "row."},
    {"keepalive",
     in_upstream,
     {1, 2},
     Support::built,
     set_keepalive,
     "32",
     "How many idle connections each worker keeps for the group; 0: none."},
    {"keepalive_requests",
     in_upstream,
     {1, 1},
     Support::built,
     set_number<&U::keepalive_requests, 1, std::numeric_limits<std::uint32_t>::max()>,
     "1000",
     "How many requests a connection to the group carries before it is closed."},
    {"keepalive_timeout",
     in_upstream,
     {1, 1},
     Support::built,
     set_time_ms<&U::keepalive_timeout_ms>,
     "60s",
     "How long an idle connection to the group stays open."},
    {"keepalive_time",
     in_upstream,
     {1, 1},
     Support::built,
     set_time_ms<&U::keepalive_time_ms>,
     "1h",
     "How long a connection to the group may be used at all."},
    {"zone",
     in_upstream,
     {1, 2},
     Support::built,
     set_zone,
     "",
     "NAME [SIZE]: the workers share the state of the servers (failures, connections) instead of each keeping its "
     "own."},
};

}  // namespace

std::span<const DirectiveRow> upstream_rows() { return upstream_table; }

}  // namespace keepgate::conf
