// A Unix socket in front of a PostgreSQL server that fails on demand: for tests of what a lost connection does.
//
// Thread rule: a thread of its own; set() from any. Lifetime: ends with its object.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/temp_folder_for_tests.h"

namespace keepgate::store::test {

class PostgresProxy {
 public:
  enum class Mode : std::uint8_t {
    pass = 0,
    down,            // Connections end, and new ones end at once.
    frozen,          // Nothing is passed on.
    cut_at_commit,   // The next COMMIT does not arrive, and its connection ends; then pass.
    cut_at_answer,   // The next COMMIT arrives; the connection ends in place of the answer; then pass.
    down_at_answer,  // The same; then down.
  };

  explicit PostgresProxy(std::string server_folder) : server_folder_(std::move(server_folder)) {
    listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_un address = address_in(folder_.path().string());
    KG_ASSERT(::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    KG_ASSERT(::listen(listener_, 16) == 0);
    thread_ = std::thread([this] { work(); });
  }
  ~PostgresProxy() {
    stopping_ = true;
    thread_.join();
    for (Pair& pair : pairs_) close_pair(pair);
    ::close(listener_);
  }
  PostgresProxy(const PostgresProxy&) = delete;
  PostgresProxy& operator=(const PostgresProxy&) = delete;

  std::string folder() const { return folder_.path().string(); }
  void set(Mode mode) { mode_ = mode; }
  int connections() const { return connections_; }

 private:
  struct Pair {
    int client = -1, server = -1;
    bool awaits_answer = false;
  };

  static sockaddr_un address_in(const std::string& folder) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = folder + "/.s.PGSQL.5432";
    KG_ASSERT(path.size() < sizeof address.sun_path);
    std::memcpy(address.sun_path, path.data(), path.size());
    return address;
  }

  static void close_pair(Pair& pair) {
    if (pair.client >= 0) ::close(pair.client);
    if (pair.server >= 0) ::close(pair.server);
    pair.client = pair.server = -1;
  }

  void accept_one() {
    Pair pair;
    pair.client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    ++connections_;
    const sockaddr_un address = address_in(server_folder_);
    pair.server = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool is_open =
        mode_ != Mode::down && ::connect(pair.server, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    if (!is_open) return close_pair(pair);
    pairs_.push_back(pair);
  }

  static bool pass_on(int from, int to, std::string& bytes) {
    char buffer[65536];
    const ssize_t count = ::recv(from, buffer, sizeof buffer, 0);
    if (count <= 0) return false;
    bytes.assign(buffer, static_cast<std::size_t>(count));
    return to < 0 || ::send(to, bytes.data(), bytes.size(), MSG_NOSIGNAL) == count;
  }

  // A message of the simple protocol: Query, its length, COMMIT, NUL.
  static bool is_commit(const std::string& bytes) {
    return bytes.find(std::string("Q\0\0\0\x0b"
                                  "COMMIT\0",
                                  12)) != std::string::npos;
  }

  void from_client(Pair& pair) {
    std::string bytes;
    if (!pass_on(pair.client, -1, bytes)) return close_pair(pair);
    const Mode mode = mode_;
    if (is_commit(bytes) && mode == Mode::cut_at_commit) {
      mode_ = Mode::pass;
      return close_pair(pair);
    }
    pair.awaits_answer = is_commit(bytes) && (mode == Mode::cut_at_answer || mode == Mode::down_at_answer);
    ::send(pair.server, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }

  void from_server(Pair& pair) {
    std::string bytes;
    if (!pass_on(pair.server, pair.awaits_answer ? -1 : pair.client, bytes)) return close_pair(pair);
    if (!pair.awaits_answer) return;
    mode_ = mode_ == Mode::down_at_answer ? Mode::down : Mode::pass;
    close_pair(pair);
  }

  void work() {
    while (!stopping_) {
      if (mode_ == Mode::down) {
        for (Pair& pair : pairs_) close_pair(pair);
      }
      std::erase_if(pairs_, [](const Pair& pair) { return pair.client < 0; });
      std::vector<pollfd> descriptors{{listener_, POLLIN, 0}};
      if (mode_ != Mode::frozen) {
        for (const Pair& pair : pairs_) {
          descriptors.push_back({pair.client, POLLIN, 0});
          descriptors.push_back({pair.server, POLLIN, 0});
        }
      }
      if (::poll(descriptors.data(), descriptors.size(), 10) <= 0) continue;
      for (std::size_t i = 1; i < descriptors.size(); ++i) {
        Pair& pair = pairs_[(i - 1) / 2];
        if (descriptors[i].revents == 0 || pair.client < 0 || mode_ == Mode::frozen) continue;
        i % 2 == 1 ? from_client(pair) : from_server(pair);
      }
      if (descriptors[0].revents != 0) accept_one();
    }
  }

  const std::string server_folder_;
  TempFolder folder_;
  int listener_ = -1;
  std::atomic<Mode> mode_{Mode::pass};
  std::atomic<int> connections_{0};
  std::atomic<bool> stopping_{false};
  std::vector<Pair> pairs_;
  std::thread thread_;
};

}  // namespace keepgate::store::test
