// server { }, location { } and what only they hold.
#include <algorithm>

#include "base/bytes.h"
#include "conf/directives/row.h"
#include "pipeline/location.h"

namespace keepgate::conf {

namespace {

using route::LocationMatch;

void read_server(Reader& reader, const Scope&, const Directive& directive) {
  if (!reader.count_level(directive)) return;
  auto& servers = reader.model().servers;
  ServerModel& server = *servers.emplace_back(std::make_unique<ServerModel>());
  server.at = directive.name.at;
  Scope inner;
  inner.context = in_server;
  inner.server = &server;
  inner.level = &server.options;
  inner.steps = &server.steps;
  reader.read(directive.block, inner);
}

struct Modifier {
  std::string_view mark;
  LocationMatch match;
};
// Longest first: a modifier may stand right before the pattern.
constexpr Modifier modifiers[] = {{"~*", LocationMatch::regex_no_case},
                                  {"^~", LocationMatch::prefix_no_regex},
                                  {"~", LocationMatch::regex},
                                  {"=", LocationMatch::exact}};

// `location = /x`, `location =/x`, `location /x`, `location @x`.
bool read_pattern(Reader& reader, const Directive& directive, LocationModel& location) {
  const std::vector<Word>& words = directive.arguments;
  if (words.size() == 2) {
    location.written = cat(words[0].text, ' ', words[1].text);
    location.pattern = words[1].text;
    for (const Modifier& modifier : modifiers) {
      if (words[0].text != modifier.mark) continue;
      location.match = modifier.match;
      return true;
    }
    reader.error(code::bad_location, cat("invalid location modifier '", printable(words[0].text), "'"), words[0].at,
                 "one of =, ~, ~*, ^~");
    return false;
  }
  location.written = words[0].text;
  location.pattern = words[0].text;
  if (location.pattern.starts_with('@')) {
    location.match = LocationMatch::named;
    return true;
  }
  for (const Modifier& modifier : modifiers) {
    if (!location.pattern.starts_with(modifier.mark)) continue;
    location.match = modifier.match;
    location.pattern.erase(0, modifier.mark.size());
    return true;
  }
  return true;
}

bool is_regex(LocationMatch match) { return match == LocationMatch::regex || match == LocationMatch::regex_no_case; }

void read_location(Reader& reader, const Scope& scope, const Directive& directive) {
  if (!reader.count_level(directive)) return;
  auto location = std::make_unique<LocationModel>();
  location->at = directive.name.at;
  if (!read_pattern(reader, directive, *location)) return;
  const Word& word = directive.arguments.back();
  const bool takes_path = !is_regex(location->match) && location->match != LocationMatch::named;
  if (location->pattern.empty() || location->pattern == "@") {
    return reader.error(code::bad_location, "a location needs a pattern", word.at);
  }
  if (takes_path && !location->pattern.starts_with('/')) {
    reader.warning(code::bad_location, cat("location '", printable(location->pattern), "' can never match"), word.at,
                   "paths begin with '/'");
  }
  Scope inner;
  inner.context = in_location;
  inner.server = scope.server;
  inner.location = location.get();
  inner.level = &location->options;
  inner.steps = &location->steps;
  auto& siblings = scope.context == in_location ? scope.location->nested : scope.server->locations;
  siblings.push_back(std::move(location));
  reader.read(directive.block, inner);
}

// `limit_except GET POST { … }`: these settings hold for all other methods.
void read_limit_except(Reader& reader, const Scope& scope, const Directive& directive) {
  if (scope.location->limit_except) return reader.duplicate(directive);
  if (!reader.count_level(directive)) return;
  MethodLimitModel limit;
  for (const Word& word : directive.arguments) {
    std::string name = word.text;  // As nginx, in any case; methods of requests have a case.
    for (char& c : name) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    const std::uint32_t bit = pipeline::method_bit(name);
    if (bit == 0) {
      return reader.error(code::bad_value, cat("invalid method '", printable(word.text), "'"), word.at,
                          "GET, POST, PUT, DELETE, PATCH, …");
    }
    limit.allowed |= bit;
  }
  if ((limit.allowed & pipeline::method_bit("GET")) != 0) limit.allowed |= pipeline::method_bit("HEAD");
  limit.inner = inner_location(*scope.location);
  Scope inner = scope;
  inner.context = in_limit_except;
  inner.location = limit.inner.get();
  inner.level = &limit.inner->options;
  inner.steps = nullptr;
  scope.location->limit_except = std::move(limit);
  reader.read(directive.block, inner);
}

void set_stub_status(Reader& reader, const Scope& scope, const Directive& directive) {
  if (scope.location->stub_status) return reader.duplicate(directive);
  scope.location->stub_status = directive.name.at;
}

void set_internal(Reader& reader, const Scope& scope, const Directive& directive) {
  if (std::exchange(scope.location->internal, true)) reader.duplicate(directive);
}

void add_server_names(Reader& reader, const Scope& scope, const Directive& directive) {
  for (const Word& word : directive.arguments) {
    if (word.text.find('/') != std::string::npos && !word.text.starts_with('~')) {
      reader.warning(code::bad_value, cat("server name '", printable(word.text), "' has suspicious symbols"), word.at);
    }
    scope.server->names.push_back(word);
  }
}

// "on", "off" or IDLE:INTERVAL:COUNT, of which parts may be left out.
std::optional<KeepAliveModel> parse_keep_alive(std::string_view text) {
  if (text == "on" || text == "off") return KeepAliveModel{text == "on"};
  const std::size_t first = text.find(':');
  const std::size_t second = first == std::string_view::npos ? first : text.find(':', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  constexpr std::int64_t seconds_max = 32767;  // Linux's.
  KeepAliveModel out{true};
  const auto read_time = [](std::string_view part, int& place) {
    const auto value = part.empty() ? std::optional<std::int64_t>(0) : parse_time_s(part);
    if (value && *value <= seconds_max) place = static_cast<int>(*value);
    return value && *value <= seconds_max && (part.empty() || *value > 0);
  };
  if (!read_time(text.substr(0, first), out.idle_s)) return std::nullopt;
  if (!read_time(text.substr(first + 1, second - first - 1), out.interval_s)) return std::nullopt;
  const std::string_view count = text.substr(second + 1);
  if (!count.empty()) {
    const auto value = parse_unsigned<std::uint8_t>(count);
    if (!value || *value == 0 || *value > 127) return std::nullopt;
    out.count = *value;
  }
  const bool says_nothing = out.idle_s == 0 && out.interval_s == 0 && out.count == 0;
  return says_nothing ? std::nullopt : std::optional(out);
}

std::optional<int> buffer_size(Reader& reader, const Directive& directive, const Word& word, std::string_view text) {
  constexpr std::uint64_t bytes_max = 1 << 30;
  const auto bytes = reader.size(directive, word, text);
  if (!bytes) return std::nullopt;
  if (*bytes >= 1 && *bytes <= bytes_max) return static_cast<int>(*bytes);
  reader.invalid_parameter(directive, word, "a size up to 1 GiB");
  return std::nullopt;
}

// Parameters of the socket, of which there is one set for each address. Tells whether `word` is one of them.
bool read_socket_parameter(Reader& reader, const Directive& directive, const Word& word, ListenModel& listen) {
  if (const auto backlog = parameter(word, "backlog=")) {
    const auto value = reader.number(directive, word, *backlog, 1, 65535);
    if (value) listen.backlog = static_cast<int>(*value);
  } else if (const auto only = parameter(word, "ipv6only=")) {
    listen.ipv6_only = parse_flag(*only);
    if (!listen.ipv6_only) reader.invalid_parameter(directive, word, "ipv6only=on or ipv6only=off");
  } else if (const auto keep_alive = parameter(word, "so_keepalive=")) {
    listen.keep_alive = parse_keep_alive(*keep_alive);
    if (!listen.keep_alive) {
      reader.invalid_parameter(directive, word, "so_keepalive=on, so_keepalive=off or so_keepalive=30m:10s:5");
    }
  } else if (const auto receive = parameter(word, "rcvbuf=")) {
    listen.receive_buffer_bytes = buffer_size(reader, directive, word, *receive);
  } else if (const auto send = parameter(word, "sndbuf=")) {
    listen.send_buffer_bytes = buffer_size(reader, directive, word, *send);
  } else if (const auto fast_open = parameter(word, "fastopen=")) {
    const auto value = reader.number(directive, word, *fast_open, 1, 65535);
    if (value) listen.fast_open_queue = static_cast<int>(*value);
  } else if (word.text == "deferred") {
    listen.deferred = true;
  } else {
    return word.text == "bind" || word.text == "reuseport";  // Every worker has a listener of its own in any case.
  }
  return true;
}

void warn_of_http2(Reader& reader, const Word& word) {
  reader.warning(code::no_effect, "HTTP/2 is not spoken here: clients get HTTP/1.1", word.at,
                 "remove it; clients agree on HTTP/1.1 by themselves");
}

void read_listen_parameter(Reader& reader, const Directive& directive, const Word& word, ListenModel& listen) {
  if (word.text == "default_server" || word.text == "default") {
    listen.default_server = true;
  } else if (word.text == "ssl") {
    listen.ssl = true;
  } else if (word.text == "proxy_protocol") {
    listen.proxy_protocol = true;
  } else if (read_socket_parameter(reader, directive, word, listen)) {
    listen.has_socket_options = true;
  } else if (word.text == "http2") {
    warn_of_http2(reader, word);
  } else if (word.text == "quic") {
    reader.not_built(word, cat("parameter '", word.text, "' of 'listen'"), "use HTTP/1.1");
  } else if (parameter(word, "setfib=") || parameter(word, "accept_filter=")) {
    reader.invalid_parameter(directive, word, "this system has no such thing");
  } else {
    constexpr std::string_view names[] = {"default_server", "ssl",           "proxy_protocol", "backlog=",
                                          "ipv6only=",      "so_keepalive=", "reuseport",      "deferred",
                                          "rcvbuf=",        "sndbuf=",       "fastopen="};
    const std::string_view near = closest_match(word.text, names);
    reader.invalid_parameter(directive, word, near.empty() ? std::string() : cat("did you mean '", near, "'?"));
  }
}

void add_listen(Reader& reader, const Scope& scope, const Directive& directive) {
  ListenModel listen;
  listen.address = directive.arguments[0];
  for (std::size_t i = 1; i < directive.arguments.size(); ++i) {
    read_listen_parameter(reader, directive, directive.arguments[i], listen);
  }
  scope.server->listens.push_back(std::move(listen));
}

void set_http2(Reader& reader, const Scope&, const Directive& directive) {
  const auto value = reader.flag(directive);
  if (value && *value) warn_of_http2(reader, directive.name);
}

constexpr DirectiveRow server_table[] = {
    {"server", in_http, {0, 0, true}, Support::built, read_server, "", "A virtual server."},
    {"listen",
     in_server,
     {1, many},
     Support::built,
     add_listen,
     "*:80, or *:8000 without super-user privileges",
     "An address, a port or unix:PATH that the server answers on; default_server, ssl, proxy_protocol (a PROXY header "
     "comes first), backlog=N, ipv6only=on|off, so_keepalive=on|off|IDLE:INTERVAL:COUNT, rcvbuf=SIZE, sndbuf=SIZE, "
     "fastopen=N, deferred."},
    {"server_name",
     in_server,
     {1, many},
     Support::built,
     add_server_names,
     "\"\"",
     "Names of the server: exact, *.suffix, .suffix, prefix.*, ~regex, \"\" for requests without a Host."},
    {"location",
     in_server | in_location,
     {1, 2, true},
     Support::built,
     read_location,
     "",
     "What holds for some paths: a prefix, `=` exact, `^~` prefix before regexes, `~` and `~*` regex, `@` named."},
    {"internal",
     in_location,
     {0, 0},
     Support::built,
     set_internal,
     "",
     "The location answers internal redirects only; others get 404."},
    {"http2",
     in_http | in_server,
     {1, 1},
     Support::ignored,
     set_http2,
     "off",
     "No effect: clients get HTTP/1.1; `on` is told."},
    {"limit_except",
     in_location,
     {1, many, true},
     Support::built,
     read_limit_except,
     "",
     "METHOD … { allow, deny, auth_jwt … }: what holds for all other methods; GET allows HEAD. The location's if, set, "
     "rewrite and return do not run for them."},
    {"stub_status",
     in_location,
     {0, 1},
     Support::built,
     set_stub_status,
     "",
     "Shows connections and requests as text, behind the access rules of its location."},
};

}  // namespace

std::span<const DirectiveRow> server_rows() { return server_table; }

}  // namespace keepgate::conf
