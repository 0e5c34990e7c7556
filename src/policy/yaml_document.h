// A strict reading of one YAML file: text, lists and maps, each with its place; everything clever in YAML is refused.
//
// Refused: anchors, aliases, tags, directives, merge keys, keys that are not text, equal keys, a second document,
// hidden characters, more than yaml_bytes_max, yaml_depth_max or yaml_nodes_max. A plain scalar is text whatever it
// looks like: `no` is "no". Thread rule: values, one owner. Lifetime: a SourceFile borrows its name and text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostics.h"

namespace keepgate::policy {

inline constexpr std::size_t yaml_bytes_max = std::size_t{16} << 20;
inline constexpr std::size_t yaml_depth_max = 32;
inline constexpr std::size_t yaml_nodes_max = 1'000'000;
inline constexpr std::size_t complaints_max = 200;  // Reading ends there: a file of noise is not worth its own length.

// A file's text and where its lines begin, to make places of.
class SourceFile {
 public:
  SourceFile(std::string_view name, std::string_view text);

  std::string_view name() const { return name_; }
  std::string_view text() const { return text_; }
  // Lines and columns from 1, columns in bytes.
  SourcePlace place(std::uint32_t line, std::uint32_t column, std::uint32_t length) const;
  SourcePlace place_at(std::size_t offset) const;
  // Without its line end; empty for a line that is not there.
  std::string_view line_text(std::uint32_t line) const;

 private:
  std::string_view name_, text_;
  std::vector<std::uint32_t> line_starts_;
};

struct YamlNode {
  enum class Kind : std::uint8_t { text = 0, list, map };

  Kind kind = Kind::text;
  std::uint32_t line = 0, column = 0, length = 1;
  std::string text;             // Of a text.
  std::vector<YamlNode> items;  // Of a list; of a map: key, value, key, value …

  bool is_text() const { return kind == Kind::text; }
  bool is_list() const { return kind == Kind::list; }
  bool is_map() const { return kind == Kind::map; }
  // The value under `key`, nullptr if there is none. Of a map.
  const YamlNode* find(std::string_view key) const;
};

// Nothing when there was any complaint.
std::optional<YamlNode> read_yaml(const SourceFile& file, Diagnostics& diagnostics);

// Offset of the first byte of a character that an editor does not show or shows as something else (controls but for
// newline and tab, byte order marks, zero-width and direction marks, Unicode line ends); npos if there is none.
std::size_t find_hidden_character(std::string_view text);

}  // namespace keepgate::policy
