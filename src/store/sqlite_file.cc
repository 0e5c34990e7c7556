#include "store/sqlite_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <memory>

#include "base/bytes.h"

namespace keepgate::store {

namespace {

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Root works for others: `keepgate client create` on the store of the server's own user.
bool may_be_trusted(uid_t owner) { return owner == ::geteuid() || owner == 0 || ::geteuid() == 0; }

Result<void> check_folder(const std::string& folder) {
  struct stat facts{};
  if (::stat(folder.c_str(), &facts) != 0) return file_error(folder);
  if (!S_ISDIR(facts.st_mode)) return file_error(folder, "is no folder");
  if (!may_be_trusted(facts.st_uid)) return file_error(folder, "the store's folder belongs to somebody else");
  if ((facts.st_mode & S_IWOTH) != 0) return file_error(folder, "everybody may write the store's folder: chmod o-w");
  return {};
}

Result<void> check_file(const std::string& path, bool may_be_missing) {
  struct stat facts{};
  if (::lstat(path.c_str(), &facts) != 0) {
    if (errno == ENOENT && may_be_missing) return {};
    return file_error(path);
  }
  if (!S_ISREG(facts.st_mode)) return file_error(path, "is no regular file");
  if (facts.st_uid != ::geteuid() && ::geteuid() != 0) return file_error(path, "belongs to somebody else");
  if ((facts.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return file_error(path, "others than its owner may use it: chmod 600");
  }
  return {};
}

Result<void> make_file(const std::string& path, const std::string& folder) {
  const Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) {
    if (errno == EEXIST) return {};  // Somebody was faster; it is checked like any other.
    return file_error(path);
  }
  const Descriptor open(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!open || ::fsync(file.number()) != 0 || ::fsync(open.number()) != 0) return file_error(path);
  return {};
}

}  // namespace

Result<std::string> prepare_store_file(const std::string& path, Access access) {
  const std::string folder = folder_of(path);
  if (Result<void> good = check_folder(folder); !good) return std::unexpected(std::move(good.error()));
  struct stat facts{};
  if (::lstat(path.c_str(), &facts) != 0) {
    if (errno != ENOENT || access != Access::create) return file_error(path);
    if (Result<void> made = make_file(path, folder); !made) return std::unexpected(std::move(made.error()));
  } else if (S_ISLNK(facts.st_mode) && facts.st_uid != ::geteuid() && facts.st_uid != 0) {
    return file_error(path, "is a symbolic link of somebody else");
  }
  const std::unique_ptr<char, decltype(&std::free)> resolved(::realpath(path.c_str(), nullptr), &std::free);
  if (!resolved) return file_error(path);
  std::string real = resolved.get();
  if (Result<void> good = check_folder(folder_of(real)); !good) return std::unexpected(std::move(good.error()));
  for (const std::string_view suffix : {"", "-wal", "-shm", "-journal"}) {
    if (Result<void> good = check_file(cat(real, suffix), !suffix.empty()); !good) {
      return std::unexpected(std::move(good.error()));
    }
  }
  return real;
}

bool is_same_file(const FileState& a, const FileState& b) { return a.device == b.device && a.inode == b.inode; }

}  // namespace keepgate::store
