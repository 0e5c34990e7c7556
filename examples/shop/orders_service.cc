// A sample service: answers every request with what it received, the claims of its transaction token among it.
//
// HTTP/1.1 with keep-alive over the Unix socket named on the command line. It checks no token: the guard in front of it
// owns the only open port, and the socket's folder is closed to others. Everything it reads is bounded. One thread per
// connection, at most `connections_max` of them.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

namespace {

constexpr std::size_t head_bytes_max = 64 * 1024;
constexpr std::uint64_t body_bytes_max = 16 << 20;
constexpr int connections_max = 128;
constexpr int idle_timeout_s = 120;

std::atomic<int> connection_count{0};

// The stream of one connection: a buffer of what was received and not consumed yet.
class Connection {
 public:
  explicit Connection(int descriptor) : descriptor_(descriptor) {}
  ~Connection() { ::close(descriptor_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // The next bytes up to and including `mark`; nothing at the end of the stream or over `bytes_max`.
  std::optional<std::string> read_until(std::string_view mark, std::size_t bytes_max) {
    std::size_t searched = 0;
    for (;;) {
      const std::size_t found = buffer_.find(mark, searched);
      if (found != std::string::npos) return take(found + mark.size());
      if (buffer_.size() > bytes_max) return std::nullopt;
      searched = buffer_.size() < mark.size() ? 0 : buffer_.size() - mark.size() + 1;
      if (!receive()) return std::nullopt;
    }
  }

  bool skip(std::uint64_t count) {
    while (count > buffer_.size()) {
      count -= buffer_.size();
      buffer_.clear();
      if (!receive()) return false;
    }
    buffer_.erase(0, static_cast<std::size_t>(count));
    return true;
  }

  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

 private:
  std::string take(std::size_t count) {
    std::string taken = buffer_.substr(0, count);
    buffer_.erase(0, count);
    return taken;
  }

  bool receive() {
    char chunk[16 * 1024];
    ssize_t count = 0;
    do count = ::recv(descriptor_, chunk, sizeof chunk, 0);
    while (count < 0 && errno == EINTR);
    if (count <= 0) return false;
    buffer_.append(chunk, static_cast<std::size_t>(count));
    return true;
  }

  int descriptor_;
  std::string buffer_;
};

struct Request {
  std::string method, path, token, client_token;
  std::optional<std::uint64_t> length;
  bool chunked = false, close = false;
};

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

std::optional<std::uint64_t> parse_number(std::string_view text, unsigned base) {
  std::uint64_t value = 0;
  if (text.empty() || text.size() > 15) return std::nullopt;
  for (const char c : text) {
    unsigned digit = 99;
    if (c >= '0' && c <= '9') digit = static_cast<unsigned>(c - '0');
    if (c >= 'a' && c <= 'f') digit = static_cast<unsigned>(c - 'a') + 10;
    if (c >= 'A' && c <= 'F') digit = static_cast<unsigned>(c - 'A') + 10;
    if (digit >= base) return std::nullopt;
    value = value * base + digit;
  }
  return value;
}

// Takes one header line; false when the message cannot be framed safely.
bool read_field(std::string_view line, Request& request) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  const std::string_view name = line.substr(0, colon);
  std::string_view value = line.substr(colon + 1);
  while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.remove_prefix(1);
  while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) value.remove_suffix(1);
  if (equals_ignoring_case(name, "Content-Length")) {
    if (request.length) return false;
    request.length = parse_number(value, 10);
    return request.length.has_value();
  }
  if (equals_ignoring_case(name, "Transfer-Encoding")) {
    if (request.chunked || !equals_ignoring_case(value, "chunked")) return false;
    request.chunked = true;
  } else if (equals_ignoring_case(name, "Connection")) {
    request.close = request.close || equals_ignoring_case(value, "close");
  } else if (equals_ignoring_case(name, "Txn-Token")) {
    if (!request.token.empty()) return false;
    request.token = value;
  } else if (equals_ignoring_case(name, "Authorization")) {
    request.client_token = value;
  }
  return true;
}

std::optional<Request> parse_head(std::string_view head) {
  Request request;
  const std::size_t line_end = head.find("\r\n");
  const std::string_view line = head.substr(0, line_end);
  const std::size_t first = line.find(' ');
  const std::size_t second = first == std::string_view::npos ? first : line.find(' ', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  request.method = line.substr(0, first);
  request.path = line.substr(first + 1, second - first - 1);
  request.close = line.substr(second + 1) != "HTTP/1.1";
  for (head.remove_prefix(line_end + 2); head.size() > 2;) {
    const std::size_t end = head.find("\r\n");
    if (!read_field(head.substr(0, end), request)) return std::nullopt;
    head.remove_prefix(end + 2);
  }
  if (request.chunked && request.length) return std::nullopt;
  return request;
}

bool skip_chunks(Connection& connection) {
  for (std::uint64_t total = 0;;) {
    const auto line = connection.read_until("\r\n", 256);
    if (!line) return false;
    const auto size = parse_number(std::string_view(*line).substr(0, line->find_first_of(";\r")), 16);
    if (!size || (total += *size) > body_bytes_max) return false;
    if (*size == 0) break;
    if (!connection.skip(*size + 2)) return false;
  }
  for (int trailers = 0; trailers < 64; ++trailers) {
    const auto line = connection.read_until("\r\n", 8 * 1024);
    if (!line) return false;
    if (*line == "\r\n") return true;
  }
  return false;
}

bool skip_body(Connection& connection, const Request& request) {
  if (request.chunked) return skip_chunks(connection);
  return request.length.value_or(0) <= body_bytes_max && connection.skip(request.length.value_or(0));
}

std::string quote(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte >= 0x7f) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", byte);
      out += escaped;
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::optional<std::string> decode_base64url(std::string_view text) {
  constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const std::size_t value = alphabet.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    bits = (bits << 6) | static_cast<std::uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out += static_cast<char>((bits >> count) & 0xff);
    }
  }
  return out;
}

// The claims as JSON text; "null" without a token. The guard has verified it; here it is only shown.
std::string claims_of(std::string_view token) {
  const std::size_t first = token.find('.');
  const std::size_t second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (second == std::string_view::npos) return "null";
  const auto payload = decode_base64url(token.substr(first + 1, second - first - 1));
  const bool object = payload && payload->size() >= 2 && payload->front() == '{' && payload->back() == '}';
  return object ? *payload : "null";
}

std::string answer_to(const Request& request) {
  const bool button = request.path == "/1.0/big_red_and_dangerous_button";
  std::string body = "{\"service\":\"orders\",\"method\":" + quote(request.method) + ",\"path\":" + quote(request.path);
  if (button) body += ",\"done\":\"the big red button was pressed\"";
  body += ",\"client_token_seen\":" + std::string(request.client_token.empty() ? "false" : "true");
  body += ",\"transaction\":" + claims_of(request.token) + "}\n";
  std::string out =
      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size());
  out += request.close ? "\r\nConnection: close\r\n\r\n" : "\r\n\r\n";
  return request.method == "HEAD" ? out : out + body;
}

void serve(int descriptor) {
  Connection connection(descriptor);
  for (;;) {
    const auto head = connection.read_until("\r\n\r\n", head_bytes_max);
    if (!head) return;
    const auto request = parse_head(*head);
    if (!request || !skip_body(connection, *request)) {
      connection.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
      return;
    }
    if (!connection.send(answer_to(*request)) || request->close) return;
  }
}

int listen_on(const char* path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (std::strlen(path) >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  std::memcpy(address.sun_path, path, std::strlen(path));
  struct stat found{};
  if (::lstat(path, &found) == 0 && S_ISSOCK(found.st_mode)) ::unlink(path);  // Left over; anything else stays.
  const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0) return -1;
  ::umask(0177);  // The socket is for this user alone.
  if (::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return -1;
  return ::listen(listener, 64) == 0 ? listener : -1;
}

void accept_forever(int listener) {
  for (;;) {
    const int descriptor = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (descriptor < 0) {
      if (errno == EMFILE || errno == ENFILE) ::usleep(10'000);
      continue;
    }
    const timeval timeout{idle_timeout_s, 0};
    ::setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    ::setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
    if (connection_count.fetch_add(1) >= connections_max) {
      connection_count.fetch_sub(1);
      ::close(descriptor);
      continue;
    }
    try {
      std::thread([descriptor] {
        serve(descriptor);
        connection_count.fetch_sub(1);
      }).detach();
    } catch (const std::system_error&) {  // No thread to be had: this connection is given up, not the service.
      connection_count.fetch_sub(1);
      ::close(descriptor);
    }
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::fprintf(stderr, "usage: orders_service SOCKET\n");
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);
  const int listener = listen_on(arguments[1]);
  if (listener < 0) {
    std::fprintf(stderr, "orders_service: cannot listen on %s: %s\n", arguments[1], std::strerror(errno));
    return 1;
  }
  accept_forever(listener);
}
