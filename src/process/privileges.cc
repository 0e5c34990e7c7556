#include "process/privileges.h"

#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <initializer_list>

#include "base/bytes.h"

namespace keepgate::process {

namespace {

std::unexpected<Error> failed(std::string_view what) {
  return fail(ErrorKind::io, Blame::us, "user", cat(what, " failed: ", std::strerror(errno)));
}

// Everything else is gone, also for what we execute.
bool keep_only(std::initializer_list<unsigned> capabilities) {
  unsigned bits = 0;
  for (const unsigned one : capabilities) bits |= 1U << one;
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  const __user_cap_data_struct data[2] = {{bits, bits, bits}, {0, 0, 0}};
  if (::syscall(SYS_capset, &header, data) != 0) return false;
  return std::ranges::all_of(
      capabilities, [](unsigned one) { return ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, one, 0, 0) == 0; });
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
  const bool kept =
      user.binds_foreign_addresses ? keep_only({CAP_NET_BIND_SERVICE, CAP_NET_RAW}) : keep_only({CAP_NET_BIND_SERVICE});
  if (!kept) return failed("capset()");
  if (::setuid(0) == 0) return fail(ErrorKind::internal, Blame::us, "user", "root's rights could be had again");
  return {};
}

}  // namespace keepgate::process
