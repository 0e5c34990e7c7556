#include "process/inherited.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "base/bytes.h"
#include "net/socket.h"

namespace keepgate::process {
namespace {

int listening() {
  const Result<int> made = net::listen_on(*net::Address::ip("127.0.0.1", 0), {});
  EXPECT_TRUE(made);
  return made.value_or(-1);
}

Inherited take(const std::string& value) {
  ::setenv("KEEPGATE", value.c_str(), 1);
  return take_inherited();
}

TEST(Inherited, takes_listening_sockets_by_what_the_kernel_says) {
  const int one = listening();
  const net::Address address = net::local_address(one);
  const Inherited taken = take(cat(one, ';'));
  EXPECT_TRUE(taken.replaces);
  ASSERT_EQ(taken.listeners.size(), 1U);
  EXPECT_EQ(taken.listeners[0].address, address);
  EXPECT_FALSE(taken.listeners[0].fixed);
  EXPECT_EQ(std::getenv("KEEPGATE"), nullptr) << "nobody else shall take them again";
  EXPECT_EQ(inheritance_of(taken.listeners), cat(one, ';'));
}

TEST(Inherited, closes_what_does_not_listen) {
  const int connected = ::socket(AF_INET, SOCK_STREAM, 0);
  const int datagrams = ::socket(AF_INET, SOCK_DGRAM, 0);
  const Inherited taken = take(cat(connected, ';', datagrams, ';'));
  EXPECT_TRUE(taken.listeners.empty());
  EXPECT_EQ(taken.remarks.size(), 2U);
  EXPECT_NE(::close(connected), 0);
  EXPECT_NE(::close(datagrams), 0);
}

TEST(Inherited, passes_over_what_is_not_a_number_and_what_is_not_there) {
  for (const std::string value : {"x;", "-1;", "3 ;", "99999999999;", ";", "f;"}) {
    const Inherited taken = take(value);
    EXPECT_TRUE(taken.listeners.empty()) << value;
    EXPECT_EQ(taken.remarks.size(), 1U) << value;
  }
  EXPECT_EQ(take("0;1;2;").remarks.size(), 3U) << "the standard streams are nobody's sockets";
  EXPECT_FALSE(take("").replaces);
}

TEST(Inherited, a_descriptor_named_twice_is_one_socket) {
  const int one = listening();
  const Inherited taken = take(cat(one, ';', one, ";f", one, ';'));
  ASSERT_EQ(taken.listeners.size(), 1U);
  EXPECT_EQ(taken.listeners[0].sockets.size(), 1U);
}

TEST(Inherited, hands_on_what_a_service_manager_made_as_such) {
  const int one = listening();
  const Inherited taken = take(cat('f', one, ';'));
  ASSERT_EQ(taken.listeners.size(), 1U);
  EXPECT_TRUE(taken.listeners[0].fixed);
  EXPECT_EQ(inheritance_of(taken.listeners), cat('f', one, ';'));
}

TEST(Inherited, leaves_alone_what_a_service_manager_made_for_another_process) {
  ::setenv("LISTEN_PID", "1", 1);
  ::setenv("LISTEN_FDS", "1", 1);
  EXPECT_TRUE(take("").listeners.empty());
  EXPECT_EQ(std::getenv("LISTEN_FDS"), nullptr);
}

}  // namespace
}  // namespace keepgate::process
