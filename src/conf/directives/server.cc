// server { }, location { } and what only they hold.
#include <algorithm>

#include "base/bytes.h"
#include "conf/directives/row.h"

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
  auto& siblings = scope.context == in_location ? scope.location->nested : scope.server->locations;
  siblings.push_back(std::move(location));
  reader.read(directive.block, inner);
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

bool is_tuning(const Word& word) {
  constexpr std::string_view flags[] = {"bind", "reuseport", "deferred"};
  constexpr std::string_view values[] = {
      "so_keepalive=", "fastopen=", "rcvbuf=", "sndbuf=", "setfib=", "accept_filter="};
  return std::ranges::find(flags, word.text) != std::end(flags) ||
         std::ranges::any_of(values, [&](std::string_view name) { return parameter(word, name).has_value(); });
}

void read_listen_parameter(Reader& reader, const Directive& directive, const Word& word, ListenModel& listen) {
  if (word.text == "default_server" || word.text == "default") {
    listen.default_server = true;
  } else if (word.text == "ssl") {
    listen.ssl = true;
  } else if (const auto backlog = parameter(word, "backlog=")) {
    const auto value = reader.number(directive, word, *backlog, 1, 65535);
    if (value) listen.backlog = static_cast<int>(*value);
    listen.has_socket_options = true;
  } else if (const auto only = parameter(word, "ipv6only=")) {
    listen.ipv6_only = parse_flag(*only);
    if (!listen.ipv6_only) reader.invalid_parameter(directive, word, "ipv6only=on or ipv6only=off");
    listen.has_socket_options = true;
  } else if (is_tuning(word)) {
    listen.has_socket_options = true;  // Tuning of sockets that changes no answer: our listeners have their own.
  } else if (word.text == "http2" || word.text == "quic" || word.text == "proxy_protocol") {
    reader.not_built(word, cat("parameter '", word.text, "' of 'listen'"),
                     word.text == "proxy_protocol" ? "the client's address would be the balancer's" : "use HTTP/1.1");
  } else {
    constexpr std::string_view names[] = {"default_server", "ssl", "backlog=", "ipv6only=", "reuseport", "deferred"};
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

constexpr DirectiveRow rows[] = {
    {"server", in_http, {0, 0, true}, Support::built, read_server, "", "A virtual server."},
    {"listen",
     in_server,
     {1, many},
     Support::built,
     add_listen,
     "*:80, or *:8000 without super-user privileges",
     "An address, a port or unix:PATH that the server answers on; default_server, ssl, backlog=N, ipv6only=on|off."},
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
};

}  // namespace

std::span<const DirectiveRow> server_rows() { return rows; }

}  // namespace keepgate::conf
