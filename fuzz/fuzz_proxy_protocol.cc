// rooms: net base
// The PROXY protocol: however the bytes are cut, the verdict is the same; what was read and is written reads the same.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "net/proxy_protocol.h"

namespace {

using namespace keepgate;
using net::ProxyParse;
using net::ProxyParsed;

void check_written_again(const net::ProxyHeader& header) {
  const std::string text = net::write_proxy_v2(header.source, header.destination);
  const ProxyParsed again = net::parse_proxy_header(text);
  KG_ASSERT(again.status == ProxyParse::complete && again.bytes == text.size() && again.has_addresses);
  KG_ASSERT(again.header.source.text() == header.source.text());
  KG_ASSERT(again.header.destination.text() == header.destination.text());
  const std::string line = net::write_proxy_v1(header.source, header.destination);
  KG_ASSERT(line.size() <= net::proxy_line_bytes_max);
  KG_ASSERT(net::parse_proxy_header(line).status == ProxyParse::complete);
}

// The first verdict that is not `need_more`, over longer and longer beginnings.
ProxyParsed parse_in_steps(std::string_view text) {
  ProxyParsed parsed;
  for (std::size_t size = 0; size <= text.size(); ++size) {
    const std::string piece(text.substr(0, size));
    parsed = net::parse_proxy_header(piece);
    if (parsed.status != ProxyParse::need_more) break;
  }
  return parsed;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const ProxyParsed whole = net::parse_proxy_header(text);
  KG_ASSERT((whole.status == ProxyParse::malformed) != whole.reason.empty());
  KG_ASSERT(whole.status != ProxyParse::complete || (whole.bytes > 0 && whole.bytes <= size));
  KG_ASSERT(whole.status != ProxyParse::need_more || size < net::proxy_header_bytes_max);
  KG_ASSERT(parse_in_steps(text.substr(0, net::proxy_header_bytes_max)).status == whole.status);
  if (whole.has_addresses) check_written_again(whole.header);
  return 0;
}
