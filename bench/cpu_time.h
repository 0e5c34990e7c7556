// CPU time of the measured processes, of ourselves and of everybody else, read from the kernel's own counters.
// Thread rule: one thread; reads /proc and, where it exists, the cpuacct hierarchy.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>

namespace keepgate::bench {

struct CpuTime {
  std::uint64_t measured_ns = 0;  // All threads of the measured processes, user and system.
  std::uint64_t own_ns = 0;       // This process.
  std::uint64_t machine_ns = 0;   // Every task of the machine, those two included.
};

CpuTime read_cpu_time(std::span<const pid_t> measured);

}  // namespace keepgate::bench
