#include "conf/reader.h"

#include <algorithm>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "conf/codes.h"
#include "conf/directives/row.h"
#include "conf/values.h"

namespace keepgate::conf {

namespace {

struct ContextName {
  Context context;
  std::string_view name;
};
constexpr ContextName context_names[] = {
    {in_main, "main"},
    {in_events, "events"},
    {in_http, "http"},
    {in_server, "server"},
    {in_location, "location"},
    {in_upstream, "upstream"},
    {in_if, "if in location"},
    {in_server_if, "if in server"},
    {in_limit_except, "limit_except"},
    {in_stream, "stream"},
    {in_authorization_server, "authorization_server"},
    {in_oauth_client, "client"},
    {in_oauth_user, "user"},
};

struct Lookup {
  const DirectiveRow* row = nullptr;  // For this context.
  bool known = false;                 // In any.
  std::uint32_t contexts = 0;         // All it may stand in.
  const DirectiveRow* refused = nullptr;
};

using RowIndex = std::unordered_map<std::string_view, std::vector<const DirectiveRow*>>;

const RowIndex& row_index() {
  static const RowIndex index = [] {
    RowIndex out;
    for (const DirectiveTable& table : directive_tables()) {
      for (const DirectiveRow& row : table.rows) out[row.name].push_back(&row);
    }
    return out;
  }();
  return index;
}

Lookup look_up(std::string_view name, std::uint32_t context) {
  Lookup result;
  const auto found = row_index().find(name);
  if (found == row_index().end()) return result;
  result.known = true;
  for (const DirectiveRow* row : found->second) {
    result.contexts |= row->contexts;
    if ((row->contexts & context) != 0) result.row = row;
    const bool as_server = context == in_authorization_server && (row->contexts & in_server) != 0;
    if (as_server && !result.row && holds_in_authorization_server(name)) result.row = row;
    if (row->support == Support::refused) result.refused = row;
  }
  // What is refused is refused wherever it stands: that is the more useful answer.
  if (!result.row) result.row = result.refused;
  return result;
}

bool arity_fits(const Arity& arity, std::size_t count) {
  return count >= arity.least && (arity.most == many || count <= arity.most);
}

}  // namespace

std::string describe_contexts(std::uint32_t contexts) {
  std::string out;
  for (const ContextName& row : context_names) {
    if ((contexts & row.context) == 0) continue;
    append(out, out.empty() ? "" : ", ", row.name);
  }
  return out;
}

void Reader::read(std::span<const Directive> block, const Scope& scope) {
  for (const Directive& directive : block) {
    if (full()) return;
    read_one(directive, scope);
  }
}

void Reader::read_one(const Directive& directive, const Scope& scope) {
  const std::string& name = directive.name.text;
  const Lookup found = look_up(name, scope.context);
  if (!found.known) return unknown(directive);
  const DirectiveRow* row = found.row;
  if (!row) {
    return error(code::wrong_context, cat("'", name, "' directive is not allowed here"), directive.name.at,
                 cat("it may stand in: ", describe_contexts(found.contexts)));
  }
  if (semicolon_is_missing(directive, scope)) return;
  if (row->support == Support::refused && (!row->apply || directive.has_block))
    return not_built(directive.name, cat("directive '", name, "'"));
  if (directive.has_block != row->arity.block) {
    return error(code::block, cat("directive '", name, row->arity.block ? "' has no opening '{'" : "' takes no block"),
                 directive.name.at);
  }
  if (!arity_fits(row->arity, directive.arguments.size())) {
    return error(code::argument_count, cat("invalid number of arguments in '", name, "' directive"), directive.name.at,
                 cat(name, ": ", row->summary));
  }
  if (row->apply) row->apply(*this, scope, directive);
}

void Reader::unknown(const Directive& directive) {
  std::vector<std::string_view> names;
  for (const DirectiveTable& table : directive_tables()) {
    for (const DirectiveRow& row : table.rows) names.push_back(row.name);
  }
  const std::string_view near = closest_match(directive.name.text, names);
  error(code::unknown_directive, cat("unknown directive '", printable(directive.name.text), "'"), directive.name.at,
        near.empty() ? std::string() : cat("did you mean '", near, "'?"));
}

std::size_t Reader::column_of(const Position& at) const {
  const std::string_view before = sources_.text(at.file).substr(0, at.offset);
  return before.size() - (before.rfind('\n') + 1);
}

// `listen 80` without ';' swallows the next line. A word that begins a line and is a directive of this context gives it
// away; a directive that goes on over lines on purpose is indented there.
bool Reader::semicolon_is_missing(const Directive& directive, const Scope& scope) {
  const Word* before = &directive.name;
  for (const Word& word : directive.arguments) {
    const bool begins_line = word.at.file == before->at.file && word.at.line > before->at.line;
    const bool is_indented = column_of(word.at) > column_of(directive.name.at);
    if (begins_line && !is_indented && !word.quoted && look_up(word.text, scope.context).row) {
      Position end = before->at;
      end.offset += end.length;
      end.length = 1;
      error(code::missing_semicolon, cat("';' is missing before '", word.text, "'"), end,
            cat("directive '", printable(directive.name.text, 60), "' must end with ';'"));
      return true;
    }
    before = &word;
  }
  return false;
}

void Reader::error(std::string_view code, std::string message, const Position& at, std::string help) {
  diagnostics_.error(code, std::move(message), sources_.place(at), std::move(help));
}

void Reader::warning(std::string_view code, std::string message, const Position& at, std::string help) {
  diagnostics_.warning(code, std::move(message), sources_.place(at), std::move(help));
}

bool Reader::count_level(const Directive& directive) {
  if (++model_.level_count <= Model::levels_max) return true;
  if (model_.level_count == Model::levels_max + 1) {
    error(code::too_much, cat("more than ", Model::levels_max, " servers and locations"), directive.name.at);
  }
  return false;
}

void Reader::invalid_value(const Directive& directive, const Word& word, std::string help) {
  error(code::bad_value, cat("invalid value '", printable(word.text), "' in '", directive.name.text, "' directive"),
        word.at, std::move(help));
}

void Reader::invalid_parameter(const Directive& directive, const Word& word, std::string help) {
  error(code::bad_parameter,
        cat("invalid parameter '", printable(word.text), "' in '", directive.name.text, "' directive"), word.at,
        std::move(help));
}

void Reader::duplicate(const Directive& directive) {
  error(code::duplicate, cat("'", directive.name.text, "' directive is duplicate"), directive.name.at);
}

void Reader::not_built(const Word& name, std::string_view what, std::string help) {
  if (help.empty()) help = "a configuration that relies on it is refused, so that nothing it protects lies open";
  error(code::not_built, cat(what, " is not built yet"), name.at, std::move(help));
}

std::optional<bool> Reader::flag(const Directive& directive, std::size_t index) {
  const Word& word = directive.arguments[index];
  const std::optional<bool> value = parse_flag(word.text);
  if (!value) invalid_value(directive, word, "it must be 'on' or 'off'");
  return value;
}

std::optional<std::uint64_t> Reader::number(const Directive& directive, const Word& word, std::string_view text,
                                            std::uint64_t least, std::uint64_t most) {
  const auto value = parse_unsigned<std::uint64_t>(text);
  if (value && *value >= least && *value <= most) return value;
  invalid_value(directive, word, cat("a whole number from ", least, " to ", most, " is expected"));
  return std::nullopt;
}

std::optional<std::int64_t> Reader::time_ms(const Directive& directive, const Word& word, std::string_view text) {
  const auto value = parse_time_ms(text);
  if (!value) invalid_value(directive, word, "a time is expected: 500ms, 30s, 1h30m");
  return value;
}

std::optional<std::int64_t> Reader::time_s(const Directive& directive, const Word& word, std::string_view text) {
  const auto value = parse_time_s(text);
  if (!value) invalid_value(directive, word, "a time is expected: 30s, 5m, 1h30m, 1d");
  return value;
}

std::optional<std::uint64_t> Reader::size(const Directive& directive, const Word& word, std::string_view text) {
  const auto value = parse_offset(text);
  if (!value) invalid_value(directive, word, "a size is expected: 512, 8k, 10m, 1g");
  return value;
}

}  // namespace keepgate::conf
