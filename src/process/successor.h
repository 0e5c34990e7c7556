// Starts the binary that is to replace this one (USR2), as nginx does: the same words, the same listening sockets.
// Thread rule: the main thread's.
#pragma once

#include <sys/types.h>

#include <vector>

#include "base/error.h"
#include "process/listeners.h"

namespace keepgate::process {

// `words`: as main() got them. It runs beside us until one of the two is told to end.
Result<pid_t> start_successor(char* const* words, const std::vector<Listener>& listeners);

}  // namespace keepgate::process
