#include "crypto/certificate.h"

#include <openssl/bio.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>

#include "base/bytes.h"
#include "crypto/base64.h"
#include "crypto/digest.h"
#include "crypto/openssl.h"

namespace keepgate::crypto {

namespace {

using X509Ptr = std::unique_ptr<X509, Freer<X509_free>>;
using BioPtr = std::unique_ptr<BIO, Freer<BIO_free>>;
using NamesPtr = std::unique_ptr<GENERAL_NAMES, Freer<GENERAL_NAMES_free>>;

std::string_view bytes_of(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<std::size_t>(ASN1_STRING_length(text))};
}

std::string name_text(const X509_NAME* name) {
  const BioPtr out(BIO_new(BIO_s_mem()));
  if (!out || X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253) < 0) return {};
  char* text = nullptr;
  const long bytes = BIO_get_mem_data(out.get(), &text);
  return bytes > 0 ? std::string(text, static_cast<std::size_t>(bytes)) : std::string();
}

// As i2a_ASN1_INTEGER writes it, without its line breaks.
std::string serial_text(const ASN1_INTEGER* serial) {
  const std::string_view bytes = bytes_of(serial);
  std::string out = ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER ? "-" : "";
  out += bytes.empty() ? "00" : to_hex(bytes);
  std::ranges::transform(out, out.begin(), [](char c) { return c >= 'a' && c <= 'f' ? static_cast<char>(c - 32) : c; });
  return out;
}

std::optional<std::int64_t> seconds_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return std::nullopt;
  return static_cast<std::int64_t>(::timegm(&parts));
}

// A name that a program could read differently from the next one is none (CVE-2022-21657 and its kind).
bool is_plain(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) { return c > ' ' && c < '\x7f'; });
}

bool read_names(const X509* certificate, Certificate& out) {
  int critical = -1;
  const NamesPtr names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, &critical, nullptr)));
  if (!names) return critical == -1;  // -1: there is none. Else it is malformed, or there twice.
  const int count = sk_GENERAL_NAME_num(names.get());
  if (count < 0 || static_cast<std::size_t>(count) > Certificate::names_max) return false;
  for (int i = 0; i < count; ++i) {
    int type = -1;
    const void* const value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names.get(), i), &type);
    if (type != GEN_URI && type != GEN_DNS) continue;
    const std::string_view name = bytes_of(static_cast<const ASN1_STRING*>(value));
    if (!is_plain(name)) return false;
    (type == GEN_URI ? out.uris : out.dns_names).emplace_back(name);
  }
  return true;
}

// "" unless there is exactly one, and it is text that means one thing.
std::string common_name(const X509_NAME* subject) {
  const int first = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (first < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, first) >= 0) return {};
  const ASN1_STRING* const text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, first));
  unsigned char* bytes = nullptr;
  const int length = ASN1_STRING_to_UTF8(&bytes, text);
  if (length < 0) return {};
  std::string name(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(length));
  OPENSSL_free(bytes);
  const bool has_control =
      std::ranges::any_of(name, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; });
  return has_control ? std::string() : name;
}

}  // namespace

std::string Certificate::sha1_hex() const {
  unsigned char out[SHA_DIGEST_LENGTH];
  unsigned bytes = sizeof out;
  if (EVP_Digest(der.data(), der.size(), out, &bytes, EVP_sha1(), nullptr) != 1) return {};
  return to_hex({reinterpret_cast<const char*>(out), bytes});
}

std::array<unsigned char, 32> Certificate::sha256() const { return crypto::sha256(der); }

std::string Certificate::pem() const {
  constexpr std::size_t line_bytes = 64;
  const std::string text = base64_encode(der);
  std::string out = "-----BEGIN CERTIFICATE-----\n";
  for (std::size_t at = 0; at < text.size(); at += line_bytes) append(out, text.substr(at, line_bytes), '\n');
  return out += "-----END CERTIFICATE-----\n";
}

std::string certificate_time_text(std::int64_t seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  constexpr std::string_view months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  char rest[32];
  const std::size_t bytes = std::strftime(rest, sizeof rest, "%e %H:%M:%S %Y GMT", &parts);
  return cat(months[static_cast<std::size_t>(parts.tm_mon)], ' ', std::string_view(rest, bytes));
}

std::optional<Certificate> read_certificate(std::string_view der) {
  if (der.empty() || der.size() > Certificate::bytes_max) return std::nullopt;
  const ErrorQueueGuard guard;
  const unsigned char* at = as_bytes(der);
  const X509Ptr certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  if (!certificate || at != as_bytes(der) + der.size()) return std::nullopt;
  const X509_NAME* const subject = X509_get_subject_name(certificate.get());
  const auto not_before = seconds_of(X509_get0_notBefore(certificate.get()));
  const auto not_after = seconds_of(X509_get0_notAfter(certificate.get()));
  if (!not_before || !not_after) return std::nullopt;
  Certificate out;
  out.der = der;
  out.subject = name_text(subject);
  out.issuer = name_text(X509_get_issuer_name(certificate.get()));
  out.serial = serial_text(X509_get0_serialNumber(certificate.get()));
  out.not_before_s = *not_before;
  out.not_after_s = *not_after;
  out.names_are_odd = !read_names(certificate.get(), out);
  out.common_name = common_name(subject);
  if (out.names_are_odd) {
    out.uris.clear();
    out.dns_names.clear();
    out.common_name.clear();
  }
  const std::uint32_t flags = X509_get_extension_flags(certificate.get());
  const std::uint32_t usage = (flags & EXFLAG_KUSAGE) != 0 ? X509_get_key_usage(certificate.get()) : 0;
  out.may_sign_certificates =
      (flags & (EXFLAG_CA | EXFLAG_INVALID)) != 0 || (usage & (KU_KEY_CERT_SIGN | KU_CRL_SIGN)) != 0;
  return out;
}

}  // namespace keepgate::crypto
