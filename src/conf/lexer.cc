#include "conf/lexer.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "conf/codes.h"

namespace keepgate::conf {

namespace {

constexpr bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// nginx: \" \' \\ lose their backslash, \t \r \n become what they mean, any other backslash stays.
std::string unescaped(std::string_view raw) {
  std::string out;
  out.reserve(raw.size());
  for (std::size_t i = 0; i < raw.size(); ++i) {
    const char next = raw[i] == '\\' && i + 1 < raw.size() ? raw[i + 1] : '\0';
    switch (next) {
      case '"':
      case '\'':
      case '\\':
        out.push_back(next);
        break;
      case 't':
        out.push_back('\t');
        break;
      case 'r':
        out.push_back('\r');
        break;
      case 'n':
        out.push_back('\n');
        break;
      default:
        out.push_back(raw[i]);
        continue;
    }
    ++i;
  }
  return out;
}

}  // namespace

std::size_t find_control_byte(std::string_view text) {
  const auto found = std::ranges::find_if(
      text, [](char c) { return (static_cast<unsigned char>(c) < 0x20 && !is_blank(c)) || c == 0x7f; });
  return found == text.end() ? std::string_view::npos : static_cast<std::size_t>(found - text.begin());
}

Position Lexer::position(std::size_t offset, std::uint32_t line, std::size_t length) const {
  return {file_, static_cast<std::uint32_t>(offset), line,
          static_cast<std::uint32_t>(std::max<std::size_t>(length, 1))};
}

Token Lexer::mark(TokenKind kind) {
  Token token;
  token.kind = kind;
  token.word.at = position(at_, line_, 1);
  if (kind != TokenKind::end) ++at_;
  after_quote_ = false;
  return token;
}

Token Lexer::bad(Position at, std::string_view code, std::string problem, std::string help) const {
  Token token;
  token.word.at = at;
  token.code = code;
  token.problem = std::move(problem);
  token.help = std::move(help);
  return token;
}

void Lexer::skip_blank() {
  while (!at_end()) {
    const char c = text_[at_];
    if (c == '\n') ++line_;
    if (is_blank(c)) {
      after_quote_ = false;
      ++at_;
    } else if (c == '#' && !after_quote_) {
      at_ = std::min(text_.find('\n', at_), text_.size());
    } else {
      return;
    }
  }
}

Token Lexer::next() {
  skip_blank();
  if (at_end()) return mark(TokenKind::end);
  const char c = text_[at_];
  if (c == ';') return mark(TokenKind::semicolon);
  if (c == '{') return mark(TokenKind::open_brace);
  if (std::exchange(after_quote_, false) && c != ')') {
    return bad(position(at_, line_, 1), code::unexpected, cat("unexpected '", printable(text_.substr(at_, 1)), "'"),
               "a space or ';' must follow a closing quote");
  }
  if (c == '}') return mark(TokenKind::close_brace);
  return c == '"' || c == '\'' ? quoted_word(c) : plain_word();
}

Token Lexer::quoted_word(char quote) {
  const std::size_t opened = at_;
  const std::uint32_t opened_line = line_;
  std::size_t end = at_ + 1;
  std::uint32_t line = line_;
  while (end < text_.size() && text_[end] != quote && end - opened <= word_bytes_max) {
    if (text_[end] == '\\' && end + 1 < text_.size()) ++end;
    if (text_[end] == '\n') ++line;
    ++end;
  }
  if (end >= text_.size() || text_[end] != quote) {
    const bool too_long = end < text_.size();
    // Go on behind the line of the quote: what it swallowed may well be good.
    at_ = too_long ? std::min(text_.find('\n', opened), text_.size()) : text_.size();
    const std::string help = cat("is the closing ", quote, " missing?");
    if (too_long) return bad(position(opened, opened_line, 1), code::too_much, "too long parameter", help);
    return bad(position(opened, opened_line, 1), code::end_of_file, "unexpected end of file inside a quoted word",
               help);
  }
  Token token;
  token.kind = TokenKind::word;
  token.word = {unescaped(text_.substr(opened + 1, end - opened - 1)), position(opened, opened_line, end + 1 - opened),
                true};
  at_ = end + 1;
  line_ = line;
  after_quote_ = true;
  return token;
}

Token Lexer::plain_word() {
  const std::size_t start = at_;
  const std::uint32_t start_line = line_;
  std::size_t end = at_;
  // As in nginx '}' does not end a word, and '{' right behind '$' belongs to it.
  while (end < text_.size() && !is_blank(text_[end]) && text_[end] != ';' && text_[end] != '{') {
    if (text_[end] == '\\' && end + 1 < text_.size()) {
      if (text_[end + 1] == '\n') ++line_;
      end += 2;
    } else if (text_[end] == '$') {
      ++end;
      while (end < text_.size() && text_[end] == '{') ++end;
    } else {
      ++end;
    }
  }
  at_ = end;
  if (end - start > word_bytes_max) {
    return bad(position(start, start_line, 1), code::too_much, "too long parameter",
               cat("a parameter has at most ", word_bytes_max, " bytes"));
  }
  Token token;
  token.kind = TokenKind::word;
  token.word = {unescaped(text_.substr(start, end - start)), position(start, start_line, end - start), false};
  return token;
}

}  // namespace keepgate::conf
