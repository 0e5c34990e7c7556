#include "process/listeners.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "net/socket.h"

namespace keepgate::process {
namespace {

using pipeline::ListenerConfig;

ListenerConfig config_for(const net::Address& address) {
  ListenerConfig out;
  out.address = address;
  return out;
}

// A port that is free now.
net::Address free_address(const char* host = "127.0.0.1") {
  const Result<int> probe = net::listen_on(*net::Address::ip("127.0.0.1", 0), {});
  EXPECT_TRUE(probe);
  const std::uint16_t port = net::local_address(*probe).port();
  ::close(*probe);
  return *net::Address::ip(host, port);
}

std::vector<ListenerConfig> wanted(std::initializer_list<net::Address> addresses) {
  std::vector<ListenerConfig> out;
  for (const net::Address& one : addresses) out.push_back(config_for(one));
  return out;
}

void at_once() {}  // No pause before the next try.

// errno of a connection that may take a moment only.
int connect_to(const net::Address& address) {
  const int descriptor = ::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval patience{0, 50'000};
  ::setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  const int error = ::connect(descriptor, address.native(), address.native_bytes()) == 0 ? 0 : errno;
  ::close(descriptor);
  return error;
}

// Bound without a pause between the tries: after `pauses` of them the owner of the address lets it go.
int pauses_until_bound(const net::Address& address, std::vector<Listener>& owner, int pauses) {
  int made = 0;
  const auto pause = [&] {
    if (++made == pauses) owner.clear();
  };
  const auto bound = bind_listeners({}, wanted({address}), 2, {}, pause);
  return bound ? made : -made;
}

TEST(Listeners, makes_a_socket_for_each_worker) {
  const auto listeners = bind_listeners({}, wanted({free_address()}), 3);
  ASSERT_TRUE(listeners) << listeners.error().detail;
  ASSERT_EQ(listeners->size(), 1U);
  EXPECT_EQ((*listeners)[0].sockets.size(), 3U);
}

TEST(Listeners, keeps_the_sockets_it_has_and_adds_for_further_workers) {
  const net::Address address = free_address();
  const auto before = bind_listeners({}, wanted({address}), 2);
  ASSERT_TRUE(before);
  const auto fewer = bind_listeners(*before, wanted({address}), 1);
  ASSERT_TRUE(fewer);
  EXPECT_EQ((*fewer)[0].sockets, (*before)[0].sockets) << "a socket may have somebody in its queue";
  const auto more = bind_listeners(*before, wanted({address}), 4);
  ASSERT_TRUE(more);
  EXPECT_EQ((*more)[0].sockets.size(), 4U);
  EXPECT_EQ((*more)[0].sockets[1], (*before)[0].sockets[1]);
  EXPECT_TRUE(removed_listeners(*before, *more).empty());
}

TEST(Listeners, do_not_share_an_address_with_another_owner) {
  const net::Address address = free_address();
  const auto first = bind_listeners({}, wanted({address}), 2);
  ASSERT_TRUE(first);
  const auto second = bind_listeners({}, wanted({address}), 2, {}, at_once);
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().detail.find("Address already in use"), std::string::npos);
  const auto wildcard = bind_listeners({}, wanted({*net::Address::ip("0.0.0.0", address.port())}), 1, {}, at_once);
  EXPECT_FALSE(wildcard);
}

TEST(Listeners, an_address_that_becomes_free_between_the_tries_is_had) {
  for (int pauses = 1; pauses < bind_tries_max; ++pauses) {
    const net::Address address = free_address();
    auto owner = bind_listeners({}, wanted({address}), 2);
    ASSERT_TRUE(owner);
    EXPECT_EQ(pauses_until_bound(address, *owner, pauses), pauses);
  }
}

TEST(Listeners, an_address_that_stays_taken_is_given_up_after_the_last_try) {
  const net::Address address = free_address();
  auto owner = bind_listeners({}, wanted({address}), 1);
  ASSERT_TRUE(owner);
  EXPECT_EQ(pauses_until_bound(address, *owner, bind_tries_max), -(bind_tries_max - 1));
}

TEST(Listeners, an_address_that_nobody_can_have_is_not_asked_for_again) {
  std::vector<Listener> nobody;
  EXPECT_EQ(pauses_until_bound(*net::Address::ip("203.0.113.1", 1), nobody, 1), 0);
  const net::Address taken = free_address();
  const auto owner = bind_listeners({}, wanted({taken}), 1);
  ASSERT_TRUE(owner);
  int pauses = 0;
  const auto both = bind_listeners({}, wanted({taken, *net::Address::ip("203.0.113.1", 1)}), 1, {}, [&] { ++pauses; });
  EXPECT_FALSE(both);
  EXPECT_EQ(pauses, 0) << "one of two that cannot be had is enough";
}

TEST(Listeners, nothing_is_held_between_the_tries) {
  const net::Address good = free_address(), taken = free_address();
  auto owner = bind_listeners({}, wanted({taken}), 1);
  ASSERT_TRUE(owner);
  int refused = 0;
  const auto both = bind_listeners({}, wanted({good, taken}), 1, {}, [&] {
    refused = connect_to(good);
    owner->clear();
  });
  EXPECT_EQ(refused, ECONNREFUSED) << "two programs could wait for each other";
  ASSERT_TRUE(both) << both.error().detail;
  EXPECT_EQ(connect_to(good), 0);
}

TEST(Listeners, a_wildcard_joins_an_address_of_ours) {
  const net::Address address = free_address();
  const auto both = bind_listeners({}, wanted({address, *net::Address::ip("0.0.0.0", address.port())}), 2);
  ASSERT_TRUE(both) << both.error().detail;
  EXPECT_EQ((*both)[1].sockets.size(), 2U);
}

TEST(Listeners, a_failure_leaves_nothing_bound_and_names_every_address) {
  const net::Address taken = free_address(), good = free_address();
  const auto owner = bind_listeners({}, wanted({taken}), 1);
  ASSERT_TRUE(owner);
  const auto failed = bind_listeners({}, wanted({good, taken}), 2, {}, at_once);
  ASSERT_FALSE(failed);
  EXPECT_NE(failed.error().detail.find(taken.text()), std::string::npos);
  EXPECT_EQ(connect_to(good), ECONNREFUSED);
}

TEST(Listeners, say_what_is_gone) {
  const net::Address one = free_address(), two = free_address();
  const auto before = bind_listeners({}, wanted({one, two}), 1);
  ASSERT_TRUE(before);
  const auto after = bind_listeners(*before, wanted({two}), 1);
  ASSERT_TRUE(after);
  const auto gone = removed_listeners(*before, *after);
  ASSERT_EQ(gone.size(), 1U);
  EXPECT_EQ(gone[0].address, one);
}

TEST(Listeners, a_socket_on_its_way_out_refuses_who_is_new_and_keeps_who_is_there) {
  const net::Address address = free_address();
  const auto listeners = bind_listeners({}, wanted({address}), 1);
  ASSERT_TRUE(listeners);
  const int descriptor = (*listeners)[0].sockets[0]->descriptor();
  EXPECT_EQ(connect_to(address), 0);
  ASSERT_TRUE(net::send_nobody_new(descriptor));
  EXPECT_EQ(connect_to(address), ECONNREFUSED);
  const net::Accepted early = net::accept_one(descriptor);
  EXPECT_GE(early.descriptor, 0) << "it was in the queue";
  ::close(early.descriptor);
  EXPECT_EQ(net::accept_one(descriptor).error_number, EAGAIN);
}

TEST(Listeners, a_handshake_under_way_is_finished_by_a_socket_on_its_way_out) {
  const net::Address address = free_address();
  const auto listeners = bind_listeners({}, wanted({address}), 1);
  ASSERT_TRUE(listeners);
  const int descriptor = (*listeners)[0].sockets[0]->descriptor();
  const int seconds = 5;  // The last part of the handshake comes with the first byte only.
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof seconds);
  const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(::connect(client, address.native(), address.native_bytes()), 0);
  EXPECT_EQ(net::accept_one(descriptor).error_number, EAGAIN);
  ASSERT_TRUE(net::send_nobody_new(descriptor));
  EXPECT_EQ(::send(client, "x", 1, MSG_NOSIGNAL), 1);
  const net::Accepted accepted = net::accept_one(descriptor);
  EXPECT_GE(accepted.descriptor, 0);
  ::close(accepted.descriptor);
  ::close(client);
}

TEST(Listeners, an_address_on_its_way_out_can_be_had_again) {
  const net::Address address = free_address();
  const auto before = bind_listeners({}, wanted({address}), 2);
  ASSERT_TRUE(before);
  for (const auto& socket : (*before)[0].sockets) ASSERT_TRUE(net::send_nobody_new(socket->descriptor()));
  EXPECT_FALSE(bind_listeners({}, wanted({address}), 2, {}, at_once)) << "for others it is still taken";
  const auto again = bind_listeners({}, wanted({address}), 2, {address});
  ASSERT_TRUE(again) << again.error().detail;
  EXPECT_EQ(connect_to(address), 0);
}

}  // namespace
}  // namespace keepgate::process
