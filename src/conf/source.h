// The files of a configuration as read, and places in them.
//
// Thread rule: one owner. Lifetime: texts live as long as the Sources; a Position is a plain value that means something
// only together with its Sources.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "base/diagnostics.h"

namespace keepgate::conf {

struct Position {
  std::uint32_t file = 0;
  std::uint32_t offset = 0;  // In bytes, from 0.
  std::uint32_t line = 0;    // From 1; 0: no place.
  std::uint32_t length = 1;
};

// One argument after unquoting and unescaping.
struct Word {
  std::string text;
  Position at;
  bool quoted = false;
};

class Sources {
 public:
  static constexpr std::size_t bytes_max = 16 << 20;  // All files together.

  // The number of the file. `name` as shown to people.
  std::uint32_t add(std::string name, std::string text);
  std::string_view text(std::uint32_t file) const { return files_[file].text; }
  const std::string& name(std::uint32_t file) const { return files_[file].name; }
  std::uint32_t count() const { return static_cast<std::uint32_t>(files_.size()); }
  std::size_t bytes_left() const { return bytes_max - bytes_; }
  SourcePlace place(const Position& position) const;

 private:
  struct File {
    std::string name, text;
  };
  std::deque<File> files_;  // A deque: texts stay where they are.
  std::size_t bytes_ = 0;
};

// A regular file of at most `bytes_max` bytes, or false and why in `error` (without the name).
bool read_file(const std::string& path, std::size_t bytes_max, std::string& text, std::string& error);

// `path` seen from `folder` unless it is absolute.
std::string join_path(std::string_view folder, std::string_view path);
std::string folder_of(std::string_view path);  // With its slash; "" for a name without a slash.

}  // namespace keepgate::conf
