#include "process/privileges.h"

#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/bytes.h"

namespace keepgate::process {

namespace {

std::unexpected<Error> failed(std::string_view what) {
  return fail(ErrorKind::io, Blame::us, "user", cat(what, " failed: ", std::strerror(errno)));
}

// Everything but the right to bind low ports is gone, also for what we execute.
bool keep_only_low_ports() {
  constexpr unsigned bit = 1U << CAP_NET_BIND_SERVICE;
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  const __user_cap_data_struct data[2] = {{bit, bit, bit}, {0, 0, 0}};
  return ::syscall(SYS_capset, &header, data) == 0 &&
         ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0) == 0;
}

}  // namespace

Result<void> become(const pipeline::ProcessUser& user) {
  // setgroups, setgid and setuid of the C library change every thread; capabilities are this thread's, and those
  // started by it later.
  if (::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return failed("prctl(PR_SET_KEEPCAPS)");
  if (::initgroups(user.name.c_str(), user.group_id) != 0) return failed(cat("initgroups(", user.name, ")"));
  if (::setgid(user.group_id) != 0) return failed(cat("setgid(", user.group_id, ")"));
  if (::setuid(user.user_id) != 0) return failed(cat("setuid(", user.user_id, ")"));
  if (user.user_id == 0) return {};
  if (!keep_only_low_ports()) return failed("capset()");
  if (::setuid(0) == 0) return fail(ErrorKind::internal, Blame::us, "user", "root's rights could be had again");
  return {};
}

}  // namespace keepgate::process
