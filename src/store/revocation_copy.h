// RevocationCopy: the last list of revocations that a server gave us, kept on disk, so that a start during an outage
// knows what was taken back.
//
// The file is a list itself (auth/revocations.h) behind one line of ours:
//   # keepgate-revocations-1 SHA256 version=N epoch=E url=URL
// The digest covers all that stands behind it: half a copy is none. Thread rule: functions over the file system, from
// any thread; a file is replaced whole. Bounds: those of a list, and head_bytes_max.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace keepgate::store {

struct RevocationCopy {
  static constexpr std::size_t head_bytes_max = 4096;

  std::uint64_t version = 0;
  std::string epoch;  // Visible ASCII; "": the server says none.
  std::string url;    // Whose list it is.
  std::string text;
};

// What such a file has in it. Error: it is broken, no such file, or the copy of another server's list; without the
// path.
Result<RevocationCopy> parse_revocation_copy(std::string_view bytes, std::string_view url);

// Nothing: there is no file. An error: it cannot be read, others than its owner may write it, it is broken, or it is
// the copy of another server's list.
Result<std::optional<RevocationCopy>> read_revocation_copy(const std::string& path, std::string_view url);

// Mode 0600, unless a file is there whose mode is another. A newer copy of the same list, which another process of ours
// may have written meanwhile, is left alone.
Result<void> write_revocation_copy(const std::string& path, const RevocationCopy& copy);

}  // namespace keepgate::store
