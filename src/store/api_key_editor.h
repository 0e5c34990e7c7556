// ApiKeyEditor: changes a file of API keys for `keepgate key`: one change is one append, on the disk before it is told.
//
// Who changes holds a lock on the file, so that two at a time follow one another; a reader needs none. A change that a
// crash cut off has no newline at its end: readers do not see it, and the next change takes it away.
// Thread rule: one owner. Bounds: waits lock_wait_ms at most for another.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "auth/api_key_record.h"
#include "base/error.h"
#include "store/files.h"

namespace keepgate::store {

class ApiKeyEditor {
 public:
  static constexpr std::int64_t lock_wait_ms = 10'000;

  enum class Access : std::uint8_t { read = 0, change, create /* the file and its secret, where they are missing */ };
  static Result<ApiKeyEditor> open(std::string path, const std::string& secret_path, Access access);
  ApiKeyEditor(ApiKeyEditor&&) noexcept = default;
  ApiKeyEditor& operator=(ApiKeyEditor&&) = delete;
  ~ApiKeyEditor();

  bool made_file() const { return made_file_; }
  const std::string& secret() const { return secret_; }

  // The newest line of a key, without its newline; nothing: there is no such key. Costs a look at the whole file.
  Result<std::optional<std::string>> find(std::string_view id) const;
  // The newest line of every key, in the order in which the keys were made. The line lives during the call.
  Result<void> each(const std::function<void(const auth::ApiKeyRecord&)>& take) const;

  // Whole lines. INVARIANT: opened for changes.
  Result<void> append(std::string_view lines);
  struct Compacted {
    std::uint64_t keys = 0, dropped_keys = 0, dropped_lines = 0;
  };
  // Writes the file anew with the newest line of each key that `stays`, and puts it in place whole.
  Result<Compacted> compact(const std::function<bool(const auth::ApiKeyRecord&)>& stays);

 private:
  ApiKeyEditor(std::string path, Descriptor file, std::string secret)
      : path_(std::move(path)), file_(std::move(file)), secret_(std::move(secret)) {}
  Result<std::uint64_t> each_line(const std::function<Result<void>(std::string_view)>& take) const;

  std::string path_;
  Descriptor file_;
  std::string secret_;
  bool made_file_ = false;
};

// Where the secret of a key file is, unless it is said: beside it.
std::string secret_path_of(std::string_view key_file);

}  // namespace keepgate::store
