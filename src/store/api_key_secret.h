// The secret that API keys are hashed with, in a file of its own that only its owner may read. Private to this room.
//
// Thread rule: pure functions over the file system. Failures are Error{io, configuration, "file"} that name the file
// and never show what is in it.
#pragma once

#include <string>

#include "base/error.h"

namespace keepgate::store {

void wipe(std::string& secret);
Result<std::string> read_secret(const std::string& path);

}  // namespace keepgate::store
