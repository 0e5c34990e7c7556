// One rule of `policies:`.
#include <algorithm>
#include <array>
#include <utility>

#include "base/bytes.h"
#include "policy/codes.h"
#include "policy/paths.h"
#include "policy/yaml_front_end.h"

namespace keepgate::policy {

namespace {

constexpr std::array<std::string_view, 11> rule_keys{"id",           "identity", "allow", "deny", "permissions", "on",
                                                     "on_behalf_of", "scopes",   "mode",  "when", "unless"};
constexpr std::array<std::string_view, 4> on_keys{"service", "services", "methods", "paths"};
constexpr std::size_t id_bytes_max = 128;

class RuleReader {
 public:
  RuleReader(const YamlNode& node, YamlValues& values, Reading& reading)
      : node_(node), values_(values), reading_(reading) {}

  void read(Mode file_mode) {
    if (!values_.expect_map(node_, "a rule")) return;
    values_.check_keys(node_, rule_keys, "a rule");
    refuse_conditions();
    rule_.mode = file_mode;
    rule_.place = values_.short_place(node_);
    read_id();
    read_effect();
    if (const YamlNode* mode = node_.find("mode")) rule_.mode = read_mode(*mode, values_).value_or(file_mode);
    if (const YamlNode* permissions = node_.find("permissions")) read_methods(*permissions, "permissions");
    if (const YamlNode* on = node_.find("on")) read_on(*on);
    if (const YamlNode* customers = node_.find("on_behalf_of")) read_customers(*customers);
    if (const YamlNode* scopes = node_.find("scopes")) read_scopes(*scopes);
    warn_if_wide_open();
    reading_.book.rules.push_back(std::move(rule_));
  }

 private:
  void refuse_conditions() {
    for (const std::string_view key : {"when", "unless"}) {
      for (std::size_t i = 0; i + 1 < node_.items.size(); i += 2) {
        if (node_.items[i].text != key) continue;
        values_.complain(code::conditions_not_built, cat("conditions (", key, ") are not built yet"), node_.items[i],
                         "a rule without its condition would mean something else, so the policy is refused");
      }
    }
  }

  void read_id() {
    const YamlNode* id = node_.find("id");
    if (!id) return make_up_id();
    if (!values_.expect_text(*id, "the id")) return;
    const bool fine = std::all_of(id->text.begin(), id->text.end(), [](char c) {
      return is_alpha(c) || is_digit(c) || std::string_view("._:/@+-").find(c) != std::string_view::npos;
    });
    if (!fine || id->text.size() > id_bytes_max) {
      return values_.complain(code::bad_id, cat("'", printable(id->text, 60), "' is not an id"), *id,
                              "an id is made of letters, digits and . _ : / @ + -, at most 128 of them");
    }
    rule_.id = id->text;
    const auto [before, is_new] = reading_.id_places.emplace(rule_.id, rule_.place);
    if (is_new) return;
    values_.complain(code::duplicate_id, cat("the id '", rule_.id, "' is already used at ", before->second), *id,
                     "ids are unique over all files");
  }

  // "policy.yaml:12", with the column where another rule begins on the same line.
  void make_up_id() {
    rule_.id = rule_.place;
    if (reading_.id_places.emplace(rule_.id, rule_.place).second) return;
    append(rule_.id, ':', node_.column);
    if (reading_.id_places.emplace(rule_.id, rule_.place).second) return;
    values_.complain(code::duplicate_id, cat("the id '", rule_.id, "' is already used"), node_, "give this rule an id");
  }

  void read_effect() {
    const YamlNode* effects[] = {node_.find("identity"), node_.find("allow"), node_.find("deny")};
    const auto given = std::count_if(std::begin(effects), std::end(effects), [](auto* one) { return one != nullptr; });
    if (given == 0) {
      return values_.complain(code::no_identity, "a rule names nobody", node_, "say allow: NAMES or deny: NAMES");
    }
    if (given > 1) {
      return values_.complain(code::two_effects, "a rule has one of identity, allow and deny", node_,
                              "identity means the same as allow; write two rules to allow and to deny");
    }
    rule_.effect = effects[2] ? Effect::forbid : Effect::permit;
    for (const YamlNode* effect : effects) {
      if (effect) read_identities(*effect);
    }
  }

  void read_identities(const YamlNode& node) {
    for (const YamlNode* text : values_.texts(node, "the list of names")) {
      if (auto name = parse_name(text->text)) {
        rule_.identities.push_back(*std::move(name));
      } else {
        values_.complain(name.error(), *text);
      }
    }
  }

  void read_customers(const YamlNode& node) {
    for (const YamlNode* text : values_.texts(node, "on_behalf_of")) {
      auto name = parse_name(text->text);
      if (!name) {
        values_.complain(name.error(), *text);
      } else if (name->kind != NameKind::user && name->kind != NameKind::role) {
        values_.complain(code::name_not_allowed_here, cat("'", text->text, "' is not a customer"), *text,
                         "on_behalf_of takes user:NAME, user:* and role:NAME");
      } else {
        rule_.on_behalf_of.push_back(*std::move(name));
      }
    }
  }

  void read_methods(const YamlNode& node, std::string_view what) {
    bool every = false;
    methods_given_ = true;
    for (const YamlNode* text : values_.texts(node, what)) {
      auto methods = parse_methods(text->text);
      if (!methods) {
        values_.complain(methods.error(), *text);
        continue;
      }
      every = every || methods->empty();
      for (std::string& method : *methods) {
        warn_if_unregistered(method, *text);
        rule_.methods.push_back(std::move(method));
      }
    }
    if (every) rule_.methods.clear();
  }

  void warn_if_unregistered(std::string_view method, const YamlNode& text) {
    if (is_registered_method(method)) return;
    const std::string_view close = closest_method(method);
    values_.warn(code::unregistered_method, cat("'", method, "' is not a registered method"), text,
                 close.empty() ? "" : cat("did you mean '", close, "'?"));
  }

  void read_on(const YamlNode& on) {
    if (!on.is_map()) return read_paths(on);
    values_.check_keys(on, on_keys, "on");
    if (on.items.empty()) values_.complain(code::empty_value, "on is an empty map", on, "leave it out for every path");
    const YamlNode* service = on.find("service");
    const YamlNode* services = on.find("services");
    if (service && services) {
      values_.complain(code::said_twice, "service and services mean the same", *services, "keep one of them");
    }
    for (const YamlNode* one : {service, services}) {
      if (one) read_services(*one);
    }
    if (const YamlNode* methods = on.find("methods")) {
      if (methods_given_) {
        values_.complain(code::said_twice, "permissions and methods mean the same", *methods, "keep one of them");
      }
      read_methods(*methods, "methods");
    }
    if (const YamlNode* paths = on.find("paths")) read_paths(*paths);
  }

  void read_services(const YamlNode& node) {
    for (const YamlNode* text : values_.texts(node, "service")) {
      if (const auto fine = check_plain_name(text->text, "the service"); !fine) {
        values_.complain({code::bad_service, fine.error().message, "leave it out for every service"}, *text);
      }
      rule_.services.push_back(text->text);
    }
  }

  void read_paths(const YamlNode& node) {
    for (const YamlNode* text : values_.texts(node, "the list of paths")) {
      auto pattern = parse_path_pattern(text->text);
      if (!pattern) {
        values_.complain(pattern.error(), *text);
        continue;
      }
      if (const std::string_view segment = foreign_placeholder(*pattern); !segment.empty()) {
        values_.warn(code::foreign_placeholder, cat("'", printable(segment, 60), "' is matched letter by letter"),
                     *text, "one segment of any text is written *");
      }
      rule_.paths.push_back(*std::move(pattern));
    }
  }

  void read_scopes(const YamlNode& node) {
    if (rule_.effect == Effect::forbid && !rule_.identities.empty()) {
      return values_.complain(code::deny_with_scopes, "a deny rule cannot need scopes", node,
                              "it would let pass whoever lacks them; put the scopes into the allow rule");
    }
    for (const YamlNode* text : values_.texts(node, "scopes")) {
      if (const auto fine = check_plain_name(text->text, "the scope"); !fine) {
        values_.complain({code::bad_scope, fine.error().message, "all scopes of the list are needed: [a, b]"}, *text);
      }
      rule_.scopes.push_back(text->text);
    }
  }

  void warn_if_wide_open() {
    const bool narrowed = methods_given_ || node_.find("on");
    if (rule_.effect == Effect::forbid || narrowed || rule_.identities.empty()) return;
    values_.warn(code::opens_everything, "this rule allows every method on every path of every service", node_,
                 "if that is meant, say permissions: \"*\"; otherwise add on: and permissions:");
  }

  const YamlNode& node_;
  YamlValues& values_;
  Reading& reading_;
  Rule rule_;
  bool methods_given_ = false;
};

}  // namespace

void read_rules(const YamlNode& list, Mode file_mode, YamlValues& values, Reading& reading) {
  if (!values.expect_list(list, "policies")) return;
  for (const YamlNode& node : list.items) {
    if (values.too_many_complaints()) return;
    RuleReader(node, values, reading).read(file_mode);
  }
}

}  // namespace keepgate::policy
