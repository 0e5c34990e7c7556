// upstream { }.
#include <algorithm>
#include <limits>

#include "base/bytes.h"
#include "conf/directives/row.h"

namespace keepgate::conf {

namespace {

using U = UpstreamModel;

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

void read_server_parameter(Reader& reader, const Directive& directive, const Word& word, UpstreamServerModel& server) {
  if (const auto weight = parameter(word, "weight=")) {
    const auto value = reader.number(directive, word, *weight, 1, 65535);
    if (value) server.weight = static_cast<unsigned>(*value);
  } else if (const auto fails = parameter(word, "max_fails=")) {
    const auto value = reader.number(directive, word, *fails, 0, 1'000'000);
    if (value) server.fails_max = static_cast<unsigned>(*value);
  } else if (const auto timeout = parameter(word, "fail_timeout=")) {
    const auto value = reader.time_s(directive, word, *timeout);
    if (value && *value > std::numeric_limits<std::int32_t>::max()) return reader.invalid_parameter(directive, word);
    if (value) server.fail_timeout_ms = *value * 1000;
  } else if (word.text == "backup") {
    server.backup = true;
  } else if (word.text == "down") {
    server.down = true;
  } else {
    constexpr std::string_view known[] = {"max_conns=", "resolve", "route=", "service=", "slow_start=", "drain"};
    const bool listed = std::ranges::any_of(known, [&](std::string_view name) { return word.text.starts_with(name); });
    if (listed) return reader.not_built(word, cat("parameter '", printable(word.text), "' of 'server'"), "remove it");
    reader.invalid_parameter(directive, word, "weight=N max_fails=N fail_timeout=TIME backup down");
  }
}

void add_server(Reader& reader, const Scope& scope, const Directive& directive) {
  UpstreamServerModel server;
  server.address = directive.arguments[0];
  for (std::size_t i = 1; i < directive.arguments.size(); ++i) {
    read_server_parameter(reader, directive, directive.arguments[i], server);
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

constexpr DirectiveRow rows[] = {
    {"upstream", in_http, {1, 1, true}, Support::built, read_upstream, "", "A group of servers to forward to."},
    {"server",
     in_upstream,
     {1, many},
     Support::built,
     add_server,
     "",
     "A server of the group: ADDRESS [weight=N] [max_fails=N] [fail_timeout=TIME] [backup] [down]."},
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

std::span<const DirectiveRow> upstream_rows() { return rows; }

}  // namespace keepgate::conf
