// resolver, and how long its answers are waited for.
#include <algorithm>

#include "base/bytes.h"
#include "conf/directives/row.h"

namespace keepgate::conf {

namespace {

bool set_family(Reader& reader, const Directive& directive, const Word& word, std::string_view name, bool& family) {
  const auto value = parameter(word, name);
  if (!value) return false;
  if (*value == "on" || *value == "off") {
    family = *value == "on";
  } else {
    reader.invalid_parameter(directive, word, "it must be 'on' or 'off'");
  }
  return true;
}

ResolverModel read_resolver(Reader& reader, const Directive& directive) {
  ResolverModel model;
  model.at = directive.name.at;
  for (const Word& word : directive.arguments) {
    if (const auto valid = parameter(word, "valid=")) {
      const auto seconds = reader.time_s(directive, word, *valid);
      constexpr std::int64_t seconds_max = 1'000'000'000;
      if (seconds && *seconds > seconds_max) reader.invalid_parameter(directive, word);
      if (seconds) model.valid_ms = std::min(*seconds, seconds_max) * 1000;
    } else if (set_family(reader, directive, word, "ipv4=", model.ipv4) ||
               set_family(reader, directive, word, "ipv6=", model.ipv6)) {
      continue;
    } else if (parameter(word, "status_zone=")) {
      reader.warning(code::no_effect, "'status_zone' of 'resolver' has no effect", word.at);
    } else if (has_variable(word)) {
      reader.invalid_parameter(directive, word, "name servers are fixed addresses");
    } else {
      model.addresses.push_back(word);
    }
  }
  if (!model.ipv4 && !model.ipv6) {
    reader.error(code::bad_parameter, "\"ipv4\" and \"ipv6\" cannot both be \"off\"", directive.name.at);
  }
  if (model.addresses.empty()) {
    reader.error(code::argument_count, "no name servers defined", directive.name.at, "resolver ADDRESS[:PORT] …");
  }
  return model;
}

void set_resolver(Reader& reader, const Scope& scope, const Directive& directive) {
  auto& place = scope.upstream ? scope.upstream->resolver : scope.level->resolver;
  if (place) return reader.duplicate(directive);
  place = read_resolver(reader, directive);
}

void set_resolver_timeout(Reader& reader, const Scope& scope, const Directive& directive) {
  auto& place = scope.upstream ? scope.upstream->resolver_timeout_ms : scope.level->resolver_timeout_ms;
  if (place) return reader.duplicate(directive);
  place = reader.time_ms(directive, directive.arguments[0], directive.arguments[0].text);
}

constexpr DirectiveRow resolver_table[] = {
    {"resolver",
     in_levels | in_upstream,
     {1, many},
     Support::built,
     set_resolver,
     "",
     "Name servers that names are asked of while running: ADDRESS[:PORT] … [valid=TIME] [ipv4=off] [ipv6=off]."},
    {"resolver_timeout",
     in_levels | in_upstream,
     {1, 1},
     Support::built,
     set_resolver_timeout,
     "30s",
     "How long name servers have to answer."},
};

}  // namespace

std::span<const DirectiveRow> resolver_rows() { return resolver_table; }

}  // namespace keepgate::conf
