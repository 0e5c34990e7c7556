// rooms: crypto
// What parse_json accepts, it writes so that it reads back as the same.
#include <cstdint>

#include "base/error.h"
#include "crypto/json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace keepgate::crypto;
  const auto json = parse_json({reinterpret_cast<const char*>(data), size});
  if (!json) return 0;
  const std::string text = json->write();
  const auto again = parse_json(text, {.bytes_max = 16 * text.size() + 64});
  KG_ASSERT(again.has_value());
  KG_ASSERT(again->write() == text);
  return 0;
}
