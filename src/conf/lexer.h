// Words and marks of nginx's configuration language: quoting, escapes, comments, ${}.
//
// Thread rule: one owner. Lifetime: borrows the text. Errors are tokens, after which reading may go on. Cost: linear.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "conf/source.h"

namespace keepgate::conf {

enum class TokenKind : std::uint8_t { bad = 0, end, word, semicolon, open_brace, close_brace };

struct Token {
  TokenKind kind = TokenKind::bad;
  Word word;              // Of marks only `at` means something.
  std::string_view code;  // With bad.
  std::string problem, help;
};

class Lexer {
 public:
  static constexpr std::size_t word_bytes_max = 4096;  // nginx's NGX_CONF_BUFFER.

  Lexer(std::string_view text, std::uint32_t file) : text_(text), file_(file) {}
  Token next();

 private:
  Position position(std::size_t offset, std::uint32_t line, std::size_t length) const;
  Token mark(TokenKind kind);
  Token bad(Position at, std::string_view code, std::string problem, std::string help = {}) const;
  void skip_blank();
  Token quoted_word(char quote);
  Token plain_word();
  bool at_end() const { return at_ >= text_.size(); }

  std::string_view text_;
  std::uint32_t file_;
  std::size_t at_ = 0;
  std::uint32_t line_ = 1;
  bool after_quote_ = false;  // A quoted word must be followed by a space or a mark.
};

// The first byte that no text file has, or npos.
std::size_t find_control_byte(std::string_view text);

}  // namespace keepgate::conf
