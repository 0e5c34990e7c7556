// From text to a tree of directives, with `include` resolved in place. Knows no directive but that one.
//
// Every syntax error is reported; reading goes on behind the next ';' or '}'. Bounds: bytes of all files together,
// depth of blocks and of includes, number of directives. Thread rule: one owner.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/diagnostics.h"
#include "conf/source.h"

namespace keepgate::conf {

struct Directive {
  Word name;
  std::vector<Word> arguments;
  bool has_block = false;
  std::vector<Directive> block;
};

struct ParseOptions {
  std::string folder;           // Where relative includes start: the folder of the main file, as in nginx.
  std::string fallback;         // Where they are looked for else; "": nowhere.
  bool follow_includes = true;  // false: `include` is checked for form only; no file is touched.
};

class Parser {
 public:
  static constexpr std::size_t directives_max = 1'000'000;
  static constexpr std::size_t block_depth_max = 100;
  static constexpr std::size_t include_depth_max = 16;
  static constexpr std::size_t complaints_max = 200;

  Parser(Sources& sources, Diagnostics& diagnostics, ParseOptions options);
  ~Parser();

  void parse_text(std::string name, std::string text, std::vector<Directive>& out);
  void parse_file(const std::string& path, std::vector<Directive>& out);

 private:
  struct Run;
  std::unique_ptr<Run> run_;
};

}  // namespace keepgate::conf
