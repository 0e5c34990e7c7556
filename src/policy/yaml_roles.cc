// `roles:` of a policy file, and the search for circles among them.
#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "policy/codes.h"
#include "policy/yaml_front_end.h"

namespace keepgate::policy {

namespace {

void read_member(const YamlNode& text, YamlValues& values, std::vector<Name>& members) {
  auto name = parse_name(text.text);
  if (!name) return values.complain(name.error(), text);
  if (name->kind == NameKind::anybody || name->kind == NameKind::anonymous) {
    return values.complain(code::name_not_allowed_here, cat("'", text.text, "' cannot be a member of a role"), text,
                           "name it in the rule itself; a role takes client:, user:, service:, role: and spiffe://");
  }
  members.push_back(*std::move(name));
}

void read_role(const YamlNode& key, const YamlNode& list, YamlValues& values, Reading& reading) {
  if (key.text.starts_with("role:")) {
    return values.complain(code::bad_role_name, cat("a role is defined by its bare name: '", printable(key.text), "'"),
                           key, cat("did you mean '", printable(key.text.substr(5)), "'?"));
  }
  if (const auto fine = check_plain_name(key.text, "the role's name"); !fine) {
    return values.complain({code::bad_role_name, fine.error().message, fine.error().help}, key);
  }
  const auto [before, is_new] = reading.role_places.emplace(key.text, values.place(key));
  if (!is_new) {
    return values.complain(
        code::duplicate_role,
        cat("the role '", key.text, "' is already defined at ", before->second.file, ':', before->second.line), key,
        "a role is defined in one place");
  }
  std::vector<Name>& members = reading.book.roles[key.text];
  for (const YamlNode* text : values.texts(list, cat("the role '", key.text, "'"), true)) {
    read_member(*text, values, members);
  }
}

using Roles = std::map<std::string, std::vector<Name>, std::less<>>;

// How many roles that are defined each role still lists, and who lists whom.
struct Graph {
  std::map<std::string_view, std::size_t> open_members;
  std::map<std::string_view, std::vector<std::string_view>> listed_by;
};

Graph graph_of(const Roles& roles) {
  Graph graph;
  for (const auto& [role, members] : roles) {
    graph.open_members.emplace(role, 0);
    for (const Name& member : members) {
      if (member.kind != NameKind::role || !roles.contains(member.text)) continue;
      ++graph.open_members[role];
      graph.listed_by[member.text].push_back(role);
    }
  }
  return graph;
}

// Takes away what leads to no circle, leaf by leaf: no recursion, so that a long chain costs no stack.
void peel(Graph& graph) {
  std::vector<std::string_view> leaves;
  for (const auto& [role, open] : graph.open_members) {
    if (open == 0) leaves.push_back(role);
  }
  while (!leaves.empty()) {
    const std::string_view leaf = leaves.back();
    leaves.pop_back();
    graph.open_members.erase(leaf);
    for (const std::string_view role : graph.listed_by[leaf]) {
      if (--graph.open_members[role] == 0) leaves.push_back(role);
    }
  }
}

// From a role that is left, each step to a member that is left must come round again.
std::vector<std::string_view> circle_from(std::string_view start, const Graph& graph, const Roles& roles) {
  std::vector<std::string_view> path;
  std::map<std::string_view, std::size_t> position;
  for (std::string_view at = start; !position.contains(at);) {
    position.emplace(at, path.size());
    path.push_back(at);
    const auto& members = roles.find(at)->second;
    const auto next = std::find_if(members.begin(), members.end(), [&](const Name& member) {
      return member.kind == NameKind::role && graph.open_members.contains(member.text);
    });
    at = next->text;
    if (const auto seen = position.find(at); seen != position.end()) {
      path.erase(path.begin(), path.begin() + static_cast<std::ptrdiff_t>(seen->second));
      return path;
    }
  }
  return path;
}

}  // namespace

void read_roles(const YamlNode& map, YamlValues& values, Reading& reading) {
  if (!values.expect_map(map, "roles")) return;
  for (std::size_t i = 0; i + 1 < map.items.size() && !values.too_many_complaints(); i += 2) {
    read_role(map.items[i], map.items[i + 1], values, reading);
  }
}

void refuse_role_cycles(const Reading& reading, Diagnostics& diagnostics) {
  Graph graph = graph_of(reading.book.roles);
  peel(graph);
  // INVARIANT: each role left has a member left. One complaint for the first circle; its repair shows the next.
  if (graph.open_members.empty()) return;
  const auto circle = circle_from(graph.open_members.begin()->first, graph, reading.book.roles);
  std::string text;
  for (std::size_t i = 0; i < circle.size() && i < 8; ++i) append(text, "role:", circle[i], " → ");
  append(text, circle.size() > 8 ? "… → " : "", "role:", circle.front());
  diagnostics.error(code::role_cycle, cat("roles in a circle: ", text),
                    reading.role_places.find(circle.front())->second, "a role cannot be a member of itself");
}

}  // namespace keepgate::policy
