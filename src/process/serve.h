// The life of the server process: load, bind, change the user, serve, end. Thread rule: the main thread's.
#pragma once

#include "process/supervisor.h"

namespace keepgate::process {

// Returns the exit code: 0 after an orderly end, 1 if it could not start.
int serve(const ServeOptions& options);

}  // namespace keepgate::process
