// Verification of the certificates that clients show (ssl_verify_client and its siblings).
//
// A bad certificate does not end the handshake: whoever reads the request says what becomes of it, as in nginx, and so
// that a client learns why. Private to this room. Thread rule: contexts are prepared while configuration is read; the
// rest runs on the session's loop.
#pragma once

#include <memory>

#include "crypto/certificate.h"
#include "tls/context.h"
#include "tls/credentials.h"
#include "tls/handles.h"

namespace keepgate::tls {

// Authorities, revocation lists and the names that are sent to clients. Complains about what cannot be used.
void prepare_verification(SSL_CTX* context, const ClientVerification& options, const Complaints& complaints);
// The session asks its client for a certificate. The context was prepared.
void ask_for_certificate(SSL* session, const ClientVerification& options);
// What the client of a finished handshake showed; nullptr: nothing.
std::shared_ptr<const crypto::PresentedCertificate> presented_certificate(SSL* session);

}  // namespace keepgate::tls
