#include "auth/spiffe.h"

#include <algorithm>

#include "base/bytes.h"

namespace keepgate::auth {

namespace {

constexpr std::string_view scheme = "spiffe://";
constexpr std::size_t id_bytes_max = 2048;           // SPIFFE-ID.md §2.3.
constexpr std::size_t trust_domain_bytes_max = 255;  // Likewise.

// SPIFFE-ID.md §2.1: small letters only, so that a domain has one spelling.
bool is_trust_domain(std::string_view text) {
  return !text.empty() && text.size() <= trust_domain_bytes_max && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || is_digit(c) || c == '.' || c == '-' || c == '_';
  });
}

// SPIFFE-ID.md §2.2: no empty segment, no "." and "..", nothing percent-encoded.
bool is_segment(std::string_view text) {
  return !text.empty() && text != "." && text != ".." && std::ranges::all_of(text, [](char c) {
    return is_alpha(c) || is_digit(c) || c == '.' || c == '-' || c == '_';
  });
}

}  // namespace

bool is_spiffe_id(std::string_view text) {
  if (text.size() > id_bytes_max || !text.starts_with(scheme)) return false;
  text.remove_prefix(scheme.size());
  std::size_t slash = text.find('/');
  if (slash == std::string_view::npos || !is_trust_domain(text.substr(0, slash))) return false;
  while (slash != std::string_view::npos) {
    text.remove_prefix(slash + 1);
    slash = text.find('/');
    if (!is_segment(text.substr(0, slash))) return false;
  }
  return true;
}

std::optional<std::string_view> spiffe_id_of(const crypto::Certificate& certificate) {
  // X509-SVID.md §2, §4: more than one URI, or the right to sign, must be refused.
  if (certificate.uris.size() != 1 || certificate.may_sign_certificates) return std::nullopt;
  if (!is_spiffe_id(certificate.uris[0])) return std::nullopt;
  return certificate.uris[0];
}

bool certificate_names(const crypto::PresentedCertificate* certificate, std::string_view workload) {
  if (!certificate || !certificate->verified || workload.empty()) return false;
  if (const auto id = spiffe_id_of(certificate->leaf); id && *id == workload) return true;
  return workload.find('*') == std::string_view::npos &&
         std::ranges::any_of(certificate->leaf.dns_names,
                             [&](const std::string& name) { return equals_ignoring_case(name, workload); });
}

}  // namespace keepgate::auth
