// Which user the process is, for the rest of its life.
// Thread rule: the main thread's, before there are workers: what it keeps, only threads started afterwards have.
#pragma once

#include "base/error.h"
#include "pipeline/snapshot.h"

namespace keepgate::process {

// Root becomes `user` with its groups, and keeps one right: to bind ports below 1024, so that a reload and a new binary
// can; and, if the configuration has `proxy_bind … transparent`, to bind addresses of others. There is no way back.
Result<void> become(const pipeline::ProcessUser& user);

}  // namespace keepgate::process
