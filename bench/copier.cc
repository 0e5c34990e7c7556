// bench_copier: the floor. A proxy that only copies bytes between a client and a backend connection of its own, with
// the fewest system calls that Linux allows for it: whatever an HTTP proxy costs above it is what it does for a
// request.
//
// As a proxy of the best kind would: epoll, edge-triggered, each descriptor registered once, no speculative read, plain
// system calls. It parses, checks, decides, buffers and times nothing.
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "wire.h"

namespace keepgate::bench {
namespace {

class Side final : public Handler {
 public:
  Side(int descriptor, ReadBuffer& buffer) : descriptor_(descriptor), buffer_(buffer) {}
  void join(Side& other) { other_ = &other; }

  void on_ready(std::uint32_t events) override {
    if (events & EPOLLIN) readable_ = true;
    if (events & EPOLLOUT) {
      writable_ = true;
      const std::string kept = std::exchange(kept_, {});
      if (!send(kept)) return end();
      other_->copy();  // It may have waited for room here.
    }
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) ended_ = readable_ = true;
    copy();
  }

 private:
  void copy() {
    while (descriptor_ >= 0 && readable_ && other_->writable_) {
      const long got = syscall(SYS_recvfrom, descriptor_, buffer_.data, ReadBuffer::bytes, 0, nullptr, nullptr);
      if (got <= 0) {
        if (got < 0 && errno == EAGAIN) readable_ = false;
        if (got == 0 || errno != EAGAIN) end();
        return;
      }
      if (static_cast<std::size_t>(got) < ReadBuffer::bytes) readable_ = ended_;
      if (!other_->send({buffer_.data, static_cast<std::size_t>(got)})) return end();
    }
  }

  // What the socket does not take at once waits for it here: blocking is rare and costs nobody else's figures.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const long sent = syscall(SYS_sendto, descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL, nullptr, 0);
      if (sent >= 0) {
        bytes.remove_prefix(static_cast<std::size_t>(sent));
      } else if (errno == EAGAIN) {
        kept_.assign(bytes);
        writable_ = false;
        return true;
      } else {
        return false;
      }
    }
    return true;
  }

  void end() {
    for (Side* const side : {this, other_}) {
      if (side->descriptor_ >= 0) close(side->descriptor_);
      side->descriptor_ = -1;
    }
  }

  int descriptor_;
  ReadBuffer& buffer_;
  Side* other_ = nullptr;
  std::string kept_;
  bool readable_ = false, writable_ = true, ended_ = false;
};

class Listener final : public Handler {
 public:
  Listener(Poller& poller, int descriptor, std::uint16_t backend)
      : poller_(poller), descriptor_(descriptor), backend_(backend) {}

  void on_ready(std::uint32_t) override {
    for (int client = accept_from(descriptor_); client >= 0; client = accept_from(descriptor_)) {
      const int upstream = connect_loopback(backend_);
      if (upstream < 0) {
        close(client);
        continue;
      }
      for (const int one : {client, upstream}) sides_.push_back(std::make_unique<Side>(one, *buffer_));
      Side& first = *sides_[sides_.size() - 2];
      Side& second = *sides_.back();
      first.join(second);
      second.join(first);
      poller_.add(client, first);
      poller_.add(upstream, second);
    }
  }

 private:
  Poller& poller_;
  int descriptor_;
  std::uint16_t backend_;
  std::unique_ptr<ReadBuffer> buffer_ = std::make_unique<ReadBuffer>();
  std::vector<std::unique_ptr<Side>> sides_;
};

std::uint16_t port_of(const char* text) {
  std::uint16_t port = 0;
  std::from_chars(text, text + std::strlen(text), port);
  return port;
}

int run(int count, char** arguments) {
  const std::uint16_t port = count == 3 ? port_of(arguments[1]) : 0;
  const std::uint16_t backend = count == 3 ? port_of(arguments[2]) : 0;
  if (port == 0 || backend == 0) {
    std::fputs("bench_copier LISTEN-PORT BACKEND-PORT\n", stderr);
    return 2;
  }
  Poller poller;
  const int descriptor = listen_loopback(port);
  if (descriptor < 0) {
    std::perror("bench_copier");
    return 1;
  }
  Listener listener(poller, descriptor, backend);
  poller.add(descriptor, listener);
  while (true) poller.run_once(1'000'000'000);
}

}  // namespace
}  // namespace keepgate::bench

int main(int count, char** arguments) { return keepgate::bench::run(count, arguments); }
