#include "wire.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <ctime>

namespace keepgate::bench {

std::uint64_t monotonic_ns() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(time.tv_nsec);
}

Poller::Poller() : epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  if (epoll_ < 0) std::abort();
}

Poller::~Poller() { close(epoll_); }

void Poller::add(int descriptor, Handler& handler) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = &handler;
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event) != 0) std::abort();
}

void Poller::run_once(std::uint64_t timeout_ns) {
  std::array<epoll_event, 256> events;
  const timespec timeout{.tv_sec = static_cast<time_t>(timeout_ns / 1'000'000'000U),
                         .tv_nsec = static_cast<long>(timeout_ns % 1'000'000'000U)};
  const int count = epoll_pwait2(epoll_, events.data(), static_cast<int>(events.size()), &timeout, nullptr);
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    static_cast<Handler*>(event.data.ptr)->on_ready(event.events);
  }
}

Flow Output::flush(int descriptor) {
  while (!left_.empty()) {
    const ssize_t sent = send(descriptor, left_.data(), left_.size(), MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN ? Flow::blocked : Flow::failed;
    left_.remove_prefix(static_cast<std::size_t>(sent));
  }
  return Flow::done;
}

void MessageReader::reset() {
  pending_.clear();
  body_left_ = 0;
  status_ = 0;
  state_ = State::head;
}

std::size_t MessageReader::take(std::string_view bytes) {
  std::size_t used = 0;
  if (state_ == State::head) {
    constexpr std::string_view empty_line = "\r\n\r\n";
    const std::size_t before = pending_.size();
    if (before != 0) pending_.append(bytes);
    const std::string_view text = before != 0 ? std::string_view(pending_) : bytes;
    const std::size_t end = text.find(empty_line);
    if (end == std::string_view::npos) {
      if (before == 0) pending_.assign(bytes);
      if (pending_.size() > head_bytes_max) state_ = State::failed;
      return bytes.size();
    }
    used = end + empty_line.size() - before;
    read_head(text.substr(0, end + 2));
    pending_.clear();
  }
  if (state_ == State::body) {
    const std::size_t part = std::min<std::uint64_t>(body_left_, bytes.size() - used);
    body_left_ -= part;
    used += part;
    if (body_left_ == 0) state_ = State::complete;
  }
  return used;
}

void MessageReader::read_head(std::string_view head) {
  constexpr std::string_view length_name = "content-length:";
  constexpr std::string_view coding_name = "transfer-encoding:";
  if (head.starts_with("HTTP/1.1 ") && head.size() > 12) {
    std::from_chars(head.data() + 9, head.data() + 12, status_);
  }
  body_left_ = 0;
  state_ = State::body;
  for (std::size_t at = head.find('\n') + 1; at < head.size(); at = head.find('\n', at) + 1) {
    const std::string_view rest = head.substr(at);
    if ((rest.front() | 0x20) == 'c' && rest.size() > length_name.size() &&
        strncasecmp(rest.data(), length_name.data(), length_name.size()) == 0) {
      std::string_view number = rest.substr(length_name.size());
      number.remove_prefix(std::min(number.find_first_not_of(' '), number.size()));
      std::from_chars(number.data(), number.data() + number.size(), body_left_);
    } else if ((rest.front() | 0x20) == 't' && rest.size() > coding_name.size() &&
               strncasecmp(rest.data(), coding_name.data(), coding_name.size()) == 0) {
      state_ = State::failed;  // Nobody in this bench sends chunks; to count them would measure something else.
    }
  }
}

namespace {

int tcp_socket() { return socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0); }

void send_at_once(int descriptor) {
  const int on = 1;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

}  // namespace

int connect_loopback(std::uint16_t port) {
  const int descriptor = tcp_socket();
  if (descriptor < 0) return -1;
  send_at_once(descriptor);
  const sockaddr_in address = loopback(port);
  const int result = connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  if (result == 0 || errno == EINPROGRESS) return descriptor;
  close(descriptor);
  return -1;
}

int listen_loopback(std::uint16_t port) {
  const int descriptor = tcp_socket();
  if (descriptor < 0) return -1;
  const int on = 1;
  setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const sockaddr_in address = loopback(port);
  if (bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
      listen(descriptor, 4096) == 0) {
    return descriptor;
  }
  close(descriptor);
  return -1;
}

int accept_from(int listener) {
  const int descriptor = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (descriptor >= 0) send_at_once(descriptor);
  return descriptor;
}

}  // namespace keepgate::bench
