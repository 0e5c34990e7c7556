// nginx's map { } (design: nginx-semantics §4): exact (no case) → longest *.suffix → longest prefix.* → regexes in file
// order → default. Exact strings are found in constant time. Thread rule: immutable after build.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "route/regex.h"
#include "route/template.h"

namespace keepgate::route {

class Map {
 public:
  Map();
  Map(Map&&) noexcept;
  Map& operator=(Map&&) noexcept;
  ~Map();

  std::string name;  // Without '$'.
  Template source;
  bool is_volatile = false;  // Worked out anew each time.
  bool hostnames = false;    // A dot at the end of the value is ignored. Adding a wildcard sets it.

  // `key` as written, a backslash escape still in front of it. false: a duplicate, or no such wildcard.
  bool add_exact(std::string_view key, Template value);
  bool add_suffix(std::string_view key, Template value);  // "*.example.com" or ".example.com" under `hostnames`.
  bool add_prefix(std::string_view key, Template value);  // "www.example.*"
  void add_regex(Regex regex, Template value);
  bool set_default(Template value);

  // Never null: the default is the empty template. `sink` learns what groups took, for the value's $1 and others.
  const Template& lookup(std::string_view value, CaptureSink* sink = nullptr) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace keepgate::route
