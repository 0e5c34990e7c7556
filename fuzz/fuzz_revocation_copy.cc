// rooms: store
// Copies of lists of revocations as a broken disk or somebody else may have left them: what is taken for one has a
// digest that holds, and nothing of it is lost.
#include <cstdint>

#include "base/bytes.h"
#include "crypto/digest.h"
#include "store/revocation_copy.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace keepgate;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  constexpr std::string_view url = "https://a/r";
  if (const auto copy = store::parse_revocation_copy(text, url)) {
    KG_ASSERT(copy->url == url && copy->text.size() < text.size());
  } else {
    KG_ASSERT(copy.error().code == "bad_copy");
  }
  // The same behind a digest that holds: every field of the first line is reached.
  const std::string whole = cat("# keepgate-revocations-1 ", crypto::sha256_hex(text), " ", text);
  if (const auto copy = store::parse_revocation_copy(whole, url)) {
    KG_ASSERT(copy->url == url && whole.ends_with(copy->text) && text.starts_with("version="));
  }
  // The same as an addition to a list that is good: that stays, whatever stands behind it.
  const std::string head = cat("version=7 epoch= bytes=6 url=", url, "\nsub a\n");
  const std::string grown = cat("# keepgate-revocations-2 ", crypto::sha256_hex(head), " ", head,
                                "# keepgate-additions-1 ", crypto::sha256_hex(text), " ", text);
  const auto kept = store::parse_revocation_copy(grown, url);
  KG_ASSERT(kept && kept->version >= 7 && kept->text.starts_with("sub a\n"));
  return 0;
}
