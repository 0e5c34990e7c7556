#include "pipeline/decide.h"

#include <gtest/gtest.h>

#include <string>

#include "auth/http_signature.h"
#include "auth/revocation_sources.h"
#include "crypto/base64.h"
#include "crypto/jwk.h"
#include "crypto/jws.h"
#include "crypto/signature.h"
#include "http/h1_parser.h"

namespace keepgate::pipeline {
namespace {

constexpr std::int64_t now_s = 1'800'000'000;

class NoVariables final : public route::VariableSource {
 public:
  std::string_view variable(const route::VariableRef&) override { return value; }
  std::string_view value;
};

struct Keys {
  Keys() {
    const std::string text = crypto::generate_jwk(crypto::KeyType::p256, crypto::Algorithm::es256, "k1");
    key = *crypto::parse_jwk(text);
    auto set = std::make_shared<crypto::KeySet>();
    set->keys.push_back(key);
    keys = set;
  }
  std::string sign(std::string_view claims, std::string_view type = "at+jwt") const {
    const std::string header = cat(R"({"alg":"ES256","kid":"k1","typ":")", type, "\"}");
    return *crypto::sign_jws(header, claims, *key);
  }
  std::shared_ptr<const crypto::Key> key;
  std::shared_ptr<const crypto::KeySet> keys;
};

const Keys& keys() {
  static const Keys one;
  return one;
}

std::shared_ptr<const policy::Policy> policy_of(std::string text) {
  const policy::Source source{"policy.yaml", std::move(text)};
  Diagnostics diagnostics;
  auto policy = policy::Policy::load({&source, 1}, diagnostics);
  EXPECT_TRUE(policy) << diagnostics.render_text();
  return policy;
}

// One location, one request, one decision.
struct Case {
  Case() {
    location.service = "orders";
    location.authorize = Authorize::off;
  }

  Decided run(std::string_view method_and_target, std::string_view fields = "") {
    text = cat(method_and_target, " HTTP/1.1\r\nHost: x\r\n", fields, "\r\n");
    parser = std::make_unique<http::RequestParser>();
    EXPECT_EQ(parser->parse(text), http::ParseStatus::complete) << parser->refusal().reason;
    const http::Canonicalized path = http::canonicalize({parser->head().raw_path}, true, arena);
    EXPECT_TRUE(path.valid);
    facts = {};
    DecideInput input{location, parser->head(),       path.path, path.ambiguities, variables,
                      arena,    {1000, now_s * 1000}, nullptr,   &replay,          false};
    auth::Revocations known;
    if (revocations) known.add(revocations.get(), {});
    if (lacks_revocations) known.add(nullptr, {});
    if (revocations || lacks_revocations) input.revocations = &known;
    input.signatures = signatures;
    return decide(input, facts);
  }

  void require_jwt() {
    location.auth.jwt.enabled = true;
    location.auth.jwt.realm = route::Template::literal("shop");
    location.auth.jwt.keys = keys().keys;
  }

  void require_transaction() {
    location.transaction.mode = identity::TransactionMode::require;
    location.transaction.trust_domain = "shop.internal";
    location.transaction.keys = keys().keys;
    location.transaction.bind_request = true;
    location.transaction.single_use = true;
    location.refuse_ambiguous_paths = true;
  }

  std::string minted(std::string_view method, std::string_view path, auth::Grant grant = {}) const {
    identity::TransactionOptions options;
    options.trust_domain = "shop.internal";
    options.signing_key = keys().key;
    options.workload = "gateway";
    auth::Principal principal;
    principal.method = auth::AuthMethod::jwt;
    principal.client = "client1";
    identity::MintInput input;
    input.request = {"orders", method, path};
    input.principal = &principal;
    input.now = {1000, now_s * 1000};
    input.grant = grant;
    return identity::mint(input, options)->token;
  }

  identity::ReplayStore* signatures = nullptr;  // The memory of used ones.
  LocationConfig location;
  NoVariables variables;
  Arena arena;
  std::string text;
  std::unique_ptr<http::RequestParser> parser;
  identity::ReplayStore replay;
  std::shared_ptr<const auth::RevocationList> revocations;
  bool lacks_revocations = false;  // There is a source of them of which nothing is known.
  DecisionFacts facts;
};

std::string bearer(const std::string& token) { return cat("Authorization: Bearer ", token, "\r\n"); }

std::string client1_token() { return keys().sign(cat(R"({"client_id":"client1","exp":)", now_s + 60, "}")); }

TEST(Decide, permits_where_nothing_is_asked) {
  Case one;
  EXPECT_TRUE(one.run("GET /").permit);
}

TEST(Decide, a_location_whose_policy_was_forgotten_refuses) {
  Case one;
  one.location.authorize = Authorize{};  // The zero value.
  EXPECT_EQ(one.run("GET /").refusal.status, 401);
}

TEST(Decide, asks_for_a_token_and_takes_a_good_one) {
  Case one;
  one.require_jwt();
  const Decided without = one.run("GET /");
  EXPECT_EQ(without.refusal.status, 401);
  EXPECT_EQ(without.refusal.challenge, "Bearer realm=\"shop\"");
  EXPECT_TRUE(one.run("GET /", bearer(client1_token())).permit);
  EXPECT_EQ(one.facts.principal->client, "client1");
}

TEST(Decide, a_denied_address_is_refused_whatever_it_brings) {
  Case one;
  one.location.auth.addresses.add(false, auth::AddressRules::Who::everybody);
  EXPECT_EQ(one.run("GET /").refusal.status, 403);
  one.require_jwt();
  EXPECT_EQ(one.run("GET /", bearer(client1_token())).refusal.status, 403);
  Case guard;
  guard.require_transaction();
  const std::string field = cat("Txn-Token: ", guard.minted("GET", "/7"), "\r\n");
  guard.location.auth.addresses.add(false, auth::AddressRules::Who::everybody);
  EXPECT_EQ(guard.run("GET /7", field).refusal.status, 403);
  guard.location.auth.addresses = {};
  EXPECT_TRUE(guard.run("GET /7", field).permit) << "the refusal has not used it up";
}

TEST(Decide, a_requirement_of_tokens_is_for_those_who_came_in_by_one) {
  Case one;
  one.require_jwt();
  auth::Requirement require;
  require.values.push_back(route::Template::literal("0"));
  require.status = 403;
  one.location.auth.jwt.require.push_back(require);
  EXPECT_EQ(one.run("GET /", bearer(client1_token())).refusal.status, 403);
  one.location.auth.satisfy = auth::Satisfy::any;
  EXPECT_EQ(one.run("GET /", bearer(client1_token())).refusal.status, 403);
  one.location.auth.addresses.add(true, auth::AddressRules::Who::everybody);
  EXPECT_TRUE(one.run("GET /").permit);
}

TEST(Decide, refuses_tokens_that_are_not_exactly_right) {
  Case one;
  one.require_jwt();
  const std::string good = client1_token();
  const std::string expired = keys().sign(cat(R"({"client_id":"client1","exp":)", now_s, "}"));
  const std::string early = keys().sign(cat(R"({"client_id":"client1","nbf":)", now_s + 1, "}"));
  const std::string transaction = keys().sign(cat(R"({"client_id":"client1","exp":)", now_s + 60, "}"), "txntoken+jwt");
  for (const std::string& fields :
       {bearer(expired), bearer(early), bearer(transaction), bearer(good + "x"), bearer(good.substr(1)),
        bearer(good) + bearer(good), bearer(good + ", " + good), std::string("Authorization: Bearer\r\n")}) {
    const Decided decided = one.run("GET /", fields);
    EXPECT_FALSE(decided.permit) << fields;
    EXPECT_EQ(decided.refusal.status, 401) << fields;
  }
}

TEST(Decide, answers_503_where_the_key_set_cannot_be_used) {
  Case one;
  one.require_jwt();
  one.location.auth.jwt.keys = nullptr;
  EXPECT_EQ(one.run("GET /", bearer(client1_token())).refusal.status, 503);
}

TEST(Decide, requirements_must_be_non_empty_and_not_zero) {
  Case one;
  one.require_jwt();
  std::string error;
  struct Names final : route::VariableNames {
    std::optional<std::uint32_t> map_index(std::string_view) const override { return 0; }
  } names;
  auth::Requirement require;
  require.values.push_back(*route::Template::compile("$anything", names, error));
  require.status = 403;
  one.location.auth.jwt.require.push_back(require);
  for (const std::string_view value : {"", "0"}) {
    one.variables.value = value;
    EXPECT_EQ(one.run("GET /", bearer(client1_token())).refusal.status, 403) << value;
  }
  one.variables.value = "1";
  EXPECT_TRUE(one.run("GET /", bearer(client1_token())).permit);
  one.location.auth.jwt.require[0].status = 401;
  one.variables.value = "0";
  EXPECT_EQ(one.run("GET /", bearer(client1_token())).refusal.status, 401);
}

TEST(Decide, the_policy_decides_on_what_the_service_receives) {
  Case one;
  one.require_jwt();
  one.location.authorize = Authorize::required;
  one.location.path_replacement = PathReplacement{"/1.0/orders/", "/", std::nullopt};
  one.location.policy = policy_of("policies:\n  - { id: read, identity: client1, permissions: GET, on: /7 }\n");
  EXPECT_TRUE(one.run("GET /1.0/orders/7", bearer(client1_token())).permit);
  EXPECT_EQ(one.facts.decision.rule, "read");
  EXPECT_EQ(one.facts.service_path, "/7");
  EXPECT_EQ(one.run("DELETE /1.0/orders/7", bearer(client1_token())).refusal.status, 403);
  EXPECT_EQ(one.run("GET /1.0/orders/8", bearer(client1_token())).refusal.status, 403);
}

TEST(Decide, nobody_is_asked_to_sign_in_before_being_denied) {
  Case one;
  one.location.authorize = Authorize::required;
  one.location.policy = policy_of("policies:\n  - { id: open, allow: anonymous, permissions: GET, on: /open }\n");
  EXPECT_TRUE(one.run("GET /open").permit);
  EXPECT_EQ(one.run("GET /closed").refusal.status, 401);
}

TEST(Decide, shadow_never_refuses_but_tells) {
  Case one;
  one.location.authorize = Authorize::shadow;
  one.location.policy = policy_of("policies:\n  - { id: none, allow: client:x, on: /x }\n");
  EXPECT_TRUE(one.run("GET /y").permit);
  EXPECT_EQ(one.facts.decision.verdict, policy::Verdict::deny);
}

TEST(Decide, refuses_ambiguous_paths_where_a_policy_decides) {
  Case one;
  for (const char* target :
       {"GET /a%2fb", "GET /a;x", "GET /a//b", "GET /a%5cb", "GET /a%252eb", "GET /..;/a", "GET /a/%2e%2e/b"}) {
    one.location.refuse_ambiguous_paths = true;
    EXPECT_EQ(one.run(target).refusal.status, 400) << target;
    one.location.refuse_ambiguous_paths = false;
    EXPECT_TRUE(one.run(target).permit) << target;
  }
}

TEST(Decide, a_guard_takes_only_the_token_of_this_request_and_only_once) {
  Case one;
  one.require_transaction();
  const auto field = [](const std::string& token) { return cat("Txn-Token: ", token, "\r\n"); };
  const std::string token = one.minted("GET", "/7");
  EXPECT_EQ(one.run("GET /7").refusal.status, 401);
  EXPECT_EQ(one.run("GET /8", field(token)).refusal.status, 401);
  EXPECT_EQ(one.run("PUT /7", field(token)).refusal.status, 401);
  EXPECT_EQ(one.run("GET /7", field(token) + field(token)).refusal.status, 401);
  EXPECT_EQ(one.run("GET /7", field(client1_token())).refusal.status, 401);
  EXPECT_EQ(one.run("GET /7", bearer(token)).refusal.status, 401);
  EXPECT_TRUE(one.run("GET /7", field(token)).permit);
  EXPECT_EQ(one.run("GET /7", field(token)).refusal.status, 401);
}

TEST(Decide, a_refused_request_does_not_use_up_its_token) {
  Case one;
  one.require_transaction();
  one.location.authorize = Authorize::required;
  one.location.policy = policy_of("policies:\n  - { id: none, allow: client:x, on: /x }\n");
  const std::string field = cat("Txn-Token: ", one.minted("GET", "/7"), "\r\n");
  EXPECT_EQ(one.run("GET /7", field).refusal.status, 403);
  one.location.policy = policy_of("policies:\n  - { id: some, allow: client:client1, on: /7 }\n");
  EXPECT_TRUE(one.run("GET /7", field).permit);
}

TEST(Decide, what_is_revoked_passes_neither_gateway_nor_guard) {
  Case gateway;
  gateway.require_jwt();
  const std::string token = bearer(client1_token());
  gateway.revocations = *auth::RevocationList::parse("client client1\n");
  EXPECT_EQ(gateway.run("GET /", token).refusal.status, 401);
  EXPECT_EQ(gateway.facts.principal, nullptr);
  EXPECT_EQ(gateway.facts.reason, "revoked: client \"client1\" (line 1)");
  gateway.revocations = *auth::RevocationList::parse("client client2\n");
  EXPECT_TRUE(gateway.run("GET /", token).permit);

  Case guard;
  guard.require_transaction();
  const std::string field = cat("Txn-Token: ", guard.minted("GET", "/7"), "\r\n");
  for (const std::string_view line : {"client client1\n", "kid k1\n", "sub client1\n"}) {
    guard.revocations = *auth::RevocationList::parse(line);
    EXPECT_EQ(guard.run("GET /7", field).refusal.status, 401) << line;
    EXPECT_TRUE(guard.facts.reason.starts_with("transaction token: revoked: ")) << guard.facts.reason;
    EXPECT_EQ(guard.facts.principal, nullptr);
  }
  guard.revocations = *auth::RevocationList::parse("client client2\nkid k2\njti client1\n");
  EXPECT_TRUE(guard.run("GET /7", field).permit) << "nor was it used up";
}

TEST(Decide, a_grant_is_taken_back_at_the_guard_too) {
  Case guard;
  guard.require_transaction();
  const std::string field = cat("Txn-Token: ", guard.minted("GET", "/7", {"family-1", "https://as.example"}), "\r\n");
  for (const std::string_view line : {"grant family-1\n", "grant family-1 iss=https://as.example\n"}) {
    guard.revocations = *auth::RevocationList::parse(line);
    EXPECT_EQ(guard.run("GET /7", field).refusal.status, 401) << line;
    EXPECT_TRUE(guard.facts.reason.starts_with("transaction token: revoked: grant \"family-1\"")) << guard.facts.reason;
  }
  guard.revocations = *auth::RevocationList::parse(
      "grant family-2\ngrant family-1 iss=https://other.example\ngrant client1\nsub family-1\njti family-1\n");
  EXPECT_TRUE(guard.run("GET /7", field).permit);
}

TEST(Decide, what_is_good_waits_for_a_list_of_revocations) {
  Case gateway;
  gateway.require_jwt();
  gateway.lacks_revocations = true;
  const Decided decided = gateway.run("GET /", bearer(client1_token()));
  EXPECT_EQ(decided.refusal.status, 503);
  EXPECT_EQ(decided.refusal.code, "revocations_unavailable");
  EXPECT_EQ(gateway.facts.principal, nullptr);
  EXPECT_EQ(gateway.run("GET /", bearer("nonsense")).refusal.status, 401);
  EXPECT_EQ(gateway.run("GET /").refusal.status, 401);
  gateway.revocations = *auth::RevocationList::parse("client client1\n");
  EXPECT_EQ(gateway.run("GET /", bearer(client1_token())).refusal.status, 401) << "another list takes it back";
  gateway.lacks_revocations = false;
  gateway.revocations = *auth::RevocationList::parse("");
  EXPECT_TRUE(gateway.run("GET /", bearer(client1_token())).permit);

  Case guard;
  guard.require_transaction();
  const std::string field = cat("Txn-Token: ", guard.minted("GET", "/7"), "\r\n");
  guard.lacks_revocations = true;
  EXPECT_EQ(guard.run("GET /7", field).refusal.status, 503);
  EXPECT_EQ(guard.facts.principal, nullptr);
  guard.lacks_revocations = false;
  EXPECT_TRUE(guard.run("GET /7", field).permit) << "nor was it used up";

  Case open;
  open.lacks_revocations = true;
  EXPECT_TRUE(open.run("GET /").permit) << "nobody is asked for a credential here";
}

TEST(Decide, a_single_use_token_needs_a_memory) {
  Case one;
  one.require_transaction();
  const std::string field = cat("Txn-Token: ", one.minted("GET", "/7"), "\r\n");
  one.text = cat("GET /7 HTTP/1.1\r\nHost: x\r\n", field, "\r\n");
  http::RequestParser parser;
  ASSERT_EQ(parser.parse(one.text), http::ParseStatus::complete);
  const Decided decided = decide(
      {one.location, parser.head(), {"/7"}, 0, one.variables, one.arena, {1000, now_s * 1000}, nullptr, nullptr, false},
      one.facts);
  EXPECT_EQ(decided.refusal.status, 503);
}

TEST(Decide, limits_the_verified_identity_and_nobody_else) {
  Case one;
  one.require_jwt();
  struct Names final : route::VariableNames {
    std::optional<std::uint32_t> map_index(std::string_view) const override { return 0; }
  } names;
  std::string error;
  limit::Limit limit;
  limit.zone =
      std::make_shared<limit::Zone>("per_client", 1 << 20, 1000, *route::Template::compile("$client_id", names, error));
  limit.after_auth = true;
  one.location.identity_limits.push_back(limit);
  one.location.limit_status = 429;
  one.variables.value = "client1";
  EXPECT_EQ(one.run("GET /").refusal.status, 401);  // No token: not charged.
  EXPECT_TRUE(one.run("GET /", bearer(client1_token())).permit);
  EXPECT_EQ(one.run("GET /", bearer(client1_token())).refusal.status, 429);
}

TEST(Decide, auth_require_asks_for_its_values_whatever_the_credential) {
  Case c;
  auth::Requirement require;
  require.values.push_back(route::Template::literal("1"));
  require.status = 451;
  c.location.requirements.push_back(require);
  EXPECT_TRUE(c.run("GET /").permit);
  for (const std::string_view value : {"", "0"}) {
    c.location.requirements.back().values.push_back(route::Template::literal(value));
    const Decided decided = c.run("GET /");
    EXPECT_FALSE(decided.permit);
    EXPECT_EQ(decided.refusal.status, 451);
    c.location.requirements.back().values.pop_back();
  }
}

TEST(Decide, a_bound_token_is_refused_without_a_proof_and_without_a_memory_of_proofs) {
  Case c;
  c.require_jwt();
  EXPECT_TRUE(c.run("GET /", bearer(client1_token())).permit);
  const std::string bound =
      keys().sign(cat(R"({"client_id":"client1","cnf":{"jkt":")", std::string(43, 'A'), R"("}})"));
  for (const std::string& field : {bearer(bound), cat("Authorization: DPoP ", bound, "\r\n")}) {
    const Decided decided = c.run("GET /", field);
    EXPECT_FALSE(decided.permit);
    EXPECT_EQ(decided.refusal.status, 401);
    EXPECT_TRUE(decided.refusal.challenge.starts_with("DPoP realm=\"shop\", error=")) << decided.refusal.challenge;
  }
  const Decided unbound = c.run("GET /", cat("Authorization: DPoP ", client1_token(), "\r\n"));
  EXPECT_EQ(unbound.refusal.status, 401);
}

// decide() for a request of our own, and the same for a client's.
Decided run_subrequest(Case& one, std::string_view fields = "", bool is_subrequest = true) {
  one.text = cat("GET /auth HTTP/1.1\r\nHost: x\r\n", fields, "\r\n");
  http::RequestParser parser;
  EXPECT_EQ(parser.parse(one.text), http::ParseStatus::complete);
  one.facts = {};
  DecideInput input{one.location, parser.head(), {"/auth"}, 0, one.variables, one.arena, {1000, now_s * 1000}};
  input.replay = &one.replay;
  input.is_subrequest = is_subrequest;
  return decide(input, one.facts);
}

TEST(Decide, asks_a_subrequest_for_no_credential_as_nginx) {
  Case one;
  one.require_jwt();
  one.location.auth.addresses.add(false, auth::AddressRules::Who::everybody);
  one.location.auth.request_uri = "/auth";
  auth::Requirement require;
  require.values.push_back(route::Template::literal("0"));
  one.location.requirements.push_back(require);
  EXPECT_TRUE(run_subrequest(one).permit);
  EXPECT_EQ(one.facts.principal, nullptr);
  EXPECT_EQ(run_subrequest(one, bearer(client1_token()), false).refusal.status, 403);
  EXPECT_TRUE(run_subrequest(one, bearer(client1_token())).permit);
  EXPECT_EQ(one.facts.principal, nullptr) << "a client's token makes it nobody else's";
}

TEST(Decide, lets_a_subrequest_by_no_policy_and_no_guard) {
  Case one;
  one.location.authorize = Authorize::required;
  EXPECT_EQ(run_subrequest(one).refusal.status, 500);
  one.location.authorize = Authorize::off;
  EXPECT_TRUE(run_subrequest(one).permit);
  one.require_transaction();
  EXPECT_FALSE(run_subrequest(one).permit);
  EXPECT_TRUE(run_subrequest(one, cat("Txn-Token: ", one.minted("GET", "/auth"), "\r\n")).permit);
}

// RFC 9421: by a nonce that passes once.
std::string signed_fields(std::string_view nonce) {
  const std::string input = cat(R"(("@method" "@target-uri");created=)", now_s, R"(;keyid="k1";nonce=")", nonce, '"');
  const std::string base = cat("\"@method\": GET\n\"@target-uri\": http://x/\n\"@signature-params\": ", input);
  return cat("Signature-Input: a=", input,
             "\r\nSignature: a=:", crypto::base64_encode(*crypto::make_signature(*keys().key, base)), ":\r\n");
}

TEST(Decide, a_signature_with_a_nonce_passes_once_and_never_without_a_memory) {
  Case c;
  auto options = std::make_shared<auth::SignatureOptions>();
  options->keys = keys().keys;
  options->once = true;
  c.location.auth.signature = options;
  EXPECT_EQ(c.run("GET /", signed_fields("n1")).refusal.status, 503);
  identity::ReplayStore memory(64);
  c.signatures = &memory;
  EXPECT_TRUE(c.run("GET /", signed_fields("n1")).permit);
  EXPECT_EQ(c.facts.principal->client, "k1");
  const Decided again = c.run("GET /", signed_fields("n1"));
  EXPECT_FALSE(again.permit);
  EXPECT_EQ(again.refusal.status, 401);
  EXPECT_TRUE(c.run("GET /", signed_fields("n2")).permit);
  EXPECT_EQ(c.run("GET /", "").refusal.status, 401);
  identity::ReplayStore full(0);
  c.signatures = &full;
  const Decided refused = c.run("GET /", signed_fields("n3"));
  EXPECT_FALSE(refused.permit);
  EXPECT_EQ(refused.refusal.code, "replay_memory_full");
}

}  // namespace
}  // namespace keepgate::pipeline
