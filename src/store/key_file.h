// A key of our own that stays: 32 random bytes in a file, made when it is first asked for.
//
// Thread rule: pure function over the file system. The file is one line of base64url. Two programs that make it at once
// end up with the same key.
#pragma once

#include <string>

#include "base/error.h"
#include "crypto/secret.h"

namespace keepgate::store {

inline constexpr std::size_t key_file_key_bytes = 32;

// Error{io, configuration, "file"}: refused when the group or others may read it, when it is a symbolic link or
// somebody else's, or when it is not exactly such a line. What is there is never overwritten.
Result<crypto::SecretText> load_or_create_key(const std::string& path);
// The same for a file that has to be there; nothing is made.
Result<crypto::SecretText> load_key(const std::string& path);
// The key of a store. One that `wraps` something already (looked up before this call) needs the key that did it: where
// the file is missing none is made in its place, which would be in the way of the one that is brought back.
Result<crypto::SecretText> load_store_key(const std::string& path, bool wraps);

}  // namespace keepgate::store
