// Certificate: what an X.509 certificate (RFC 5280) says, as plain values. It does not tell whether anybody vouches for
// it: PresentedCertificate does, of one that a peer showed and proved in its TLS handshake to have the key of.
//
// Thread rule: plain values, immutable once shared. Bounds: bytes_max, names_max.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keepgate::crypto {

struct Certificate {
  static constexpr std::size_t bytes_max = 32 * 1024;
  static constexpr std::size_t names_max = 100;  // Of subjectAltName.

  std::string der;
  std::string subject, issuer;  // RFC 2253.
  std::string serial;           // Hexadecimal, capitals.
  std::int64_t not_before_s = 0, not_after_s = 0;
  // Of subjectAltName (RFC 5280 §4.2.1.6). Where `names_are_odd`, all of these are empty: a name holds bytes that no
  // such name has (a NUL, a space), the extension is malformed or there twice, or there are too many.
  std::vector<std::string> uris, dns_names;
  std::string common_name;  // If the subject has exactly one.
  bool names_are_odd = false;
  bool may_sign_certificates = false;  // An authority's, or one that could be.

  std::string sha1_hex() const;                  // nginx's fingerprint: for comparison by people, protects nobody.
  std::array<unsigned char, 32> sha256() const;  // RFC 8705 §3.1 takes it in base64url.
  std::string pem() const;                       // With its last line break.
};

// Nothing if `der` is not exactly one certificate, or too large.
std::optional<Certificate> read_certificate(std::string_view der);

// "Nov 27 02:00:00 2026 GMT", as OpenSSL writes it.
std::string certificate_time_text(std::int64_t seconds);

struct PresentedCertificate {
  Certificate leaf;
  std::vector<std::string> chain;        // What else the peer sent, DER; not after a resumed session.
  bool verified = false;                 // The chain ends at a trusted authority, and nothing in it is wrong.
  std::string fault;                     // Why it is not, in OpenSSL's words.
  bool only_lacks_an_authority = false;  // The fault: nobody vouches for it, and nothing else is wrong.
};

}  // namespace keepgate::crypto
