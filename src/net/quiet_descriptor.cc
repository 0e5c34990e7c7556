#include "net/quiet_descriptor.h"

#include <sys/eventfd.h>

namespace keepgate::net {

int open_quiet_descriptor() { return ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

}  // namespace keepgate::net
