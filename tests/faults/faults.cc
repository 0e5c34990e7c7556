// A library to preload (LD_PRELOAD): counts the calls of a program to the system and to malloc, and fails the one that
// a test asks for. What is asked lies in a file that both map (KEEPGATE_FAULTS), so a test can ask while the program
// runs.
//
// Only calls that go through the dynamic linker are seen, which are all of the program's own. Nothing here allocates.
// The layout of Shared and the order of the calls are known to faults.py as well.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdlib>

namespace {

enum Call : int {
  call_malloc,
  call_open,
  call_read,
  call_write,
  call_recv,
  call_send,
  call_accept4,
  call_epoll_ctl,
  call_epoll_wait,
  call_socket,
  call_bind,
  call_listen,
  call_connect,
  call_setsockopt,
  call_getsockopt,
  call_getsockname,
  call_fcntl,
  call_fstat,
  call_pread,
  call_pwrite,
  call_epoll_create1,
  call_eventfd,
  call_rename,
  call_pipe2,
  call_ftruncate,
  call_flock,
  call_getrandom,
  call_mkdir,
  call_pthread_create,
  calls_max
};

// What a failing call does instead of failing with an error: a part only, as every such call may.
constexpr std::int32_t one_byte = -1;

struct Shared {
  std::atomic<std::int32_t> call{-1};      // Which one is to fail; -1: none.
  std::atomic<std::int32_t> countdown{0};  // 1: the next.
  std::atomic<std::int32_t> times{0};      // How many fail from there on.
  std::atomic<std::int32_t> error{0};      // errno, or one_byte.
  std::atomic<std::int32_t> fired{0};
  std::atomic<std::uint32_t> counts[calls_max]{};
};

Shared* shared = nullptr;

__attribute__((constructor)) void map_shared() {
  const char* path = ::getenv("KEEPGATE_FAULTS");
  if (!path) return;
  const long file = ::syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
  if (file < 0) return;
  void* memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, static_cast<int>(file), 0);
  ::syscall(SYS_close, file);
  if (memory != MAP_FAILED) shared = static_cast<Shared*>(memory);
}

// 0: the call is made as it is. Otherwise an errno, or one_byte.
std::int32_t fault_of(Call call) {
  if (!shared) return 0;
  shared->counts[call].fetch_add(1, std::memory_order_relaxed);
  if (shared->call.load(std::memory_order_acquire) != call) return 0;
  const std::int32_t left = shared->countdown.fetch_sub(1) - 1;
  if (left > 0 || left <= -shared->times.load()) return 0;
  shared->fired.fetch_add(1);
  return shared->error.load();
}

template <typename Function>
Function real(const char* name, Function& pointer) {
  if (!pointer) pointer = reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
  return pointer;
}

bool fails(Call call) {
  const std::int32_t fault = fault_of(call);
  if (fault > 0) errno = fault;
  return fault > 0;
}

// Of calls that move bytes: true if it failed; else `bytes` may have become 1.
bool fails(Call call, std::size_t& bytes) {
  const std::int32_t fault = fault_of(call);
  if (fault > 0) errno = fault;
  if (fault == one_byte && bytes > 1) bytes = 1;
  return fault > 0;
}

}  // namespace

#define KG_FAULT(result, name, parameters, arguments) \
  result name parameters {                            \
    if (fails(call_##name)) return -1;                \
    static decltype(&::name) pointer = nullptr;       \
    return real(#name, pointer) arguments;            \
  }
#define KG_FAULT_BYTES(call, name, parameters, arguments) \
  ssize_t name parameters {                               \
    if (fails(call, bytes)) return -1;                    \
    static decltype(&::name) pointer = nullptr;           \
    return real(#name, pointer) arguments;                \
  }

extern "C" {

void* __libc_malloc(std::size_t bytes);
void* __libc_calloc(std::size_t count, std::size_t bytes);
void* __libc_realloc(void* memory, std::size_t bytes);
void* __libc_memalign(std::size_t alignment, std::size_t bytes);

void* malloc(std::size_t bytes) { return fails(call_malloc) ? nullptr : __libc_malloc(bytes); }
void* calloc(std::size_t count, std::size_t bytes) {
  return fails(call_malloc) ? nullptr : __libc_calloc(count, bytes);
}
void* realloc(void* memory, std::size_t bytes) { return fails(call_malloc) ? nullptr : __libc_realloc(memory, bytes); }
void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
  return fails(call_malloc) ? nullptr : __libc_memalign(alignment, bytes);
}
int posix_memalign(void** out, std::size_t alignment, std::size_t bytes) {
  if (fails(call_malloc)) return ENOMEM;
  *out = __libc_memalign(alignment, bytes);
  return *out ? 0 : ENOMEM;
}

KG_FAULT_BYTES(call_read, read, (int file, void* out, std::size_t bytes), (file, out, bytes))
KG_FAULT_BYTES(call_write, write, (int file, const void* data, std::size_t bytes), (file, data, bytes))
KG_FAULT_BYTES(call_pread, pread, (int file, void* out, std::size_t bytes, off_t at), (file, out, bytes, at))
KG_FAULT_BYTES(call_pwrite, pwrite, (int file, const void* data, std::size_t bytes, off_t at), (file, data, bytes, at))
KG_FAULT_BYTES(call_recv, recv, (int file, void* out, std::size_t bytes, int flags), (file, out, bytes, flags))
KG_FAULT_BYTES(call_send, send, (int file, const void* data, std::size_t bytes, int flags), (file, data, bytes, flags))
KG_FAULT_BYTES(call_send, sendto,
               (int file, const void* data, std::size_t bytes, int flags, const sockaddr* to, socklen_t length),
               (file, data, bytes, flags, to, length))

ssize_t sendmsg(int file, const msghdr* message, int flags) {
  std::size_t bytes = 2;
  if (fails(call_send, bytes)) return -1;
  static decltype(&::sendmsg) pointer = nullptr;
  if (bytes == 2 || message->msg_iovlen == 0 || message->msg_iov->iov_len == 0) {
    return real("sendmsg", pointer)(file, message, flags);
  }
  iovec piece{message->msg_iov->iov_base, 1};
  msghdr part = *message;
  part.msg_iov = &piece;
  part.msg_iovlen = 1;
  return real("sendmsg", pointer)(file, &part, flags);
}

// The program reads and writes sockets by number, past the wrappers.
long syscall(long number, ...) noexcept {
  va_list list;
  va_start(list, number);
  long a[6];
  for (long& one : a) one = va_arg(list, long);
  va_end(list);
  auto bytes = static_cast<std::size_t>(a[2]);
  if (number == SYS_recvfrom && fails(call_recv, bytes)) return -1;
  if (number == SYS_sendto && fails(call_send, bytes)) return -1;
  if (number == SYS_recvfrom || number == SYS_sendto) a[2] = static_cast<long>(bytes);
  static decltype(&::syscall) pointer = nullptr;
  return real("syscall", pointer)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int open(const char* path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const mode_t mode = (flags & (O_CREAT | __O_TMPFILE)) != 0 ? va_arg(list, mode_t) : 0;
  va_end(list);
  if (fails(call_open)) return -1;
  static decltype(&::open) pointer = nullptr;
  return real("open", pointer)(path, flags, mode);
}

int fcntl(int file, int command, ...) {
  va_list list;
  va_start(list, command);
  void* argument = va_arg(list, void*);
  va_end(list);
  if (fails(call_fcntl)) return -1;
  static decltype(&::fcntl) pointer = nullptr;
  return real("fcntl", pointer)(file, command, argument);
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*run)(void*), void* argument) noexcept {
  if (fails(call_pthread_create)) return EAGAIN;
  static decltype(&::pthread_create) pointer = nullptr;
  return real("pthread_create", pointer)(thread, attributes, run, argument);
}

KG_FAULT(int, accept4, (int file, sockaddr* peer, socklen_t* length, int flags), (file, peer, length, flags))
KG_FAULT(int, epoll_ctl, (int epoll, int operation, int file, epoll_event* event) noexcept,
         (epoll, operation, file, event))
KG_FAULT(int, epoll_wait, (int epoll, epoll_event* events, int most, int ms), (epoll, events, most, ms))
KG_FAULT(int, epoll_create1, (int flags) noexcept, (flags))
KG_FAULT(int, socket, (int family, int kind, int protocol) noexcept, (family, kind, protocol))
KG_FAULT(int, bind, (int file, const sockaddr* address, socklen_t length) noexcept, (file, address, length))
KG_FAULT(int, listen, (int file, int backlog) noexcept, (file, backlog))
KG_FAULT(int, connect, (int file, const sockaddr* address, socklen_t length), (file, address, length))
KG_FAULT(int, setsockopt, (int file, int level, int name, const void* value, socklen_t length) noexcept,
         (file, level, name, value, length))
KG_FAULT(int, getsockopt, (int file, int level, int name, void* value, socklen_t* length) noexcept,
         (file, level, name, value, length))
KG_FAULT(int, getsockname, (int file, sockaddr* address, socklen_t* length) noexcept, (file, address, length))
KG_FAULT(int, fstat, (int file, struct stat* out) noexcept, (file, out))
KG_FAULT(int, rename, (const char* from, const char* to) noexcept, (from, to))
KG_FAULT(int, pipe2, (int* ends, int flags) noexcept, (ends, flags))
KG_FAULT(int, ftruncate, (int file, off_t bytes) noexcept, (file, bytes))
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"  // There is a structure of this name.
KG_FAULT(int, flock, (int file, int operation) noexcept, (file, operation))
#pragma GCC diagnostic pop
KG_FAULT(ssize_t, getrandom, (void* out, std::size_t bytes, unsigned flags), (out, bytes, flags))
KG_FAULT(int, mkdir, (const char* path, mode_t mode) noexcept, (path, mode))

int eventfd(unsigned value, int flags) noexcept {
  if (fails(call_eventfd)) return -1;
  return static_cast<int>(::syscall(SYS_eventfd2, value, flags));
}
}
