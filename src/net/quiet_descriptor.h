// A descriptor that a loop can watch and on which nothing ever happens: for what a loop has to end like a connection
// and that is none. Thread rule: any thread.
#pragma once

namespace keepgate::net {

// Non-blocking, close-on-exec; the caller's to close. -1: the system has none left.
int open_quiet_descriptor();

}  // namespace keepgate::net
