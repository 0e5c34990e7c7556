// rooms: auth crypto http route base
// Any head: no signature by a key that nobody has ever verifies, and what a base was built of is covered once.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "auth/content_digest.h"
#include "auth/http_signature.h"
#include "base/diagnostics.h"
#include "base/error.h"
#include "http/h1_parser.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace keepgate;
  static const auto keys = [] {
    Diagnostics diagnostics;
    return crypto::KeySet::parse(
        R"({"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})", {},
        diagnostics);
  }();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)auth::check_content_digest(text);
  if (const auto components = auth::parse_components(text)) {
    for (const std::string& one : *components) KG_ASSERT(http::parse_item(one));
  }
  std::string head(text);
  http::RequestParser parser;
  if (parser.parse(head) != http::ParseStatus::complete) return 0;
  auth::SignatureOptions options;
  options.keys = keys;
  options.max_age_s = 1'000'000'000'000;
  const auth::SignedRequest request{parser.head(), false};
  KG_ASSERT(!auth::verify_signature(request, options, {0, 1'700'000'000'000}));
  std::string field;
  if (!auth::joined_field(parser.head(), "signature-input", field)) return 0;
  const auto inputs = http::parse_dictionary(field);
  if (!inputs) return 0;
  for (const http::StructuredMember& input : *inputs) {
    const auto base = auth::signature_base(input, request);
    // One line a component and one for the parameters: no value breaks a line.
    if (base) KG_ASSERT(static_cast<std::size_t>(std::ranges::count(*base, '\n')) == input.items.size());
  }
  return 0;
}
