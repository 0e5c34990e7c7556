#include "store/revocation_copy.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/bytes.h"
#include "crypto/digest.h"
#include "store/files.h"

namespace keepgate::store {

namespace {

constexpr std::string_view copy_mark = "# keepgate-revocations-2 ", added_mark = "# keepgate-additions-1 ";
constexpr std::string_view first_mark = "# keepgate-revocations-1 ";  // Written by versions up to 0.1.
constexpr std::size_t digest_digits = 64;

// One part of a file: a line of ours, and the bytes that it names.
struct CopyPart {
  std::string_view line;  // Behind the digest.
  std::string_view text;
  std::string_view rest;  // What stands behind it.
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

std::optional<std::uint64_t> take_number(std::string_view& rest, std::string_view name) {
  const auto value = take_member(rest, name);
  return value ? parse_unsigned<std::uint64_t>(*value) : std::nullopt;
}

// Nothing: it is no such part, or broken.
std::optional<CopyPart> take_part(std::string_view bytes, std::string_view mark) {
  const std::size_t end = bytes.substr(0, RevocationCopy::head_bytes_max).find('\n');
  if (end == std::string_view::npos || !bytes.starts_with(mark)) return std::nullopt;
  const std::string_view digest = bytes.substr(mark.size(), digest_digits);
  const std::size_t behind = mark.size() + digest_digits;
  if (behind >= end || bytes[behind] != ' ') return std::nullopt;
  CopyPart out;
  out.line = bytes.substr(behind + 1, end - behind - 1);
  const std::size_t bytes_at = out.line.find(" bytes=");
  if (bytes_at == std::string_view::npos) return std::nullopt;
  std::string_view number = out.line.substr(bytes_at + 1);
  const auto size = take_number(number, "bytes=");
  if (!size || *size > bytes.size() - end - 1) return std::nullopt;
  out.text = bytes.substr(end + 1, *size);
  out.rest = bytes.substr(end + 1 + *size);
  if (crypto::sha256_hex(bytes.substr(behind + 1, end - behind + *size)) != digest) return std::nullopt;
  return out;
}

// The digest of the first form covers all that stands behind it, and nothing is added to it.
std::optional<CopyPart> take_first_form(std::string_view bytes) {
  const std::size_t end = bytes.substr(0, RevocationCopy::head_bytes_max).find('\n');
  const std::size_t behind = first_mark.size() + digest_digits;
  if (end == std::string_view::npos || behind >= end || bytes[behind] != ' ') return std::nullopt;
  const std::string_view covered = bytes.substr(behind + 1);
  if (crypto::sha256_hex(covered) != bytes.substr(first_mark.size(), digest_digits)) return std::nullopt;
  return CopyPart{covered.substr(0, end - behind - 1), bytes.substr(end + 1), {}};
}

struct CopyAddition {
  std::uint64_t after = 0, version = 0;
};

std::optional<CopyAddition> addition_of(std::string_view line) {
  const auto after = take_number(line, "after="), version = take_number(line, "version="),
             bytes = take_number(line, "bytes=");
  if (!after || !version || !bytes || !line.empty()) return std::nullopt;
  return CopyAddition{*after, *version};
}

std::string part_of(std::string_view mark, std::string_view line, std::string_view text) {
  std::string covered = cat(line, "\n", text);
  const std::string digest = crypto::sha256_hex(covered);
  return cat(mark, digest, " ", covered);
}

bool is_newer_there(const std::string& path, const RevocationCopy& copy) {
  const auto there = read_revocation_copy(path, copy.url);
  return there && *there && (*there)->epoch == copy.epoch && (*there)->version > copy.version;
}

}  // namespace

Result<RevocationCopy> parse_revocation_copy(std::string_view bytes, std::string_view url) {
  const auto bad = [](std::string_view why) {
    return fail(ErrorKind::malformed, Blame::configuration, "bad_copy", std::string(why));
  };
  const bool is_first_form = bytes.starts_with(first_mark);
  if (!is_first_form && !bytes.starts_with(copy_mark)) return bad("is no copy of a list of revocations");
  std::optional<CopyPart> part = is_first_form ? take_first_form(bytes) : take_part(bytes, copy_mark);
  if (!part) return bad("is broken: its digest is another");
  RevocationCopy out;
  const auto version = take_number(part->line, "version=");
  const auto epoch = take_member(part->line, "epoch=");
  if (!is_first_form) take_number(part->line, "bytes=");
  const auto its_url = take_member(part->line, "url=");
  if (!version || !epoch || !its_url || !part->line.empty()) return bad("is broken: its first line is");
  if (*its_url != url) return bad("is a copy of another server's list");
  out.version = *version;
  out.epoch = *epoch;
  out.url = *its_url;
  out.text = part->text;
  out.ends_well = !is_first_form;
  while (!part->rest.empty()) {
    const std::string_view left = part->rest;
    part = take_part(left, added_mark);
    const auto added = part ? addition_of(part->line) : std::nullopt;
    // What is broken here was being written; what was added behind another version has a gap before it.
    if (!added || added->after > out.version) {
      out.ends_well = false;
      break;
    }
    out.text += part->text;
    out.version = std::max(out.version, added->version);
  }
  return out;
}

Result<std::optional<RevocationCopy>> read_revocation_copy(const std::string& path, std::string_view url) {
  const FileState state = state_of_file(path);
  if (state == FileState()) return std::nullopt;
  const Result<std::string> bytes =
      read_small(path, std::min<std::size_t>(RevocationCopy::file_bytes_max, state.bytes), S_IWGRP | S_IWOTH);
  if (!bytes) return std::unexpected(bytes.error());
  Result<RevocationCopy> copy = parse_revocation_copy(*bytes, url);
  if (!copy) return file_error(path, copy.error().detail);
  return std::move(*copy);
}

Result<void> write_revocation_copy(const std::string& path, const RevocationCopy& copy) {
  if (is_newer_there(path, copy)) return {};
  const std::string line =
      cat("version=", copy.version, " epoch=", copy.epoch, " bytes=", copy.text.size(), " url=", copy.url);
  if (line.size() + copy_mark.size() + digest_digits + 2 > RevocationCopy::head_bytes_max) {
    return file_error(path, "the URL is too long to be kept");
  }
  Result<NewFile> file = NewFile::beside(path, S_IRUSR | S_IWUSR);
  if (!file) return std::unexpected(std::move(file.error()));
  if (Result<void> written = file->write(part_of(copy_mark, line, copy.text)); !written) return written;
  return file->replace();
}

Result<void> append_revocation_copy(const std::string& path, const RevocationCopy& copy, std::uint64_t after,
                                    FileState& state) {
  const Result<Descriptor> file = open_regular(path, O_WRONLY | O_APPEND, S_IWGRP | S_IWOTH);
  if (!file) return std::unexpected(file.error());
  if (state_of_file(file->number()) != state) {
    const auto there = read_revocation_copy(path, copy.url);
    if (!there) return std::unexpected(there.error());
    if (!*there || (*there)->epoch != copy.epoch) return file_error(path, "it was replaced");
    const bool is_newer = (*there)->version >= copy.version;
    if (is_newer) return {};
    if (!(*there)->ends_well || (*there)->version < after) return file_error(path, "what it has ends before");
  }
  const std::string part =
      part_of(added_mark, cat("after=", after, " version=", copy.version, " bytes=", copy.text.size()), copy.text);
  if (state_of_file(file->number()).bytes + part.size() > RevocationCopy::file_bytes_max) {
    return file_error(path, "it would grow too big");
  }
  // Half of it counts for nothing (take_part), and is not appended to.
  if (!write_all(file->number(), part) || ::fdatasync(file->number()) != 0) return file_error(path);
  state = state_of_file(file->number());
  return {};
}

}  // namespace keepgate::store
