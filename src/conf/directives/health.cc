// health_check and match: how servers of a group are probed, and what a good answer is. NGINX Plus's directives.
#include <limits>

#include "base/bytes.h"
#include "conf/directives/row.h"

namespace keepgate::conf {

namespace {

constexpr std::uint64_t count_max = 1'000'000;

// "200", "200-399": in a match.
bool add_status(Reader& reader, const Directive& entry, const Word& word, MatchStatusModel& out) {
  const std::string_view text = word.text;
  const std::size_t dash = text.find('-');
  const auto first = reader.number(entry, word, text.substr(0, dash), 100, 999);
  if (!first) return false;
  std::optional<std::uint64_t> last = first;
  if (dash != std::string_view::npos) last = reader.number(entry, word, text.substr(dash + 1), *first, 999);
  if (!last) return false;
  out.ranges.emplace_back(static_cast<std::uint16_t>(*first), static_cast<std::uint16_t>(*last));
  return true;
}

void read_status(Reader& reader, const Directive& entry, MatchModel& match) {
  if (match.status) return reader.duplicate(entry);
  MatchStatusModel status;
  std::size_t at = 0;
  if (!entry.arguments.empty() && entry.arguments[0].text == "!") {
    status.negated = true;
    at = 1;
  }
  if (at == entry.arguments.size()) {
    return reader.error(code::argument_count, "invalid number of arguments in 'status'", entry.name.at,
                        "status [!] CODE[-CODE] …");
  }
  for (; at < entry.arguments.size(); ++at) {
    if (!add_status(reader, entry, entry.arguments[at], status)) return;
  }
  match.status = std::move(status);
}

std::optional<MatchOperator> operator_named(std::string_view text) {
  if (text == "=") return MatchOperator::equal;
  if (text == "!=") return MatchOperator::not_equal;
  if (text == "~") return MatchOperator::regex;
  if (text == "!~") return MatchOperator::not_regex;
  return std::nullopt;
}

void read_header(Reader& reader, const Directive& entry, MatchModel& match) {
  const std::vector<Word>& words = entry.arguments;
  MatchHeaderModel header;
  if (words.size() == 1) {
    header.name = words[0];
    header.how = MatchOperator::present;
  } else if (words.size() == 2 && words[0].text == "!") {
    header.name = words[1];
    header.how = MatchOperator::absent;
  } else if (words.size() == 3 && operator_named(words[1].text)) {
    header.name = words[0];
    header.how = *operator_named(words[1].text);
    header.value = words[2];
  } else {
    return reader.error(code::bad_parameter, "'header' is not understood", entry.name.at,
                        "header NAME; header ! NAME; header NAME = VALUE; != ~ !~");
  }
  if (!is_field_name(header.name.text)) {
    return reader.invalid_parameter(entry, header.name, "a header field name is expected");
  }
  match.headers.push_back(std::move(header));
}

void read_body(Reader& reader, const Directive& entry, MatchModel& match) {
  const std::vector<Word>& words = entry.arguments;
  if (words.size() != 2 || (words[0].text != "~" && words[0].text != "!~")) {
    return reader.error(code::bad_parameter, "'body' is not understood", entry.name.at, "body ~ REGEX; body !~ REGEX;");
  }
  if (match.body) return reader.duplicate(entry);
  match.body = words[1];
  match.body_negated = words[0].text == "!~";
}

void read_match_entry(Reader& reader, const Directive& entry, MatchModel& match) {
  const std::string& name = entry.name.text;
  if (entry.has_block) return reader.error(code::block, "'match' holds no blocks", entry.name.at);
  if (name == "status") return read_status(reader, entry, match);
  if (name == "header") return read_header(reader, entry, match);
  if (name == "body") return read_body(reader, entry, match);
  if (name == "require" && !entry.arguments.empty()) {
    match.require.insert(match.require.end(), entry.arguments.begin(), entry.arguments.end());
    return;
  }
  reader.error(code::unknown_directive, cat("unknown condition '", printable(name), "' in 'match'"), entry.name.at,
               "status, header, body, require");
}

void read_match(Reader& reader, const Scope&, const Directive& directive) {
  MatchModel match;
  match.name = directive.arguments[0];
  for (const MatchModel& other : reader.model().matches) {
    if (other.name.text != match.name.text) continue;
    return reader.error(code::taken_name, cat("duplicate match '", printable(match.name.text), "'"), match.name.at);
  }
  for (const Directive& entry : directive.block) read_match_entry(reader, entry, match);
  reader.model().matches.push_back(std::move(match));
}

void set_positive_time(Reader& reader, const Directive& directive, const Word& word, std::string_view text,
                       std::int64_t least_ms, std::int64_t& out) {
  const auto value = reader.time_ms(directive, word, text);
  if (!value) return;
  if (*value < least_ms || *value > std::numeric_limits<std::int32_t>::max()) {
    return reader.invalid_parameter(directive, word);
  }
  out = *value;
}

void read_check_parameter(Reader& reader, const Directive& directive, const Word& word, HealthCheckModel& check) {
  const auto count = [&](std::string_view text, unsigned& out) {
    if (const auto value = reader.number(directive, word, text, 1, count_max)) out = static_cast<unsigned>(*value);
  };
  if (const auto interval = parameter(word, "interval=")) {
    set_positive_time(reader, directive, word, *interval, 1, check.interval_ms);
  } else if (const auto jitter = parameter(word, "jitter=")) {
    set_positive_time(reader, directive, word, *jitter, 0, check.jitter_ms);
  } else if (const auto fails = parameter(word, "fails=")) {
    count(*fails, check.fails);
  } else if (const auto passes = parameter(word, "passes=")) {
    count(*passes, check.passes);
  } else if (const auto uri = parameter(word, "uri=")) {
    if (!uri->starts_with('/') || uri->find_first_of(" \t\r\n#") != std::string_view::npos) {
      return reader.invalid_parameter(directive, word, "a URI begins with '/'");
    }
    check.uri = Word{std::string(*uri), word.at, true};
  } else if (const auto port = parameter(word, "port=")) {
    if (const auto value = reader.number(directive, word, *port, 1, 65535))
      check.port = static_cast<std::uint16_t>(*value);
  } else if (const auto match = parameter(word, "match=")) {
    check.match = Word{std::string(*match), word.at, true};
  } else if (word.text == "mandatory") {
    check.mandatory = true;
  } else if (word.text == "persistent") {
    check.persistent = true;  // It is so in any case: a reload keeps what is known of a group that did not change.
  } else if (parameter(word, "keepalive_time=")) {
    reader.warning(code::no_effect, "'keepalive_time' has no effect: each probe has a connection of its own", word.at);
  } else if (word.text == "type=grpc" || parameter(word, "grpc_service=") || parameter(word, "grpc_status=")) {
    reader.not_built(word, "'health_check type=grpc'", "probe over HTTP");
  } else if (word.text != "type=http") {
    reader.invalid_parameter(directive, word,
                             "interval= jitter= fails= passes= uri= port= match= mandatory persistent");
  }
}

void set_health_check(Reader& reader, const Scope& scope, const Directive& directive) {
  if (scope.location->health_check) return reader.duplicate(directive);
  HealthCheckModel check;
  check.at = directive.name.at;
  for (const Word& word : directive.arguments) read_check_parameter(reader, directive, word, check);
  if (check.persistent && !check.mandatory) {
    reader.error(code::bad_parameter, "'persistent' without 'mandatory'", directive.name.at);
  }
  scope.location->health_check = std::move(check);
}

constexpr DirectiveRow health_table[] = {
    {"health_check",
     in_location,
     {0, many},
     Support::built,
     set_health_check,
     "",
     "Probes the servers of proxy_pass's group: interval=5s jitter=0 fails=1 passes=1 uri=/ port=N match=NAME "
     "mandatory."},
    {"health_check_timeout",
     in_levels,
     {1, 1},
     Support::built,
     set_time_ms<&LevelOptions::health_check_timeout_ms>,
     "60s",
     "How long a probe may take altogether."},
    {"match",
     in_http,
     {1, 1, true},
     Support::built,
     read_match,
     "",
     "What a good answer to a probe is: status, header, body, require."},
};

}  // namespace

std::span<const DirectiveRow> health_rows() { return health_table; }

}  // namespace keepgate::conf
