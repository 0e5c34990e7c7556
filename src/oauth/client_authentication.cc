#include "oauth/client_authentication.h"

#include <algorithm>

#include "auth/basic_credential.h"
#include "auth/claims.h"
#include "base/bytes.h"
#include "base/percent.h"
#include "crypto/base64url.h"
#include "crypto/certificate.h"
#include "crypto/digest.h"
#include "crypto/jws.h"
#include "oauth/client_tries.h"
#include "oauth/grant_records.h"

namespace keepgate::oauth {

namespace {

constexpr std::size_t assertion_id_bytes_max = 256;

// RFC 6749 §5.2: 401, and the scheme in which the client may try again.
std::unexpected<Failure> invalid_client(const Context& context, std::string_view why,
                                        std::string description = "client authentication failed") {
  context.exchange.refusal.reason = why;
  Failure out{401, "invalid_client", std::move(description), {}};
  out.fields = "WWW-Authenticate: Basic realm=\"token endpoint\"\r\n";
  return std::unexpected(std::move(out));
}

// One that counts: whoever guesses on comes to an end.
std::unexpected<Failure> failed_client(const Context& context, std::string_view id, std::string_view why) {
  note_failed_client(context, id);
  return invalid_client(context, why);
}

bool matches_secret(const Client* client, std::string_view secret) {
  const SecretHash sent = hash_of_secret(secret);
  const std::string_view text(reinterpret_cast<const char*>(sent.data()), sent.size());
  static constexpr SecretHash nobody{};
  bool matches = false;
  const std::size_t count = client ? client->secrets.size() : 0;
  for (std::size_t i = 0; i < std::max<std::size_t>(count, 1); ++i) {
    const SecretHash& known = i < count ? client->secrets[i] : nobody;
    const bool is_same = crypto::equal_constant_time(text, {reinterpret_cast<const char*>(known.data()), known.size()});
    matches = matches || (is_same && i < count);
  }
  return matches;
}

Checked<AuthenticatedClient> by_secret(const Context& context, std::string_view id, std::string_view secret) {
  if (const auto good = check_client_tries(context, id); !good) return std::unexpected(good.error());
  auto client = context.find_client(id);
  const bool matches = matches_secret(client.get(), secret);
  // A client without a secret has none that could be guessed: only the network pays.
  const bool is_guess = !client || !client->secrets.empty();
  if (!client || !matches) {
    return failed_client(context, is_guess ? id : std::string_view(), client ? "wrong secret" : "unknown client");
  }
  return AuthenticatedClient{std::move(client), ClientProofKind::secret, {}};
}

std::unexpected<Failure> bad_assertion(const Context& context, const Error& error) {
  return invalid_client(context, error.detail, cat("client_assertion: ", error.detail));
}

// Could form-urlencoding have made it? Of libraries that forget it nobody would find out otherwise.
bool is_form_encoded(std::string_view text) {
  constexpr std::string_view untouched = "-._*+~";
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_plain = is_alpha(text[i]) || is_digit(text[i]) || untouched.contains(text[i]);
    if (!is_plain && (text[i] != '%' || percent_byte(text, i) < 0)) return false;
  }
  return true;
}

// RFC 6749 §2.3.1: both parts are form-urlencoded inside of the Basic credential.
Checked<AuthenticatedClient> by_basic(const Context& context, PublicClients public_clients) {
  const auto credential = auth::basic_credential(context.exchange.head());
  if (!credential || !credential->is_there)
    return invalid_client(context, "the Authorization field is no Basic credential");
  const std::string id = percent_decoded(credential->user(), '+');
  std::string secret = percent_decoded(credential->password(), '+');
  // An empty secret is none, and may be left out or not: so do public clients of common libraries say who they are.
  auto client = secret.empty() ? context.find_client(id) : nullptr;
  const bool is_public = client && client->is_public && public_clients == PublicClients::accepted;
  auto out = is_public ? Checked<AuthenticatedClient>(AuthenticatedClient{std::move(client), {}, {}})
                       : by_secret(context, id, secret);
  crypto::wipe(secret.data(), secret.size());
  if (!out && out.error().status == 401 &&
      !(is_form_encoded(credential->user()) && is_form_encoded(credential->password()))) {
    return invalid_client(
        context, "wrong, and not form-urlencoded as RFC 6749 2.3.1 wants it",
        "client authentication failed: in Basic, id and secret are form-urlencoded (RFC 6749, 2.3.1)");
  }
  if (out && context.request.form.has("client_id") && context.request.form.get("client_id") != id) {
    return refuse("invalid_request", "client_id is another than that of the Authorization field");
  }
  return out;
}

struct Assertion {
  std::string client, id;
  std::int64_t expires_s = 0;
  std::string_view old_way;  // What only a client with `old_assertions on` may do; "": nothing.
};

// RFC 7523 §3 item 3 and RFC 9126 §2 as they were before assertions for one server were used against another
// (OpenID Foundation, 2025): the issuer or an endpoint, alone or among others.
bool is_old_audience(const crypto::Json* audience, const Settings& settings) {
  const auto is_ours = [&](const crypto::Json& one) {
    return one.string() && (*one.string() == settings.issuer || *one.string() == settings.url("/token") ||
                            *one.string() == settings.url("/par"));
  };
  if (!audience) return false;
  return is_ours(*audience) || (audience->array() && std::ranges::any_of(*audience->array(), is_ours));
}

// RFC 7523 §3, without a look at the signature: who it is from decides about the key. What is wrong is told to the
// caller: it says nothing of clients and keys that the assertion does not say itself.
Result<Assertion> read_assertion(const crypto::Jws& jws, const Settings& settings, Now now) {
  const auto bad = [](std::string_view why) {
    return fail(ErrorKind::refused, Blame::client, "bad_assertion", std::string(why));
  };
  const auto claims = crypto::parse_json(jws.payload, auth::payload_limits);
  if (!claims || !claims->object()) return bad("its claims are no JSON object");
  const auto issuer = claims->string_at("iss"), subject = claims->string_at("sub");
  if (!issuer || !subject || *issuer != *subject) return bad("iss and sub must both be the client's id");
  // One string, and the issuer: an assertion for two servers could be used by the one against the other.
  std::string_view old_way;
  if (claims->string_at("aud") != settings.issuer) {
    old_way = "aud has to be the issuer, as one text";
    if (!is_old_audience(claims->find("aud"), settings)) return bad(old_way);
  }
  const auto expires = auth::numeric_date(*claims, "exp");
  if (!expires || !*expires) return bad("exp is missing or no time");
  if (**expires <= now.wall_s() - assertion_leeway_s) return bad("it has expired");
  const std::int64_t lifetime_s = **expires - now.wall_s() - assertion_leeway_s;
  if (lifetime_s > assertion_lifetime_s_max) old_way = "exp is more than 5 minutes ahead";
  if (lifetime_s > old_assertion_lifetime_s_max) return bad(old_way);
  const auto not_before = auth::numeric_date(*claims, "nbf", auth::Rounding::up);
  const auto issued = auth::numeric_date(*claims, "iat");
  if (!not_before || !issued) return bad("nbf or iat is no time");
  if (*not_before && **not_before > now.wall_s() + assertion_leeway_s) return bad("it is not valid yet");
  if (*issued && **issued > now.wall_s() + assertion_leeway_s) return bad("it was issued in the future");
  const auto id = claims->string_at("jti");
  if (!id || id->empty() || id->size() > assertion_id_bytes_max) return bad("jti is missing, empty or too long");
  const auto type = jws.header.find("typ");
  const bool is_jwt = !type || (type->string() && (equals_ignoring_case(*type->string(), "JWT") ||
                                                   equals_ignoring_case(*type->string(), "client-authentication+jwt")));
  if (!is_jwt) return bad("typ is of another kind of token");
  return Assertion{std::string(*issuer), std::string(*id), **expires, old_way};
}

net::Task<Checked<AuthenticatedClient>> by_assertion(Context& context) {
  const Params& form = context.request.form;
  if (form.get("client_assertion_type") != assertion_type) {
    co_return refuse("invalid_request", "client_assertion_type is not known");
  }
  const auto jws = crypto::parse_jws(form.get("client_assertion"));
  if (!jws) co_return bad_assertion(context, jws.error());
  const auto assertion = read_assertion(*jws, context.settings, context.now());
  if (!assertion) co_return bad_assertion(context, assertion.error());
  if (form.has("client_id") && form.get("client_id") != assertion->client) {
    co_return refuse("invalid_request", "client_id is another than that of the assertion");
  }
  const std::string& id = assertion->client;
  if (const auto good = check_client_tries(context, id); !good) co_return std::unexpected(good.error());
  auto client = context.find_client(id);
  // Nobody guesses a signature: only the network pays for the work.
  if (!client || !client->keys) co_return failed_client(context, {}, "no client with keys has this id");
  const auto key = crypto::verify_jws(*jws, *client->keys);
  if (!key) co_return failed_client(context, {}, key.error().detail);
  if (!assertion->old_way.empty() && !client->makes_old_assertions) {
    co_return invalid_client(context, assertion->old_way, cat("client_assertion: ", assertion->old_way));
  }
  // Once, whichever process it is shown to (RFC 7523 §3 item 7).
  const std::string use = cat("assertion ", hash_of_token(cat(client->id, ' ', assertion->id)));
  const std::int64_t expires_s = assertion->expires_s + assertion_leeway_s;
  const std::function<Result<bool>(store::Database&)> job = [use, expires_s](store::Database& database) {
    return use_once(database, use, expires_s);
  };
  const auto is_first = co_await context.record<bool>(job);
  if (!is_first) co_return store_failure(context, is_first.error());
  if (!*is_first) co_return invalid_client(context, "the assertion was used before");
  co_return AuthenticatedClient{std::move(client), ClientProofKind::assertion, {}};
}

bool names_client(const Client& client, const crypto::Certificate& leaf) {
  if (!client.tls_subject_dn.empty()) return leaf.subject == client.tls_subject_dn;
  const auto has = [](const std::vector<std::string>& names, const std::string& name) {
    return !name.empty() && std::ranges::find(names, name) != names.end();
  };
  return has(leaf.dns_names, client.tls_san_dns) || has(leaf.uris, client.tls_san_uri);
}

// Only the client's id was sent: by its certificate, or it is public.
Checked<AuthenticatedClient> by_id(const Context& context, PublicClients public_clients) {
  const std::string_view id = context.request.form.get("client_id");
  auto client = context.find_client(id);
  if (client && client->is_public && public_clients == PublicClients::accepted) {
    return AuthenticatedClient{std::move(client), {}, {}};  // It proves nothing, so nobody can use its tries up.
  }
  if (const auto good = check_client_tries(context, id); !good) return std::unexpected(good.error());
  if (!client) return failed_client(context, {}, "unknown client");
  if (client->is_public) {
    return failed_client(context, {}, "a public client proves nothing");
  }
  const crypto::PresentedCertificate* shown = context.request.certificate;
  if (!client->uses_certificate() || !shown || !shown->verified) {
    return failed_client(context, {}, "the client has shown no credential");
  }
  if (!names_client(*client, shown->leaf)) return failed_client(context, {}, "the certificate names another client");
  return AuthenticatedClient{std::move(client), ClientProofKind::certificate, {}};
}

std::string thumbprint_of(const crypto::PresentedCertificate* shown) {
  if (!shown || !shown->verified) return {};
  const auto sum = shown->leaf.sha256();
  return crypto::base64url_encode({reinterpret_cast<const char*>(sum.data()), sum.size()});
}

}  // namespace

net::Task<Checked<AuthenticatedClient>> authenticate_client(Context& context, PublicClients public_clients) {
  const Request& request = context.request;
  const Params& form = request.form;
  if (const std::string_view name = form.first_repeated(); !name.empty()) {
    co_return refuse("invalid_request", cat("the parameter ", printable(name, 60), " was sent twice"));
  }
  const bool has_basic = !request.authorization.empty();
  const bool has_secret = form.has("client_secret");
  const bool has_assertion = form.has("client_assertion") || form.has("client_assertion_type");
  // RFC 6749 §2.3: a client MUST NOT use more than one.
  if (static_cast<int>(has_basic) + static_cast<int>(has_secret) + static_cast<int>(has_assertion) > 1 ||
      request.has_two_authorizations) {
    co_return refuse("invalid_request", "the client authenticates in more than one way");
  }
  // RFC 6749 §2.3.1: credentials never go into the URL.
  for (const std::string_view name : {"client_secret", "client_assertion"}) {
    if (request.query.has(name)) co_return refuse("invalid_request", "credentials must not be in the URL");
  }
  Checked<AuthenticatedClient> out = AuthenticatedClient{};
  if (has_basic) {
    out = by_basic(context, public_clients);
  } else if (has_assertion) {
    out = co_await by_assertion(context);
  } else if (has_secret) {
    out = by_secret(context, form.get("client_id"), form.get("client_secret"));
  } else if (form.has("client_id")) {
    out = by_id(context, public_clients);
  } else {
    out = invalid_client(context, "no client was named");
  }
  if (out) out->certificate_thumbprint = thumbprint_of(request.certificate);
  if (out && out->proof != ClientProofKind::none) note_proven_client(context, out->client->id);
  co_return out;
}

}  // namespace keepgate::oauth
