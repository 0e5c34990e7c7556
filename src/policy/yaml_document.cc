#include "policy/yaml_document.h"

#include <yaml.h>

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "base/bytes.h"
#include "policy/codes.h"

namespace keepgate::policy {

namespace {

class Parser {
 public:
  explicit Parser(std::string_view text) : ready_(yaml_parser_initialize(&parser_) == 1) {
    if (!ready_) return;
    // Said before the input so that libyaml does not guess UTF-16 from a byte order mark.
    yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()), text.size());
  }
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;
  ~Parser() {
    if (ready_) yaml_parser_delete(&parser_);
  }

  bool next(yaml_event_t& event) { return ready_ && yaml_parser_parse(&parser_, &event) == 1; }
  const yaml_parser_t& state() const { return parser_; }

 private:
  yaml_parser_t parser_{};
  bool ready_;
};

// Is this line `key: *`, with or without a comment? To YAML a lone star is a broken alias, so quoting it takes no
// meaning away from anything, and `permissions: *` is how people write it. Gives the place of the star, or npos.
std::size_t lone_star(std::string_view line) {
  const std::size_t colon = line.find(": ");
  if (colon == std::string_view::npos) return colon;
  const std::string_view key = line.substr(0, colon);
  if (key.find_first_not_of(" -_abcdefghijklmnopqrstuvwxyz") != std::string_view::npos) return std::string_view::npos;
  const std::size_t star = line.find_first_not_of(' ', colon + 1);
  if (star == std::string_view::npos || line[star] != '*') return std::string_view::npos;
  const std::size_t next = line.find_first_not_of(" \r", star + 1);
  const bool ends = next == std::string_view::npos || (line[next] == '#' && next > star + 1);
  return ends ? star : std::string_view::npos;
}

std::string with_quoted_stars(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 16);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    const std::string_view line = text.substr(0, end);
    const std::size_t star = lone_star(line.ends_with('\n') ? line.substr(0, line.size() - 1) : line);
    if (star == std::string_view::npos) {
      out.append(line);
    } else {
      append(out, line.substr(0, star), "\"*\"", line.substr(star + 1));
    }
    text.remove_prefix(end);
  }
  return out;
}

struct Event {
  Event() = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { yaml_event_delete(&raw); }

  yaml_event_t raw{};
};

std::string_view view(const unsigned char* text) { return text ? reinterpret_cast<const char*>(text) : ""; }

// Turns events into nodes. Complaints about single nodes are collected and reading goes on; a broken grammar, a bound
// or a second document ends it.
class Builder {
 public:
  Builder(const SourceFile& file, Diagnostics& diagnostics) : file_(file), diagnostics_(diagnostics) {}

  std::optional<YamlNode> build() {
    const std::size_t errors_before = diagnostics_.error_count();
    const std::string text = with_quoted_stars(file_.text());
    Parser parser(text);
    for (bool more = true; more;) {
      Event event;
      if (!parser.next(event.raw)) {
        report_grammar(parser.state());
        return std::nullopt;
      }
      more = take(event.raw) && diagnostics_.error_count() < errors_before + complaints_max;
    }
    if (diagnostics_.error_count() > errors_before) return std::nullopt;
    return std::move(root_);
  }

 private:
  // False ends the reading.
  bool take(const yaml_event_t& event) {
    switch (event.type) {
      case YAML_DOCUMENT_START_EVENT:
        return start_document(event);
      case YAML_ALIAS_EVENT:
        complain(code::yaml_alias, "aliases (*name) are refused", event,
                 "write the value out; if you meant the wildcard, write \"*\" in quotes");
        return count_node(event) && attach(node_of(event, YamlNode::Kind::text));
      case YAML_SCALAR_EVENT:
        return take_scalar(event);
      case YAML_SEQUENCE_START_EVENT:
        check_decoration(event, event.data.sequence_start.anchor, event.data.sequence_start.tag);
        return open(event, YamlNode::Kind::list);
      case YAML_MAPPING_START_EVENT:
        check_decoration(event, event.data.mapping_start.anchor, event.data.mapping_start.tag);
        return open(event, YamlNode::Kind::map);
      case YAML_SEQUENCE_END_EVENT:
      case YAML_MAPPING_END_EVENT:
        return close();
      case YAML_STREAM_END_EVENT:
        return finish();
      case YAML_NO_EVENT:
      case YAML_STREAM_START_EVENT:
      case YAML_DOCUMENT_END_EVENT:
        return true;
    }
    return true;
  }

  bool start_document(const yaml_event_t& event) {
    const auto& start = event.data.document_start;
    if (++documents_ > 1) {
      complain(code::several_documents, "a second document in one file", event, "give each document its own file");
      return false;
    }
    if (start.version_directive || start.tag_directives.start != start.tag_directives.end) {
      complain(code::yaml_directive, "YAML directives (%YAML, %TAG) are refused", event, "remove the line");
    }
    return true;
  }

  bool take_scalar(const yaml_event_t& event) {
    const auto& scalar = event.data.scalar;
    check_decoration(event, scalar.anchor, scalar.tag);
    if (!count_node(event)) return false;
    YamlNode node = node_of(event, YamlNode::Kind::text);
    node.text.assign(reinterpret_cast<const char*>(scalar.value), scalar.length);
    return attach(std::move(node));
  }

  void check_decoration(const yaml_event_t& event, const unsigned char* anchor, const unsigned char* tag) {
    if (anchor) complain(code::yaml_anchor, cat("anchors (&", view(anchor), ") are refused"), event, "write it out");
    if (tag) {
      complain(code::yaml_tag, cat("tags (", printable(view(tag)), ") are refused"), event,
               "every plain value is text");
    }
  }

  bool count_node(const yaml_event_t& event) {
    if (++nodes_ <= yaml_nodes_max) return true;
    complain(code::too_large, cat("more than ", yaml_nodes_max, " values in one file"), event, "split the file");
    return false;
  }

  bool open(const yaml_event_t& event, YamlNode::Kind kind) {
    if (!count_node(event)) return false;
    if (open_.size() >= yaml_depth_max) {
      complain(code::too_deep, cat("nested deeper than ", yaml_depth_max, " levels"), event, "");
      return false;
    }
    open_.push_back(node_of(event, kind));
    return true;
  }

  bool close() {
    YamlNode node = std::move(open_.back());
    open_.pop_back();
    if (node.is_map()) check_equal_keys(node);
    return attach(std::move(node));
  }

  bool attach(YamlNode node) {
    if (open_.empty()) {
      root_ = std::move(node);
      return true;
    }
    YamlNode& parent = open_.back();
    if (parent.is_map() && parent.items.size() % 2 == 0) check_key(node);
    parent.items.push_back(std::move(node));
    return true;
  }

  void check_key(const YamlNode& key) {
    if (!key.is_text()) {
      complain(code::complex_key, "a key must be text, not a list or a map", key, "did you forget quotes or a dash?");
    } else if (key.text == "<<") {
      complain(code::merge_key, "merge keys (<<) are refused", key, "write the entries out");
    }
  }

  void check_equal_keys(const YamlNode& map) {
    std::unordered_set<std::string_view> seen;
    seen.reserve(map.items.size() / 2);
    for (std::size_t i = 0; i + 1 < map.items.size(); i += 2) {
      const YamlNode& key = map.items[i];
      if (key.is_text() && !seen.insert(key.text).second) {
        complain(code::duplicate_key, cat("'", printable(key.text, 60), "' is given twice in one map"), key,
                 "keep one of them");
      }
    }
  }

  bool finish() {
    if (!root_ && documents_ == 0) {
      diagnostics_.error(code::empty_file, "the file is empty", file_.place(1, 1, 1),
                         "a policy without rules is written: policies: []");
    }
    return false;
  }

  YamlNode node_of(const yaml_event_t& event, YamlNode::Kind kind) {
    YamlNode node;
    node.kind = kind;
    node.line = static_cast<std::uint32_t>(event.start_mark.line + 1);
    const std::uint32_t start = byte_column(node.line, event.start_mark.column);
    node.column = start + 1;
    if (kind == YamlNode::Kind::text && event.end_mark.line == event.start_mark.line) {
      const std::uint32_t end = byte_column(node.line, event.end_mark.column);
      node.length = std::max<std::uint32_t>(end > start ? end - start : 1, 1);
    }
    return node;
  }

  // libyaml counts characters, we count bytes, both from 0 here. Marks come in order, so each line is walked once.
  std::uint32_t byte_column(std::uint32_t line, std::size_t characters) {
    if (line != walked_line_ || characters < walked_characters_) {
      walked_line_ = line;
      walked_characters_ = walked_bytes_ = 0;
    }
    const std::string_view text = file_.line_text(line);
    for (; walked_characters_ < characters; ++walked_characters_) {
      ++walked_bytes_;
      while (walked_bytes_ < text.size() && (static_cast<unsigned char>(text[walked_bytes_]) & 0xc0u) == 0x80u) {
        ++walked_bytes_;
      }
    }
    return static_cast<std::uint32_t>(walked_bytes_);
  }

  void complain(std::string_view code, std::string message, const YamlNode& node, std::string help) {
    diagnostics_.error(code, std::move(message), file_.place(node.line, node.column, node.length), std::move(help));
  }

  void complain(std::string_view code, std::string message, const yaml_event_t& event, std::string help) {
    complain(code, std::move(message), node_of(event, YamlNode::Kind::list), std::move(help));
  }

  SourcePlace place_of(const yaml_mark_t& mark) {
    const auto line = static_cast<std::uint32_t>(mark.line + 1);
    return file_.place(line, byte_column(line, mark.column) + 1, 1);
  }

  void report_grammar(const yaml_parser_t& state) {
    const std::string_view context = state.context ? state.context : "";
    const std::string_view problem = state.problem ? state.problem : "it cannot be read";
    if (state.error == YAML_READER_ERROR) {
      diagnostics_.error(code::yaml_syntax, cat("not valid UTF-8: ", problem), file_.place_at(state.problem_offset),
                         "");
    } else if (context == "while scanning an alias") {
      diagnostics_.error(code::yaml_alias, "a bare * is YAML's sign for an alias", place_of(state.context_mark),
                         "write \"*\" in quotes");
    } else {
      diagnostics_.error(code::yaml_syntax, cat("not valid YAML: ", problem), place_of(state.problem_mark),
                         std::string(context));
    }
  }

  const SourceFile& file_;
  Diagnostics& diagnostics_;
  std::vector<YamlNode> open_;
  std::optional<YamlNode> root_;
  std::size_t nodes_ = 0;
  std::size_t documents_ = 0;
  std::uint32_t walked_line_ = 0;
  std::size_t walked_characters_ = 0, walked_bytes_ = 0;
};

}  // namespace

SourceFile::SourceFile(std::string_view name, std::string_view text) : name_(name), text_(text) {
  if (text.size() > yaml_bytes_max) return;  // Never read; place() then knows the file's name only.
  line_starts_.push_back(0);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n') line_starts_.push_back(static_cast<std::uint32_t>(i + 1));
  }
}

std::string_view SourceFile::line_text(std::uint32_t line) const {
  if (line == 0 || line > line_starts_.size()) return {};
  const std::size_t start = line_starts_[line - 1];
  const std::size_t end = line < line_starts_.size() ? line_starts_[line] - 1 : text_.size();
  std::string_view text = text_.substr(start, end - start);
  if (text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

SourcePlace SourceFile::place(std::uint32_t line, std::uint32_t column, std::uint32_t length) const {
  // A line is shown up to a bound: a file of one line must not make each complaint as long as the file.
  constexpr std::size_t shown_max = 300;
  const std::string_view text = line_text(line);
  SourcePlace place{std::string(name_), line, column, length, {}};
  if (text.size() <= shown_max && find_hidden_character(text) == std::string_view::npos) place.text = std::string(text);
  if (place.text.size() + 1 < std::size_t{column} + length) {
    place.length = static_cast<std::uint32_t>(place.text.size() > column ? place.text.size() - column + 1 : 1);
  }
  return place;
}

SourcePlace SourceFile::place_at(std::size_t offset) const {
  const auto after = std::upper_bound(line_starts_.begin(), line_starts_.end(), offset);
  if (after == line_starts_.begin()) return {std::string(name_), 0, 0, 1, {}};
  const auto line = static_cast<std::uint32_t>(after - line_starts_.begin());
  return place(line, static_cast<std::uint32_t>(offset - line_starts_[line - 1] + 1), 1);
}

const YamlNode* YamlNode::find(std::string_view key) const {
  if (!is_map()) return nullptr;
  for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
    if (items[i].text == key) return &items[i + 1];
  }
  return nullptr;
}

std::size_t find_hidden_character(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const unsigned c = byte(i);
    if (c < 0x20) {
      const bool line_end = c == '\n' || (c == '\r' && byte(i + 1) == '\n');
      if (c != '\t' && !line_end) return i;
    } else if (c == 0x7f || (c == 0xc2 && byte(i + 1) < 0xa0)) {  // DEL; U+0080–U+009F, with NEL among them.
      return i;
    } else if (c == 0xe2 && byte(i + 1) == 0x80) {  // U+200B–U+200F, U+2028–U+202E.
      const unsigned last = byte(i + 2);
      if ((last >= 0x8b && last <= 0x8f) || (last >= 0xa8 && last <= 0xae)) return i;
    } else if (c == 0xe2 && byte(i + 1) == 0x81 && byte(i + 2) >= 0xa0 && byte(i + 2) <= 0xaf) {  // U+2060–U+206F.
      return i;
    } else if (c == 0xef && byte(i + 1) == 0xbb && byte(i + 2) == 0xbf) {  // U+FEFF.
      return i;
    }
  }
  return std::string_view::npos;
}

std::optional<YamlNode> read_yaml(const SourceFile& file, Diagnostics& diagnostics) {
  if (file.text().size() > yaml_bytes_max) {
    diagnostics.error(code::too_large, cat("the file is larger than ", yaml_bytes_max >> 20, " MiB"),
                      {std::string(file.name()), 0, 0, 1, {}}, "split the file");
    return std::nullopt;
  }
  // Before libyaml, which takes some of these for line ends: then the lines it counts would not be those an editor
  // shows.
  if (const std::size_t hidden = find_hidden_character(file.text()); hidden != std::string_view::npos) {
    diagnostics.error(code::hidden_character, "a character that editors do not show", file.place_at(hidden),
                      "control characters, byte order marks, zero-width and direction marks are refused");
    return std::nullopt;
  }
  return Builder(file, diagnostics).build();
}

}  // namespace keepgate::policy
