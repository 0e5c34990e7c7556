#include "conf/source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "crypto/json.h"

namespace keepgate::conf {

namespace {

constexpr std::size_t line_bytes_shown = 240;

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int number() const { return number_; }

 private:
  int number_;
};

// What a terminal may see of a line: no control bytes that could move its cursor.
std::string shown_line(std::string_view line) {
  std::string out(line.substr(0, line_bytes_shown));
  for (char& c : out) {
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f) c = '?';
  }
  if (crypto::is_utf8(out)) return out;
  for (char& c : out) {
    if ((static_cast<unsigned char>(c) & 0x80) != 0) c = '?';
  }
  return out;
}

}  // namespace

std::uint32_t Sources::add(std::string name, std::string text) {
  bytes_ += text.size();
  files_.push_back({std::move(name), std::move(text)});
  return count() - 1;
}

SourcePlace Sources::place(const Position& position) const {
  SourcePlace place;
  if (position.file >= files_.size()) return place;
  const File& file = files_[position.file];
  place.file = file.name;
  place.line = position.line;
  if (position.line == 0) return place;
  const std::size_t offset = std::min<std::size_t>(position.offset, file.text.size());
  const std::size_t before = offset == 0 ? std::string::npos : file.text.rfind('\n', offset - 1);
  const std::size_t start = before == std::string::npos ? 0 : before + 1;
  const std::size_t end = std::min(file.text.find('\n', offset), file.text.size());
  place.column = static_cast<std::uint32_t>(offset - start + 1);
  place.text = shown_line(std::string_view(file.text).substr(start, end - start));
  // A word may go over several lines: the carets stop with the first.
  place.length = static_cast<std::uint32_t>(std::min<std::size_t>(position.length, end > offset ? end - offset : 1));
  if (place.column > line_bytes_shown) place.text.clear();
  return place;
}

bool read_file(const std::string& path, std::size_t bytes_max, std::string& text, std::string& error) {
  // O_NONBLOCK: a pipe somebody put there must not hang a reload.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat facts{};
  if (file.number() < 0 || ::fstat(file.number(), &facts) != 0) {
    error = std::strerror(errno);
    return false;
  }
  if (!S_ISREG(facts.st_mode)) {
    error = "not a regular file";
    return false;
  }
  text.clear();
  char piece[16 * 1024];
  while (true) {
    const ssize_t got = ::read(file.number(), piece, sizeof piece);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      error = std::strerror(errno);
      return false;
    }
    if (got == 0) return true;
    if (static_cast<std::size_t>(got) > bytes_max - text.size()) {
      error = cat("larger than the ", bytes_max, " bytes that are allowed");
      return false;
    }
    text.append(piece, static_cast<std::size_t>(got));
  }
}

std::string join_path(std::string_view folder, std::string_view path) {
  if (path.starts_with('/') || folder.empty()) return std::string(path);
  return cat(folder, folder.ends_with('/') ? "" : "/", path);
}

std::string folder_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string() : std::string(path.substr(0, slash + 1));
}

}  // namespace keepgate::conf
