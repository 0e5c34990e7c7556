// The file of an SQLite store: who may own it, who may read it, and whether it is still the same one.
//
// Thread rule: pure functions over the file system. No descriptor of an existing store is opened here: closing one
// would drop the locks that SQLite holds on it for this process (POSIX fcntl).
#pragma once

#include <string>

#include "store/connection.h"
#include "store/files.h"

namespace keepgate::store {

// The path without symbolic links, of a file that is fit to be a store. With Access::create it is made (0600) if
// nothing is there. Refused: a folder that everybody may write or that somebody else owns, a symbolic link of somebody
// else, what is no regular file or not ours, and what the group or others may read, the files that SQLite keeps beside
// it included.
Result<std::string> prepare_store_file(const std::string& path, Access access);

bool is_same_file(const FileState& a, const FileState& b);

}  // namespace keepgate::store
