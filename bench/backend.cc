#include "backend.h"

#include <unistd.h>

#include <cerrno>

namespace keepgate::bench {

// A connection of the proxy. When the proxy closes it (its pool is full), that is no error; half a request is.
class Backend::Connection final : public Handler {
 public:
  Connection(Backend& backend, int descriptor) : backend_(backend), descriptor_(descriptor) {}
  ~Connection() override { close_now(); }

  void on_ready(std::uint32_t events) override {
    if (descriptor_ < 0) return;
    if ((events & EPOLLOUT) && !output_.idle() && output_.flush(descriptor_) == Flow::failed) return fail();
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) read_all((events & ~EPOLLOUT) != EPOLLIN);
  }

 private:
  // A short read means drained, unless the end of the stream was announced with it.
  void read_all(bool until_end) {
    while (descriptor_ >= 0) {
      const ssize_t size = read(descriptor_, backend_.buffer_.data, ReadBuffer::bytes);
      if (size <= 0) {
        if (size == 0 || errno != EAGAIN) reader_.started() ? fail() : close_now();
        return;
      }
      serve({backend_.buffer_.data, static_cast<std::size_t>(size)});
      if (static_cast<std::size_t>(size) < ReadBuffer::bytes && !until_end) return;
    }
  }

  void serve(std::string_view bytes) {
    while (!bytes.empty() && descriptor_ >= 0) {
      bytes.remove_prefix(reader_.take(bytes));
      if (reader_.failed()) return fail();
      if (!reader_.complete()) continue;
      reader_.reset();
      if (!output_.idle()) return fail();  // A proxy does not pipeline to this backend.
      output_.start(backend_.response_);
      if (output_.flush(descriptor_) == Flow::failed) return fail();
    }
  }

  void fail() {
    ++backend_.error_count_;
    close_now();
  }
  void close_now() {
    if (descriptor_ >= 0) close(descriptor_);
    descriptor_ = -1;
  }

  Backend& backend_;
  int descriptor_;
  Output output_;
  MessageReader reader_;
};

Backend::Backend(Poller& poller, ReadBuffer& buffer, std::size_t body_bytes) : poller_(poller), buffer_(buffer) {
  response_ = "HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n";
  response_ += "Content-Length: " + std::to_string(body_bytes) + "\r\n\r\n";
  response_.append(body_bytes, 'x');
}

Backend::~Backend() {
  if (listener_ >= 0) close(listener_);
}

bool Backend::listen(std::uint16_t port) {
  listener_ = listen_loopback(port);
  if (listener_ < 0) return false;
  poller_.add(listener_, *this);
  return true;
}

void Backend::on_ready(std::uint32_t) {
  for (int descriptor = accept_from(listener_); descriptor >= 0; descriptor = accept_from(listener_)) {
    connections_.push_back(std::make_unique<Connection>(*this, descriptor));
    poller_.add(descriptor, *connections_.back());
  }
}

}  // namespace keepgate::bench
