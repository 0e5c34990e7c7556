#include "cpu_time.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string>

namespace keepgate::bench {
namespace {

struct DirectoryCloser {
  void operator()(DIR* directory) const { closedir(directory); }
};

// The first number of a small file of the kernel; 0 when the task or the file is gone.
std::uint64_t first_number_in(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  std::array<char, 256> text{};
  const ssize_t size = read(file, text.data(), text.size() - 1);
  close(file);
  return size > 0 ? std::strtoull(text.data(), nullptr, 10) : 0;
}

template <typename Visit>
void each_numbered_entry(const std::string& path, Visit visit) {
  const std::unique_ptr<DIR, DirectoryCloser> directory(opendir(path.c_str()));
  if (!directory) return;
  while (const dirent* entry = readdir(directory.get())) {
    if (std::isdigit(static_cast<unsigned char>(entry->d_name[0]))) visit(path + "/" + entry->d_name);
  }
}

// /proc/PID/schedstat tells of the first thread only, so the threads are added up.
std::uint64_t run_time_of_process(const std::string& process) {
  std::uint64_t sum = 0;
  each_numbered_entry(process + "/task", [&](const std::string& task) { sum += first_number_in(task + "/schedstat"); });
  return sum;
}

// cpuacct counts tasks that have ended, too. Without it the living are added up: a task that ends inside the window is
// then not seen, which makes the foreign load look smaller, never larger.
std::uint64_t run_time_of_machine() {
  const std::uint64_t accounted = first_number_in("/sys/fs/cgroup/cpuacct/cpuacct.usage");
  if (accounted != 0) return accounted;
  std::uint64_t sum = 0;
  each_numbered_entry("/proc", [&](const std::string& process) { sum += run_time_of_process(process); });
  return sum;
}

std::uint64_t run_time_of_self() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(time.tv_nsec);
}

}  // namespace

CpuTime read_cpu_time(std::span<const pid_t> measured) {
  CpuTime time;
  for (const pid_t process : measured) time.measured_ns += run_time_of_process("/proc/" + std::to_string(process));
  time.own_ns = run_time_of_self();
  time.machine_ns = run_time_of_machine();
  return time;
}

}  // namespace keepgate::bench
