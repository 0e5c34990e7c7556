#include "crypto/jose_header.h"

#include "base/bytes.h"

namespace keepgate::crypto {

namespace {

// A key that comes with the token proves nothing (CVE-2018-0114).
constexpr std::string_view refused_members[] = {"crit", "b64", "zip", "jwk", "jku", "x5u", "x5c"};

}  // namespace

std::unexpected<Error> bad_jose(std::string detail) {
  return fail(ErrorKind::malformed, Blame::client, "bad_token", std::move(detail));
}

Result<Json> read_jose_header(std::string_view text, HeaderRule rule) {
  Result<Json> header = parse_json(text, header_limits);
  if (!header) return bad_jose(cat("the header is not acceptable JSON: ", header.error().detail));
  if (header->object() == nullptr) return bad_jose("the header is not an object");
  const bool with_key = rule == HeaderRule::with_key;
  const Json* key = header->find("jwk");
  if (with_key && (key == nullptr || key->object() == nullptr)) return bad_jose("jwk is missing or not an object");
  for (const std::string_view name : refused_members) {
    if (with_key && name == "jwk") continue;
    if (header->find(name) != nullptr) return bad_jose(cat("the header has '", name, "'"));
  }
  for (const std::string_view name : {"kid", "typ", "cty"}) {  // RFC 7515 §4.1.4, §4.1.9, §4.1.10.
    const Json* member = header->find(name);
    if (member != nullptr && member->string() == nullptr) return bad_jose(cat(name, " is not a string"));
  }
  return header;
}

Result<std::string_view> required_text(const Json& header, std::string_view name) {
  const std::optional<std::string_view> text = header.string_at(name);
  if (!text) return bad_jose(cat(name, " is missing or not a string"));
  return *text;
}

}  // namespace keepgate::crypto
