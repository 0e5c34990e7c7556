#include "net/dns_client.h"

#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/bytes.h"
#include "net/socket.h"
#include "net/stream.h"

namespace keepgate::net {

struct DnsClient::Question {
  Address server;
  std::string name;
  DnsType type;
  std::uint16_t id;
  std::string bytes;
  std::int64_t deadline_ms;
};

namespace {

constexpr std::size_t datagram_bytes_max = 4096;  // 512 are promised; who sends more is read, too.

std::uint16_t random_id() {
  std::uint16_t id = 0;
  KG_ASSERT(::getrandom(&id, sizeof id, 0) == sizeof id);
  return id;
}

DnsAnswer failed(DnsOutcome outcome) {
  DnsAnswer out;
  out.outcome = outcome;
  return out;
}

// Connected: the kernel drops what comes from anybody else, and reports a port that nobody listens on.
int connected_datagram_socket(const Address& server) {
  const int descriptor = ::socket(server.family(), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return -1;
  if (::connect(descriptor, server.native(), server.native_bytes()) == 0) return descriptor;
  ::close(descriptor);
  return -1;
}

// Every datagram that waits must be taken: the edge tells of the first only.
IoResult next_datagram(Stream& stream, std::string& buffer) {
  ssize_t got = 0;
  do {
    got = ::recv(stream.descriptor(), buffer.data(), buffer.size(), 0);
  } while (got < 0 && errno == EINTR);
  if (got >= 0) return {Io::ok, static_cast<std::size_t>(got)};
  if (errno != EAGAIN) return {Io::failed, 0, errno};
  return stream.read(buffer.data(), buffer.size());  // Clears the readiness, or finds what just came.
}

}  // namespace

Task<DnsAnswer> DnsClient::ask_by_udp(const Question& question) {
  const int descriptor = connected_datagram_socket(question.server);
  if (descriptor < 0) co_return failed(DnsOutcome::server_failure);
  Stream stream(loop_, descriptor);
  if (!stream.valid()) co_return failed(DnsOutcome::server_failure);
  if (stream.write(question.bytes).status != Io::ok) co_return failed(DnsOutcome::server_failure);
  std::string buffer(datagram_bytes_max, '\0');
  for (unsigned taken = 0; taken < datagrams_max;) {
    const IoResult got = next_datagram(stream, buffer);
    if (got.status == Io::want_read) {
      const Wake wake = co_await stream.wait_readable(question.deadline_ms);
      if (wake != Wake::ready) co_return failed(DnsOutcome::timeout);
      continue;
    }
    ++taken;
    if (got.status == Io::closed) continue;  // An empty datagram.
    if (got.status != Io::ok) co_return failed(DnsOutcome::server_failure);
    const std::string_view message(buffer.data(), got.bytes);
    // What does not answer our question is nobody's business here; the real answer may still come.
    if (is_dns_answer(message, question.name, question.type, question.id)) {
      co_return read_dns_answer(message, question.name, question.type);
    }
  }
  co_return failed(DnsOutcome::malformed);
}

Task<DnsAnswer> DnsClient::ask_by_tcp(const Question& question) {
  auto stream = co_await connect(loop_, question.server, question.deadline_ms);
  if (!stream) {
    co_return failed(stream.error().kind == ErrorKind::timeout ? DnsOutcome::timeout : DnsOutcome::server_failure);
  }
  // RFC 1035 §4.2.2: two bytes of length go before a message.
  const std::size_t size = question.bytes.size();
  std::string framed{static_cast<char>(size >> 8), static_cast<char>(size & 0xff)};
  framed += question.bytes;
  iovec piece{framed.data(), framed.size()};
  const auto sent = co_await write_all(*stream, &piece, 1, attempt_ms);
  if (!sent) co_return failed(DnsOutcome::server_failure);
  std::string message(2, '\0');
  std::size_t filled = 0;
  while (true) {
    const IoResult got = stream->read(message.data() + filled, message.size() - filled);
    if (got.status == Io::want_read) {
      const Wake wake = co_await stream->wait_readable(question.deadline_ms);
      if (wake != Wake::ready) co_return failed(DnsOutcome::timeout);
      continue;
    }
    if (got.status != Io::ok) co_return failed(DnsOutcome::server_failure);
    filled += got.bytes;
    if (filled < message.size()) continue;
    if (message.size() > 2) break;
    const auto length =
        static_cast<std::size_t>(static_cast<unsigned char>(message[0]) << 8 | static_cast<unsigned char>(message[1]));
    if (length == 0) co_return failed(DnsOutcome::malformed);
    message.resize(2 + length);
  }
  const std::string_view text = std::string_view(message).substr(2);
  if (!is_dns_answer(text, question.name, question.type, question.id)) co_return failed(DnsOutcome::malformed);
  DnsAnswer answer = read_dns_answer(text, question.name, question.type);
  if (answer.truncated) co_return failed(DnsOutcome::malformed);
  co_return answer;
}

Task<DnsAnswer> DnsClient::ask(std::vector<Address> servers, std::string name, DnsType type, std::int64_t deadline_ms) {
  DnsAnswer last = failed(DnsOutcome::timeout);
  const std::size_t first = turn_++;
  std::size_t errors = 0;
  for (std::size_t attempt = 0; !stopped_ && errors < errors_per_server_max * servers.size(); ++attempt) {
    const std::int64_t now_ms = loop_.now().monotonic_ms;
    if (now_ms >= deadline_ms) break;
    Question question{servers[(first + attempt) % servers.size()], name, type, random_id(), {},
                      std::min(deadline_ms, now_ms + attempt_ms)};
    question.bytes = make_dns_question(name, type, question.id);
    if (question.bytes.empty()) co_return failed(DnsOutcome::no_such_name);
    DnsAnswer answer = co_await ask_by_udp(question);
    if (answer.truncated) {
      question.deadline_ms = std::min(deadline_ms, loop_.now().monotonic_ms + attempt_ms);
      answer = co_await ask_by_tcp(question);
    }
    if (answer.outcome == DnsOutcome::found || is_negative(answer.outcome)) co_return answer;
    last = std::move(answer);
    if (stopped_) break;
    if (last.outcome != DnsOutcome::timeout) ++errors;
  }
  co_return last;
}

}  // namespace keepgate::net
