#include "oauth/proof_of_possession.h"

#include "auth/dpop.h"
#include "base/bytes.h"
#include "crypto/base64url.h"
#include "crypto/digest.h"

namespace keepgate::oauth {

namespace {

constexpr std::size_t mac_bytes = 16;

std::string mac_of(std::string_view key, std::string_view time) {
  const auto mac = crypto::hmac_sha256(key, cat("dpop nonce ", time));
  return crypto::base64url_encode({reinterpret_cast<const char*>(mac.data()), mac_bytes});
}

}  // namespace

std::string make_nonce(std::string_view key, Now now) {
  const std::string time = cat(now.wall_s());
  return cat(time, '.', mac_of(key, time));
}

bool is_good_nonce(std::string_view key, std::string_view nonce, Now now) {
  const std::size_t dot = nonce.find('.');
  if (dot == std::string_view::npos) return false;
  const auto made_s = parse_unsigned<std::uint32_t>(nonce.substr(0, dot));
  if (!made_s || !crypto::equal_constant_time(nonce.substr(dot + 1), mac_of(key, nonce.substr(0, dot)))) return false;
  const std::int64_t age_s = now.wall_s() - std::int64_t{*made_s};
  return age_s >= -auth::proof_future_max_s && age_s <= nonce_lifetime_s;
}

std::string nonce_field(const Context& context) {
  if (!context.settings.dpop_nonces) return {};
  return cat("DPoP-Nonce: ", make_nonce(context.service.nonce_key(), context.now()), "\r\n");
}

Checked<std::string> proven_key(const Context& context, std::string_view token) {
  const std::vector<std::string_view>& proofs = context.request.dpop_proofs;
  if (proofs.empty()) return std::string();
  const auto bad = [&](std::string_view why) {
    context.exchange.refusal.reason = why;
    Failure out{token.empty() ? std::uint16_t{400} : std::uint16_t{401}, "invalid_dpop_proof", std::string(why),
                nonce_field(context)};
    return std::unexpected(std::move(out));
  };
  if (proofs.size() > 1) return bad("more than one DPoP field");
  // What the client knows is the issuer's URL, whatever stands in front of this program.
  auth::ProofSubject subject;
  subject.method = context.exchange.head().method_text;
  subject.tls = context.settings.issuer_is_tls;
  subject.authority = context.settings.authority;
  const std::string path = cat(context.settings.issuer_path, context.request.path);
  subject.path = path;
  subject.token = token;
  subject.asks_for_token = token.empty();
  const auto proven = auth::verify_dpop(proofs.front(), subject, context.now());
  if (!proven) return bad(proven.error().detail);
  if (context.settings.dpop_nonces && !is_good_nonce(context.service.nonce_key(), proven->nonce, context.now())) {
    Failure out{token.empty() ? std::uint16_t{400} : std::uint16_t{401}, "use_dpop_nonce",
                "the proof needs the nonce of the field DPoP-Nonce", nonce_field(context)};
    return std::unexpected(std::move(out));
  }
  using Use = identity::ReplayStore::Use;
  const Use use = context.service.proofs().consume(proven->id, proven->expires_s, context.now().wall_s());
  if (use == Use::full) return unavailable();
  if (use != Use::first) return bad("the proof was used before");
  return proven->thumbprint;
}

}  // namespace keepgate::oauth
