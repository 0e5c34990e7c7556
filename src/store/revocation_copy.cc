#include "store/revocation_copy.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "auth/revocations.h"
#include "base/bytes.h"
#include "crypto/digest.h"
#include "store/files.h"

namespace keepgate::store {

namespace {

constexpr std::string_view copy_mark = "# keepgate-revocations-1 ";
constexpr std::size_t copy_bytes_max = auth::RevocationList::file_bytes_max + RevocationCopy::head_bytes_max;
constexpr std::size_t digest_digits = 64;

struct CopyHead {
  std::string_view digest;
  std::string_view covered;  // What the digest is of: the rest of the line, and all that follows.
  std::uint64_t version = 0;
  std::string_view epoch, url;
};

// "version=" and so on, up to the next space.
std::optional<std::string_view> take_member(std::string_view& rest, std::string_view name) {
  if (!rest.starts_with(name)) return std::nullopt;
  rest.remove_prefix(name.size());
  const std::size_t end = std::min(rest.find(' '), rest.size());
  const std::string_view value = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return value;
}

// `text`: the file, or its beginning with the first line in it.
std::optional<CopyHead> read_copy_head(std::string_view text) {
  const std::size_t end = text.substr(0, RevocationCopy::head_bytes_max).find('\n');
  if (end == std::string_view::npos || !text.starts_with(copy_mark)) return std::nullopt;
  CopyHead out;
  out.digest = text.substr(copy_mark.size(), digest_digits);
  const std::size_t behind = copy_mark.size() + digest_digits;
  if (behind >= end || text[behind] != ' ') return std::nullopt;
  out.covered = text.substr(behind + 1);
  std::string_view rest = text.substr(behind + 1, end - behind - 1);
  const auto version = take_member(rest, "version="), epoch = take_member(rest, "epoch="),
             url = take_member(rest, "url=");
  const auto number = version ? parse_unsigned<std::uint64_t>(*version) : std::nullopt;
  if (!number || !epoch || !url || !rest.empty()) return std::nullopt;
  out.version = *number;
  out.epoch = *epoch;
  out.url = *url;
  return out;
}

bool is_newer_there(const std::string& path, const RevocationCopy& copy) {
  const Result<Descriptor> file = open_regular(path, O_RDONLY, S_IWGRP | S_IWOTH);
  if (!file) return false;
  std::string_view text;
  std::string bytes(RevocationCopy::head_bytes_max, '\0');
  const ssize_t count = ::pread(file->number(), bytes.data(), bytes.size(), 0);
  if (count > 0) text = std::string_view(bytes).substr(0, static_cast<std::size_t>(count));
  const std::optional<CopyHead> head = read_copy_head(text);
  return head && head->url == copy.url && head->epoch == copy.epoch && head->version > copy.version;
}

}  // namespace

Result<RevocationCopy> parse_revocation_copy(std::string_view bytes, std::string_view url) {
  const auto bad = [](std::string_view why) {
    return fail(ErrorKind::malformed, Blame::configuration, "bad_copy", std::string(why));
  };
  const std::optional<CopyHead> head = read_copy_head(bytes);
  if (!head) return bad("is no copy of a list of revocations");
  if (crypto::sha256_hex(head->covered) != head->digest) return bad("is broken: its digest is another");
  if (head->url != url) return bad("is a copy of another server's list");
  RevocationCopy out;
  out.version = head->version;
  out.epoch = head->epoch;
  out.url = head->url;
  out.text = head->covered.substr(head->covered.find('\n') + 1);
  return out;
}

Result<std::optional<RevocationCopy>> read_revocation_copy(const std::string& path, std::string_view url) {
  const FileState state = state_of_file(path);
  if (state == FileState()) return std::nullopt;
  const Result<std::string> bytes =
      read_small(path, std::min<std::size_t>(copy_bytes_max, state.bytes), S_IWGRP | S_IWOTH);
  if (!bytes) return std::unexpected(bytes.error());
  Result<RevocationCopy> copy = parse_revocation_copy(*bytes, url);
  if (!copy) return file_error(path, copy.error().detail);
  return std::move(*copy);
}

Result<void> write_revocation_copy(const std::string& path, const RevocationCopy& copy) {
  if (is_newer_there(path, copy)) return {};
  std::string covered = cat("version=", copy.version, " epoch=", copy.epoch, " url=", copy.url, "\n");
  if (covered.size() + copy_mark.size() + digest_digits + 1 > RevocationCopy::head_bytes_max) {
    return file_error(path, "the URL is too long to be kept");
  }
  covered += copy.text;
  const std::string digest = crypto::sha256_hex(covered);
  Result<NewFile> file = NewFile::beside(path, S_IRUSR | S_IWUSR);
  if (!file) return std::unexpected(std::move(file.error()));
  if (Result<void> written = file->write(cat(copy_mark, digest, " ")); !written) return written;
  if (Result<void> written = file->write(covered); !written) return written;
  return file->replace();
}

}  // namespace keepgate::store
