#include "process/daemonize.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace keepgate::process {

bool Daemonizer::detach() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return false;
  const pid_t child = ::fork();
  if (child < 0) return false;
  if (child > 0) {
    ::close(ends[1]);
    char status = EXIT_FAILURE;
    ssize_t got = 0;
    do {
      got = ::read(ends[0], &status, 1);
    } while (got < 0 && errno == EINTR);
    ::_exit(got == 1 ? status : EXIT_FAILURE);
  }
  ::close(ends[0]);
  report_ = ends[1];
  ::setsid();
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null >= 0) {
    ::dup2(null, STDIN_FILENO);
    ::dup2(null, STDOUT_FILENO);
    ::close(null);
  }
  return true;
}

void Daemonizer::report(int status) {
  if (report_ < 0) return;
  const char byte = static_cast<char>(status);
  [[maybe_unused]] const auto written = ::write(report_, &byte, 1);
  ::close(report_);
  report_ = -1;
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null >= 0 && status == EXIT_SUCCESS) ::dup2(null, STDERR_FILENO);
  if (null >= 0) ::close(null);
}

}  // namespace keepgate::process
