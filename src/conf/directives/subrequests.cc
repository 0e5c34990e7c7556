// auth_request, auth_request_set and mirror: nginx's modules for requests of our own.
#include <algorithm>

#include "base/bytes.h"
#include "conf/directives/row.h"
#include "route/template.h"

namespace keepgate::conf {

namespace {

using O = LevelOptions;

void set_auth_request(Reader& reader, const Scope& scope, const Directive& directive) {
  auto& place = scope.level->auth_request;
  if (place) return reader.duplicate(directive);
  const Word& word = directive.arguments[0];
  if (word.text == "off") {
    place = OptionalFile{true, {}};
  } else if (check_subrequest_uri(reader, directive, word)) {
    place = OptionalFile{false, word};
  }
}

void add_mirror(Reader& reader, const Scope& scope, const Directive& directive) {
  auto& place = scope.level->mirrors;
  const Word& word = directive.arguments[0];
  const bool off = word.text == "off";
  if (place && (off || place->off)) return reader.duplicate(directive);
  if (!off && !check_subrequest_uri(reader, directive, word)) return;
  if (!place) place.emplace();
  place->off = off;
  if (!off) place->uris.push_back(word);
}

// The number of an assigned variable; new, if it is named for the first time.
std::uint32_t assigned_index(Model& model, const Word& name) {
  const auto found = std::ranges::find(model.assigned, name.text, &Word::text);
  if (found != model.assigned.end()) return static_cast<std::uint32_t>(found - model.assigned.begin());
  model.assigned.push_back(name);
  return static_cast<std::uint32_t>(model.assigned.size() - 1);
}

void add_assignment(Reader& reader, const Scope& scope, const Directive& directive) {
  const std::vector<Word>& words = directive.arguments;
  const std::string_view written = words[0].text;
  const auto in_names = [](char c) { return is_alpha(c) || is_digit(c) || c == '_'; };
  if (written.size() < 2 || written[0] != '$' || !std::ranges::all_of(written.substr(1), in_names)) {
    return reader.error(code::bad_variable, cat("invalid variable name '", printable(written), "'"), words[0].at,
                        "auth_request_set $name VALUE");
  }
  Word name = words[0];
  name.text = to_lower(written.substr(1));
  const auto is_taken = [&](const route::VariableRow& row) { return row.name == name.text; };
  if (std::ranges::any_of(route::variable_table(), is_taken)) {
    return reader.error(code::taken_name, cat("the variable '$", name.text, "' is already defined"), name.at);
  }
  auto& assignments = scope.level->assignments;
  if (!assignments) assignments.emplace();
  assignments->push_back({assigned_index(reader.model(), name), words[1]});
}

constexpr DirectiveRow subrequest_table[] = {
    {"auth_request",
     in_levels,
     {1, 1},
     Support::built,
     set_auth_request,
     "off",
     "Asks a location of this server, named by its path, behind every other check: 2xx lets the request pass, 401 and "
     "403 refuse it, all else is 500. It gets the client's fields and no body; where it leads, no credential and no "
     "address is checked. It names nobody: for a policy the request stays anonymous."},
    {"auth_request_set",
     in_levels,
     {2, 2},
     Support::built,
     add_assignment,
     "",
     "Sets a variable by that answer: $upstream_http_NAME, $upstream_status and others are the subrequest's."},
    {"mirror",
     in_levels,
     {1, 1},
     Support::built,
     add_mirror,
     "off",
     "Sends a copy of each request that was let pass to a location of this server, named by its path; several "
     "accumulate. It goes out when the request has its answer, and is dropped where 64 are under way on a worker."},
    {"mirror_request_body",
     in_levels,
     {1, 1},
     Support::built,
     set_flag<&O::mirror_request_body>,
     "on",
     "Whether copies have the body. One that is larger than 1m, or was not kept (proxy_request_buffering off), makes "
     "that there is no copy."},
};

}  // namespace

bool check_subrequest_uri(Reader& reader, const Directive& directive, const Word& word) {
  constexpr std::size_t uri_bytes_max = 4096;
  if (has_variable(word)) {
    reader.not_built(word, cat("'", directive.name.text, "' with variables"), "name a path of this server");
    return false;
  }
  const auto is_visible = [](char c) { return c > ' ' && c < 0x7f; };
  const bool is_path = word.text.starts_with('/') && word.text.size() <= uri_bytes_max &&
                       std::ranges::all_of(word.text, is_visible) && word.text.find('?') == std::string::npos;
  if (!is_path) reader.invalid_value(directive, word, "a path of this server, without arguments: /_auth");
  return is_path;
}

std::span<const DirectiveRow> subrequest_rows() { return subrequest_table; }

}  // namespace keepgate::conf
