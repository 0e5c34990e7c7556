#include "logs/log_output.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/bytes.h"

namespace keepgate::logs {

LogOutput& LogOutput::operator=(LogOutput&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(kind_, other.kind_);
  return *this;
}

LogOutput::~LogOutput() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

// Standard output and error may be shared with other processes, so O_NONBLOCK, which belongs to the open file and not
// to the descriptor, must not be set on them.
LogOutput LogOutput::duplicate(int descriptor, std::string& error) {
  const int copy = ::fcntl(descriptor, F_DUPFD_CLOEXEC, 3);
  struct stat status{};
  if (copy < 0 || ::fstat(copy, &status) != 0) {
    error = std::strerror(errno);
    if (copy >= 0) ::close(copy);
    return {};
  }
  if (S_ISSOCK(status.st_mode)) return {copy, Kind::socket};
  return {copy, S_ISREG(status.st_mode) ? Kind::own : Kind::inherited};
}

LogOutput LogOutput::open(const std::string& path, std::string& error) {
  if (path == "/dev/stdout") return duplicate(STDOUT_FILENO, error);
  if (path == "/dev/stderr" || path == "stderr") return duplicate(STDERR_FILENO, error);
  // O_NOFOLLOW: a link that someone planted in the log directory must not make us write elsewhere. O_NONBLOCK: neither
  // opening nor writing a named pipe may wait; regular files ignore it.
  const int descriptor =
      ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, 0640);
  if (descriptor < 0) {
    error = errno == ELOOP ? "it is a symbolic link" : errno == ENXIO ? "nobody reads the pipe" : std::strerror(errno);
    return {};
  }
  return {descriptor, Kind::own};
}

long LogOutput::write_some(std::string_view bytes) const {
  if (kind_ == Kind::socket) return ::send(descriptor_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (kind_ == Kind::own) return ::write(descriptor_, bytes.data(), bytes.size());
  // A pipe that poll() calls writable has room for PIPE_BUF bytes.
  pollfd ready{descriptor_, POLLOUT, 0};
  if (::poll(&ready, 1, 0) == 0) {
    errno = EAGAIN;
    return -1;
  }
  return ::write(descriptor_, bytes.data(), std::min<std::size_t>(bytes.size(), PIPE_BUF));
}

LogOutput::Outcome LogOutput::write(std::string_view& bytes) {
  while (!bytes.empty()) {
    const long written = write_some(bytes);
    if (written > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(written));
      continue;
    }
    if (written < 0 && errno == EINTR) continue;
    if (written == 0 || errno == EAGAIN || errno == ENOBUFS) return Outcome::later;
    return errno == ENOSPC || errno == EDQUOT ? Outcome::no_space : Outcome::lost;
  }
  return Outcome::done;
}

}  // namespace keepgate::logs
