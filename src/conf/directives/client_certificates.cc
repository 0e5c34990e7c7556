// Certificates of clients: how they are verified, who they name, and what of them goes on to services.
#include <limits>

#include "base/bytes.h"
#include "conf/directives/row.h"

namespace keepgate::conf {

namespace {

using O = LevelOptions;

void set_verify_client(Reader& reader, const Scope& scope, const Directive& directive) {
  const Word& word = directive.arguments[0];
  std::optional<Placed<tls::VerifyClient>> value;
  const auto take = [&](tls::VerifyClient mode) { value = Placed<tls::VerifyClient>{mode, directive.name.at}; };
  if (word.text == "off") take(tls::VerifyClient::off);
  if (word.text == "on") take(tls::VerifyClient::on);
  if (word.text == "optional") take(tls::VerifyClient::optional);
  if (word.text == "optional_no_ca") take(tls::VerifyClient::optional_no_ca);
  if (!value) reader.invalid_value(directive, word, "one of on, optional, optional_no_ca, off");
  detail::set_once<&O::ssl_verify_client>(reader, scope, directive, value);
}

void set_identity(Reader& reader, const Scope& scope, const Directive& directive) {
  auto& place = scope.level->auth_certificate;
  if (place) return reader.duplicate(directive);
  const std::vector<Word>& words = directive.arguments;
  CertificateIdentityModel model;
  model.at = directive.name.at;
  if (words[0].text != "on" && words[0].text != "off") return reader.invalid_value(directive, words[0], "on or off");
  model.on = words[0].text == "on";
  if (words.size() == 2) {
    const auto name = parameter(words[1], "name=");
    if (name == "san_uri") {
      model.name = auth::CertificateName::san_uri;
    } else if (name == "san_dns") {
      model.name = auth::CertificateName::san_dns;
    } else if (name == "cn") {
      model.name = auth::CertificateName::common_name;
    } else {
      return reader.invalid_parameter(directive, words[1], "name=san_uri, name=san_dns or name=cn");
    }
    if (!model.on) return reader.invalid_parameter(directive, words[1], "nothing goes with off");
  }
  place = model;
}

void set_forwarding(Reader& reader, const Scope& scope, const Directive& directive) {
  const Word& word = directive.arguments[0];
  std::optional<Placed<ClientCertSetting>> value;
  const auto take = [&](ClientCertSetting setting) { value = Placed<ClientCertSetting>{setting, directive.name.at}; };
  if (word.text == "off") take(ClientCertSetting::off);
  if (word.text == "on") take(ClientCertSetting::leaf);
  if (word.text == "chain") take(ClientCertSetting::chain);
  if (!value) reader.invalid_value(directive, word, "one of on, chain, off");
  detail::set_once<&O::proxy_client_cert>(reader, scope, directive, value);
}

constexpr DirectiveRow client_certificates_table[] = {
    {"ssl_verify_client",
     in_http | in_server,
     {1, 1},
     Support::built,
     set_verify_client,
     "off",
     "Whether clients are asked for a certificate: on (a request without a good one is answered 400: 495, 496), "
     "optional "
     "(none is fine, a bad one is not), optional_no_ca (also one that nobody vouches for), off."},
    {"ssl_client_certificate",
     in_http | in_server,
     {1, 1},
     Support::built,
     set_word<&O::ssl_client_certificate>,
     "",
     "PEM file with the authorities that vouch for clients; their names are sent to clients."},
    {"ssl_trusted_certificate",
     in_http | in_server,
     {1, 1},
     Support::built,
     set_word<&O::ssl_trusted_certificate>,
     "",
     "PEM file with more such authorities, whose names are not sent."},
    {"ssl_verify_depth",
     in_http | in_server,
     {1, 1},
     Support::built,
     set_number<&O::ssl_verify_depth, 0, 100>,
     "1",
     "How many certificates may stand between a client's and an authority's."},
    {"ssl_crl",
     in_http | in_server,
     {1, 1},
     Support::built,
     set_word<&O::ssl_crl>,
     "",
     "PEM file with the revocation lists of all authorities of a chain; read again by a reload."},
    {"auth_client_certificate",
     in_server | in_location,
     {1, 2},
     Support::built,
     set_identity,
     "off",
     "on [name=san_uri|san_dns|cn]: who calls is what the client's verified certificate says, a SPIFFE id or another "
     "single name; off."},
    {"proxy_client_cert",
     in_levels,
     {1, 1},
     Support::built,
     set_forwarding,
     "off",
     "Whether Client-Cert (RFC 9440), of a verified certificate only, goes to the service: on, chain "
     "(Client-Cert-Chain "
     "too; sessions are then not resumed), off. What clients send under these names never does."},
};

}  // namespace

std::span<const DirectiveRow> client_certificate_rows() { return client_certificates_table; }

}  // namespace keepgate::conf
