#include "store/key_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>

#include "base/bytes.h"
#include "crypto/base64url.h"
#include "crypto/random.h"
#include "store/files.h"

namespace keepgate::store {

namespace {

constexpr std::size_t key_line_bytes = 44;  // 43 characters and the end of the line.

bool exists(const std::string& path) {
  struct stat facts{};
  return ::lstat(path.c_str(), &facts) == 0;
}

// Whole and on the disk before it has its name: a crash leaves a key or none, and never half of one.
Result<void> create_key(const std::string& path) {
  std::array<unsigned char, key_file_key_bytes> bytes;
  crypto::random_bytes(bytes);
  std::string line = crypto::base64url_encode({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  line.push_back('\n');
  Result<void> outcome;
  if (Result<NewFile> file = NewFile::beside(path, 0600); !file) {
    outcome = std::unexpected(file.error());
  } else {
    outcome = file->write(line);
    if (outcome) outcome = file->take_unclaimed_name();
  }
  crypto::wipe(line.data(), line.size());
  crypto::wipe(bytes.data(), bytes.size());
  if (!outcome && exists(path)) return {};  // Somebody was faster. It is read like any other.
  return outcome;
}

}  // namespace

Result<crypto::SecretText> load_key(const std::string& path) {
  const Result<Descriptor> file = open_regular(path, O_RDONLY | O_NOFOLLOW, 0077);
  if (!file) return std::unexpected(file.error());
  struct stat facts{};
  if (::fstat(file->number(), &facts) != 0) return file_error(path);
  if (facts.st_uid != ::geteuid() && ::geteuid() != 0) return file_error(path, "belongs to somebody else");
  crypto::SecretText text(key_line_bytes + 1);
  const ssize_t count = ::pread(file->number(), text.data(), text.size(), 0);
  if (count < 0) return file_error(path);
  std::optional<std::string> key;
  if (static_cast<std::size_t>(count) == key_line_bytes && text.view()[key_line_bytes - 1] == '\n') {
    key = crypto::base64url_decode(text.view().substr(0, key_line_bytes - 1));
  }
  if (!key || key->size() != key_file_key_bytes) {
    return file_error(path, "is not one line of base64url of 32 bytes: a key is never made in its place");
  }
  crypto::SecretText out(*key);
  crypto::wipe(key->data(), key->size());
  return out;
}

Result<crypto::SecretText> load_or_create_key(const std::string& path) {
  if (!exists(path)) {
    if (Result<void> made = create_key(path); !made) return std::unexpected(std::move(made.error()));
  }
  return load_key(path);
}

Result<crypto::SecretText> load_store_key(const std::string& path, bool wraps) {
  if (!wraps) return load_or_create_key(path);
  if (!exists(path) && errno == ENOENT) {
    return file_error(path, "the key file is missing, and the store has keys that it wraps: restore it");
  }
  return load_key(path);
}

}  // namespace keepgate::store
