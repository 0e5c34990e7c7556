#include "auth/content_digest.h"

#include "base/bytes.h"
#include "crypto/base64.h"
#include "crypto/digest.h"
#include "http/structured_field.h"

namespace keepgate::auth {

namespace {

constexpr std::size_t sha256_bytes = 32, sha512_bytes = 64;

std::unexpected<Error> bad_digest(std::string_view detail) {
  return fail(ErrorKind::refused, Blame::client, "invalid_signature", cat("Content-Digest: ", detail));
}

struct StatedDigests {
  std::string sha256, sha512;  // "": not stated.
};

Result<StatedDigests> read_digests(std::string_view field) {
  const auto dictionary = http::parse_dictionary(field);
  if (!dictionary) return bad_digest(dictionary.error().detail);
  StatedDigests out;
  for (const http::StructuredMember& member : *dictionary) {
    const bool is_256 = member.key == "sha-256";
    if (!is_256 && member.key != "sha-512") continue;
    if (member.is_list || member.item.value.kind != http::BareKind::bytes) return bad_digest("no byte sequence");
    const auto bytes = crypto::base64_decode(member.item.value.text);
    if (!bytes || bytes->size() != (is_256 ? sha256_bytes : sha512_bytes)) return bad_digest("not as long as a digest");
    (is_256 ? out.sha256 : out.sha512) = *bytes;
  }
  if (out.sha256.empty() && out.sha512.empty()) return bad_digest("neither sha-256 nor sha-512");
  return out;
}

}  // namespace

Result<void> check_content_digest(std::string_view field) {
  const auto stated = read_digests(field);
  return stated ? Result<void>() : std::unexpected(stated.error());
}

Result<void> verify_content_digest(std::string_view field, const BodyDigests& body) {
  const auto stated = read_digests(field);
  if (!stated) return std::unexpected(stated.error());
  const bool is_right = (stated->sha256.empty() || crypto::equal_constant_time(stated->sha256, body.sha256)) &&
                        (stated->sha512.empty() || crypto::equal_constant_time(stated->sha512, body.sha512));
  if (!is_right) return bad_digest("the body is another one");
  return {};
}

}  // namespace keepgate::auth
