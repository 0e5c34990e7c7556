#include "store/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "base/bytes.h"
#include "crypto/random.h"

namespace keepgate::store {

namespace {

constexpr std::size_t block_bytes = std::size_t{1} << 20;

FileState state_of(const struct stat& facts) {
  const auto nanoseconds = [](const timespec& time) {
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
  };
  return {facts.st_dev, facts.st_ino, static_cast<std::uint64_t>(facts.st_size), nanoseconds(facts.st_mtim),
          nanoseconds(facts.st_ctim)};
}

ssize_t read_at(int descriptor, char* into, std::size_t bytes, std::uint64_t offset) {
  while (true) {
    const ssize_t count = ::pread(descriptor, into, bytes, static_cast<off_t>(offset));
    if (count >= 0 || errno != EINTR) return count;
  }
}

}  // namespace

Descriptor::~Descriptor() {
  if (number_ >= 0) ::close(number_);
}

FileState state_of_file(const std::string& path) {
  struct stat facts{};
  return ::stat(path.c_str(), &facts) == 0 ? state_of(facts) : FileState();
}

FileState state_of_file(int descriptor) {
  struct stat facts{};
  return ::fstat(descriptor, &facts) == 0 ? state_of(facts) : FileState();
}

std::unexpected<Error> file_error(std::string_view path, std::string_view why) {
  return fail(ErrorKind::io, Blame::configuration, "file", cat(printable(path, 400), ": ", why));
}

std::unexpected<Error> file_error(std::string_view path) { return file_error(path, std::strerror(errno)); }

Result<Descriptor> open_regular(const std::string& path, int flags, unsigned mode_refused) {
  Descriptor file(::open(path.c_str(), flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!file) return file_error(path);
  struct stat facts{};
  if (::fstat(file.number(), &facts) != 0) return file_error(path);
  if (!S_ISREG(facts.st_mode)) return file_error(path, "is no regular file");
  if ((facts.st_mode & mode_refused & (S_IRWXO | S_IRWXG)) != 0) {
    return file_error(path, (mode_refused & S_IRWXG) != 0   ? "others than its owner may use it: chmod 600"
                            : (mode_refused & S_IROTH) != 0 ? "everybody may read it: chmod 600"
                                                            : "everybody may write it: chmod 600");
  }
  return file;
}

Result<std::string> read_small(const std::string& path, std::size_t bytes_max, unsigned mode_refused) {
  const Result<Descriptor> file = open_regular(path, O_RDONLY, mode_refused);
  if (!file) return std::unexpected(file.error());
  std::string text(bytes_max + 1, '\0');
  const ssize_t count = read_at(file->number(), text.data(), text.size(), 0);
  if (count < 0) return file_error(path);
  if (static_cast<std::size_t>(count) > bytes_max) return file_error(path, cat("larger than ", bytes_max, " bytes"));
  text.resize(static_cast<std::size_t>(count));
  return text;
}

Result<std::uint64_t> read_lines(std::string_view path, int descriptor, std::uint64_t offset,
                                 std::size_t line_bytes_max, const TakeLines& take) {
  std::vector<char> block(block_bytes);
  std::size_t held = 0;
  while (true) {
    const ssize_t count = read_at(descriptor, block.data() + held, block.size() - held, offset + held);
    if (count < 0) return file_error(path);
    if (count == 0) return offset;
    held += static_cast<std::size_t>(count);
    const std::string_view there(block.data(), held);
    const std::size_t last = there.rfind('\n');
    const std::size_t whole = last == std::string_view::npos ? 0 : last + 1;
    if (held - whole > line_bytes_max) return file_error(path, cat("a line of more than ", line_bytes_max, " bytes"));
    if (whole == 0) continue;
    if (Result<void> taken = take(there.substr(0, whole)); !taken) return std::unexpected(std::move(taken.error()));
    std::memmove(block.data(), block.data() + whole, held - whole);
    held -= whole;
    offset += whole;
  }
}

bool write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

Result<NewFile> NewFile::beside(std::string path, unsigned mode) {
  std::string name = cat(path, ".", crypto::random_id().substr(0, 8), ".tmp");
  struct stat there{};
  const bool exists = ::stat(path.c_str(), &there) == 0;
  Descriptor file(::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) return file_error(name);
  NewFile made(std::move(path), std::move(name), std::move(file));
  // The owner first: until then nobody but us may open it.
  struct stat ours{};
  if (::fstat(made.file_.number(), &ours) != 0) return file_error(made.path_);
  const bool is_others = exists && (ours.st_uid != there.st_uid || ours.st_gid != there.st_gid);
  if (is_others && ::fchown(made.file_.number(), there.st_uid, there.st_gid) != 0) {
    return file_error(made.path_, cat("its owner cannot be kept: ", std::strerror(errno)));
  }
  const mode_t wanted = exists ? there.st_mode & 0777 : static_cast<mode_t>(mode);
  if (::fchmod(made.file_.number(), wanted) != 0) return file_error(made.path_);
  return made;
}

NewFile::~NewFile() {
  if (file_ && !name_.empty()) ::unlink(name_.c_str());
}

Result<void> NewFile::write(std::string_view text) {
  if (!write_all(file_.number(), text)) return file_error(name_);
  return {};
}

Result<void> NewFile::sync_folder() const {
  const std::size_t slash = path_.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path_.substr(0, slash + 1);
  const Descriptor open(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!open || ::fsync(open.number()) != 0) return file_error(folder);
  return {};
}

Result<void> NewFile::replace() {
  if (::fsync(file_.number()) != 0) return file_error(name_);
  if (::rename(name_.c_str(), path_.c_str()) != 0) return file_error(path_);
  name_.clear();
  return sync_folder();
}

// link() does what rename() cannot: it fails where somebody else was faster. The other name goes with this object.
Result<void> NewFile::take_unclaimed_name() {
  if (::fsync(file_.number()) != 0) return file_error(name_);
  if (::link(name_.c_str(), path_.c_str()) != 0) return file_error(path_);
  return sync_folder();
}

}  // namespace keepgate::store
