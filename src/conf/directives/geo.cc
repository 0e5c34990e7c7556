// geo { } and split_clients { }: variables by the client's address, and by a hash.
#include <algorithm>

#include "base/bytes.h"
#include "conf/directives/row.h"
#include "route/geo.h"
#include "route/split_clients.h"
#include "route/template.h"

namespace keepgate::conf {

namespace {

// "$name" as a new variable; false: it is none, or is there already, which is told.
bool read_new_variable(Reader& reader, const Word& word, std::string& name) {
  const auto is_name = [](char c) { return is_alpha(c) || is_digit(c) || c == '_'; };
  if (word.text.size() < 2 || word.text[0] != '$' || !std::ranges::all_of(word.text.substr(1), is_name)) {
    reader.error(code::bad_variable, cat("invalid variable name '", printable(word.text), "'"), word.at, "$name");
    return false;
  }
  name = to_lower(std::string_view(word.text).substr(1));
  const Model& model = reader.model();
  const auto has_it = [&](const auto& list) {
    return std::ranges::any_of(list, [&](const auto& other) { return other.name == name; });
  };
  const bool taken =
      has_it(model.maps) || has_it(model.geos) || has_it(model.split_clients) || has_it(route::variable_table());
  if (taken) reader.error(code::taken_name, cat("the variable '$", name, "' is already defined"), word.at);
  return !taken;
}

void read_geo_entry(Reader& reader, const Directive& directive, const Directive& entry, GeoModel& geo) {
  const std::string& key = entry.name.text;
  if (entry.has_block) return reader.error(code::block, "'geo' holds no blocks", entry.name.at);
  if (entry.arguments.empty()) {
    if (key == "volatile") return;  // Addresses do not change while a request lasts.
    if (key == "ranges" && geo.entries.empty()) {
      geo.by_ranges = true;
      return;
    }
    if (key == "proxy_recursive") return reader.not_built(entry.name, "'proxy_recursive' of 'geo'");
    const std::string_view help = key == "ranges" ? "'ranges' stands before all networks" : "NETWORK VALUE;";
    return reader.error(code::argument_count, "invalid number of the geo parameters", entry.name.at, std::string(help));
  }
  if (entry.arguments.size() != 1) {
    return reader.error(code::argument_count, "invalid number of the geo parameters", entry.name.at, "NETWORK VALUE;");
  }
  const Word& value = entry.arguments[0];
  if (key == "proxy") {
    return reader.not_built(entry.name, "'proxy' of 'geo'", "set_real_ip_from NETWORK; and real_ip_header NAME;");
  }
  if (key == "default") {
    geo.default_value = value.text;
    return;
  }
  GeoEntryModel model;
  model.removes = key == "delete";
  model.key = model.removes ? value : entry.name;
  model.value = value.text;
  const bool is_good =
      geo.by_ranges ? route::parse_address_range(model.key.text).has_value() : Cidr::parse(model.key.text).has_value();
  if (!is_good) {
    return reader.invalid_value(directive, model.key,
                                geo.by_ranges ? "a range is expected: 10.0.0.1-10.0.0.9" : "a network: 10.0.0.0/8");
  }
  geo.entries.push_back(std::move(model));
}

void read_geo(Reader& reader, const Scope&, const Directive& directive) {
  GeoModel geo;
  const std::vector<Word>& words = directive.arguments;
  if (words.size() == 2) geo.source = words[0];
  geo.variable = words.back();
  if (!read_new_variable(reader, words.back(), geo.name)) return;
  for (const Directive& entry : directive.block) read_geo_entry(reader, directive, entry, geo);
  reader.model().geos.push_back(std::move(geo));
}

// "0.5%", "20%", "*": hundredths of a percent, 0 for the rest. Nothing: no share.
std::optional<std::uint32_t> parse_share(std::string_view text) {
  if (text == "*") return 0;
  if (!text.ends_with('%')) return std::nullopt;
  text.remove_suffix(1);
  const std::size_t dot = std::min(text.find('.'), text.size());
  std::string digits(text.substr(dot < text.size() ? dot + 1 : dot));
  if (digits.size() > 2) return std::nullopt;
  digits.resize(2, '0');
  const auto whole = parse_unsigned<std::uint32_t>(text.substr(0, dot));
  const auto part = parse_unsigned<std::uint32_t>(digits);
  constexpr std::uint32_t percent = 100;
  if (!whole || !part || *whole > percent) return std::nullopt;
  const std::uint32_t share = *whole * percent + *part;
  return share > 0 ? std::optional(share) : std::nullopt;
}

void read_split_clients(Reader& reader, const Scope&, const Directive& directive) {
  SplitClientsModel model;
  model.source = directive.arguments[0];
  model.variable = directive.arguments[1];
  if (!read_new_variable(reader, model.variable, model.name)) return;
  std::uint32_t sum = 0;
  for (const Directive& entry : directive.block) {
    const auto share = parse_share(entry.name.text);
    if (entry.has_block || entry.arguments.size() != 1) {
      return reader.error(code::argument_count, "invalid number of the split_clients parameters", entry.name.at,
                          "PERCENT% VALUE; or * VALUE;");
    }
    if (!share) return reader.invalid_value(directive, entry.name, "a percentage: 0.5%, 20%, or * for the rest");
    sum = *share == 0 ? std::max(sum, route::SplitClients::whole) : sum + *share;
    if (sum > route::SplitClients::whole) {
      return reader.error(code::bad_value, "percent total is greater than 100%", entry.name.at);
    }
    model.groups.emplace_back(*share, entry.arguments[0]);
  }
  reader.model().split_clients.push_back(std::move(model));
}

constexpr DirectiveRow geo_table[] = {
    {"geo",
     in_http,
     {1, 2, true},
     Support::built,
     read_geo,
     "",
     "[$address] $name { NETWORK VALUE; … }: a variable by address, the most specific network wins; default, delete, "
     "ranges."},
    {"split_clients",
     in_http,
     {2, 2, true},
     Support::built,
     read_split_clients,
     "",
     "STRING $name { PERCENT% VALUE; … * VALUE; }: parts clients into groups by a hash, as nginx does."},
};

}  // namespace

std::span<const DirectiveRow> geo_rows() { return geo_table; }

}  // namespace keepgate::conf
