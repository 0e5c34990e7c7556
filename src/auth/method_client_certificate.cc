// auth_client_certificate: who the verified certificate of the TLS client names. The handshake proved that the client
// has its key; who vouches for it was checked there.
#include "auth/challenge.h"
#include "auth/methods.h"
#include "auth/spiffe.h"
#include "base/bytes.h"

namespace keepgate::auth {

namespace {

// Exactly one, or nobody can say which one is meant. A wildcard names many.
AuthResult named_by_dns(const crypto::Certificate& leaf) {
  if (leaf.dns_names.size() != 1) {
    return AuthResult::is_bad(
        cat("the client certificate has ", leaf.dns_names.size(), " DNS names, and one is wanted"));
  }
  if (leaf.dns_names[0].find('*') != std::string::npos) {
    return AuthResult::is_bad("the client certificate is for a wildcard");
  }
  auto principal = std::make_shared<Principal>();
  principal->method = AuthMethod::client_certificate;
  principal->client = to_lower(leaf.dns_names[0]);
  return AuthResult::is_good(std::move(principal));
}

// A SPIFFE id is a workload's; another URI is a client's.
AuthResult named_by_uri(const crypto::Certificate& leaf) {
  if (leaf.uris.size() != 1) {
    return AuthResult::is_bad(cat("the client certificate has ", leaf.uris.size(), " URIs, and one is wanted"));
  }
  auto principal = std::make_shared<Principal>();
  principal->method = AuthMethod::client_certificate;
  if (const auto id = spiffe_id_of(leaf)) {
    principal->service = std::string(*id);
  } else if (to_lower(leaf.uris[0]).starts_with("spiffe:")) {
    return AuthResult::is_bad(
        "the SPIFFE id of the client certificate is not valid, or the certificate may sign others");
  } else {
    principal->client = leaf.uris[0];
  }
  return AuthResult::is_good(std::move(principal));
}

AuthResult named_by_common_name(const crypto::Certificate& leaf) {
  if (leaf.common_name.empty()) return AuthResult::is_bad("the client certificate does not have one common name");
  auto principal = std::make_shared<Principal>();
  principal->method = AuthMethod::client_certificate;
  principal->client = leaf.common_name;
  return AuthResult::is_good(std::move(principal));
}

}  // namespace

AuthResult authenticate_by_client_certificate(const AuthInput& input) {
  const crypto::PresentedCertificate* const shown = input.channel.certificate;
  if (!shown) return AuthResult::is_not_mine();
  if (!shown->verified) return AuthResult::is_bad(cat("client certificate: ", shown->fault));
  const std::int64_t now_s = input.now.wall_s();
  if (now_s > shown->leaf.not_after_s || now_s < shown->leaf.not_before_s) {
    return AuthResult::is_bad("client certificate: it has expired, or is not valid yet");
  }
  if (shown->leaf.names_are_odd) return AuthResult::is_bad("client certificate: a name has bytes that no name has");
  switch (input.options.certificate.name) {
    case CertificateName::san_uri:
      return named_by_uri(shown->leaf);
    case CertificateName::san_dns:
      return named_by_dns(shown->leaf);
    case CertificateName::common_name:
      return named_by_common_name(shown->leaf);
  }
  return AuthResult::is_bad("client certificate: nothing says which name counts");
}

// No scheme of HTTP asks for a certificate; RFC 9110 §15.5.2 wants one in every 401, and this one tells what is
// missing.
std::string challenge_for_client_certificate(const AuthInput& input, std::string_view error) {
  return challenge("ClientCertificate", input.options.certificate.realm, error);
}

}  // namespace keepgate::auth
