#include "clients.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace keepgate::bench {

class Clients::Client final : public Handler {
 public:
  explicit Client(Clients& owner) : owner_(owner) {}
  ~Client() override { close_now(); }

  bool connect() {
    descriptor_ = connect_loopback(owner_.options_.port);
    if (descriptor_ < 0) return false;
    owner_.poller_.add(descriptor_, *this);
    return true;
  }

  void send(std::uint64_t due_ns) {
    due_ns_ = due_ns;
    asked_ = true;
    ++sent_count_;
    output_.start(owner_.options_.request);
    if (output_.flush(descriptor_) == Flow::failed) fail(0);
  }

  std::uint64_t sent_count() const { return sent_count_; }

  void on_ready(std::uint32_t events) override {
    if (descriptor_ < 0) return;
    if (events & EPOLLOUT) {
      if (!connected_ && !(events & (EPOLLERR | EPOLLHUP))) {
        connected_ = true;
        owner_.on_answered(*this, 0);  // Ready for its first request.
      } else if (!output_.idle() && output_.flush(descriptor_) == Flow::failed) {
        return fail(0);
      }
    }
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) read_all((events & ~EPOLLOUT) != EPOLLIN);
  }

 private:
  void read_all(bool until_end) {
    while (descriptor_ >= 0) {
      const ssize_t size = read(descriptor_, owner_.buffer_.data, ReadBuffer::bytes);
      if (size <= 0) {
        if (size == 0 || errno != EAGAIN) fail(0);
        return;
      }
      const bool drained = static_cast<std::size_t>(size) < ReadBuffer::bytes && !until_end;
      answer({owner_.buffer_.data, static_cast<std::size_t>(size)});
      if (drained) return;
    }
  }

  void answer(std::string_view bytes) {
    bytes.remove_prefix(reader_.take(bytes));
    if (reader_.failed() || !asked_) return fail(reader_.status());
    if (!reader_.complete()) return;
    if (reader_.status() != 200 || !bytes.empty()) return fail(reader_.status());
    reader_.reset();
    asked_ = false;
    owner_.on_answered(*this, due_ns_);
  }

  void fail(int status) {
    close_now();
    owner_.on_failed(status);
  }
  void close_now() {
    if (descriptor_ >= 0) close(descriptor_);
    descriptor_ = -1;
  }

  Clients& owner_;
  Output output_;
  MessageReader reader_;
  std::uint64_t due_ns_ = 0;
  std::uint64_t sent_count_ = 0;
  int descriptor_ = -1;
  bool connected_ = false;
  bool asked_ = false;
};

Clients::Clients(Poller& poller, ReadBuffer& buffer, ClientOptions options)
    : poller_(poller), buffer_(buffer), options_(std::move(options)) {
  if (options_.rate != 0) interval_ns_ = 1'000'000'000U / options_.rate;
}

Clients::~Clients() = default;

void Clients::open(std::size_t count) {
  if (clients_.empty()) next_due_ns_ = monotonic_ns();
  for (std::size_t i = 0; i < count; ++i) {
    clients_.push_back(std::make_unique<Client>(*this));
    if (!clients_.back()->connect()) on_failed(0);
  }
}

void Clients::begin_window() {
  completed_ = 0;
  latencies_ = Histogram();
}

void Clients::on_answered(Client& client, std::uint64_t due_ns) {
  const std::uint64_t now_ns = monotonic_ns();
  if (due_ns != 0) {
    ++completed_;
    latencies_.add(now_ns - due_ns);
  }
  if (options_.requests_max != 0 && client.sent_count() >= options_.requests_max) return;
  if (options_.rate == 0) return client.send(now_ns);
  if (waiting_.empty()) {
    idle_.push_back(&client);
    return;
  }
  const std::uint64_t waited_since_ns = waiting_.front();
  waiting_.pop_front();
  client.send(waited_since_ns);
}

void Clients::on_failed(int status) {
  ++error_count_;
  if (status != 0) last_bad_status_ = status;
}

void Clients::send_due(std::uint64_t now_ns) {
  if (interval_ns_ == 0) return;
  for (; next_due_ns_ <= now_ns; next_due_ns_ += interval_ns_) {
    if (idle_.empty()) {
      waiting_.push_back(next_due_ns_);
      continue;
    }
    Client* const client = idle_.back();
    idle_.pop_back();
    client->send(next_due_ns_);
  }
}

std::uint64_t Clients::time_to_next_ns(std::uint64_t now_ns) const {
  constexpr std::uint64_t turn_max_ns = 10'000'000;
  if (interval_ns_ == 0) return turn_max_ns;
  return next_due_ns_ <= now_ns ? 0 : std::min(next_due_ns_ - now_ns, turn_max_ns);
}

}  // namespace keepgate::bench
