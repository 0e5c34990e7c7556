// Makes certificate authorities, certificates and keys for tests, as PEM files in a directory of their own.
// Thread rule: one owner. Lifetime: the files go with the object.
#pragma once

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

#include "tls/handles.h"

namespace keepgate::tls {

struct Issued {
  X509Ptr certificate;
  PkeyPtr key;
};

struct LeafOptions {
  std::string names = "DNS:a.test";  // subjectAltName; "" for none.
  std::string common_name = "leaf";
  std::string usage = "serverAuth";
  long not_before_s = -3600;  // From now.
  long not_after_s = 3600;
};

inline PkeyPtr make_key() { return PkeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256")); }

inline void add_extension(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
  ASSERT_NE(extension, nullptr) << value;
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

inline Issued make_certificate(const LeafOptions& options, const Issued* issuer, bool is_authority) {
  static long serial = 1;
  Issued made{X509Ptr(X509_new()), make_key()};
  X509* const certificate = made.certificate.get();
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
  X509_gmtime_adj(X509_getm_notBefore(certificate), options.not_before_s);
  X509_gmtime_adj(X509_getm_notAfter(certificate), options.not_after_s);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(options.common_name.c_str()), -1, -1, 0);
  X509* const signer = issuer ? issuer->certificate.get() : certificate;
  X509_set_issuer_name(certificate, X509_get_subject_name(signer));
  X509_set_pubkey(certificate, made.key.get());
  if (is_authority) {
    add_extension(certificate, signer, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(certificate, signer, NID_key_usage, "critical,keyCertSign,cRLSign");
  } else {
    add_extension(certificate, signer, NID_basic_constraints, "critical,CA:FALSE");
    if (!options.usage.empty()) add_extension(certificate, signer, NID_ext_key_usage, options.usage);
    if (!options.names.empty()) add_extension(certificate, signer, NID_subject_alt_name, options.names);
  }
  X509_sign(certificate, issuer ? issuer->key.get() : made.key.get(), EVP_sha256());
  return made;
}

inline Issued make_authority(const std::string& name, const Issued* issuer = nullptr) {
  LeafOptions options;
  options.common_name = name;
  return make_certificate(options, issuer, true);
}

class PemFolder {
 public:
  PemFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "keepgate-tls-XXXXXX").string();
    EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  ~PemFolder() { std::filesystem::remove_all(folder_); }
  PemFolder(const PemFolder&) = delete;
  PemFolder& operator=(const PemFolder&) = delete;

  std::string path(const std::string& name) const { return folder_ / name; }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name)) << text;
    ::chmod(path(name).c_str(), 0600);
    return path(name);
  }
  std::string write_certificate(const std::string& name, const Issued& issued) const {
    const BioPtr out(BIO_new(BIO_s_mem()));
    PEM_write_bio_X509(out.get(), issued.certificate.get());
    return write(name, text_of(out.get()));
  }
  std::string write_key(const std::string& name, const Issued& issued, const char* passphrase = nullptr) const {
    const BioPtr out(BIO_new(BIO_s_mem()));
    PEM_write_bio_PKCS8PrivateKey(out.get(), issued.key.get(), passphrase ? EVP_aes_256_cbc() : nullptr, passphrase,
                                  passphrase ? static_cast<int>(std::char_traits<char>::length(passphrase)) : 0,
                                  nullptr, nullptr);
    return write(name, text_of(out.get()));
  }
  // The two files of a leaf.
  std::pair<std::string, std::string> write_pair(const std::string& name, const Issued& issued) const {
    return {write_certificate(name + ".crt", issued), write_key(name + ".key", issued)};
  }

 private:
  static std::string text_of(BIO* bio) {
    const char* bytes = nullptr;
    const long length = BIO_ctrl(bio, BIO_CTRL_INFO, 0, &bytes);
    return {bytes, static_cast<std::size_t>(length)};
  }

  std::filesystem::path folder_;
};

}  // namespace keepgate::tls
