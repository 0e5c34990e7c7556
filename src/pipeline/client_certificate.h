// The certificate of a TLS client: what it is worth to a request, as nginx answers and tells it, and as it is passed on
// (RFC 9440).
//
// INVARIANT: a certificate counts for the server whose context asked for it, and for no other: other servers may trust
// other authorities (CVE-2025-23419). Thread rule: its worker's.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "pipeline/exchange.h"
#include "pipeline/refusal.h"
#include "route/template.h"

namespace keepgate::pipeline {

// What the client showed to the server of this exchange; nullptr: nothing.
const crypto::PresentedCertificate* client_certificate(const Exchange& exchange);

// ssl_verify_client: 421 where the connection was made for another server, 495 for a bad certificate, 496 for none. To
// be asked for each request, since the next one may be for another server, and later.
std::optional<Refusal> check_client_certificate(const Exchange& exchange);

// $ssl_client_*
std::string client_certificate_text(const Exchange& exchange, route::Variable variable);

// RFC 9440 §2.2, §2.3: the values of Client-Cert and Client-Cert-Chain.
std::string client_cert_value(const crypto::PresentedCertificate& certificate);
std::string client_cert_chain_value(const crypto::PresentedCertificate& certificate);

}  // namespace keepgate::pipeline
