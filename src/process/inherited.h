// Listening sockets from outside: of the binary that this one replaces, and of a service manager (systemd's sockets).
//
// Nothing is believed about them: what is not a listening stream socket is closed, and the address is asked from the
// kernel. Thread rule: before any other thread. Bounds: descriptors_max.
#pragma once

#include <string>
#include <vector>

#include "process/listeners.h"

namespace keepgate::process {

struct Inherited {
  static constexpr unsigned descriptors_max = 4096;

  std::vector<Listener> listeners;
  std::vector<std::string> remarks;  // What was wrong; for the log, which is opened later.
  bool replaces = false;             // Started by another binary of ours (USR2), which may still be running.
};

// Reads and removes from the environment: KEEPGATE, LISTEN_FDS and its companions.
Inherited take_inherited();

// The value of KEEPGATE that hands these on: "3;4;f5;", f for what a service manager made.
std::string inheritance_of(const std::vector<Listener>& listeners);

}  // namespace keepgate::process
