#include "pipeline/spill_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/bytes.h"

namespace keepgate::pipeline {

namespace {

std::unexpected<Error> file_failure(std::string_view what, int number) {
  return fail(ErrorKind::io, Blame::us, "internal", cat("temporary file: ", what, ": ", std::strerror(number)));
}

// For file systems without O_TMPFILE: a random name, taken away at once.
int create_and_unlink(const std::string& folder) {
  std::string path = cat(folder, "/keepgate-XXXXXX");
  const int descriptor = ::mkostemp(path.data(), O_CLOEXEC);
  if (descriptor >= 0) ::unlink(path.c_str());
  return descriptor;
}

}  // namespace

SpillFile::~SpillFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<SpillFile> SpillFile::create(const std::string& folder) {
  SpillFile out;
  out.descriptor_ = ::open(folder.c_str(), O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
  if (out.descriptor_ < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
    out.descriptor_ = create_and_unlink(folder);
  }
  if (out.descriptor_ < 0) return file_failure(cat("cannot be made in ", folder), errno);
  return out;
}

Result<void> SpillFile::append(std::string_view bytes) {
  std::uint64_t at = size_;
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return file_failure("cannot be written", written < 0 ? errno : ENOSPC);
    at += static_cast<std::uint64_t>(written);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  size_ = at;
  return {};
}

Result<std::size_t> SpillFile::read(std::uint64_t offset, char* out, std::size_t bytes_max) const {
  if (offset >= size_) return std::size_t{0};
  const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(bytes_max, size_ - offset));
  while (true) {
    const ssize_t got = ::pread(descriptor_, out, want, static_cast<off_t>(offset));
    if (got > 0) return static_cast<std::size_t>(got);
    if (got < 0 && errno == EINTR) continue;
    return file_failure("cannot be read", got < 0 ? errno : EIO);
  }
}

void SpillFile::clear() {
  size_ = 0;
  if (descriptor_ >= 0 && ::ftruncate(descriptor_, 0) != 0) {
    ::close(std::exchange(descriptor_, -1));
  }
}

}  // namespace keepgate::pipeline
