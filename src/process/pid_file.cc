#include "process/pid_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "base/bytes.h"
#include "base/log.h"

namespace keepgate::process {

namespace {
constexpr std::string_view aside = ".oldbin";

bool write_whole(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno != EINTR) return false;
    if (written > 0) text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}
}  // namespace

PidFile::~PidFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

// Never through a symbolic link: a pid file is written with our rights where others may have a say.
bool PidFile::write(const std::string& path) {
  if (path.empty()) return true;
  ::unlink(path.c_str());
  descriptor_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
  const std::string text = cat(::getpid(), "\n");
  if (descriptor_ < 0 || !write_whole(descriptor_, text)) {
    log(LogLevel::emerg, "the pid file ", path, " cannot be written: ", std::strerror(errno));
    return false;
  }
  ::flock(descriptor_, LOCK_EX | LOCK_NB);  // Where locks do not work, a stale file is only harder to tell.
  path_ = original_path_ = path;
  return true;
}

bool PidFile::is_ours() const {
  struct stat here{}, there{};
  return descriptor_ >= 0 && ::fstat(descriptor_, &here) == 0 && ::lstat(path_.c_str(), &there) == 0 &&
         here.st_ino == there.st_ino && here.st_dev == there.st_dev;
}

bool PidFile::step_aside() {
  if (path_.empty()) return true;
  const std::string name = cat(original_path_, aside);
  if (!is_ours() || std::rename(path_.c_str(), name.c_str()) != 0) {
    log(LogLevel::alert, "the pid file ", path_, " cannot be renamed to ", name, ": ",
        is_ours() ? std::strerror(errno) : "it is not ours any more");
    return false;
  }
  path_ = name;
  return true;
}

bool PidFile::step_back() {
  if (path_.empty() || path_ == original_path_) return true;
  if (!is_ours() || std::rename(path_.c_str(), original_path_.c_str()) != 0) {
    log(LogLevel::alert, "the pid file ", path_, " cannot be renamed to ", original_path_, ": ",
        is_ours() ? std::strerror(errno) : "it is not ours any more");
    return false;
  }
  path_ = original_path_;
  return true;
}

void PidFile::remove() {
  if (!is_ours()) return;
  // Where the folder is not ours (we have changed the user), an empty file says as much.
  if (::unlink(path_.c_str()) != 0 && ::ftruncate(descriptor_, 0) != 0) {
    log(LogLevel::alert, "the pid file ", path_, " is left over: ", std::strerror(errno));
  }
}

std::optional<pid_t> read_pid_file(const std::string& path, std::string& why) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (descriptor < 0) {
    why = cat(path, ": ", std::strerror(errno), ": is it running?");
    return std::nullopt;
  }
  char text[32] = {};
  const ssize_t bytes = ::read(descriptor, text, sizeof text - 1);
  const bool unlocked = ::flock(descriptor, LOCK_SH | LOCK_NB) == 0;
  ::close(descriptor);
  std::string_view digits(text, bytes > 0 ? static_cast<std::size_t>(bytes) : 0);
  while (!digits.empty() && (digits.back() == '\n' || digits.back() == ' ')) digits.remove_suffix(1);
  const auto pid = parse_unsigned<std::uint32_t>(digits);
  if (!pid || *pid <= 1 || *pid > INT32_MAX) {
    why = cat("no process id in ", path, ": is it running?");
    return std::nullopt;
  }
  if (unlocked) {
    why = cat(path, " is left over from process ", *pid, ", which has ended");
    return std::nullopt;
  }
  return static_cast<pid_t>(*pid);
}

}  // namespace keepgate::process
