#include "net/dns_message.h"

#include <gtest/gtest.h>

#include <string>

#include "base/bytes.h"

namespace keepgate::net {
namespace {

using namespace std::string_literals;

std::string u16(unsigned value) { return {static_cast<char>(value >> 8), static_cast<char>(value & 0xff)}; }
std::string u32(std::uint32_t value) { return u16(value >> 16) + u16(value & 0xffff); }

std::string encoded(std::string_view name) {
  std::string out;
  while (!name.empty()) {
    const std::size_t dot = std::min(name.find('.'), name.size());
    out.push_back(static_cast<char>(dot));
    out.append(name.substr(0, dot));
    name.remove_prefix(std::min(dot + 1, name.size()));
  }
  return out + '\0';
}

const std::string same_name = "\xc0\x0c"s;  // Points at the question.

struct Reply {
  unsigned id = 7;
  unsigned flags = 0x8180;
  std::string name = "a.test";
  DnsType type = DnsType::a;
  std::string answers, authorities;
  unsigned answer_count = 0, authority_count = 0;

  Reply& add(const std::string& owner, DnsType its_type, std::uint32_t ttl, const std::string& data) {
    answers += owner + u16(static_cast<unsigned>(its_type)) + u16(1) + u32(ttl) +
               u16(static_cast<unsigned>(data.size())) + data;
    ++answer_count;
    return *this;
  }
  Reply& add_soa(std::uint32_t ttl, std::uint32_t minimum) {
    const std::string data = encoded("ns") + encoded("me") + u32(1) + u32(2) + u32(3) + u32(4) + u32(minimum);
    authorities += same_name + u16(6) + u16(1) + u32(ttl) + u16(static_cast<unsigned>(data.size())) + data;
    ++authority_count;
    return *this;
  }
  std::string bytes() const {
    return u16(id) + u16(flags) + u16(1) + u16(answer_count) + u16(authority_count) + u16(0) + encoded(name) +
           u16(static_cast<unsigned>(type)) + u16(1) + answers + authorities;
  }
  DnsAnswer read() const {
    EXPECT_TRUE(is_dns_answer(bytes(), name, type, static_cast<std::uint16_t>(id)));
    return read_dns_answer(bytes(), name, type);
  }
};

const std::string one = "\x7f\0\0\1"s, two = "\x7f\0\0\2"s;

TEST(DnsMessage, a_question_is_answered_by_its_own_answer_only) {
  const std::string question = make_dns_question("a.test", DnsType::a, 7);
  ASSERT_GT(question.size(), 12U);
  EXPECT_FALSE(is_dns_answer(question, "a.test", DnsType::a, 7)) << "a question is no answer";
  Reply reply;
  EXPECT_TRUE(is_dns_answer(reply.bytes(), "A.Test", DnsType::a, 7));
  EXPECT_FALSE(is_dns_answer(reply.bytes(), "a.test", DnsType::a, 8));
  EXPECT_FALSE(is_dns_answer(reply.bytes(), "b.test", DnsType::a, 7));
  EXPECT_FALSE(is_dns_answer(reply.bytes(), "a.test", DnsType::aaaa, 7));
  for (std::size_t cut = 0; cut < reply.bytes().size(); ++cut) {
    EXPECT_FALSE(is_dns_answer(reply.bytes().substr(0, cut), "a.test", DnsType::a, 7)) << cut;
  }
}

TEST(DnsMessage, names_that_are_no_host_names_are_not_asked_for) {
  for (const std::string& name : {""s, "."s, "a..b"s, "a b"s, "a/b"s, "a\0b"s, "\xc3\xa4"s, std::string(64, 'a'),
                                  std::string(254, 'a'), "a."s, "a@b"s, "*"s}) {
    EXPECT_FALSE(is_dns_name(name)) << name;
    EXPECT_EQ(make_dns_question(name, DnsType::a, 1), "") << name;
  }
  EXPECT_TRUE(is_dns_name("_http._tcp.a-b.test"));
  EXPECT_TRUE(is_dns_name(std::string(63, 'a')));
}

TEST(DnsMessage, addresses_have_the_least_ttl) {
  const DnsAnswer answer = Reply().add(same_name, DnsType::a, 300, one).add(same_name, DnsType::a, 5, two).read();
  EXPECT_EQ(answer.outcome, DnsOutcome::found);
  ASSERT_EQ(answer.addresses.size(), 2U);
  EXPECT_EQ(answer.addresses[1].ip_text(), "127.0.0.2");
  EXPECT_EQ(answer.ttl_s, 5U);
}

TEST(DnsMessage, six_byte_families_and_services_are_read) {
  Reply six;
  six.type = DnsType::aaaa;
  const DnsAnswer answer = six.add(same_name, DnsType::aaaa, 1, std::string(15, '\0') + '\1').read();
  ASSERT_EQ(answer.addresses.size(), 1U);
  EXPECT_EQ(answer.addresses[0].ip_text(), "::1");
  Reply service;
  service.type = DnsType::srv;
  const DnsAnswer found = service.add(same_name, DnsType::srv, 9, u16(1) + u16(2) + u16(80) + encoded("b.test")).read();
  ASSERT_EQ(found.services.size(), 1U);
  EXPECT_EQ(found.services[0], (ServiceRecord{"b.test", 1, 2, 80}));
}

TEST(DnsMessage, a_chain_of_aliases_is_followed_in_any_order) {
  const DnsAnswer answer = Reply()
                               .add(encoded("c.test"), DnsType::a, 50, two)
                               .add(encoded("b.test"), DnsType::cname, 7, encoded("c.test"))
                               .add(same_name, DnsType::cname, 60, encoded("b.test"))
                               .read();
  EXPECT_EQ(answer.outcome, DnsOutcome::found);
  ASSERT_EQ(answer.addresses.size(), 1U);
  EXPECT_EQ(answer.ttl_s, 7U);
}

TEST(DnsMessage, records_of_other_names_are_not_taken) {
  const DnsAnswer answer = Reply().add(encoded("b.test"), DnsType::a, 50, two).read();
  EXPECT_EQ(answer.outcome, DnsOutcome::no_records);
  EXPECT_TRUE(answer.addresses.empty());
}

TEST(DnsMessage, the_open_end_of_a_chain_is_told) {
  const DnsAnswer answer = Reply().add(same_name, DnsType::cname, 60, encoded("b.test")).read();
  EXPECT_EQ(answer.outcome, DnsOutcome::no_records);
  EXPECT_EQ(answer.alias, "b.test");
}

TEST(DnsMessage, aliases_in_a_circle_end) {
  const DnsAnswer answer = Reply()
                               .add(same_name, DnsType::cname, 60, encoded("b.test"))
                               .add(encoded("b.test"), DnsType::cname, 60, encoded("a.test"))
                               .read();
  EXPECT_EQ(answer.outcome, DnsOutcome::no_records);
}

TEST(DnsMessage, compression_that_points_at_itself_is_malformed) {
  const std::string loop = u16(0xc000 | 24U);  // Where the answer's owner begins: 12 + 8 + 4.
  EXPECT_EQ(Reply().add(loop, DnsType::a, 1, one).read().outcome, DnsOutcome::malformed);
  EXPECT_EQ(Reply().add("\xc0\xff"s, DnsType::a, 1, one).read().outcome, DnsOutcome::malformed);
}

TEST(DnsMessage, what_breaks_off_is_malformed) {
  const Reply reply = Reply().add(same_name, DnsType::a, 300, one).add(same_name, DnsType::a, 5, two);
  const std::string whole = reply.bytes();
  for (std::size_t cut = Reply().bytes().size(); cut < whole.size(); ++cut) {
    EXPECT_EQ(read_dns_answer(whole.substr(0, cut), "a.test", DnsType::a).outcome, DnsOutcome::malformed) << cut;
  }
  EXPECT_EQ(Reply().add(same_name, DnsType::a, 1, "\x7f\0\0"s).read().outcome, DnsOutcome::malformed);
}

TEST(DnsMessage, response_codes_are_told_apart) {
  const auto with_code = [](unsigned code) {
    Reply reply;
    reply.flags |= code;
    return reply.read().outcome;
  };
  EXPECT_EQ(with_code(0), DnsOutcome::no_records);
  EXPECT_EQ(with_code(1), DnsOutcome::format_error);
  EXPECT_EQ(with_code(2), DnsOutcome::server_failure);
  EXPECT_EQ(with_code(3), DnsOutcome::no_such_name);
  EXPECT_EQ(with_code(4), DnsOutcome::not_implemented);
  EXPECT_EQ(with_code(5), DnsOutcome::refused);
  EXPECT_EQ(with_code(9), DnsOutcome::other_code);
}

TEST(DnsMessage, a_negative_answer_lasts_as_its_soa_says) {
  Reply reply;
  reply.flags |= 3;
  EXPECT_EQ(reply.read().ttl_s, 0U);
  EXPECT_EQ(Reply(reply).add_soa(30, 10).read().ttl_s, 10U);
  EXPECT_EQ(Reply(reply).add_soa(4, 10).read().ttl_s, 4U);
}

TEST(DnsMessage, truncation_is_told_and_nothing_is_taken) {
  Reply reply;
  reply.flags |= 0x0200;
  const DnsAnswer answer = reply.add(same_name, DnsType::a, 1, one).read();
  EXPECT_TRUE(answer.truncated);
  EXPECT_TRUE(answer.addresses.empty());
}

TEST(DnsMessage, a_ttl_with_its_highest_bit_set_counts_as_nothing) {
  EXPECT_EQ(Reply().add(same_name, DnsType::a, 0x80000000U, one).read().ttl_s, 0U);
}

TEST(DnsMessage, more_records_than_the_bound_are_not_looked_at) {
  Reply reply;
  for (std::size_t i = 0; i < dns_answers_max + 1; ++i) reply.add(same_name, DnsType::a, 1, one);
  EXPECT_EQ(reply.read().addresses.size(), dns_answers_max);
}

}  // namespace
}  // namespace keepgate::net
