// rooms: crypto
// Each byte string has one spelling, and each spelling that is accepted is it.
#include <cstdint>

#include "base/error.h"
#include "crypto/base64url.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace keepgate;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto bytes = crypto::base64url_decode(text)) KG_ASSERT(crypto::base64url_encode(*bytes) == text);
  const auto again = crypto::base64url_decode(crypto::base64url_encode(text));
  KG_ASSERT(again && *again == text);
  return 0;
}
