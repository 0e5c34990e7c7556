#include "cli/password_prompt.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>

#include "base/bytes.h"
#include "cli/files.h"
#include "crypto/password_hash.h"

namespace keepgate::cli {

namespace {

std::unexpected<Error> no_password(std::string why) {
  return fail(ErrorKind::refused, Blame::client, "no_password", std::move(why));
}

// The terminal of the process, whatever its standard streams are. Echo is off while it lives.
class QuietTerminal {
 public:
  QuietTerminal() : number_(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)) {
    if (number_ < 0 || ::tcgetattr(number_, &before_) != 0) return;
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    quiet.c_lflag |= ICANON | ISIG;
    is_quiet_ = ::tcsetattr(number_, TCSAFLUSH, &quiet) == 0;
  }
  QuietTerminal(const QuietTerminal&) = delete;
  QuietTerminal& operator=(const QuietTerminal&) = delete;
  ~QuietTerminal() {
    if (is_quiet_) ::tcsetattr(number_, TCSAFLUSH, &before_);
    if (number_ >= 0) ::close(number_);
  }
  bool is_quiet() const { return is_quiet_; }

  void show(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t count = ::write(number_, text.data(), text.size());
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return;
      text.remove_prefix(static_cast<std::size_t>(count));
    }
  }
  // One line without its newline. What is longer than any password comes back too long.
  std::string ask(std::string_view question) const {
    show(question);
    std::string out;
    out.reserve(crypto::password_bytes_max + 2);  // Grows no more: nothing of it is left behind.
    char byte = 0;
    for (ssize_t count = 0; (count = ::read(number_, &byte, 1)) == 1 || (count < 0 && errno == EINTR);) {
      if (count != 1) continue;
      if (byte == '\n') break;
      if (out.size() <= crypto::password_bytes_max) out.push_back(byte);
    }
    show("\n");
    return out;
  }

 private:
  int number_;
  termios before_{};
  bool is_quiet_ = false;
};

Result<std::string> ask_twice(std::string_view of_whom) {
  const QuietTerminal terminal;
  if (!terminal.is_quiet()) return no_password("there is no terminal to ask on: --password-stdin reads one line");
  std::string first = terminal.ask(cat("New password of ", printable(of_whom), ": "));
  std::string again = terminal.ask("Once more: ");
  const bool is_same = first == again;
  wipe(again);
  if (is_same) return first;
  wipe(first);
  return no_password("the two are not the same");
}

Result<std::string> read_line() {
  Result<std::string> text = read_text("-", crypto::password_bytes_max + 2);
  if (!text) return text;
  if (text->ends_with('\n')) text->pop_back();
  if (text->ends_with('\r')) text->pop_back();
  if (text->find('\n') == std::string::npos) return text;
  wipe(*text);
  return no_password("standard input has more than one line");
}

}  // namespace

Result<std::string> read_new_password(std::string_view of_whom, bool from_stdin) {
  Result<std::string> password = from_stdin ? read_line() : ask_twice(of_whom);
  if (!password) return password;
  const std::size_t bytes = password->size();
  const bool has_nul = password->find('\0') != std::string::npos;
  if (bytes >= password_bytes_min && bytes <= crypto::password_bytes_max && !has_nul) return password;
  wipe(*password);
  return no_password(
      cat("a password has ", password_bytes_min, " to ", crypto::password_bytes_max, " bytes and no NUL"));
}

}  // namespace keepgate::cli
