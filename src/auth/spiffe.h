// SPIFFE identities: "spiffe://trust-domain/path" (SPIFFE-ID.md §2), and which one a certificate carries
// (X509-SVID.md). Thread rule: pure functions.
#pragma once

#include <optional>
#include <string_view>

#include "crypto/certificate.h"

namespace keepgate::auth {

// A valid identity of a workload: with a path, and without anything that could be spelled another way.
bool is_spiffe_id(std::string_view text);

// The identity of a certificate that is a workload's: exactly one URI in subjectAltName, a valid identity, and no right
// to sign other certificates. Nothing otherwise. Whether anybody vouches for the certificate is another question.
std::optional<std::string_view> spiffe_id_of(const crypto::Certificate& certificate);

// Is `workload` the SPIFFE id or a DNS name of this certificate, which somebody vouches for?
bool certificate_names(const crypto::PresentedCertificate* certificate, std::string_view workload);

}  // namespace keepgate::auth
