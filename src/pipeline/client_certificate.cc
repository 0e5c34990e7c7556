#include "pipeline/client_certificate.h"

#include <algorithm>

#include "base/bytes.h"
#include "crypto/base64.h"

namespace keepgate::pipeline {

namespace {

using route::Variable;
using tls::VerifyClient;

constexpr std::int64_t day_s = 24 * 3600;

Refusal refusal(std::uint16_t status, std::string_view code, std::string reason) {
  Refusal out;
  out.status = status;
  out.code = code;
  out.reason = std::move(reason);
  return out;
}

VerifyClient asked_for(const Exchange& x) {
  const auto& context = x.server().tls;
  return x.connection().tls && context ? context->verify_client() : VerifyClient::off;
}

// Whatever the client proved, it proved to this very server.
bool is_for_this_server(const Exchange& x) {
  const auto& proof = x.connection().tls_facts().client;
  return asked_for(x) != VerifyClient::off && proof && proof->asked_by == x.server().tls;
}

// A connection, or a session that is resumed, may outlive its certificate.
bool is_out_of_date(const Exchange& x, const crypto::Certificate& leaf) {
  const std::int64_t now_s = x.now().wall_s();
  return now_s > leaf.not_after_s || now_s < leaf.not_before_s;
}

// "" if it is verified and still good.
std::string_view fault_of(const Exchange& x, const crypto::PresentedCertificate& shown) {
  if (!shown.verified) return shown.fault;
  return is_out_of_date(x, shown.leaf) ? std::string_view("certificate has expired") : std::string_view();
}

// As nginx compares them: the name in the handshake, and the one in the request, without port and final dot.
bool is_same_name(std::string_view server_name, std::string_view host) {
  if (host.size() > 1 && host.ends_with('.')) host.remove_suffix(1);
  return equals_ignoring_case(server_name, host);
}

// nginx's $ssl_client_cert: lines but the first begin with a tab.
std::string indented(const std::string& pem) {
  std::string out;
  for (const char c : std::string_view(pem).substr(0, pem.size() - 1)) {
    out.push_back(c);
    if (c == '\n') out.push_back('\t');
  }
  return out;
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const bool plain = is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      out.push_back(c);
    } else {
      std::string hex = to_hex({&c, 1});
      std::ranges::transform(hex, hex.begin(),
                             [](char digit) { return digit >= 'a' ? static_cast<char>(digit - 32) : digit; });
      append(out, '%', hex);
    }
  }
  return out;
}

std::string remaining_days(const Exchange& x, const crypto::Certificate& leaf) {
  const std::int64_t left_s = leaf.not_after_s - x.now().wall_s();
  return cat(left_s < day_s ? 0 : left_s / day_s);
}

// A byte sequence of RFC 8941 §3.3.5.
std::string sequence(std::string_view der) { return cat(':', crypto::base64_encode(der), ':'); }

}  // namespace

const crypto::PresentedCertificate* client_certificate(const Exchange& x) {
  const auto& proof = x.connection().tls_facts().client;
  return is_for_this_server(x) ? proof->certificate.get() : nullptr;
}

std::optional<Refusal> check_client_certificate(const Exchange& x) {
  const VerifyClient asked = asked_for(x);
  if (asked == VerifyClient::off) return std::nullopt;
  const tls::SessionFacts& facts = x.connection().tls_facts();
  const bool other_name =
      !facts.server_name.empty() && !x.head().host.empty() && !is_same_name(facts.server_name, x.head().host);
  if (other_name || !is_for_this_server(x)) {
    return refusal(421, "misdirected_request",
                   "client attempted to request the server name different from the one that was negotiated");
  }
  const crypto::PresentedCertificate* const shown = facts.client->certificate.get();
  if (!shown) {
    if (asked != VerifyClient::on) return std::nullopt;
    return refusal(496, "certificate_required", "client sent no required SSL certificate");
  }
  const std::string_view fault = fault_of(x, *shown);
  const bool passes = fault.empty() || (asked == VerifyClient::optional_no_ca && shown->only_lacks_an_authority &&
                                        !is_out_of_date(x, shown->leaf));
  if (passes) return std::nullopt;
  return refusal(495, "certificate_refused", cat("client SSL certificate verify error: ", fault));
}

std::string client_certificate_text(const Exchange& x, Variable variable) {
  const crypto::PresentedCertificate* const shown = client_certificate(x);
  if (variable == Variable::ssl_client_verify) {
    if (!x.connection().tls) return {};
    if (!shown) return "NONE";
    const std::string_view fault = fault_of(x, *shown);
    return fault.empty() ? std::string("SUCCESS") : cat("FAILED:", fault);
  }
  if (!shown) return {};
  const crypto::Certificate& leaf = shown->leaf;
  switch (variable) {
    case Variable::ssl_client_cert:
      return indented(leaf.pem());
    case Variable::ssl_client_escaped_cert:
      return escaped(leaf.pem());
    case Variable::ssl_client_fingerprint:
      return leaf.sha1_hex();
    case Variable::ssl_client_i_dn:
      return leaf.issuer;
    case Variable::ssl_client_raw_cert:
      return leaf.pem();
    case Variable::ssl_client_s_dn:
      return leaf.subject;
    case Variable::ssl_client_serial:
      return leaf.serial;
    case Variable::ssl_client_v_end:
      return crypto::certificate_time_text(leaf.not_after_s);
    case Variable::ssl_client_v_remain:
      return remaining_days(x, leaf);
    case Variable::ssl_client_v_start:
      return crypto::certificate_time_text(leaf.not_before_s);
    default:
      return {};
  }
}

std::string client_cert_value(const crypto::PresentedCertificate& certificate) {
  return sequence(certificate.leaf.der);
}

std::string client_cert_chain_value(const crypto::PresentedCertificate& certificate) {
  std::string out;
  for (const std::string& one : certificate.chain) append(out, out.empty() ? "" : ", ", sequence(one));
  return out;
}

}  // namespace keepgate::pipeline
