#include "conf/parser.h"

#include <glob.h>
#include <sys/stat.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "conf/codes.h"
#include "conf/lexer.h"

namespace keepgate::conf {

namespace {

struct FileIdentity {
  dev_t device = 0;
  ino_t inode = 0;
  bool operator==(const FileIdentity&) const = default;
};

bool is_pattern(std::string_view path) { return path.find_first_of("*?[") != std::string_view::npos; }

// The files that match, sorted. Nothing: the pattern could not be worked on.
std::optional<std::vector<std::string>> matching_files(const std::string& pattern) {
  glob_t found{};
  const int code = ::glob(pattern.c_str(), 0, nullptr, &found);
  std::vector<std::string> out;
  for (std::size_t i = 0; code == 0 && i < found.gl_pathc; ++i) out.emplace_back(found.gl_pathv[i]);
  ::globfree(&found);
  if (code != 0 && code != GLOB_NOMATCH) return std::nullopt;
  return out;
}

bool exists(const std::string& path) {
  struct stat facts{};
  return ::stat(path.c_str(), &facts) == 0;
}

}  // namespace

struct Parser::Run {
  Sources& sources;
  Diagnostics& diagnostics;
  ParseOptions options;
  std::vector<FileIdentity> open_files;  // The chain of includes being read.
  std::size_t directive_count = 0;
  bool stopped = false;

  void error(std::string_view code, std::string message, const Position& at, std::string help = {}) {
    diagnostics.error(code, std::move(message), sources.place(at), std::move(help));
    if (diagnostics.all().size() >= complaints_max) stopped = true;
  }
  void stop(std::string_view code, std::string message, const Position& at) {
    error(code, std::move(message), at);
    stopped = true;
  }

  void text(std::uint32_t file, std::vector<Directive>& out, std::size_t depth);
  void file(const std::string& path, const Position& from, std::vector<Directive>& out, std::size_t depth);
  void block(Lexer& lexer, const Position* opened, std::vector<Directive>& out, std::size_t depth);
  void include(const std::vector<Word>& words, std::vector<Directive>& out, std::size_t depth);
  void include_one(const std::string& path, const Word& word, std::vector<Directive>& out, std::size_t depth);
  void statement(std::vector<Word>& words, std::vector<Directive>& out, std::size_t depth);
  void open_block(Lexer& lexer, std::vector<Word>& words, const Position& brace, std::vector<Directive>& out,
                  std::size_t depth);
  bool close_block(std::vector<Word>& words, const Position& brace, const Position* opened);
  void end_of_file(const std::vector<Word>& words, const Position& end, const Position* opened);
  bool count(const Position& at);
  std::string resolve(const std::string& path) const;
};

bool Parser::Run::count(const Position& at) {
  if (++directive_count <= directives_max) return true;
  if (!stopped) stop(code::too_much, cat("more than ", directives_max, " directives"), at);
  return false;
}

void Parser::Run::block(Lexer& lexer, const Position* opened, std::vector<Directive>& out, std::size_t depth) {
  std::vector<Word> words;
  while (!stopped) {
    Token token = lexer.next();
    const Position& at = token.word.at;
    switch (token.kind) {
      case TokenKind::bad:
        error(token.code, std::move(token.problem), at, std::move(token.help));
        break;
      case TokenKind::end:
        return end_of_file(words, at, opened);
      case TokenKind::word:
        if (count(at)) words.push_back(std::move(token.word));
        break;
      case TokenKind::semicolon:
        if (words.empty()) error(code::unexpected, "unexpected ';'", at);
        statement(words, out, depth);
        break;
      case TokenKind::open_brace:
        open_block(lexer, words, at, out, depth);
        break;
      case TokenKind::close_brace:
        if (close_block(words, at, opened)) return;
        break;
    }
  }
}

void Parser::Run::statement(std::vector<Word>& words, std::vector<Directive>& out, std::size_t depth) {
  if (words.empty()) return;
  if (words[0].text == "include" && !words[0].quoted) {
    include(words, out, depth);
  } else {
    Directive directive;
    directive.name = std::move(words[0]);
    directive.arguments.assign(std::make_move_iterator(words.begin() + 1), std::make_move_iterator(words.end()));
    out.push_back(std::move(directive));
  }
  words.clear();
}

void Parser::Run::open_block(Lexer& lexer, std::vector<Word>& words, const Position& brace, std::vector<Directive>& out,
                             std::size_t depth) {
  if (words.empty()) error(code::unexpected, "unexpected '{'", brace);
  if (depth >= block_depth_max) {
    return stop(code::too_much, cat("blocks are nested more than ", block_depth_max, " levels deep"), brace);
  }
  Directive directive;
  directive.has_block = true;
  const bool named = !words.empty();
  if (named) {
    directive.name = std::move(words[0]);
    directive.arguments.assign(std::make_move_iterator(words.begin() + 1), std::make_move_iterator(words.end()));
  }
  words.clear();
  block(lexer, &brace, directive.block, depth + 1);
  if (named) out.push_back(std::move(directive));
}

bool Parser::Run::close_block(std::vector<Word>& words, const Position& brace, const Position* opened) {
  if (!words.empty()) {
    error(code::missing_semicolon, "unexpected '}'", brace,
          cat("is ';' missing after '", printable(words.back().text, 60), "'?"));
    words.clear();
    return opened != nullptr;
  }
  if (!opened) error(code::unexpected, "unexpected '}'", brace, "no block is open here");
  return opened != nullptr;
}

void Parser::Run::end_of_file(const std::vector<Word>& words, const Position& end, const Position* opened) {
  if (!words.empty()) {
    error(code::end_of_file, "unexpected end of file, expecting ';' or '}'", words.back().at,
          cat("is ';' missing after '", printable(words.back().text, 60), "'?"));
  } else if (opened) {
    error(code::end_of_file, "unexpected end of file, expecting '}'", end,
          cat("the block opened at line ", opened->line, " is not closed"));
  }
}

std::string Parser::Run::resolve(const std::string& path) const {
  std::string usual = join_path(options.folder, path);
  if (options.fallback.empty() || path.starts_with('/') || exists(usual)) return usual;
  std::string other = join_path(options.fallback, path);
  return exists(other) || is_pattern(path) ? other : usual;
}

void Parser::Run::include(const std::vector<Word>& words, std::vector<Directive>& out, std::size_t depth) {
  if (words.size() != 2) {
    return error(code::argument_count, "invalid number of arguments in 'include' directive", words[0].at,
                 "include FILE; or include PATTERN;");
  }
  const Word& word = words[1];
  if (word.text.empty()) return error(code::include, "'include' needs a file name", word.at);
  if (!options.follow_includes) return;
  if (!is_pattern(word.text)) return include_one(resolve(word.text), word, out, depth);
  std::optional<std::vector<std::string>> files = matching_files(join_path(options.folder, word.text));
  if (files && files->empty() && !options.fallback.empty())
    files = matching_files(join_path(options.fallback, word.text));
  if (!files) return error(code::include, cat("cannot list '", printable(word.text), "'"), word.at);
  for (const std::string& path : *files) {
    if (stopped) return;
    include_one(path, word, out, depth);
  }
}

void Parser::Run::include_one(const std::string& path, const Word& word, std::vector<Directive>& out,
                              std::size_t depth) {
  if (open_files.size() > include_depth_max) {
    return error(code::include, cat("includes are nested more than ", include_depth_max, " levels deep"), word.at);
  }
  file(path, word.at, out, depth);
}

void Parser::Run::file(const std::string& path, const Position& from, std::vector<Directive>& out, std::size_t depth) {
  std::string text_read, why;
  if (!read_file(path, sources.bytes_left(), text_read, why)) {
    const SourcePlace place = from.line > 0 ? sources.place(from) : SourcePlace{path, 0, 0, 1, {}};
    diagnostics.error(code::unreadable_file, cat("cannot read '", printable(path, 400), "': ", why), place);
    return;
  }
  struct stat facts{};
  FileIdentity identity;
  if (::stat(path.c_str(), &facts) == 0) identity = {facts.st_dev, facts.st_ino};
  if (std::ranges::find(open_files, identity) != open_files.end()) {
    return error(code::include, cat("'", printable(path, 400), "' includes itself"), from);
  }
  open_files.push_back(identity);
  text(sources.add(path, std::move(text_read)), out, depth);
  open_files.pop_back();
}

void Parser::Run::text(std::uint32_t number, std::vector<Directive>& out, std::size_t depth) {
  const std::string_view all = sources.text(number);
  if (all.starts_with("\xef\xbb\xbf")) {
    return error(code::binary, "the file begins with a byte order mark", {number, 0, 1, 1}, "save it without");
  }
  if (const std::size_t byte = find_control_byte(all); byte != std::string_view::npos) {
    const auto line = static_cast<std::uint32_t>(1 + std::ranges::count(all.substr(0, byte), '\n'));
    return error(code::binary, cat("not a text file: control byte ", printable(all.substr(byte, 1))),
                 {number, static_cast<std::uint32_t>(byte), line, 1});
  }
  Lexer lexer(all, number);
  block(lexer, nullptr, out, depth);
}

Parser::Parser(Sources& sources, Diagnostics& diagnostics, ParseOptions options)
    : run_(new Run{sources, diagnostics, std::move(options), {}, 0, false}) {}
Parser::~Parser() = default;

void Parser::parse_text(std::string name, std::string text, std::vector<Directive>& out) {
  run_->text(run_->sources.add(std::move(name), std::move(text)), out, 0);
}

void Parser::parse_file(const std::string& path, std::vector<Directive>& out) { run_->file(path, {}, out, 0); }

}  // namespace keepgate::conf
