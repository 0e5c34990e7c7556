// rooms: crypto
// Certificates from hostile hands: what is accepted is bounded, and its names mean one thing to every reader.
#include <algorithm>
#include <cstdint>

#include "base/error.h"
#include "crypto/certificate.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace keepgate;
  const std::string_view der(reinterpret_cast<const char*>(data), size);
  const auto read = crypto::read_certificate(der);
  if (!read) return 0;
  KG_ASSERT(read->der == der);
  KG_ASSERT(read->uris.size() + read->dns_names.size() <= crypto::Certificate::names_max);
  KG_ASSERT(!read->names_are_odd || (read->uris.empty() && read->dns_names.empty() && read->common_name.empty()));
  for (const auto* names : {&read->uris, &read->dns_names}) {
    for (const std::string& name : *names) {
      KG_ASSERT(!name.empty() && std::ranges::all_of(name, [](char c) { return c > ' ' && c < '\x7f'; }));
    }
  }
  KG_ASSERT(read->pem().size() > der.size() && read->sha1_hex().size() == 40);
  KG_ASSERT(!crypto::certificate_time_text(read->not_after_s).empty());
  return 0;
}
