// rooms: crypto
// Keys and key sets from hostile hands; what is accepted has an algorithm and never shows its private half.
#include <cstdint>

#include "base/error.h"
#include "crypto/json.h"
#include "crypto/jwk.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace keepgate;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto key = crypto::parse_jwk(text)) {
    KG_ASSERT((*key)->algorithm() != crypto::Algorithm::none);
    if (const auto half = crypto::public_jwk(text)) {
      const auto again = crypto::parse_jwk(*half);
      KG_ASSERT(again.has_value() && !(*again)->is_private());
    }
  }
  Diagnostics diagnostics;
  const auto set = crypto::KeySet::parse(text, {}, diagnostics);
  KG_ASSERT((set == nullptr) == diagnostics.has_errors());
  return 0;
}
