#include "crypto/certificate.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>

#include "base/bytes.h"

namespace keepgate::crypto {
namespace {

// Certificates with what a test needs in them; nobody looks at their signature.
class Maker {
 public:
  Maker() : certificate_(X509_new()), key_(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256")) {
    X509_set_version(certificate_, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate_), 0xabc);
    ASN1_TIME_set(X509_getm_notBefore(certificate_), 1'800'000'000);
    ASN1_TIME_set(X509_getm_notAfter(certificate_), 1'800'086'400);
    X509_set_pubkey(certificate_, key_);
  }
  ~Maker() {
    X509_free(certificate_);
    EVP_PKEY_free(key_);
  }
  Maker(const Maker&) = delete;
  Maker& operator=(const Maker&) = delete;

  Maker& subject(const char* field, std::string_view value) {
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate_), field, MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(value.data()), static_cast<int>(value.size()), -1,
                               0);
    return *this;
  }
  Maker& extension(int kind, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, certificate_, certificate_, nullptr, nullptr, 0);
    X509_EXTENSION* const made = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
    EXPECT_NE(made, nullptr) << value;
    X509_add_ext(certificate_, made, -1);
    X509_EXTENSION_free(made);
    return *this;
  }
  // A name with any bytes.
  Maker& alternative(int type, std::string_view value) {
    GENERAL_NAMES* const names = sk_GENERAL_NAME_new_null();
    GENERAL_NAME* const name = GENERAL_NAME_new();
    ASN1_IA5STRING* const text = ASN1_IA5STRING_new();
    ASN1_STRING_set(text, value.data(), static_cast<int>(value.size()));
    GENERAL_NAME_set0_value(name, type, text);
    sk_GENERAL_NAME_push(names, name);
    X509_add1_ext_i2d(certificate_, NID_subject_alt_name, names, 0, X509V3_ADD_APPEND);
    sk_GENERAL_NAME_pop_free(names, GENERAL_NAME_free);
    return *this;
  }
  std::string der() {
    X509_sign(certificate_, key_, EVP_sha256());
    unsigned char* bytes = nullptr;
    const int length = i2d_X509(certificate_, &bytes);
    std::string out(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(length));
    OPENSSL_free(bytes);
    return out;
  }
  Certificate read() {
    const auto read = read_certificate(der());
    EXPECT_TRUE(read);
    return read.value_or(Certificate{});
  }

 private:
  X509* certificate_;
  EVP_PKEY* key_;
};

TEST(Certificate, says_who_it_is_for) {
  Maker maker;
  maker.subject("O", "Shop, Inc.").subject("CN", "orders");
  maker.extension(NID_subject_alt_name, "URI:spiffe://shop/orders,DNS:orders.shop,email:a@b,IP:127.0.0.1,DNS:o.shop");
  const Certificate read = maker.read();
  EXPECT_EQ(read.subject, "CN=orders,O=Shop\\, Inc.");
  EXPECT_EQ(read.issuer, "");
  EXPECT_EQ(read.serial, "0ABC");
  EXPECT_EQ(read.not_before_s, 1'800'000'000);
  EXPECT_EQ(read.not_after_s, 1'800'086'400);
  EXPECT_EQ(read.uris, std::vector<std::string>{"spiffe://shop/orders"});
  EXPECT_EQ(read.dns_names, (std::vector<std::string>{"orders.shop", "o.shop"}));
  EXPECT_EQ(read.common_name, "orders");
  EXPECT_FALSE(read.names_are_odd);
  EXPECT_FALSE(read.may_sign_certificates);
}

TEST(Certificate, a_name_with_bytes_that_none_has_makes_all_of_them_worth_nothing) {
  for (const std::string_view odd : {std::string_view("good.shop\0.evil", 15), std::string_view("a b"),
                                     std::string_view("a\n"), std::string_view(""), std::string_view("\xc3\xa9")}) {
    for (const int type : {GEN_DNS, GEN_URI}) {
      Maker maker;
      maker.subject("CN", "orders").alternative(type, odd);
      const Certificate read = maker.read();
      EXPECT_TRUE(read.names_are_odd);
      EXPECT_TRUE(read.uris.empty() && read.dns_names.empty() && read.common_name.empty());
    }
  }
}

TEST(Certificate, two_extensions_of_names_are_odd) {
  Maker maker;
  maker.alternative(GEN_DNS, "a.shop").alternative(GEN_DNS, "b.shop");
  EXPECT_TRUE(maker.read().names_are_odd);
}

TEST(Certificate, names_are_bounded) {
  std::string few = "DNS:a0", many;
  for (std::size_t i = 1; i < Certificate::names_max; ++i) append(few, ",DNS:a", i);
  many = few + ",DNS:more";
  EXPECT_EQ(Maker().extension(NID_subject_alt_name, few).read().dns_names.size(), Certificate::names_max);
  EXPECT_TRUE(Maker().extension(NID_subject_alt_name, many).read().names_are_odd);
}

TEST(Certificate, two_common_names_are_none) {
  EXPECT_EQ(Maker().subject("CN", "a").read().common_name, "a");
  EXPECT_EQ(Maker().subject("CN", "a").subject("CN", "b").read().common_name, "");
  EXPECT_EQ(Maker().subject("CN", std::string_view("a\0b", 3)).read().common_name, "");
  EXPECT_EQ(Maker().subject("CN", "a\nb").read().common_name, "");
}

TEST(Certificate, an_authority_is_told_apart) {
  EXPECT_TRUE(Maker().extension(NID_basic_constraints, "critical,CA:TRUE").read().may_sign_certificates);
  EXPECT_TRUE(Maker().extension(NID_key_usage, "keyCertSign").read().may_sign_certificates);
  EXPECT_TRUE(Maker().extension(NID_key_usage, "cRLSign,digitalSignature").read().may_sign_certificates);
  EXPECT_FALSE(Maker().extension(NID_key_usage, "digitalSignature").read().may_sign_certificates);
  EXPECT_FALSE(Maker().extension(NID_basic_constraints, "critical,CA:FALSE").read().may_sign_certificates);
}

TEST(Certificate, is_exactly_its_bytes) {
  const std::string der = Maker().subject("CN", "a").der();
  EXPECT_TRUE(read_certificate(der));
  EXPECT_FALSE(read_certificate(""));
  EXPECT_FALSE(read_certificate(der + "x"));
  EXPECT_FALSE(read_certificate(der.substr(0, der.size() - 1)));
  EXPECT_FALSE(read_certificate(std::string(Certificate::bytes_max + 1, '0')));
}

TEST(Certificate, is_written_as_others_write_it) {
  Certificate certificate;
  certificate.der = std::string(50, 'a');
  EXPECT_EQ(certificate.pem(),
            "-----BEGIN CERTIFICATE-----\n"
            "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh\n"
            "YWE=\n-----END CERTIFICATE-----\n");
  certificate.der = "abc";
  EXPECT_EQ(certificate.sha1_hex(), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(certificate_time_text(1'800'000'000), "Jan 15 08:00:00 2027 GMT");
  EXPECT_EQ(certificate_time_text(1'798'761'600), "Jan  1 00:00:00 2027 GMT");
}

}  // namespace
}  // namespace keepgate::crypto
