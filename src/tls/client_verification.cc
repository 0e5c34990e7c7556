#include "tls/client_verification.h"

#include "base/bytes.h"

namespace keepgate::tls {

namespace {

// What may be wrong with a certificate that nobody vouches for, and with nothing else (nginx's list).
bool only_lacks_an_authority(int error) {
  switch (error) {
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return true;
    default:
      return false;
  }
}

struct Faults {
  int first_grave = X509_V_OK;
  int last = X509_V_OK;
};

// Goes on after each fault, so that all are seen: a lack of an authority must not hide that a certificate is revoked or
// out of date.
int on_certificate(int good, X509_STORE_CTX* store) noexcept {
  if (good != 0) return 1;
  Faults& faults = *static_cast<Faults*>(X509_STORE_CTX_get_app_data(store));
  faults.last = X509_STORE_CTX_get_error(store);
  // A chain that is too long reaches no authority either.
  const bool grave = !only_lacks_an_authority(faults.last) && faults.last != X509_V_ERR_CERT_CHAIN_TOO_LONG;
  if (grave && faults.first_grave == X509_V_OK) faults.first_grave = faults.last;
  return 1;
}

// The result goes into the session and with it into tickets: whoever resumes is no better off.
int verify_chain(X509_STORE_CTX* store, void*) noexcept {
  Faults faults;
  if (X509_STORE_CTX_set_app_data(store, &faults) != 1) {
    X509_STORE_CTX_set_error(store, X509_V_ERR_OUT_OF_MEM);
    return 1;
  }
  X509_STORE_CTX_set_verify_cb(store, on_certificate);
  const int result = X509_verify_cert(store);
  X509_STORE_CTX_set_app_data(store, nullptr);
  int error = faults.first_grave != X509_V_OK ? faults.first_grave : faults.last;
  if (error == X509_V_OK) error = X509_STORE_CTX_get_error(store);
  if (error == X509_V_OK && result != 1) error = X509_V_ERR_UNSPECIFIED;
  X509_STORE_CTX_set_error(store, error);
  return 1;
}

void add_authorities(SSL_CTX* context, const std::string& path, bool tell_clients, const Complaints& complaints) {
  if (path.empty()) return;
  const X509StackPtr certificates = load_certificates(path, complaints);
  if (!certificates) return;
  X509_STORE* const store = SSL_CTX_get_cert_store(context);
  for (int i = 0; i < sk_X509_num(certificates.get()); ++i) {
    X509* const one = sk_X509_value(certificates.get(), i);
    if (X509_STORE_add_cert(store, one) != 1 || (tell_clients && SSL_CTX_add_client_CA(context, one) != 1)) {
      complaints.error("KG602", cat("certificate of \"", path, "\" cannot be used: ", take_error()));
    }
  }
}

// X509_V_FLAG_CRL_CHECK_ALL: each authority of a chain needs its list, and a list that is out of date refuses.
void add_revocations(SSL_CTX* context, const std::string& path, const Complaints& complaints) {
  if (path.empty()) return;
  X509_STORE* const store = SSL_CTX_get_cert_store(context);
  if (load_revocations(store, path, complaints)) {
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  }
}

}  // namespace

void prepare_verification(SSL_CTX* context, const ClientVerification& options, const Complaints& complaints) {
  if (options.mode == VerifyClient::off) return;
  add_authorities(context, options.authorities, true, complaints);
  add_authorities(context, options.trusted, false, complaints);
  add_revocations(context, options.revocations, complaints);
  SSL_CTX_set_cert_verify_callback(context, verify_chain, nullptr);
}

void ask_for_certificate(SSL* session, const ClientVerification& options) {
  if (options.mode == VerifyClient::off) return;
  SSL_set_verify(session, SSL_VERIFY_PEER, nullptr);
  SSL_set_verify_depth(session, options.depth);
  SSL_set_max_cert_list(session, static_cast<long>(crypto::Certificate::bytes_max));
}

std::shared_ptr<const crypto::PresentedCertificate> presented_certificate(SSL* session) {
  const X509* const leaf = SSL_get0_peer_certificate(session);
  if (!leaf) return nullptr;
  const auto der_of = [](const X509* certificate) {
    unsigned char* bytes = nullptr;
    const int length = i2d_X509(certificate, &bytes);
    if (length <= 0) return std::string();
    std::string der(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(length));
    OPENSSL_free(bytes);
    return der;
  };
  auto out = std::make_shared<crypto::PresentedCertificate>();
  auto read = crypto::read_certificate(der_of(leaf));
  const long result = SSL_get_verify_result(session);
  out->verified = read.has_value() && result == X509_V_OK;
  if (read) out->leaf = *std::move(read);
  if (!out->verified) {
    out->fault = result == X509_V_OK ? "the certificate cannot be read" : X509_verify_cert_error_string(result);
    out->only_lacks_an_authority = !out->leaf.der.empty() && only_lacks_an_authority(static_cast<int>(result));
  }
  const STACK_OF(X509)* const chain = SSL_get_peer_cert_chain(session);
  for (int i = 0; chain && i < sk_X509_num(chain); ++i) out->chain.push_back(der_of(sk_X509_value(chain, i)));
  ERR_clear_error();
  return out;
}

}  // namespace keepgate::tls
