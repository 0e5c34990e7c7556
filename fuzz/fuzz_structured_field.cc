// rooms: http base
// What was taken is written in one spelling, which reads as the same again.
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "http/structured_field.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace keepgate;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto parsed = http::parse_dictionary(text)) {
    KG_ASSERT(parsed->size() <= http::structured_members_max);
    const std::string written = http::write_dictionary(*parsed);
    const auto again = http::parse_dictionary(written);
    // Written with ", " between members it may have become too long to be read.
    KG_ASSERT(again || written.size() > http::structured_bytes_max);
    if (again) KG_ASSERT(http::write_dictionary(*again) == written);
  }
  if (const auto item = http::parse_item(text)) {
    const std::string written = http::write_item(*item);
    const auto again = http::parse_item(written);
    KG_ASSERT(again && http::write_item(*again) == written);
  }
  return 0;
}
