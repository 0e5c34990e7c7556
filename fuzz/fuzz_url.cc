// rooms: fetch base
// URLs to fetch from: what is taken is written back in one form, which is taken again and means the same.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "fetch/url.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using keepgate::fetch::Url;
  std::string why;
  const auto url = Url::parse({reinterpret_cast<const char*>(data), size}, why);
  KG_ASSERT(url || !why.empty());
  if (!url) return 0;
  for (const char c : url->text()) KG_ASSERT(c > 0x20 && c < 0x7f && c != '#' && c != '\\');
  KG_ASSERT(url->host.find('@') == std::string::npos && !url->host.empty() && url->port != 0);
  const auto again = Url::parse(url->text(), why);
  KG_ASSERT(again && again->text() == url->text() && again->host == url->host && again->port == url->port);
  return 0;
}
