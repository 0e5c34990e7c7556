#include "tls/socket_bio.h"

#include <sys/socket.h>

#include <cerrno>

namespace keepgate::tls {

namespace {

Socket& socket_of(BIO* bio) { return *static_cast<Socket*>(BIO_get_data(bio)); }

int read_socket(BIO* bio, char* out, int bytes_max) noexcept {
  Socket& socket = socket_of(bio);
  BIO_clear_flags(bio, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY | BIO_FLAGS_IN_EOF);
  if (socket.drained) {
    BIO_set_retry_read(bio);
    return -1;
  }
  if (socket.full_reads >= Socket::full_reads_max) {
    socket.flooded = true;
    return -1;
  }
  ssize_t got = 0;
  do {
    got = ::recv(socket.descriptor, out, static_cast<std::size_t>(bytes_max), 0);
  } while (got < 0 && errno == EINTR);
  if (got > 0) {
    ++socket.full_reads;
    socket.drained = got < bytes_max;
    return static_cast<int>(got);
  }
  if (got == 0) {
    BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    return 0;
  }
  if (errno == EAGAIN) {
    BIO_set_retry_read(bio);
  } else {
    socket.error_number = errno;
  }
  return -1;
}

int write_socket(BIO* bio, const char* bytes, int count) noexcept {
  Socket& socket = socket_of(bio);
  BIO_clear_retry_flags(bio);
  ssize_t sent = 0;
  do {
    sent = ::send(socket.descriptor, bytes, static_cast<std::size_t>(count), MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent >= 0) return static_cast<int>(sent);
  if (errno == EAGAIN) {
    BIO_set_retry_write(bio);
  } else {
    socket.error_number = errno;
  }
  return -1;
}

long control(BIO* bio, int command, long /*number*/, void* /*pointer*/) noexcept {
  switch (command) {
    case BIO_CTRL_EOF:
      return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
    case BIO_CTRL_FLUSH:
      return 1;
    default:
      return 0;
  }
}

BIO_METHOD* make_method() {
  BIO_METHOD* const method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
  if (!method) return nullptr;
  BIO_meth_set_read(method, read_socket);
  BIO_meth_set_write(method, write_socket);
  BIO_meth_set_ctrl(method, control);
  return method;
}

}  // namespace

BioPtr make_socket_bio(Socket& socket) {
  static BIO_METHOD* const method = make_method();
  BioPtr bio(method ? BIO_new(method) : nullptr);
  if (bio) {
    BIO_set_data(bio.get(), &socket);
    BIO_set_init(bio.get(), 1);
  }
  return bio;
}

}  // namespace keepgate::tls
