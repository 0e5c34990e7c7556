// The limit on open files: set as configured, compared with what the workers may use.
#pragma once

#include "pipeline/snapshot.h"

namespace keepgate::process {

// worker_rlimit_nofile. A limit that cannot be set, or that is below what worker_connections promise, is logged.
void limit_open_files(const pipeline::Snapshot& snapshot);

}  // namespace keepgate::process
