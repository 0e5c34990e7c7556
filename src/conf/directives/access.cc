// allow, deny and satisfy: nginx's access module, and how the checks of a location are combined.
#include "base/bytes.h"
#include "conf/directives/row.h"

namespace keepgate::conf {

namespace {

using O = LevelOptions;

template <bool allows>
void add_rule(Reader& reader, const Scope& scope, const Directive& directive) {
  const Word& word = directive.arguments[0];
  AddressRuleModel rule;
  rule.allows = allows;
  if (word.text == "all") {
    rule.is_everybody = true;
  } else if (word.text == "unix:") {
    rule.is_unix = true;
  } else if (const auto network = Cidr::parse(word.text)) {
    rule.network = *network;
    if (network->has_host_bits) {
      reader.warning(code::bad_value, cat("low address bits of ", printable(word.text), " are meaningless"), word.at);
    }
  } else {
    return reader.invalid_value(directive, word, "an address, a network like 10.0.0.0/8, unix: or all");
  }
  auto& rules = scope.level->address_rules;
  if (!rules) rules.emplace();
  rules->push_back(rule);
}

void set_satisfy(Reader& reader, const Scope& scope, const Directive& directive) {
  const Word& word = directive.arguments[0];
  std::optional<bool> any;
  if (word.text == "any") any = true;
  if (word.text == "all") any = false;
  if (!any) reader.invalid_value(directive, word, "all or any");
  detail::set_once<&O::satisfy_any>(reader, scope, directive, any);
}

constexpr DirectiveRow access_table[] = {
    {"allow",
     in_levels | in_limit_except,
     {1, 1},
     Support::built,
     add_rule<true>,
     "",
     "Lets an address in: ADDRESS, NETWORK/BITS, unix: or all. The first rule that matches decides; none: let in."},
    {"deny",
     in_levels | in_limit_except,
     {1, 1},
     Support::built,
     add_rule<false>,
     "",
     "Keeps an address out, with 403. As allow."},
    {"satisfy",
     in_levels,
     {1, 1},
     Support::built,
     set_satisfy,
     "all",
     "all: the address must not be denied and every credential that is asked for must be good. any: one of them is "
     "enough; a bad credential still refuses, unless the address is enough and no policy asks who it is."},
};

}  // namespace

std::span<const DirectiveRow> access_rows() { return access_table; }

}  // namespace keepgate::conf
