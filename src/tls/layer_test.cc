#include "tls/layer.h"

#include <gtest/gtest.h>

#include <vector>

#include "net/loop.h"
#include "tls/session_fixture_for_tests.h"

namespace keepgate::tls {
namespace {

using net::Io;
using net::IoResult;

class LayerTest : public TlsTest {
 protected:
  void connect() {
    contexts_.fallback = server_for("DNS:a.test");
    ASSERT_TRUE(connects("a.test")) << client_->failure() << server_->failure();
  }
  // Everything that can be read from `layer` without waiting. `last` is what ended it.
  static std::string read_all(net::StreamLayer& layer, Io& last, std::size_t step = 4096) {
    std::string out, buffer(step, '\0');
    IoResult result;
    while ((result = layer.read(buffer.data(), buffer.size())).status == Io::ok) out.append(buffer, 0, result.bytes);
    last = result.status;
    return out;
  }
};

std::string numbered(std::size_t bytes) {
  std::string text;
  for (std::size_t i = 0; text.size() < bytes; ++i) text += std::to_string(i) + ' ';
  text.resize(bytes);
  return text;
}

TEST_F(LayerTest, carries_bytes_both_ways) {
  connect();
  EXPECT_EQ(write_text(*client_, "ping").bytes, 4U);
  Io last{};
  EXPECT_EQ(read_all(*server_, last), "ping");
  EXPECT_EQ(last, Io::want_read);
  EXPECT_EQ(write_text(*server_, "pong").bytes, 4U);
  EXPECT_EQ(read_all(*client_, last), "pong");
}

TEST_F(LayerTest, says_that_decrypted_bytes_wait) {
  connect();
  Io last{};
  read_all(*server_, last);
  EXPECT_FALSE(server_->has_pending());
  write_text(*client_, "one");
  write_text(*client_, "two");
  char bytes[2];
  ASSERT_EQ(server_->read(bytes, 2).bytes, 2U);
  EXPECT_TRUE(server_->has_pending());  // The rest of a record.
  ASSERT_EQ(server_->read(bytes, 2).bytes, 1U);
  EXPECT_TRUE(server_->has_pending());  // A whole record that was read ahead.
  EXPECT_EQ(read_all(*server_, last), "two");
  EXPECT_FALSE(server_->has_pending());
}

TEST_F(LayerTest, part_of_a_record_is_not_pending) {
  connect();
  Io last{};
  read_all(*client_, last);
  // Moves the record over a second pair, split in two.
  write_text(*server_, "split in two");
  char record[512];
  const ssize_t length = ::recv(sockets_[1], record, sizeof record, 0);
  ASSERT_GT(length, 20);
  ASSERT_EQ(::send(sockets_[0], record, 20, MSG_NOSIGNAL), 20);
  EXPECT_EQ(read_all(*client_, last), "");
  EXPECT_EQ(last, Io::want_read);
  EXPECT_FALSE(client_->has_pending());
  const auto rest = static_cast<std::size_t>(length - 20);
  ASSERT_EQ(::send(sockets_[0], record + 20, rest, MSG_NOSIGNAL), length - 20);
  EXPECT_EQ(read_all(*client_, last), "split in two");
}

TEST_F(LayerTest, large_transfers_survive_partial_writes) {
  connect();
  const std::string sent = numbered(3'000'000);
  std::string received;
  std::size_t done = 0;
  bool was_partial = false, was_blocked = false;
  Io last{};
  for (int turn = 0; turn < 10'000 && received.size() < sent.size(); ++turn) {
    if (done < sent.size()) {
      // Other pieces each time, as a caller that gathers anew would have them.
      const std::size_t left = sent.size() - done;
      const std::size_t first = std::min<std::size_t>(left, static_cast<std::size_t>(turn % 7) * 1000);
      const iovec pieces[] = {{const_cast<char*>(sent.data()) + done, first},
                              {nullptr, 0},
                              {const_cast<char*>(sent.data()) + done + first, left - first}};
      const IoResult result = server_->write(pieces, 3);
      if (result.status == Io::want_write) {
        was_blocked = true;
      } else {
        ASSERT_EQ(result.status, Io::ok) << server_->failure();
        was_partial |= result.bytes < left;
        done += result.bytes;
      }
    }
    if (turn % 2 == 1) received += read_all(*client_, last, 10'000);
  }
  EXPECT_TRUE(was_partial);
  EXPECT_TRUE(was_blocked);
  EXPECT_EQ(received.size(), sent.size());
  EXPECT_TRUE(received == sent);
}

TEST_F(LayerTest, a_blocked_write_offered_again_with_less_fails_instead_of_sending_other_bytes) {
  connect();
  const std::string much = numbered(1'000'000);
  while (write_text(*server_, much).status == Io::ok) {
  }
  EXPECT_EQ(write_text(*server_, "less").status, Io::failed);
}

TEST_F(LayerTest, small_pieces_share_a_record) {
  connect();
  Io last{};
  read_all(*client_, last);
  std::string head = "HTTP/1.1 200 OK\r\n", fields = "A: b\r\n\r\n", body(1000, 'x');
  const iovec pieces[] = {{head.data(), head.size()}, {fields.data(), fields.size()}, {body.data(), body.size()}};
  ASSERT_EQ(server_->write(pieces, 3).bytes, head.size() + fields.size() + body.size());
  std::string bytes(4096, '\0');
  ASSERT_EQ(client_->read(bytes.data(), bytes.size()).bytes, head.size() + fields.size() + body.size());
}

TEST_F(LayerTest, a_goodbye_is_an_orderly_end) {
  connect();
  write_text(*server_, "bye");
  server_->shutdown();
  ::shutdown(sockets_[0], SHUT_WR);
  Io last{};
  EXPECT_EQ(read_all(*client_, last), "bye");
  EXPECT_EQ(last, Io::closed);
  EXPECT_EQ(read_all(*client_, last), "");
  EXPECT_EQ(last, Io::closed);
  EXPECT_EQ(write_text(*server_, "more").status, Io::failed);
}

TEST_F(LayerTest, an_end_without_goodbye_is_a_failure) {
  connect();
  write_text(*server_, "trunc");
  ::shutdown(sockets_[0], SHUT_WR);
  Io last{};
  EXPECT_EQ(read_all(*client_, last), "trunc");
  EXPECT_EQ(last, Io::failed);
  EXPECT_EQ(client_->failure(), "unexpected eof while reading");
  EXPECT_EQ(read_all(*client_, last), "");
  EXPECT_EQ(last, Io::failed);
}

TEST_F(LayerTest, an_end_during_the_handshake_is_a_failure) {
  contexts_.fallback = server_for("DNS:a.test");
  make_layers(verifying(), "a.test");
  ASSERT_EQ(client_->handshake().status, Io::want_read);
  ASSERT_EQ(server_->handshake().status, Io::want_read);
  sockets_.close(0);
  IoResult result;
  for (int i = 0; i < 5 && (result = client_->handshake()).status == Io::want_read; ++i) {
  }
  EXPECT_EQ(result.status, Io::failed);
  EXPECT_FALSE(client_->failure().empty());
}

TEST_F(LayerTest, changed_bytes_are_a_failure) {
  connect();
  Io last{};
  read_all(*client_, last);
  write_text(*server_, "pay 1");
  char record[512];
  const ssize_t length = ::recv(sockets_[1], record, sizeof record, 0);
  ASSERT_GT(length, 10);
  record[length - 1] = static_cast<char>(record[length - 1] ^ 1);
  ASSERT_EQ(::send(sockets_[0], record, static_cast<std::size_t>(length), MSG_NOSIGNAL), length);
  EXPECT_EQ(read_all(*client_, last), "");
  EXPECT_EQ(last, Io::failed);
}

TEST_F(LayerTest, writing_to_a_peer_that_is_gone_fails_and_raises_no_signal) {
  connect();
  sockets_.close(1);
  client_.reset();
  const IoResult result = write_text(*server_, "hello?");
  EXPECT_EQ(result.status, Io::failed);
  EXPECT_EQ(result.error_number, EPIPE);
}

TEST_F(LayerTest, errors_that_others_left_behind_do_no_harm) {
  connect();
  ERR_raise(ERR_LIB_SSL, SSL_R_BAD_SIGNATURE);
  EXPECT_EQ(write_text(*client_, "ping").status, Io::ok);
  ERR_raise(ERR_LIB_SSL, SSL_R_BAD_SIGNATURE);
  Io last{};
  EXPECT_EQ(read_all(*server_, last), "ping");
  EXPECT_EQ(last, Io::want_read);
}

TEST_F(LayerTest, other_layers_have_no_facts) {
  struct Plain final : net::StreamLayer {
    IoResult handshake() override { return {}; }
    IoResult read(char*, std::size_t) override { return {}; }
    IoResult write(const iovec*, int) override { return {}; }
    bool has_pending() const override { return false; }
    void shutdown() override {}
    std::string failure() const override { return {}; }
  };
  EXPECT_EQ(session_facts(Plain()).protocol, "");
  contexts_.fallback = server_for("DNS:a.test");
  make_layers(verifying(), "a.test");
  EXPECT_EQ(session_facts(*client_).protocol, "");  // Not before the handshake.
}

TEST(SocketBio, a_call_reads_only_so_much) {
  SocketPair pair;
  Socket socket;
  socket.descriptor = pair[0];
  const BioPtr bio = make_socket_bio(socket);
  const std::string flood(10'000, 'x');
  ASSERT_EQ(::send(pair[1], flood.data(), flood.size(), MSG_NOSIGNAL), static_cast<ssize_t>(flood.size()));
  char bytes[100];
  socket.begin_call();
  for (int i = 0; i < Socket::full_reads_max; ++i) ASSERT_EQ(BIO_read(bio.get(), bytes, 100), 100);
  EXPECT_LT(BIO_read(bio.get(), bytes, 100), 0);
  EXPECT_FALSE(BIO_should_retry(bio.get()));
  EXPECT_TRUE(socket.flooded);
}

TEST(SocketBio, a_short_read_ends_the_call_without_asking_again) {
  SocketPair pair;
  Socket socket;
  socket.descriptor = pair[0];
  const BioPtr bio = make_socket_bio(socket);
  ASSERT_EQ(::send(pair[1], "abc", 3, MSG_NOSIGNAL), 3);
  char bytes[100];
  socket.begin_call();
  ASSERT_EQ(BIO_read(bio.get(), bytes, 100), 3);
  ASSERT_EQ(::send(pair[1], "def", 3, MSG_NOSIGNAL), 3);
  EXPECT_LT(BIO_read(bio.get(), bytes, 100), 0);
  EXPECT_TRUE(BIO_should_retry(bio.get()));
  socket.begin_call();
  EXPECT_EQ(BIO_read(bio.get(), bytes, 100), 3);
}

// Through streams and a loop: no wait is lost and none spins.
class StreamTest : public LayerTest {
 protected:
  static net::Detached serve(net::Stream& stream, std::string& received, Io& end) {
    const Result<void> ready = co_await net::handshake(stream, net::no_deadline);
    if (!ready) co_return;
    std::string buffer(5000, '\0');
    while (true) {
      const IoResult result = stream.read(buffer.data(), buffer.size());
      end = result.status;
      if (result.status == Io::ok) {
        received.append(buffer, 0, result.bytes);
      } else if (result.status == Io::want_read || result.status == Io::want_write) {
        const net::Wake wake = co_await net::wait_for(stream, result.status, net::no_deadline);
        if (wake != net::Wake::ready) co_return;
      } else {
        break;
      }
    }
    iovec answer{received.data(), received.size()};
    const Result<void> written = co_await net::write_all(stream, &answer, 1, 10'000);
    if (written) stream.shutdown_write();
  }
  static net::Detached ask(net::Stream& stream, std::string question, std::string& answer, Io& end) {
    net::Loop& loop = stream.loop();
    const Result<void> ready = co_await net::handshake(stream, net::no_deadline);
    if (ready) {
      iovec piece{question.data(), question.size()};
      const Result<void> written = co_await net::write_all(stream, &piece, 1, 10'000);
      if (written) stream.shutdown_write();
      std::string buffer(5000, '\0');
      while (true) {
        const IoResult result = stream.read(buffer.data(), buffer.size());
        end = result.status;
        if (result.status == Io::ok) {
          answer.append(buffer, 0, result.bytes);
        } else if (result.status == Io::want_read || result.status == Io::want_write) {
          const net::Wake wake = co_await net::wait_for(stream, result.status, net::no_deadline);
          if (wake != net::Wake::ready) break;
        } else {
          break;
        }
      }
    }
    loop.stop();
  }
};

TEST_F(StreamTest, a_megabyte_there_and_back) {
  contexts_.fallback = server_for("DNS:a.test");
  net::Loop loop;
  net::Stream server(loop, sockets_.release(0)), client(loop, sockets_.release(1));
  ASSERT_TRUE(server.valid() && client.valid());
  server.set_layer(make_server_layer(server.descriptor(), contexts_));
  client.set_layer(make_client_layer(client.descriptor(), client_context(verifying()), "a.test"));
  const std::string question = numbered(1'000'000);
  std::string received, answer;
  Io server_end{}, client_end{};
  serve(server, received, server_end);
  ask(client, question, answer, client_end);
  loop.run();
  EXPECT_EQ(server_end, Io::closed);
  EXPECT_EQ(client_end, Io::closed);
  EXPECT_TRUE(received == question);
  EXPECT_TRUE(answer == question);
}

}  // namespace
}  // namespace keepgate::tls
