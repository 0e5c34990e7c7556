// DNS messages (RFC 1035 §4): makes a question and reads the answer to it. c-ares writes and expands names; the rest is
// read here, with every length checked.
//
// Thread rule: pure functions. Bounds: answers_max records of an answer are looked at, aliases_max CNAMEs are followed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "net/address.h"

namespace keepgate::net {

enum class DnsType : std::uint16_t { a = 1, cname = 5, soa = 6, aaaa = 28, srv = 33 };

// The response codes of RFC 1035 §4.1.1, and what can happen besides. Zero is never success.
enum class DnsOutcome : std::uint8_t {
  malformed = 0,
  format_error,
  server_failure,
  no_such_name,
  not_implemented,
  refused,
  other_code,
  timeout,
  no_records,  // The name exists without a record of this type.
  found,
};
// As nginx logs it: "3: Host not found".
std::string_view describe(DnsOutcome outcome);
// The name or the record does not exist: the answer of a server that works.
constexpr bool is_negative(DnsOutcome outcome) {
  return outcome == DnsOutcome::no_such_name || outcome == DnsOutcome::no_records;
}

struct ServiceRecord {  // SRV, RFC 2782.
  std::string host;
  std::uint16_t priority = 0, weight = 0, port = 0;
  bool operator==(const ServiceRecord&) const = default;
};

struct DnsAnswer {
  DnsOutcome outcome = DnsOutcome::malformed;
  bool truncated = false;
  std::vector<Address> addresses;  // Of A or AAAA; their port is 0.
  std::vector<ServiceRecord> services;
  std::string alias;        // With no_records: the CNAME that the answer ends at, to be asked for next.
  std::uint32_t ttl_s = 0;  // The least of the records that were used; of a negative answer its SOA's.
};

inline constexpr std::size_t dns_answers_max = 1024;
inline constexpr std::size_t dns_aliases_max = 16;

// Letters, digits, '-' and '_' in labels of 1 to 63 bytes, 253 bytes in all: what may be asked for.
bool is_dns_name(std::string_view name);

// Empty if it is no DNS name.
std::string make_dns_question(const std::string& name, DnsType type, std::uint16_t id);
// An answer to exactly this question: its id, its name and its type. Whatever else arrives is to be ignored.
bool is_dns_answer(std::string_view message, const std::string& name, DnsType type, std::uint16_t id);
// INVARIANT: is_dns_answer().
DnsAnswer read_dns_answer(std::string_view message, const std::string& name, DnsType type);

}  // namespace keepgate::net
