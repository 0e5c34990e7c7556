#include "pipeline/record.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "crypto/json.h"
#include "crypto/jwk.h"
#include "crypto/jws.h"

namespace keepgate::pipeline {
namespace {

// One exchange on a socket pair, decided as the access phase decides it.
class Bench {
 public:
  Bench() {
    snapshot->servers.resize(1);
    snapshot->locations.resize(1);
    snapshot->listeners.resize(1);
    location().pattern = "^~ /1.0/";
    location().service = "orders";
    location().authorize = Authorize::off;
    const std::string jwk = crypto::generate_jwk(crypto::KeyType::p256, crypto::Algorithm::es256, "k1");
    key_ = *crypto::parse_jwk(jwk);
  }
  ~Bench() {
    exchange_.reset();
    connection_.reset();
    if (theirs_ >= 0) ::close(theirs_);
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  LocationConfig& location() { return snapshot->locations[0]; }
  Exchange& x() { return *exchange_; }

  void require_jwt() {
    auto keys = std::make_shared<crypto::KeySet>();
    keys->keys.push_back(key_);
    location().auth.jwt.enabled = true;
    location().auth.jwt.keys = keys;
  }
  std::string token(std::string_view claims) const {
    const std::int64_t expires_s = Now::read().wall_s() + 600;
    return *crypto::sign_jws(R"({"alg":"ES256","kid":"k1"})", cat("{", claims, ",\"exp\":", expires_s, "}"), *key_);
  }
  void set_policy(std::string text) {
    const policy::Source source{"policy.yaml", std::move(text)};
    Diagnostics diagnostics;
    location().policy = policy::Policy::load({&source, 1}, diagnostics);
    ASSERT_TRUE(location().policy) << diagnostics.render_text();
    location().authorize = Authorize::required;
  }

  // The record of one request, parsed; `status` is what was answered.
  crypto::Json record_of(std::string_view text, std::uint16_t status = 200) {
    published_.publish(snapshot);
    worker_ = std::make_unique<Worker>(loop_, published_, 0);
    int ends[2];
    KG_ASSERT(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    theirs_ = ends[1];
    connection_ = std::make_unique<Connection>(*worker_, net::Stream(loop_, ends[0]),
                                               *net::Address::ip("192.0.2.7", 4711), snapshot, snapshot->listeners[0]);
    bytes_ = text;
    exchange_ = std::make_unique<Exchange>();
    x().begin(*connection_);
    EXPECT_EQ(x().parser.parse(bytes_), http::ParseStatus::complete) << x().parser.refusal().reason;
    x().set_server(snapshot->servers[0]);
    const auto canonical = http::canonicalize({x().head().raw_path}, true, x().arena);
    x().path = canonical.path;
    x().decided = true;
    auto decided =
        decide({location(), x().head(), x().path, canonical.ambiguities, x(), x().arena, x().now()}, x().facts);
    x().permitted = decided.permit.has_value();
    x().status = status;
    line.clear();
    append_decision_record(x(), line);
    EXPECT_TRUE(line.ends_with("}\n"));
    EXPECT_EQ(line.find('\n'), line.size() - 1);
    auto json = crypto::parse_json(line);
    EXPECT_TRUE(json) << line;
    return json ? std::move(*json) : crypto::Json();
  }

  std::string line;
  std::shared_ptr<Snapshot> snapshot = std::make_shared<Snapshot>();

 private:
  net::Loop loop_;
  Published<Snapshot> published_;
  std::unique_ptr<Worker> worker_;
  std::unique_ptr<Connection> connection_;
  std::unique_ptr<Exchange> exchange_;
  std::shared_ptr<const crypto::Key> key_;
  std::string bytes_;
  int theirs_ = -1;
};

std::string get(std::string_view target, std::string_view fields = {}) {
  return cat("GET ", target, " HTTP/1.1\r\nHost: x\r\n", fields, "\r\n");
}
std::string text_at(const crypto::Json& json, std::string_view name) {
  return std::string(json.string_at(name).value_or("(absent)"));
}

TEST(DecisionRecord, tells_who_asked_for_what_and_which_rule_decided) {
  Bench bench;
  bench.require_jwt();
  bench.set_policy("policies:\n  - { id: read, identity: client1, permissions: GET, on: /7 }\n");
  bench.location().path_replacement = PathReplacement{"/1.0/orders/", "/", std::nullopt};
  const std::string token = bench.token(R"("client_id":"client1","sub":"user:alice")");
  const crypto::Json json =
      bench.record_of(get("/1.0/orders/7?secret=1", cat("Authorization: Bearer ", token, "\r\n")), 204);
  const std::pair<const char*, std::string> expected[] = {
      {"verdict", "allow"},
      {"requester", "client:client1"},
      {"on_behalf_of", "user:alice"},
      {"authenticated_by", "jwt"},
      {"service", "orders"},
      {"method", "GET"},
      {"path", "/7"},
      {"location", "^~ /1.0/"},
      {"rule", "read"},
      {"reason", ""},
      {"policy_hash", bench.location().policy->hash()},
      {"token_sha256", bench.x().facts.token->token_hash},
      {"decision_id", std::string(bench.x().decision_id())},
      {"remote_addr", "192.0.2.7"},
      {"shadow_verdict", "(absent)"},
      {"txn", "(absent)"},
  };
  for (const auto& [name, value] : expected) EXPECT_EQ(text_at(json, name), value) << name;
  ASSERT_TRUE(json.find("status") && json.find("status")->integer());
  EXPECT_EQ(*json.find("status")->integer(), 204);
  const std::string time = text_at(json, "time");
  ASSERT_EQ(time.size(), std::string_view("2026-01-31T12:00:00.000Z").size());
  EXPECT_EQ(time[10], 'T');
  EXPECT_EQ(time[19], '.');
  EXPECT_EQ(time.back(), 'Z');
}

TEST(DecisionRecord, holds_no_token_and_no_query) {
  Bench bench;
  bench.require_jwt();
  const std::string token = bench.token(R"("client_id":"client1")");
  bench.record_of(get("/7?secret=1", cat("Authorization: Bearer ", token, "\r\nCookie: session=abc\r\n")));
  const auto first_dot = token.find('.'), last_dot = token.rfind('.');
  for (const std::string& part : {token.substr(0, first_dot), token.substr(first_dot + 1, last_dot - first_dot - 1),
                                  token.substr(last_dot + 1), std::string("secret"), std::string("session")}) {
    EXPECT_EQ(bench.line.find(part), std::string::npos) << part;
  }
}

TEST(DecisionRecord, a_refused_token_is_not_in_it_either) {
  Bench bench;
  bench.require_jwt();
  const std::string token = bench.token(R"("client_id":"client1")");
  const std::string broken = token.substr(0, token.size() - 4) + "AAAA";
  const crypto::Json json = bench.record_of(get("/7", cat("Authorization: Bearer ", broken, "\r\n")), 401);
  EXPECT_EQ(text_at(json, "verdict"), "deny");
  EXPECT_EQ(text_at(json, "requester"), "anonymous");
  EXPECT_EQ(text_at(json, "authenticated_by"), "none");
  EXPECT_NE(text_at(json, "reason"), "");
  EXPECT_EQ(text_at(json, "token_sha256"), "(absent)");
  EXPECT_EQ(bench.line.find(broken.substr(broken.rfind('.') + 1)), std::string::npos);
  EXPECT_EQ(bench.line.find(broken.substr(0, broken.find('.'))), std::string::npos);
}

TEST(DecisionRecord, a_denial_says_why) {
  Bench bench;
  bench.set_policy("policies:\n  - { id: open, allow: anonymous, permissions: GET, on: /open }\n");
  const crypto::Json denied = bench.record_of(get("/closed"), 401);
  EXPECT_EQ(text_at(denied, "verdict"), "deny");
  EXPECT_EQ(text_at(denied, "rule"), "");
  EXPECT_EQ(text_at(denied, "reason"), "no rule allows it");
  Bench other;
  other.set_policy("policies:\n  - { id: open, allow: anonymous, permissions: GET, on: /open }\n");
  const crypto::Json allowed = other.record_of(get("/open"));
  EXPECT_EQ(text_at(allowed, "verdict"), "allow");
  EXPECT_EQ(text_at(allowed, "rule"), "open");
  EXPECT_EQ(text_at(allowed, "requester"), "anonymous");
}

TEST(DecisionRecord, in_shadow_mode_tells_both_verdicts) {
  Bench bench;
  bench.set_policy("policies:\n  - { id: none, allow: client:x, on: /x }\n");
  bench.location().authorize = Authorize::shadow;
  const crypto::Json json = bench.record_of(get("/y"));
  EXPECT_EQ(text_at(json, "verdict"), "allow");
  EXPECT_EQ(text_at(json, "shadow_verdict"), "deny");
}

TEST(DecisionRecord, hostile_bytes_stay_inside_their_string) {
  for (const char* target : {"/%22,%22verdict%22:%22allow%22,%22x%22:%22", "/%0a%7b%22verdict%22:1%7d", "/%5c%22",
                             "/%ff%fe", "/%01%1f%7f", "/%e2%80%a8"}) {
    Bench bench;
    bench.location().authorize = Authorize::required;
    const crypto::Json json = bench.record_of(get(target), 401);
    EXPECT_EQ(text_at(json, "verdict"), "deny") << target;
  }
}

TEST(DecisionRecord, knows_the_token_that_was_minted) {
  Bench bench;
  bench.record_of(get("/"));
  bench.x().minted_transaction = "txn-1";
  std::string line;
  append_decision_record(bench.x(), line);
  const auto json = crypto::parse_json(line);
  ASSERT_TRUE(json);
  EXPECT_EQ(text_at(*json, "txn"), "txn-1");
}

TEST(DecisionRecord, every_request_has_an_id_of_its_own) {
  Bench one, other;
  const std::string first = text_at(one.record_of(get("/")), "decision_id");
  EXPECT_EQ(first.size(), 32U);
  EXPECT_EQ(first, one.x().decision_id());
  EXPECT_NE(first, text_at(other.record_of(get("/")), "decision_id"));
}

}  // namespace
}  // namespace keepgate::pipeline
