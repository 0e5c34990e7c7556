// Signatures of requests: the vectors of RFC 9421, Appendix B.
#include "auth/signed_request_for_tests.h"

namespace keepgate::auth {
namespace {

using test::ParsedRequest;

constexpr Now at_signing{0, 1'618'884'473'000};
constexpr std::string_view rfc_digest =
    "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:";

// Appendix B.1, as JWKs.
constexpr std::string_view rfc_keys =
    R"({"kty":"RSA","kid":"test-key-rsa-pss","alg":"PS512","e":"AQAB","n":"r4tmm3r20Wd_PbqvP1s2-Q)"
    R"(EtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct-Lh1GH45x28Rw3Ry53mm-oAXjyQ86OnDkZ5N8lYbggD4O3w6M)"
    R"(6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHqgDsznjPFmTOtCEcN2Z1FpWgchwuYLPL-Wokqltd11nqqzi-bJ9cvSK)"
    R"(ADYdUAAN5WUtzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4aOT9v6d-nb4bnNkQ)"
    R"(VklLQ3fVAvJm-xdDOp9LCNCN48V2pnDOkFV6-U9nV5oyc6XI2w"},)"
    R"({"kty":"OKP","crv":"Ed25519","kid":"test-key-ed25519","alg":"EdDSA","x":"JrQLj5P_89iXES9-v)"
    R"(FgrIy29clF9CC_oPPsw3c5D0bs"},)"
    R"({"kty":"oct","kid":"test-shared-secret","alg":"HS256","k":"uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTIn)"
    R"(edJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ"})"
    ","
    R"({"kty":"EC","crv":"P-256","kid":"test-key-ecc-p256","x":"qIVYZVLCrPZHGHjP17CTW0_-D9Lfw0EkjqF7xB4FivA",)"
    R"("y":"Mc4nN9LTDOBhfoUeg8Ye9WedFRhnZXZJA12Qp0zZ6F0"})";

bool verifies(std::string text) {
  SignatureOptions options;
  options.keys = crypto::test::set_of(rfc_keys);
  options.covers_body = false;
  const ParsedRequest request(std::move(text));
  return verify_signature(request.signed_request(), options, at_signing).has_value();
}

std::string rfc_request(std::string_view fields) {
  return cat(
      "POST /foo?param=Value&Pet=dog HTTP/1.1\r\nHost: example.com\r\nDate: Tue, 20 Apr 2021 02:07:55 GMT\r\n"
      "Content-Type: application/json\r\nContent-Digest: ",
      rfc_digest, "\r\nContent-Length: 18\r\n", fields, "\r\n");
}

struct Vector {
  const char *input, *signature;
};
constexpr Vector rfc_vectors[] = {
    {R"(sig-b21=();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd")",
     "sig-b21=:d2pmTvmbncD3xQm8E9ZV2828BjQWGgiwAaw5bAkgibUopemLJcWDy/"
     "lkbbHAve4cRAtx31Iq786U7it++wgGxbtRxf8Udx7zFZsckzXaJMkA7"
     "ChG52eSkFxykJeNqsrWH5S+oxNFlD4dzVuwe8DhTSja8xxbR/"
     "Z2cOGdCbzR72rgFWhzx2VjBqJzsPLMIQKhO4DGezXehhWwE56YCE+O6c0mKZsfxVrogU"
     "vA4HELjVKWmAvtl6UnCh8jYzuVG5WSb/QEVPnP5TmcAnLH1g+s++v6d4s8m0gCw1fV5/"
     "SITLq9mhho8K3+7EPYTU8IU1bLhdxO5Nyt8C8ssinQ98Xw9Q=="
     ":"},
    {R"(sig-b22=("@authority" "content-digest" "@query-param";name="Pet");created=1618884473;keyid)"
     R"(="test-key-rsa-pss";tag="header-example")",
     "sig-b22=:"
     "LjbtqUbfmvjj5C5kr1Ugj4PmLYvx9wVjZvD9GsTT4F7GrcQEdJzgI9qHxICagShLRiLMlAJjtq6N4CDfKtjvuJyE5qH7KT8UCMkSowOB4+ECx"
     "CmT8rtAmj/0PIXxi0A0nxKyB09RNrCQibbUjsLS/"
     "2YyFYXEu4TRJQzRw1rLEuEfY17SARYhpTlaqwZVtR8NV7+4UKkjqpcAoFqWFQh62s7Cl+H2fjBSpq"
     "fZUJcsIk4N6wiKYd4je2U/lankenQ99PZfB4jY3I5rSV2DSBVkSFsURIjYErOs0tFTQosMTAoxk//0RoKUqiYY8Bh0aaUEb0rQl3/"
     "XaVe4bXTugEjHSw=="
     ":"},
    {R"(sig-b23=("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" "c)"
     R"(ontent-length");created=1618884473;keyid="test-key-rsa-pss")",
     "sig-b23=:bbN8oArOxYoyylQQUU6QYwrTuaxLwjAC9fbY2F6SVWvh0yBiMIRGOnMYwZ/"
     "5MR6fb0Kh1rIRASVxFkeGt683+qRpRRU5p2voTp768ZrCUb38K"
     "0fUxN0O0iC59DzYx8DFll5GmydPxSmme9v6ULbMFkl+V5B1TP/yPViV7KsLNmvKiLJH1pFkh/aYA2HXXZzNBXmIkoQoLd7YfW91kE9o/"
     "CCoC1xMy7JA1i"
     "pwvKvfrs65ldmlu9bpG6A9BmzhuzF8Eim5f8ui9eH8LZH896+"
     "QIF61ka39VBrohr9iyMUJpvRX2Zbhl5ZJzSRxpJyoEZAFL2FUo5fTIztsDZKEgM4cUA=="
     ":"},
    {R"(sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret")",
     "sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:"},
    {R"(sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length");created=16)"
     R"(18884473;keyid="test-key-ed25519")",
     "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:"},
};

TEST(HttpSignatureVectors, verify_and_none_of_them_changed) {
  for (const Vector& vector : rfc_vectors) {
    const std::string fields = cat("Signature-Input: ", vector.input, "\r\nSignature: ", vector.signature, "\r\n");
    EXPECT_TRUE(verifies(rfc_request(fields))) << vector.input;
    std::string other_time = fields;
    other_time.replace(other_time.find("1618884473"), 10, "1618884472");
    EXPECT_FALSE(verifies(rfc_request(other_time))) << other_time;
    std::string other_bytes = fields;
    char& byte = other_bytes[other_bytes.rfind("=:") - 8];
    byte = byte == 'A' ? 'B' : 'A';
    EXPECT_FALSE(verifies(rfc_request(other_bytes))) << other_bytes;
  }
}

// B.3.
TEST(HttpSignatureVectors, of_a_proxy_that_ends_tls) {
  constexpr std::string_view certificate =
      "MIIBqDCCAU6gAwIBAgIBBzAKBggqhkjOPQQDAjA6MRswGQYDVQQKDBJMZXQncyBBdXRoZW50aWNhdGUxGzAZBgNVBAMMEkxBIElu"
      "dGVybWVkaWF0ZSBDQTAeFw0yMDAxMTQyMjU1MzNaFw0yMTAxMjMyMjU1MzNaMA0xCzAJBgNVBAMMAkJDMFkwEwYHKoZIzj0CAQYI"
      "KoZIzj0DAQcDQgAE8YnXXfaUgmnMtOXU/IncWalRhebrXmckC8vdgJ1p5Be5F/3YC8OthxM4+k1M6aEAEFcGzkJiNy6J84y7uzo9"
      "M6NyMHAwCQYDVR0TBAIwADAfBgNVHSMEGDAWgBRm3WjLa38lbEYCuiCPct0ZaSED2DAOBgNVHQ8BAf8EBAMCBsAwEwYDVR0lBAww"
      "CgYIKwYBBQUHAwIwHQYDVR0RAQH/BBMwEYEPYmRjQGV4YW1wbGUuY29tMAoGCCqGSM49BAMCA0gAMEUCIBHda/r1vaL6G3VliL4/"
      "Di6YK0Q6bMjeSkC3dFCOOB8TAiEAx/kHSB4urmiZ0NX5r5XarmPk0wmuydBVoU4hBVZ1yhk=";
  const auto request = [&](std::string_view cert_field) {
    return cat(
        "POST /foo?param=Value&Pet=dog HTTP/1.1\r\nHost: service.internal.example\r\nClient-Cert: :", cert_field,
        ":\r\nContent-Length: 18\r\n"
        "Signature-Input: ttrp=(\"@path\" \"@query\" \"@method\" \"@authority\" \"client-cert\")"
        ";created=1618884473;keyid=\"test-key-ecc-p256\"\r\n"
        "Signature: ttrp=:xVMHVpawaAC/0SbHrKRs9i8I3eOs5RtTMGCWXm/9nvZzoHsIg6Mce9315T6xoklyy0yzhD9ah4JHRwMLOgmizw==:"
        "\r\n\r\n");
  };
  EXPECT_TRUE(verifies(request(certificate)));
  EXPECT_FALSE(verifies(request(certificate.substr(4))));
}

// B.4: what may be changed on the way, and what may not.
TEST(HttpSignatureVectors, outlive_the_changes_that_they_may_and_no_others) {
  const auto transformed = [](std::string_view lines) {
    return verifies(
        cat(lines,
            "Signature-Input: transform=(\"@method\" \"@path\" \"@authority\" \"accept\")"
            ";created=1618884473;keyid=\"test-key-ed25519\"\r\n"
            "Signature: transform=:ZT1kooQsEHpZ0I1IjCqtQppOmIqlJPeo7DHR3SoMn0s5JZ1eRGS0A+vyYP9t/LXlh5QMFFQ6cp"
            "Lt2m0pmj3NDA==:\r\n\r\n"));
  };
  const std::string get = "GET /demo?name1=Value1&Name2=value2";
  EXPECT_TRUE(transformed(cat(get, " HTTP/1.1\r\nHost: example.org\r\nAccept: application/json\r\nAccept: */*\r\n")));
  EXPECT_TRUE(transformed(cat(get,
                              "&param=added HTTP/1.1\r\nHost: example.org\r\nAccept: application/json\r\n"
                              "Accept: */*\r\nAccept-Language: en-US,en;q=0.5\r\n")));
  EXPECT_TRUE(transformed(cat(get, " HTTP/1.1\r\nHost: example.org\r\nAccept: application/json, */*\r\n")));
  EXPECT_TRUE(transformed(cat(get, " HTTP/1.1\r\nAccept: application/json\r\nAccept: */*\r\nHost: example.org\r\n")));
  EXPECT_FALSE(
      transformed("POST /demo?name1=Value1&Name2=value2 HTTP/1.1\r\nHost: example.com\r\n"
                  "Accept: application/json\r\nAccept: */*\r\n"));
  EXPECT_FALSE(transformed(cat(get, " HTTP/1.1\r\nHost: example.org\r\nAccept: */*\r\nAccept: application/json\r\n")));
}

}  // namespace
}  // namespace keepgate::auth
