#include "identity/transaction_token.h"

#include <gtest/gtest.h>

#include "auth/jwt.h"
#include "base/bytes.h"
#include "crypto/test_keys.h"

namespace keepgate::identity {
namespace {

using crypto::Algorithm;

constexpr std::int64_t noon_s = 1'900'000'000;
constexpr RequestFacts orders{.service = "orders", .method = "GET", .path = "/orders/7"};

Now at(std::int64_t wall_ms) { return {.monotonic_ms = 0, .wall_ms = wall_ms}; }
Now noon() { return at(noon_s * 1000); }

TransactionOptions options_for(Algorithm algorithm = Algorithm::es256) {
  TransactionOptions options;
  options.mode = TransactionMode::issue;
  options.trust_domain = "shop.internal";
  options.workload = "gateway";
  options.signing_key = crypto::test::signing_key(algorithm, "tts");
  options.keys = crypto::test::verifying_set(algorithm, "tts");
  options.bind_request = true;
  return options;
}

auth::Principal web_for_alice() {
  auth::Principal principal;
  principal.method = auth::AuthMethod::jwt;
  principal.client = "web";
  principal.user = "alice";
  principal.roles = {"customer", "Domain Users"};
  principal.scopes = {"orders:read", "orders:write"};
  return principal;
}

MintInput input_for(const auth::Principal& principal) {
  MintInput input;
  input.request = orders;
  input.principal = &principal;
  input.peer_address = "192.0.2.1";
  input.transport = "https";
  input.now = noon();
  return input;
}

crypto::Json payload_of(std::string_view token) { return *crypto::parse_json(crypto::parse_jws(token)->payload); }

TEST(TransactionToken, carries_who_and_what_from_gateway_to_guard) {
  for (const Algorithm algorithm : {Algorithm::es256, Algorithm::eddsa, Algorithm::rs256, Algorithm::ps256}) {
    const auth::Principal principal = web_for_alice();
    const TransactionOptions options = options_for(algorithm);
    const Result<Minted> minted = mint(input_for(principal), options);
    ASSERT_TRUE(minted) << minted.error().detail;
    const Result<VerifiedTransaction> verified = verify(minted->token, orders, options, noon());
    ASSERT_TRUE(verified) << verified.error().detail;
    EXPECT_EQ(verified->txn, minted->txn);
    EXPECT_EQ(verified->expires_s, noon_s + 30);
    EXPECT_EQ(verified->token_hash.size(), 16u);
    EXPECT_EQ(verified->principal.method, auth::AuthMethod::transaction_token);
    EXPECT_EQ(verified->principal.client, principal.client);
    EXPECT_EQ(verified->principal.user, principal.user);
    EXPECT_EQ(verified->principal.roles, principal.roles);
    EXPECT_EQ(verified->principal.scopes, principal.scopes);
  }
}

TEST(TransactionToken, writes_the_claims_of_the_draft) {
  const auth::Principal principal = web_for_alice();
  MintInput input = input_for(principal);
  input.extra = {{"tenant", "a\"b\n"}, {"empty", ""}};
  const Result<Minted> minted = mint(input, options_for());
  const Result<crypto::Jws> jws = crypto::parse_jws(minted->token);
  EXPECT_EQ(jws->header_text, R"({"alg":"ES256","kid":"tts","typ":"txntoken+jwt"})");
  EXPECT_EQ(jws->payload,
            cat(R"({"iat":1900000000,"exp":1900000030,"aud":"shop.internal","txn":")", minted->txn,
                R"(","sub":"user:alice","scope":"orders:read orders:write","req_wl":"gateway",)",
                R"("tctx":{"method":"GET","path":"/orders/7","service":"orders","client_id":"web","customer":"alice",)",
                R"("roles":["customer","Domain Users"],"tenant":"a\"b\u000a","empty":""},)",
                R"("rctx":{"req_ip":"192.0.2.1","authn":"jwt","transport":"https"}})"));
}

TEST(TransactionToken, carries_the_grant_of_the_clients_token) {
  const auth::Principal principal = web_for_alice();
  const auto context = [&](auth::Grant grant) {
    MintInput input = input_for(principal);
    input.grant = grant;
    return payload_of(mint(input, options_for())->token);
  };
  const crypto::Json with = context({"family-1", "https://as.example"});
  EXPECT_EQ(with.find("tctx")->string_at("grant_id"), "family-1");
  EXPECT_EQ(with.find("tctx")->string_at("grant_iss"), "https://as.example");
  EXPECT_EQ(with.find("grant_id"), nullptr);
  EXPECT_EQ(context({"family-1", ""}).find("tctx")->find("grant_iss"), nullptr);
  for (const auto& [id, is_carried] :
       {std::pair{std::string(), false}, {std::string(1024, 'g'), true}, {std::string(1025, 'g'), false}}) {
    EXPECT_EQ(context({id, "https://as.example"}).find("tctx")->find("grant_id") != nullptr, is_carried);
  }
  const std::string long_issuer(1025, 'i');
  EXPECT_EQ(context({"family-1", long_issuer}).find("tctx")->find("grant_iss"), nullptr);
  for (const std::string_view ours : {"grant_id", "grant_iss"}) {
    MintInput input = input_for(principal);
    input.extra = {{std::string(ours), "x"}};
    EXPECT_FALSE(mint(input, options_for())) << ours;
  }
}

TEST(TransactionToken, names_the_subject_by_its_namespace) {
  const auto subject = [](const auth::Principal& principal) {
    return std::string(*payload_of(mint(input_for(principal), options_for())->token).string_at("sub"));
  };
  auth::Principal principal;
  principal.service = "spiffe://shop/web";
  EXPECT_EQ(subject(principal), "service:spiffe://shop/web");
  principal.client = "web";
  EXPECT_EQ(subject(principal), "client:web");
  principal.user = "alice";
  EXPECT_EQ(subject(principal), "user:alice");
}

TEST(TransactionToken, states_a_purpose_that_grants_no_scope) {
  auth::Principal principal;
  principal.client = "web";
  const TransactionOptions options = options_for();
  MintInput input = input_for(principal);
  input.request.service = "Orders";
  const Result<Minted> minted = mint(input, options);
  EXPECT_EQ(payload_of(minted->token).string_at("scope"), "orders:get");
  const Result<VerifiedTransaction> verified = verify(minted->token, input.request, options, noon());
  ASSERT_TRUE(verified);
  EXPECT_EQ(verified->principal.describe(), "client:web");
  EXPECT_TRUE(verified->principal.scopes.empty());
}

TEST(TransactionToken, restores_every_kind_of_principal) {
  for (const std::string_view client : {"", "web"}) {
    for (const std::string_view service : {"", "spiffe://shop/web"}) {
      for (const std::string_view user : {"", "alice"}) {
        auth::Principal principal;
        principal.client = client;
        principal.service = service;
        principal.user = user;
        const Result<Minted> minted = mint(input_for(principal), options_for());
        ASSERT_EQ(minted.has_value(), principal.identified());
        if (!minted) continue;
        const Result<VerifiedTransaction> verified = verify(minted->token, orders, options_for(), noon());
        ASSERT_TRUE(verified) << verified.error().detail;
        EXPECT_EQ(verified->principal.client, client);
        EXPECT_EQ(verified->principal.service, service);
        EXPECT_EQ(verified->principal.user, user);
      }
    }
  }
}

TEST(TransactionToken, is_not_minted_without_what_it_needs) {
  const auth::Principal principal = web_for_alice(), nobody;
  const auto refuses = [&](auto change) {
    MintInput input = input_for(principal);
    TransactionOptions options = options_for();
    auth::Principal other = principal;
    change(input, options, other);
    return !mint(input, options).has_value();
  };
  using Input = MintInput&;
  using Options = TransactionOptions&;
  using Who = auth::Principal&;
  EXPECT_FALSE(refuses([](Input, Options, Who) {}));
  EXPECT_TRUE(refuses([](Input input, Options, Who) { input.principal = nullptr; }));
  EXPECT_TRUE(refuses([&](Input input, Options, Who) { input.principal = &nobody; }));
  EXPECT_TRUE(refuses([](Input, Options options, Who) { options.signing_key = nullptr; }));
  EXPECT_TRUE(refuses([](Input, Options options, Who) { options.signing_key = options.keys->keys[0]; }));
  EXPECT_TRUE(refuses([](Input, Options options, Who) { options.trust_domain.clear(); }));
  EXPECT_TRUE(refuses([](Input, Options options, Who) { options.workload.clear(); }));
  EXPECT_TRUE(refuses([](Input, Options options, Who) { options.ttl_s = 0; }));
  EXPECT_TRUE(refuses([](Input, Options options, Who) { options.ttl_s = lifetime_s_max + 1; }));
  EXPECT_TRUE(refuses([](Input input, Options, Who) { input.extra = {{"customer", "root"}}; }));
  EXPECT_TRUE(refuses([](Input input, Options, Who) { input.extra = {{"scopes", "all"}}; }));
  EXPECT_TRUE(refuses([](Input input, Options, Who) { input.extra = {{"a", "1"}, {"a", "2"}}; }));
  EXPECT_TRUE(refuses([](Input input, Options, Who) { input.extra = {{"", "1"}}; }));
  EXPECT_TRUE(refuses([](Input input, Options, Who) { input.extra = {{"a", "\xff"}}; }));
  EXPECT_TRUE(refuses([](Input input, Options, Who) { input.request.path = "/\xff"; }));
  EXPECT_TRUE(refuses([](Input input, Options, Who who) {
    who.client = "web\r\n";
    input.principal = &who;
  }));
  const std::string long_path(crypto::token_bytes_max, 'p');
  EXPECT_TRUE(refuses([&](Input input, Options, Who) { input.request.path = long_path; }));
}

std::string good_payload() {
  return R"({"iat":1900000000,"exp":1900000030,"aud":"shop.internal","txn":"t1","sub":"user:alice","scope":"a b",)"
         R"("req_wl":"gateway","tctx":{"method":"GET","path":"/orders/7","service":"orders","client_id":"web",)"
         R"("customer":"alice"}})";
}

std::string signed_as(std::string_view payload, std::string_view type = "txntoken+jwt", const std::string& key = "tts",
                      Algorithm algorithm = Algorithm::es256) {
  return crypto::test::signed_token(*crypto::test::signing_key(algorithm, key), payload, cat(R"(,"typ":")", type, '"'));
}

// "" when the token is good, else why not.
std::string verdict(std::string_view token, const TransactionOptions& options = options_for(), Now now = noon(),
                    const RequestFacts& request = orders) {
  const Result<VerifiedTransaction> verified = verify(token, request, options, now);
  if (verified) return {};
  EXPECT_EQ(verified.error().code, "bad_transaction_token");
  return verified.error().detail.empty() ? "no reason" : verified.error().detail;
}

std::string with(std::string_view from, std::string_view to) {
  std::string payload = good_payload();
  const std::size_t found = payload.find(from);
  KG_ASSERT(found != std::string::npos);
  return payload.replace(found, from.size(), to);
}

TEST(TransactionToken, is_refused_when_any_claim_is_missing_or_wrong) {
  ASSERT_EQ(verdict(signed_as(good_payload())), "");
  const std::string rows[] = {
      with(R"("iat":1900000000,)", ""),
      with(R"("exp":1900000030,)", ""),
      with(R"("aud":"shop.internal",)", ""),
      with(R"("txn":"t1",)", ""),
      with(R"("sub":"user:alice",)", ""),
      with(R"("scope":"a b",)", ""),
      with(R"("req_wl":"gateway",)", ""),
      with(R"("iat":1900000000)", R"("iat":"1900000000")"),
      with(R"("exp":1900000030)", R"("exp":"1900000030")"),
      with(R"("exp":1900000030)", R"("exp":null)"),
      with(R"("exp":1900000030)", R"("exp":1e300)"),
      with(R"("exp":1900000030)", R"("exp":18446744073709551616)"),
      with(R"("exp":1900000030)", R"("exp":1900000601)"),
      with(R"("exp":1900000030)", R"("exp":1900000000)"),
      with(R"("exp":1900000030)", R"("exp":1899999999)"),
      with(R"("iat":1900000000)", R"("iat":1900000006)"),
      with(R"("iat":1900000000)", R"("iat":1900000031)"),
      with(R"("iat":1900000000)", R"("iat":1800000000)"),
      with(R"("iat":1900000000)", R"("iat":1900000000,"nbf":1900000010)"),
      with(R"("iat":1900000000)", R"("iat":1900000000,"nbf":"0")"),
      with(R"("iat":1900000000)", R"("iat":1900000000,"iat":1900000000)"),
      with(R"("shop.internal")", R"(["shop.internal"])"),
      with(R"("shop.internal")", R"("shop.internal ")"),
      with(R"("shop.internal")", R"("shop.interna")"),
      with(R"("shop.internal")", R"("Shop.internal")"),
      with(R"("shop.internal")", R"("shop.internal.evil")"),
      with(R"("shop.internal")", R"("")"),
      with(R"("shop.internal")", R"(null)"),
      with(R"("t1")", R"("")"),
      with(R"("t1")", R"(7)"),
      with(R"("t1")", R"("a\nb")"),
      with(R"("t1")", cat('"', std::string(txn_bytes_max + 1, 't'), '"')),
      with(R"("user:alice")", R"("")"),
      with(R"("user:alice")", R"("user:")"),
      with(R"("user:alice")", R"(7)"),
      with(R"("user:alice")", R"("user:bob")"),
      with(R"("a b")", R"("")"),
      with(R"("a b")", R"(["a"])"),
      with(R"("a b")", R"("a\u0000")"),
      with(R"("gateway")", R"("")"),
      with(R"("gateway")", R"(["gateway"])"),
      with(R"("service":"orders",)", ""),
      with(R"("service":"orders")", R"("service":["orders"])"),
      with(R"("service":"orders")", R"("service":"Orders")"),
      with(R"("method":"GET",)", ""),
      with(R"("method":"GET")", R"("method":"get")"),
      with(R"("path":"/orders/7",)", ""),
      with(R"("path":"/orders/7")", R"("path":"/orders/7/")"),
      with(R"("client_id":"web")", R"("client_id":7)"),
      with(R"("client_id":"web")", R"("client_id":"")"),
      with(R"("client_id":"web")", R"("client_id":"a\r\nb")"),
      with(R"("customer":"alice")", R"("customer":null)"),
      with(R"("customer":"alice")", R"("customer":"alice","roles":["a,b"])"),
      with(R"("customer":"alice")", R"("customer":"alice","roles":7)"),
      with(R"("customer":"alice")", R"("customer":"alice","scopes":7)"),
      with(R"("tctx":{)", R"("x":{)"),
      R"([])",
      R"({})",
      "",
      "{",
      cat("\xef\xbb\xbf", good_payload()),
  };
  for (const std::string& row : rows) EXPECT_NE(verdict(signed_as(row)), "") << row;
}

TEST(TransactionToken, holds_its_times_to_the_millisecond) {
  const std::string token = signed_as(good_payload());
  const std::pair<std::int64_t, bool> rows[] = {{0, true},       {29'999, true}, {30'000, false},
                                                {31'000, false}, {-5'000, true}, {-5'001, false}};
  for (const auto& [offset_ms, good] : rows) {
    EXPECT_EQ(verdict(token, options_for(), at(noon_s * 1000 + offset_ms)).empty(), good) << offset_ms;
  }
}

TEST(TransactionToken, is_refused_under_any_other_type) {
  for (const std::string_view type :
       {"JWT", "at+jwt", "", "TXNTOKEN+JWT", "application/txntoken+jwt", "txntoken+jwt ", "txntoken"}) {
    EXPECT_NE(verdict(signed_as(good_payload(), type)), "") << type;
  }
  EXPECT_NE(verdict(crypto::test::signed_token(*crypto::test::signing_key(Algorithm::es256, "tts"), good_payload())),
            "");
  EXPECT_NE(verdict(crypto::test::signed_token(*crypto::test::signing_key(Algorithm::es256, "tts"), good_payload(),
                                               R"(,"typ":["txntoken+jwt"])")),
            "");
}

TEST(TransactionToken, is_refused_from_any_other_key_or_algorithm) {
  EXPECT_NE(verdict(signed_as(good_payload(), "txntoken+jwt", "other")), "");
  EXPECT_NE(verdict(signed_as(good_payload(), "txntoken+jwt", "tts", Algorithm::eddsa)), "");
  EXPECT_NE(verdict(signed_as(good_payload(), "txntoken+jwt", "tts", Algorithm::hs256)), "");
  EXPECT_NE(verdict(crypto::test::forged(R"({"alg":"none","typ":"txntoken+jwt"})", good_payload(), "")), "");
  EXPECT_NE(verdict(crypto::test::forged(R"({"alg":"ES256","kid":"tts","typ":"txntoken+jwt"})", good_payload(),
                                         std::string(64, '\0'))),
            "");
  EXPECT_NE(verdict(""), "");
  EXPECT_NE(verdict("a.b.c"), "");
  TransactionOptions keyless = options_for();
  keyless.keys = nullptr;
  EXPECT_NE(verdict(signed_as(good_payload()), keyless), "");
  TransactionOptions homeless = options_for();
  homeless.trust_domain.clear();
  EXPECT_NE(verdict(signed_as(good_payload()), homeless), "");
}

TEST(TransactionToken, is_bound_to_its_request) {
  const std::string token = signed_as(good_payload());
  const RequestFacts others[] = {{.service = "stock", .method = "GET", .path = "/orders/7"},
                                 {.service = "orders", .method = "DELETE", .path = "/orders/7"},
                                 {.service = "orders", .method = "GET", .path = "/orders/8"},
                                 {.service = "", .method = "", .path = ""}};
  TransactionOptions unbound = options_for();
  unbound.bind_request = false;
  for (const RequestFacts& other : others) {
    EXPECT_NE(verdict(token, options_for(), noon(), other), "");
    EXPECT_EQ(verdict(token, unbound, noon(), other), "");
  }
}

TEST(TransactionToken, comes_only_from_allowed_workloads) {
  TransactionOptions options = options_for();
  const std::string token = signed_as(good_payload());
  options.from = {"gateway2", "gateway"};
  EXPECT_EQ(verdict(token, options), "");
  options.from = {"gateway2", "gatewa", "Gateway", ""};
  EXPECT_NE(verdict(token, options), "");
}

TEST(TransactionToken, reads_another_issuers_subject_where_tctx_is_silent) {
  TransactionOptions options = options_for();
  options.bind_request = false;
  const auto who = [&](std::string_view subject, std::string_view context) {
    const std::string payload = cat(R"({"iat":1900000000,"exp":1900000030,"aud":"shop.internal","txn":"t","sub":")",
                                    subject, R"(","scope":"a","req_wl":"g")", context, "}");
    const Result<VerifiedTransaction> verified = verify(signed_as(payload), orders, options, noon());
    return verified ? verified->principal.describe() : "refused";
  };
  EXPECT_EQ(who("user:alice", ""), "user:alice");
  EXPECT_EQ(who("client:web", ""), "client:web");
  EXPECT_EQ(who("service:web", ""), "service:web");
  EXPECT_EQ(who("web", ""), "client:web");
  EXPECT_EQ(who("user:alice", R"(,"tctx":{"client_id":"web"})"), "client:web on behalf of user:alice");
  EXPECT_EQ(who("alice", R"(,"tctx":{"client_id":"web"})"), "client:web on behalf of user:alice");
  EXPECT_EQ(who("web", R"(,"tctx":{"client_id":"web"})"), "client:web");
  EXPECT_EQ(who("client:other", R"(,"tctx":{"client_id":"web"})"), "client:web on behalf of user:client:other");
  EXPECT_EQ(who("user:alice", R"(,"tctx":{"client_id":"web","customer":"bob"})"), "refused");
  EXPECT_EQ(who("user:alice", R"(,"tctx":7)"), "refused");
}

TEST(TransactionToken, and_client_token_never_stand_in_for_each_other) {
  auth::JwtOptions jwt;
  jwt.enabled = true;
  jwt.keys = crypto::test::verifying_set(Algorithm::es256, "tts");
  const std::string transaction = signed_as(good_payload()), client = signed_as(good_payload(), "at+jwt");
  EXPECT_TRUE(auth::verify_jwt(client, jwt, noon()));
  EXPECT_FALSE(auth::verify_jwt(transaction, jwt, noon()));
  EXPECT_EQ(verdict(transaction), "");
  EXPECT_NE(verdict(client), "");
}

}  // namespace
}  // namespace keepgate::identity
