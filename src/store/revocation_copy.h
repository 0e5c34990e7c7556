// RevocationCopy: the last list of revocations that a server gave us, kept on disk, so that a start during an outage
// knows what was taken back.
//
// The file is a list itself (auth/revocations.h) behind one line of ours, and what was added to it later, each part
// behind another:
//   # keepgate-revocations-2 SHA256 version=N epoch=E bytes=B url=URL
//   # keepgate-additions-1 SHA256 after=N version=M bytes=B
// A digest covers the rest of its line and the B bytes behind it: half a list is none. Half of what was added (a kill,
// a full disk) leaves what stands before it: the version says which list that was. Thread rule: functions over the file
// system, from any thread; a file is replaced whole or appended to. Bounds: those of a list, and head_bytes_max;
// with what was added file_bytes_max.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "store/files.h"

namespace keepgate::store {

struct RevocationCopy {
  static constexpr std::size_t head_bytes_max = 4096;
  static constexpr std::size_t file_bytes_max = std::size_t{128} << 20;

  std::uint64_t version = 0;
  std::string epoch;  // Visible ASCII; "": the server says none.
  std::string url;    // Whose list it is.
  std::string text;
  bool ends_well = true;  // Nothing stands behind what was read: it may be appended to.
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

// `copy`: what was added behind the version `after`. `state`: of the file as the caller left it, and as it is then; a
// file that somebody else changed is read whole first. An error: the copy that is there does not go up to `after`, or
// would grow too big; then all of it has to be written anew.
Result<void> append_revocation_copy(const std::string& path, const RevocationCopy& copy, std::uint64_t after,
                                    FileState& state);

}  // namespace keepgate::store
