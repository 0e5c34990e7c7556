#include "net/dns_message.h"

#include <ares.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "base/error.h"

namespace keepgate::net {

namespace {

constexpr int class_internet = 1;
constexpr std::size_t header_bytes = 12;
constexpr std::uint32_t ttl_s_max = 0x7fffffff;  // RFC 2181 §8: larger ones count as 0.

// Reads a message from front to back; once anything does not fit, good() is false for ever.
class Cursor {
 public:
  explicit Cursor(std::string_view message) : message_(message) {}

  bool good() const { return good_; }
  std::uint16_t u16() {
    const std::string_view two = bytes(2);
    if (!good_) return 0;
    return static_cast<std::uint16_t>(static_cast<unsigned char>(two[0]) << 8 | static_cast<unsigned char>(two[1]));
  }
  std::uint32_t u32() {
    const std::uint32_t high = u16();
    return high << 16 | u16();
  }
  std::string_view bytes(std::size_t count) {
    if (!good_ || message_.size() - at_ < count) return fail();
    const std::string_view out = message_.substr(at_, count);
    at_ += count;
    return out;
  }
  // Expanded, without the dot at its end. Compression that loops or leaves the message is refused by c-ares.
  std::string name() {
    if (!good_ || at_ >= message_.size()) return std::string(fail());
    const auto* start = reinterpret_cast<const unsigned char*>(message_.data());
    char* expanded = nullptr;
    long used = 0;
    const int status = ::ares_expand_name(start + at_, start, static_cast<int>(message_.size()), &expanded, &used);
    const std::unique_ptr<char, void (*)(char*)> owner(expanded, [](char* text) { ::ares_free_string(text); });
    if (status != ARES_SUCCESS || used <= 0 || static_cast<std::size_t>(used) > message_.size() - at_) {
      return std::string(fail());
    }
    at_ += static_cast<std::size_t>(used);
    return expanded;
  }

 private:
  std::string_view fail() {
    good_ = false;
    return {};
  }
  std::string_view message_;
  std::size_t at_ = 0;
  bool good_ = true;
};

struct Header {
  std::uint16_t id = 0, flags = 0, questions = 0, answers = 0, authorities = 0;
  bool is_answer() const { return (flags & 0x8000) != 0 && ((flags >> 11) & 0xf) == 0; }
  bool truncated() const { return (flags & 0x0200) != 0; }
  unsigned code() const { return flags & 0xf; }
};

Header read_header(Cursor& in) {
  Header out;
  out.id = in.u16();
  out.flags = in.u16();
  out.questions = in.u16();
  out.answers = in.u16();
  out.authorities = in.u16();
  in.u16();
  return out;
}

struct Record {
  std::string owner;
  std::uint16_t type = 0;
  bool internet = false;
  std::uint32_t ttl_s = 0;
  std::string_view data;
};

Record read_record(Cursor& in) {
  Record out;
  out.owner = in.name();
  out.type = in.u16();
  out.internet = in.u16() == class_internet;
  out.ttl_s = in.u32();
  if (out.ttl_s > ttl_s_max) out.ttl_s = 0;
  out.data = in.bytes(in.u16());
  return out;
}

DnsOutcome outcome_of(unsigned code) {
  switch (code) {
    case 0:
      return DnsOutcome::found;
    case 1:
      return DnsOutcome::format_error;
    case 2:
      return DnsOutcome::server_failure;
    case 3:
      return DnsOutcome::no_such_name;
    case 4:
      return DnsOutcome::not_implemented;
    case 5:
      return DnsOutcome::refused;
    default:
      return DnsOutcome::other_code;
  }
}

std::optional<Address> address_in(const Record& record) {
  if (record.type == static_cast<std::uint16_t>(DnsType::a)) {
    sockaddr_in native{};
    if (record.data.size() != sizeof native.sin_addr) return std::nullopt;
    native.sin_family = AF_INET;
    std::memcpy(&native.sin_addr, record.data.data(), sizeof native.sin_addr);
    return Address::from_native(reinterpret_cast<const sockaddr*>(&native), sizeof native);
  }
  sockaddr_in6 native{};
  if (record.data.size() != sizeof native.sin6_addr) return std::nullopt;
  native.sin6_family = AF_INET6;
  std::memcpy(&native.sin6_addr, record.data.data(), sizeof native.sin6_addr);
  return Address::from_native(reinterpret_cast<const sockaddr*>(&native), sizeof native);
}

// Names in the data of a record may point into the message: they are read where they stand.
Cursor cursor_at(std::string_view message, std::string_view data) {
  Cursor out(message);
  out.bytes(static_cast<std::size_t>(data.data() - message.data()));
  return out;
}

// What one walk over the answers found for `name`.
class Walk {
 public:
  Walk(std::string_view message, DnsType type) : message_(message), type_(type) {}

  // False: the message breaks off.
  bool run(Cursor in, std::size_t records, const std::string& name, DnsAnswer& out) {
    alias_.clear();
    for (std::size_t i = 0; i < std::min(records, dns_answers_max); ++i) {
      const Record record = read_record(in);
      if (!in.good()) return false;
      if (!record.internet || !equals_ignoring_case(record.owner, name)) continue;
      if (record.type == static_cast<std::uint16_t>(type_)) {
        if (!take(record, out)) return false;
      } else if (record.type == static_cast<std::uint16_t>(DnsType::cname) && alias_.empty()) {
        Cursor target = cursor_at(message_, record.data);
        alias_ = target.name();
        if (!target.good()) return false;
        alias_ttl_s_ = record.ttl_s;
      }
    }
    return true;
  }
  const std::string& alias() const { return alias_; }
  std::uint32_t alias_ttl_s() const { return alias_ttl_s_; }

 private:
  bool take(const Record& record, DnsAnswer& out) {
    out.ttl_s = std::min(out.ttl_s, record.ttl_s);
    if (type_ == DnsType::srv) {
      Cursor in = cursor_at(message_, record.data);
      ServiceRecord service;
      service.priority = in.u16();
      service.weight = in.u16();
      service.port = in.u16();
      service.host = in.name();
      if (!in.good()) return false;
      out.services.push_back(std::move(service));
      return true;
    }
    const auto address = address_in(record);
    if (address) out.addresses.push_back(*address);
    return address.has_value();
  }

  std::string_view message_;
  DnsType type_;
  std::string alias_;
  std::uint32_t alias_ttl_s_ = 0;
};

// RFC 2308 §5: how long the absence may be remembered.
std::uint32_t negative_ttl_s(std::string_view message, Cursor in, const Header& header) {
  for (std::size_t i = 0; i < std::min<std::size_t>(header.answers, dns_answers_max); ++i) read_record(in);
  for (std::size_t i = 0; i < std::min<std::size_t>(header.authorities, dns_answers_max) && in.good(); ++i) {
    const Record record = read_record(in);
    if (!in.good() || record.type != static_cast<std::uint16_t>(DnsType::soa)) continue;
    Cursor soa = cursor_at(message, record.data);
    soa.name();
    soa.name();
    for (int skipped = 0; skipped < 4; ++skipped) soa.u32();
    const std::uint32_t minimum = soa.u32();
    return soa.good() ? std::min(record.ttl_s, minimum) : 0;
  }
  return 0;
}

}  // namespace

std::string_view describe(DnsOutcome outcome) {
  switch (outcome) {
    case DnsOutcome::malformed:
      return "malformed answer";
    case DnsOutcome::format_error:
      return "1: Format error";
    case DnsOutcome::server_failure:
      return "2: Server failure";
    case DnsOutcome::no_such_name:
    case DnsOutcome::no_records:
      return "3: Host not found";
    case DnsOutcome::not_implemented:
      return "4: Unimplemented";
    case DnsOutcome::refused:
      return "5: Operation refused";
    case DnsOutcome::timeout:
      return "110: Operation timed out";
    case DnsOutcome::found:
      return "found";
    case DnsOutcome::other_code:
      break;
  }
  return "Unknown error";
}

bool is_dns_name(std::string_view name) {
  if (name.empty() || name.size() > 253) return false;
  std::size_t label = 0;
  for (const char c : name) {
    if (c == '.') {
      if (label == 0) return false;
      label = 0;
    } else if (!(is_alpha(c) || is_digit(c) || c == '-' || c == '_') || ++label > 63) {
      return false;
    }
  }
  return label > 0;
}

std::string make_dns_question(const std::string& name, DnsType type, std::uint16_t id) {
  if (!is_dns_name(name)) return {};
  unsigned char* bytes = nullptr;
  int count = 0;
  // No EDNS: an answer over 512 bytes comes by TCP, where nobody can slip in fragments.
  const int status = ::ares_create_query(name.c_str(), class_internet, static_cast<int>(type), id, 1 /* recursion */,
                                         &bytes, &count, 0);
  const std::unique_ptr<unsigned char, void (*)(void*)> owner(bytes, ::ares_free_string);
  if (status != ARES_SUCCESS || count <= 0) return {};
  return {reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(count)};
}

bool is_dns_answer(std::string_view message, const std::string& name, DnsType type, std::uint16_t id) {
  if (message.size() < header_bytes) return false;
  Cursor in(message);
  const Header header = read_header(in);
  if (header.id != id || !header.is_answer() || header.questions != 1) return false;
  const std::string asked = in.name();
  const std::uint16_t its_type = in.u16();
  const std::uint16_t its_class = in.u16();
  return in.good() && equals_ignoring_case(asked, name) && its_type == static_cast<std::uint16_t>(type) &&
         its_class == class_internet;
}

DnsAnswer read_dns_answer(std::string_view message, const std::string& name, DnsType type) {
  Cursor in(message);
  const Header header = read_header(in);
  in.name();
  in.u32();
  KG_ASSERT(in.good());
  DnsAnswer out;
  out.truncated = header.truncated();
  out.outcome = outcome_of(header.code());
  if (out.outcome == DnsOutcome::no_such_name) out.ttl_s = negative_ttl_s(message, in, header);
  if (out.outcome != DnsOutcome::found || out.truncated) return out;

  out.ttl_s = ttl_s_max;
  std::string current = name;
  for (std::size_t i = 0; i <= dns_aliases_max; ++i) {
    Walk walk(message, type);
    if (!walk.run(in, header.answers, current, out)) return {};
    if (!out.addresses.empty() || !out.services.empty()) return out;
    if (walk.alias().empty() || i == dns_aliases_max) break;
    current = walk.alias();
    out.ttl_s = std::min(out.ttl_s, walk.alias_ttl_s());
  }
  out.outcome = DnsOutcome::no_records;
  out.ttl_s = negative_ttl_s(message, in, header);
  if (!equals_ignoring_case(current, name)) out.alias = std::move(current);
  return out;
}

}  // namespace keepgate::net
