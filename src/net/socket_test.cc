#include "net/socket.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <string>

namespace keepgate::net {
namespace {

int option(int descriptor, int level, int name) {
  int value = -1;
  socklen_t bytes = sizeof value;
  EXPECT_EQ(::getsockopt(descriptor, level, name, &value, &bytes), 0);
  return value;
}

TEST(ListenOptions, reach_the_listening_socket) {
  ListenOptions options;
  options.tuning.receive_buffer_bytes = 16 * 1024;
  options.tuning.send_buffer_bytes = 32 * 1024;
  options.tuning.fast_open_queue = 5;
  options.tuning.defer_accept_s = 9;
  options.tuning.keep_alive = {KeepAlive::State::on, 100, 20, 3};
  const auto listener = listen_on(*Address::ip("127.0.0.1", 0), options);
  ASSERT_TRUE(listener) << listener.error().detail;
  EXPECT_EQ(option(*listener, SOL_SOCKET, SO_RCVBUF), 2 * 16 * 1024) << "the kernel doubles it";
  EXPECT_EQ(option(*listener, SOL_SOCKET, SO_SNDBUF), 2 * 32 * 1024);
  EXPECT_EQ(option(*listener, IPPROTO_TCP, TCP_FASTOPEN), 5);
  EXPECT_GE(option(*listener, IPPROTO_TCP, TCP_DEFER_ACCEPT), 1);
  EXPECT_EQ(option(*listener, SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(option(*listener, IPPROTO_TCP, TCP_KEEPIDLE), 100);
  EXPECT_EQ(option(*listener, IPPROTO_TCP, TCP_KEEPINTVL), 20);
  EXPECT_EQ(option(*listener, IPPROTO_TCP, TCP_KEEPCNT), 3);
  apply_tuning(*listener, *Address::ip("127.0.0.1", 0), {});
  EXPECT_EQ(option(*listener, IPPROTO_TCP, TCP_DEFER_ACCEPT), 0) << "a reload takes it back";
  ::close(*listener);
}

TEST(ListenOptions, leave_the_systems_values_alone_by_default) {
  const auto listener = listen_on(*Address::ip("127.0.0.1", 0), {});
  ASSERT_TRUE(listener) << listener.error().detail;
  EXPECT_EQ(option(*listener, SOL_SOCKET, SO_KEEPALIVE), 0);
  EXPECT_EQ(option(*listener, IPPROTO_TCP, TCP_DEFER_ACCEPT), 0);
  ::close(*listener);
}

TEST(Address, a_unix_path_that_fills_all_of_it_has_no_zero_to_stop_at) {
  sockaddr_un native{};
  native.sun_family = AF_UNIX;
  std::memset(native.sun_path, 'p', sizeof native.sun_path);
  const Address full = Address::from_native(reinterpret_cast<const sockaddr*>(&native), sizeof native);
  EXPECT_EQ(full.text(), "unix:" + std::string(sizeof native.sun_path, 'p'));
  const Address copy = full;
  EXPECT_EQ(copy, full);
  native.sun_path[sizeof native.sun_path - 1] = 'q';
  EXPECT_FALSE(Address::from_native(reinterpret_cast<const sockaddr*>(&native), sizeof native) == full);
  EXPECT_FALSE(Address::unix_path(std::string(sizeof native.sun_path, 'p')));
  EXPECT_EQ(Address::unix_path(std::string(sizeof native.sun_path - 1, 'p'))->text().size(),
            5 + sizeof native.sun_path - 1);
}

TEST(Address, a_unix_peer_without_a_name_has_none) {
  sockaddr_un native{};
  native.sun_family = AF_UNIX;
  const Address unnamed = Address::from_native(reinterpret_cast<const sockaddr*>(&native), sizeof native.sun_family);
  EXPECT_TRUE(unnamed.is_unix());
  EXPECT_EQ(unnamed.text(), "unix:");
  EXPECT_EQ(unnamed.ip_text(), "unix:");
  EXPECT_FALSE(unnamed == *Address::unix_path("/run/x.sock"));
  EXPECT_FALSE(Address() == unnamed);
}

TEST(Address, writes_every_byte_of_an_address) {
  for (const char* text : {"0.0.0.0", "9.10.99.100", "255.255.255.255", "::", "2001:db8::7"}) {
    EXPECT_EQ(Address::ip(text, 1)->ip_text(), text);
  }
  EXPECT_EQ(Address::ip("::ffff:192.0.2.250", 1)->ip_text(), "192.0.2.250") << "one client, one spelling";
}

TEST(Address, reads_what_a_proxy_writes_of_a_client) {
  EXPECT_EQ(Address::ip_with_port("192.0.2.7")->text(), "192.0.2.7:0");
  EXPECT_EQ(Address::ip_with_port("192.0.2.7:4711")->text(), "192.0.2.7:4711");
  EXPECT_EQ(Address::ip_with_port("2001:db8::7")->text(), "[2001:db8::7]:0");
  EXPECT_EQ(Address::ip_with_port("[2001:db8::7]:65535")->text(), "[2001:db8::7]:65535");
  for (const char* text : {"", ":", "[]", "[]:1", "192.0.2.7:", "192.0.2.7:0", "192.0.2.7:65536", "192.0.2.7:1 ",
                           "192.0.2.7:+1", "[192.0.2.7]:1", "[2001:db8::7]", "[2001:db8::7", "2001:db8::7]:1", "name:1",
                           "unix:", "192.0.2.07", "2001:db8::7:65536"}) {
    EXPECT_FALSE(Address::ip_with_port(text)) << text;
  }
}

// A stream over one end of a pair of sockets.
class Pair {
 public:
  Pair() {
    int ends[2];
    KG_ASSERT(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    stream = Stream(loop, ends[0]);
    theirs = ends[1];
  }
  ~Pair() {
    stream.close();
    if (theirs >= 0) ::close(theirs);
  }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;
  void send(std::string_view bytes) const {
    EXPECT_EQ(::send(theirs, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }

  Loop loop;
  Stream stream;
  int theirs = -1;
};

TEST(Peek, leaves_the_bytes_where_they_are_until_they_are_skipped) {
  Pair pair;
  char bytes[16];
  EXPECT_EQ(pair.stream.peek(bytes, sizeof bytes).status, Io::want_read);
  pair.send("header, body");
  for (unsigned i = 0; i < 2; ++i) {
    const IoResult got = pair.stream.peek(bytes, sizeof bytes);
    ASSERT_EQ(got.status, Io::ok);
    EXPECT_EQ(std::string_view(bytes, got.bytes), "header, body");
    EXPECT_FALSE(pair.stream.maybe_readable()) << "what was seen is not waited for again";
  }
  EXPECT_TRUE(pair.stream.skip(8));
  const IoResult rest = pair.stream.read(bytes, sizeof bytes);
  ASSERT_EQ(rest.status, Io::ok) << "what follows is readable at once";
  EXPECT_EQ(std::string_view(bytes, rest.bytes), "body");
  EXPECT_FALSE(pair.stream.skip(1)) << "there is nothing";
}

TEST(Peek, tells_the_end) {
  Pair pair;
  ::close(std::exchange(pair.theirs, -1));
  char bytes[16];
  EXPECT_EQ(pair.stream.peek(bytes, sizeof bytes).status, Io::closed);
}

class Doorman final : public Admission {
 public:
  bool admit() override { return admits; }
  bool relieve() override { return false; }
  bool admits = false;
};

TEST(Connect, asks_before_it_opens_one_more) {
  Loop loop;
  Doorman doorman;
  loop.set_admission(&doorman);
  ErrorKind kind = ErrorKind::internal;
  const auto run = [](Loop& its_loop, ErrorKind& out) -> Detached {
    const auto stream = co_await connect(its_loop, *Address::ip("127.0.0.1", 1), no_deadline);
    out = stream ? ErrorKind::internal : stream.error().kind;
    its_loop.stop();
  };
  run(loop, kind);
  loop.run();
  EXPECT_EQ(kind, ErrorKind::limit);
  loop.set_admission(nullptr);
  EXPECT_TRUE(loop.admits()) << "everybody may, where nobody was set to ask";
}

}  // namespace
}  // namespace keepgate::net
