// Reading and writing the small files of the command line: keys, tokens, key sets, claims.
//
// Thread rule: main thread. Bounded: nothing over `bytes_max` is read. The text of a private key is the caller's to
// wipe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace keepgate::cli {

inline constexpr std::size_t file_bytes_max = std::size_t{1} << 20;

// "-" is standard input. Pipes and /dev/fd/N work, so that a secret need not lie in a file.
Result<std::string> read_text(const std::string& path, std::size_t bytes_max = file_bytes_max);
// The token on standard input, without white space around it. Says on a terminal what it waits for.
Result<std::string> read_token();

// Overwrites a secret that is needed no more.
void wipe(std::string& secret);
struct WipedAtEnd {
  std::string& secret;
  ~WipedAtEnd() { wipe(secret); }
};

enum class Existing : std::uint8_t { refuse = 0, replace };
// Atomic: the file is there whole or not at all. `mode`: 0600 for what is secret. A file that is no regular file is
// never replaced. "-" is standard output.
Result<void> write_file(const std::string& path, std::string_view text, unsigned mode, Existing existing);

// Lines of standard input as they come, for `--batch`.
class LineReader {
 public:
  static constexpr std::size_t line_bytes_max = 256 * 1024;

  struct Line {
    std::string text;
    bool too_long = false;  // `text` is empty, the rest of the line was passed over.
  };
  // Nothing at the end.
  std::optional<Line> next();

 private:
  bool fill();
  std::string buffer_;
  std::size_t begin_ = 0;
  bool end_ = false;
};

}  // namespace keepgate::cli
