#include "cli/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/bytes.h"
#include "cli/command.h"
#include "cli/output.h"
#include "crypto/random.h"

namespace keepgate::cli {

namespace {

class Descriptor {
 public:
  explicit Descriptor(int number, bool owned = true) : number_(number), owned_(owned) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (owned_ && number_ >= 0) ::close(number_);
  }
  int number() const { return number_; }

 private:
  int number_;
  bool owned_;
};

std::unexpected<Error> file_failed(std::string_view path, std::string_view what) {
  return fail(ErrorKind::io, Blame::configuration, "file", cat(path, ": ", what));
}

std::unexpected<Error> file_failed(std::string_view path) { return file_failed(path, std::strerror(errno)); }

bool write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

// A new file beside `path`, written to the disk; its name, or "" with errno set.
std::string write_beside(const std::string& path, std::string_view text, unsigned mode) {
  std::string name = cat(path, ".", crypto::random_id().substr(0, 8), ".tmp");
  const Descriptor file(::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
  if (file.number() < 0) return {};
  if (write_all(file.number(), text) && ::fsync(file.number()) == 0) return name;
  const int reason = errno;
  ::unlink(name.c_str());
  errno = reason;
  return {};
}

}  // namespace

Result<std::string> read_text(const std::string& path, std::size_t bytes_max) {
  const bool standard = path == "-";
  const std::string_view shown = standard ? std::string_view("standard input") : std::string_view(path);
  const Descriptor file(standard ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY), !standard);
  if (file.number() < 0) return file_failed(shown);
  std::string text;
  char block[16 * 1024];
  while (true) {
    const ssize_t count = ::read(file.number(), block, sizeof block);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return file_failed(shown);
    if (count == 0) return text;
    text.append(block, static_cast<std::size_t>(count));
    if (text.size() > bytes_max) return file_failed(shown, cat("larger than ", bytes_max, " bytes"));
  }
}

Result<std::string> read_token() {
  constexpr std::size_t bytes_max = 64 * 1024;  // More than any token that could be accepted.
  if (::isatty(STDIN_FILENO) == 1) say("Reading a token from standard input; end with Ctrl-D.");
  Result<std::string> text = read_text("-", bytes_max);
  if (!text) return text;
  constexpr std::string_view white = " \t\r\n";
  const std::size_t begin = text->find_first_not_of(white);
  if (begin == std::string::npos)
    return fail(ErrorKind::refused, Blame::client, "bad_token", "no token on standard input");
  return text->substr(begin, text->find_last_not_of(white) + 1 - begin);
}

void wipe(std::string& secret) { ::explicit_bzero(secret.data(), secret.size()); }

Result<void> write_file(const std::string& path, std::string_view text, unsigned mode, Existing existing) {
  if (path == "-") {
    if (print(text) != exit_ok) return file_failed("standard output", "cannot be written");
    return {};
  }
  struct stat there{};
  const bool exists = ::stat(path.c_str(), &there) == 0;
  if (exists && existing == Existing::refuse) return file_failed(path, "exists already");
  if (exists && !S_ISREG(there.st_mode)) return file_failed(path, "is not a regular file");
  const std::string beside = write_beside(path, text, mode);
  if (beside.empty()) return file_failed(path);
  // link() does what rename() cannot: it fails where somebody else was faster.
  const int done =
      existing == Existing::refuse ? ::link(beside.c_str(), path.c_str()) : ::rename(beside.c_str(), path.c_str());
  const int reason = errno;
  if (done != 0 || existing == Existing::refuse) ::unlink(beside.c_str());
  errno = reason;
  if (done != 0) return file_failed(path);
  return {};
}

bool LineReader::fill() {
  char block[16 * 1024];
  while (!end_) {
    const ssize_t count = ::read(STDIN_FILENO, block, sizeof block);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      end_ = true;
      break;
    }
    buffer_.erase(0, begin_);
    begin_ = 0;
    buffer_.append(block, static_cast<std::size_t>(count));
    return true;
  }
  return false;
}

std::optional<LineReader::Line> LineReader::next() {
  Line line;
  while (true) {
    const std::size_t end = buffer_.find('\n', begin_);
    if (end != std::string::npos || (end_ && begin_ < buffer_.size())) {
      const std::size_t stop = end == std::string::npos ? buffer_.size() : end;
      if (!line.too_long) line.text = buffer_.substr(begin_, stop - begin_);
      begin_ = end == std::string::npos ? stop : stop + 1;
      return line;
    }
    if (buffer_.size() - begin_ > line_bytes_max) {
      line.too_long = true;
      begin_ = buffer_.size();
    }
    if (!fill() && begin_ == buffer_.size()) {
      if (line.too_long) return line;
      return std::nullopt;
    }
  }
}

}  // namespace keepgate::cli
