#include "process/open_files.h"

#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/log.h"

namespace keepgate::process {

void limit_open_files(const pipeline::Snapshot& snapshot) {
  if (snapshot.open_files_max != 0) {
    // The hard limit is not lowered: a reload may ask for more.
    rlimit wanted{};
    ::getrlimit(RLIMIT_NOFILE, &wanted);
    wanted.rlim_cur = snapshot.open_files_max;
    wanted.rlim_max = std::max(wanted.rlim_max, wanted.rlim_cur);
    if (::setrlimit(RLIMIT_NOFILE, &wanted) != 0) {
      log(LogLevel::alert, "setrlimit(RLIMIT_NOFILE, ", snapshot.open_files_max, ") failed (", errno, ": ",
          std::strerror(errno), ")");
    }
  }
  rlimit limit{};
  const std::uint64_t wanted = std::uint64_t{snapshot.worker_connections} * snapshot.worker_count;
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && wanted > limit.rlim_cur) {
    log(LogLevel::warn, wanted, " connections of all workers exceed open file resource limit: ", limit.rlim_cur);
  }
}

}  // namespace keepgate::process
