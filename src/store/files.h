// What the stores need of the file system: descriptors that close themselves, files read by whole lines, files that are
// there whole or not at all.
//
// Thread rule: pure functions over the file system. Failures are Error{io, configuration, "file"} that name the file.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace keepgate::store {

class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor();
  int number() const { return number_; }
  explicit operator bool() const { return number_ >= 0; }

 private:
  int number_;
};

// What is there under a name, as far as it tells one state of a file from another. All zero: nothing.
struct FileState {
  std::uint64_t device = 0, inode = 0, bytes = 0;
  std::int64_t modified_ns = 0, changed_ns = 0;
  bool operator==(const FileState&) const = default;
};
FileState state_of_file(const std::string& path);
FileState state_of_file(int descriptor);

std::unexpected<Error> file_error(std::string_view path, std::string_view why);
std::unexpected<Error> file_error(std::string_view path);  // Why: errno.

// A regular file, for reading or for reading and writing; does not wait for anything that is none.
// `mode_refused`: permission bits that it must not have.
Result<Descriptor> open_regular(const std::string& path, int flags, unsigned mode_refused);

// A small file whole, at most `bytes_max`.
Result<std::string> read_small(const std::string& path, std::size_t bytes_max, unsigned mode_refused);

// Calls `take` with blocks of whole lines from `offset` on, until it fails or there are no more. Returns where the last
// whole line ends: what stands behind it is being written, or was cut off. A longer line than `line_bytes_max` fails.
using TakeLines = std::function<Result<void>(std::string_view lines)>;
Result<std::uint64_t> read_lines(std::string_view path, int descriptor, std::uint64_t offset,
                                 std::size_t line_bytes_max, const TakeLines& take);

bool write_all(int descriptor, std::string_view text);  // false: errno tells.

// A new file beside the one it is to become, of the same owner and mode if there is one. It goes away unless it is put
// in place, which happens only when all of it is on the disk.
class NewFile {
 public:
  static Result<NewFile> beside(std::string path, unsigned mode);
  NewFile(NewFile&& other) noexcept = default;
  NewFile& operator=(NewFile&&) = delete;
  ~NewFile();

  Result<void> write(std::string_view text);
  Result<void> replace();              // In the place of what is there.
  Result<void> take_unclaimed_name();  // Fails where something is there.

 private:
  NewFile(std::string path, std::string name, Descriptor file)
      : path_(std::move(path)), name_(std::move(name)), file_(std::move(file)) {}
  Result<void> sync_folder() const;

  std::string path_, name_;
  Descriptor file_;
};

}  // namespace keepgate::store
