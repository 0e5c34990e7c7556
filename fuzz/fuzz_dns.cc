// rooms: net base
// Answers of name servers: whatever the bytes are, they are read within bounds, and what is found has an address.
#include <cstdint>
#include <string>

#include "base/error.h"
#include "net/dns_message.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace keepgate::net;
  const std::string_view message(reinterpret_cast<const char*>(data), size);
  if (size < 2) return 0;
  const auto id = static_cast<std::uint16_t>(data[0] << 8 | data[1]);
  for (const DnsType type : {DnsType::a, DnsType::aaaa, DnsType::srv}) {
    if (!is_dns_answer(message, "a.test", type, id)) continue;
    const DnsAnswer answer = read_dns_answer(message, "a.test", type);
    const bool has_any = !answer.addresses.empty() || !answer.services.empty();
    KG_ASSERT((answer.outcome == DnsOutcome::found && !answer.truncated) == has_any || answer.truncated);
    KG_ASSERT(answer.addresses.size() <= dns_answers_max && answer.services.size() <= dns_answers_max);
    for (const Address& address : answer.addresses) KG_ASSERT(!address.ip_bytes().empty() && address.port() == 0);
  }
  return 0;
}
