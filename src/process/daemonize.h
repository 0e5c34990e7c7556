// Going to the background: the parent waits until the child serves, or says that it cannot.
// Thread rule: the main thread's, before any other thread.
#pragma once

namespace keepgate::process {

class Daemonizer {
 public:
  // In the child: true. In the parent: does not return, its exit code is what the child reports. False: fork() failed.
  bool detach();
  // In the child, once. Without detach(), nothing.
  void report(int status);

 private:
  int report_ = -1;
};

}  // namespace keepgate::process
