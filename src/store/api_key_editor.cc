#include "store/api_key_editor.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "store/api_key_secret.h"

namespace keepgate::store {

namespace {

using auth::ApiKeyRecord;

constexpr std::int64_t lock_look_ms = 20;

// Both may be made by somebody else at the same time: then theirs is the one.
Result<bool> make_if_missing(const std::string& path, std::string_view text) {
  if (state_of_file(path) != FileState()) return false;
  Result<NewFile> file = NewFile::beside(path, 0600);
  if (!file) return std::unexpected(file.error());
  if (Result<void> done = file->write(text); !done) return std::unexpected(done.error());
  if (Result<void> done = file->take_unclaimed_name(); !done) {
    if (state_of_file(path) != FileState()) return false;
    return std::unexpected(done.error());
  }
  return true;
}

Result<bool> make_missing(const std::string& path, const std::string& secret_path) {
  // A file whose secret is gone is no place for new keys: all that it holds would be lost.
  if (state_of_file(path) != FileState()) return false;
  std::string text = auth::make_api_key_secret();
  const Result<bool> made_secret = make_if_missing(secret_path, text);
  wipe(text);
  if (!made_secret) return made_secret;
  Result<std::string> secret = read_secret(secret_path);
  if (!secret) return std::unexpected(secret.error());
  Result<bool> made = make_if_missing(path, auth::api_key_file_head(*secret));
  wipe(*secret);
  return made;
}

// Opens and locks. The lock counts for the file that has the name when it is had: another may have been put in place.
Result<Descriptor> open_locked(const std::string& path) {
  using Clock = std::chrono::steady_clock;
  const auto give_up = Clock::now() + std::chrono::milliseconds(ApiKeyEditor::lock_wait_ms);
  while (true) {
    Result<Descriptor> file = open_regular(path, O_RDWR | O_APPEND, S_IWOTH);
    if (!file) return file;
    const bool is_locked = ::flock(file->number(), LOCK_EX | LOCK_NB) == 0;
    if (!is_locked && errno != EWOULDBLOCK && errno != EINTR) return file_error(path);
    const FileState ours = state_of_file(file->number()), there = state_of_file(path);
    if (is_locked && ours.device == there.device && ours.inode == there.inode) return file;
    if (Clock::now() >= give_up) return file_error(path, "another program is changing it");
    if (!is_locked) std::this_thread::sleep_for(std::chrono::milliseconds(lock_look_ms));
  }
}

}  // namespace

std::string secret_path_of(std::string_view key_file) { return cat(key_file, ".secret"); }

ApiKeyEditor::~ApiKeyEditor() { wipe(secret_); }

Result<ApiKeyEditor> ApiKeyEditor::open(std::string path, const std::string& secret_path, Access access) {
  bool made = false;
  if (access == Access::create) {
    const Result<bool> result = make_missing(path, secret_path);
    if (!result) return std::unexpected(result.error());
    made = *result;
  }
  Result<Descriptor> file = access == Access::read ? open_regular(path, O_RDONLY, S_IWOTH) : open_locked(path);
  if (!file) return std::unexpected(file.error());
  Result<std::string> secret = read_secret(secret_path);
  if (!secret) return std::unexpected(secret.error());
  ApiKeyEditor editor(std::move(path), std::move(*file), std::move(*secret));
  editor.made_file_ = made;
  const std::string head = auth::api_key_file_head(editor.secret_);
  std::string there(head.size(), '\0');
  const ssize_t count = ::pread(editor.file_.number(), there.data(), there.size(), 0);
  there.resize(static_cast<std::size_t>(std::max<ssize_t>(count, 1)) - 1);  // Without its newline.
  if (const Result<void> fits = auth::check_api_key_file_head(there, editor.secret_); !fits) {
    return file_error(editor.path_, fits.error().detail);
  }
  return editor;
}

// Every line after the first.
Result<std::uint64_t> ApiKeyEditor::each_line(const std::function<Result<void>(std::string_view)>& take) const {
  bool is_head = true;
  const auto take_lines = [&](std::string_view lines) -> Result<void> {
    while (!lines.empty()) {
      const std::size_t end = lines.find('\n');
      if (!is_head) {
        if (Result<void> taken = take(lines.substr(0, end)); !taken) return taken;
      }
      is_head = false;
      lines.remove_prefix(end + 1);
    }
    return {};
  };
  return read_lines(path_, file_.number(), 0, auth::api_key_line_bytes_max, take_lines);
}

Result<std::optional<std::string>> ApiKeyEditor::find(std::string_view id) const {
  std::optional<std::string> found;
  const auto take = [&](std::string_view line) -> Result<void> {
    if (line.starts_with(id) && line.substr(id.size()).starts_with('\t')) found = std::string(line);
    return {};
  };
  if (const Result<std::uint64_t> end = each_line(take); !end) return std::unexpected(end.error());
  return found;
}

Result<void> ApiKeyEditor::each(const std::function<void(const ApiKeyRecord&)>& take) const {
  std::vector<std::string> newest;
  std::unordered_map<std::string, std::size_t> places;
  std::uint64_t number = 1;
  const auto add = [&](std::string_view line) -> Result<void> {
    ++number;
    const Result<ApiKeyRecord> record = auth::parse_api_key_record(line);
    if (!record) return file_error(path_, cat("line ", number, ": ", record.error().detail));
    const auto [place, is_new] = places.try_emplace(std::string(record->id), newest.size());
    if (is_new) {
      newest.emplace_back(line);
    } else {
      newest[place->second] = line;
    }
    return {};
  };
  if (const Result<std::uint64_t> end = each_line(add); !end) return std::unexpected(end.error());
  for (const std::string& line : newest) take(*auth::parse_api_key_record(line));
  return {};
}

Result<void> ApiKeyEditor::append(std::string_view lines) {
  const std::uint64_t bytes = state_of_file(file_.number()).bytes;
  // What a crash left half written ends where the last newline is.
  const std::uint64_t from = bytes - std::min<std::uint64_t>(bytes, 2 * auth::api_key_line_bytes_max);
  std::string last(static_cast<std::size_t>(bytes - from), '\0');
  if (::pread(file_.number(), last.data(), last.size(), static_cast<off_t>(from)) !=
      static_cast<ssize_t>(last.size())) {
    return file_error(path_, "cannot be read");
  }
  const std::size_t newline = last.rfind('\n');
  if (newline == std::string::npos) return file_error(path_, "its last line is too long");
  const auto end = static_cast<off_t>(from + newline + 1);
  if (static_cast<std::uint64_t>(end) != bytes && ::ftruncate(file_.number(), end) != 0) return file_error(path_);
  if (write_all(file_.number(), lines) && ::fsync(file_.number()) == 0) return {};
  const int reason = errno;
  // What was not told to be done must not be in effect later either.
  const bool undone = ::ftruncate(file_.number(), end) == 0;
  errno = reason;
  return undone ? Result<void>(file_error(path_))
                : Result<void>(
                      file_error(path_, cat("written in part, and that cannot be undone: ", std::strerror(reason))));
}

Result<ApiKeyEditor::Compacted> ApiKeyEditor::compact(const std::function<bool(const ApiKeyRecord&)>& stays) {
  Result<NewFile> file = NewFile::beside(path_, 0600);
  if (!file) return std::unexpected(file.error());
  Compacted out;
  std::string text = auth::api_key_file_head(secret_);
  Result<void> written;
  const Result<void> done = each([&](const ApiKeyRecord& record) {
    if (!stays(record)) {
      ++out.dropped_keys;
      return;
    }
    ++out.keys;
    text += *auth::write_api_key_record(record);
    if (text.size() < (std::size_t{1} << 20) || !written) return;
    written = file->write(text);
    text.clear();
  });
  if (!done) return std::unexpected(done.error());
  if (written) written = file->write(text);
  if (!written) return std::unexpected(written.error());
  std::uint64_t lines = 0;
  const Result<std::uint64_t> end = each_line([&](std::string_view) -> Result<void> {
    ++lines;
    return {};
  });
  if (!end) return std::unexpected(end.error());
  out.dropped_lines = lines - out.keys;
  if (Result<void> placed = file->replace(); !placed) return std::unexpected(placed.error());
  return out;
}

}  // namespace keepgate::store
