// Rounds of key requests on a socket pair: who shares one, who ends one. The location that serves the keys is a fake.
#include "pipeline/key_request.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "pipeline/connection_for_tests.h"
#include "pipeline/content.h"
#include "pipeline/respond.h"

namespace keepgate::pipeline {
namespace {

constexpr std::int64_t short_round_ms = 40;

// Answers after `turns` turns of the loop, or never.
class Document final : public Content {
 public:
  net::Task<std::optional<Refusal>> serve(Exchange& exchange, Permit) const override {
    ++asked;
    for (unsigned i = 0; i < turns; ++i) co_await net::Yield(exchange.worker().loop);
    if (never) {
      co_await exchange.client().wait_hangup(INT64_MAX);
      exchange.aborted = true;
      co_return std::nullopt;
    }
    LocalAnswer answer;
    answer.status = status;
    answer.body = text;
    co_await respond(exchange, answer);
    co_return std::nullopt;
  }
  std::string text;
  std::uint16_t status = 200;
  unsigned turns = 0;
  bool never = false;
  mutable unsigned asked = 0;
};

class KeyRound : public ::testing::Test, protected ConnectionForTests {
 protected:
  KeyRound() {
    document = std::make_shared<Document>();
    document->text = crypto::generate_jwk(crypto::KeyType::p256, crypto::Algorithm::es256, "k1");
    document->text = "{\"keys\":[" + *crypto::public_jwk(document->text) + "]}";
    snapshot->locations[0].authorize = Authorize::off;
    snapshot->locations[0].content = document;
    keys = std::make_shared<auth::RequestedKeys>(
        auth::RequestedKeys::Options{{"/keys"}, nullptr, auth::TokenForm::jws, 0});
  }

  // How many of `count` requests at a time were given keys.
  unsigned ask(KeyRequests& requests, unsigned count) {
    unsigned good = 0, left = count;
    std::vector<std::unique_ptr<ConnectionToAsk>> all;
    for (unsigned i = 0; i < count; ++i) {
      all.push_back(std::make_unique<ConnectionToAsk>(*this));
      [](KeyRequests& from, Exchange& x, std::shared_ptr<auth::RequestedKeys> wanted, unsigned& goods, unsigned& lefts,
         std::string& why) -> net::Detached {
        const auth::Need need{auth::NeedKind::requested_keys, wanted->name(),
                              std::make_shared<auth::RequestedKeysNeed>(wanted)};
        const auth::Answer answer = co_await from.supply(x, need);
        goods += answer.is_good && answer.value ? 1 : 0;
        if (!answer.is_good) why = answer.reason;
        if (--lefts == 0) x.worker().loop.stop();
      }(requests, all.back()->exchange, keys, good, left, reason);
    }
    if (left > 0) loop.run();
    return good;
  }

  // One more client.
  struct ConnectionToAsk {
    explicit ConnectionToAsk(KeyRound& test) {
      int ends[2];
      KG_ASSERT(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
      theirs = ends[1];
      connection = std::make_unique<Connection>(*test.worker, net::Stream(test.loop, ends[0]), net::Address(),
                                                test.snapshot, test.snapshot->listeners[0]);
      exchange.begin(*connection);
      exchange.set_server(test.snapshot->servers[0]);
    }
    ~ConnectionToAsk() {
      exchange.end();
      connection.reset();
      ::close(theirs);
    }
    int theirs = -1;
    std::unique_ptr<Connection> connection;
    Exchange exchange;
  };

  std::shared_ptr<Document> document;
  std::shared_ptr<auth::RequestedKeys> keys;
  std::string reason;
};

TEST_F(KeyRound, brings_keys_at_once_or_later) {
  KeyRequests requests;
  EXPECT_EQ(ask(requests, 1), 1U);
  EXPECT_EQ(document->asked, 1U);
}

TEST_F(KeyRound, is_one_for_all_who_wait) {
  KeyRequests requests;
  document->turns = 3;
  EXPECT_EQ(ask(requests, 50), 50U);
  EXPECT_EQ(document->asked, 1U);
  EXPECT_EQ(worker->connection_count, 1U) << "nobody's connection is gone";
}

TEST_F(KeyRound, that_fails_brings_nobody_keys) {
  KeyRequests requests;
  document->turns = 3;
  document->status = 503;
  EXPECT_EQ(ask(requests, 3), 0U);
  EXPECT_EQ(reason, "/keys: it answers 503");
}

TEST_F(KeyRound, that_never_ends_is_ended) {
  KeyRequests requests(short_round_ms);
  document->never = true;
  EXPECT_EQ(ask(requests, 3), 0U);
  EXPECT_EQ(document->asked, 1U);
}

TEST_F(KeyRound, of_a_need_without_its_keys_brings_nothing) {
  KeyRequests requests;
  bool good = true;
  ConnectionToAsk client(*this);
  [](KeyRequests& from, Exchange& x, bool& out) -> net::Detached {
    const auth::Need need{auth::NeedKind::requested_keys, "x", nullptr};
    const auth::Answer answer = co_await from.supply(x, need);
    out = answer.is_good;
  }(requests, client.exchange, good);
  EXPECT_FALSE(good);
  EXPECT_EQ(document->asked, 0U);
}

}  // namespace
}  // namespace keepgate::pipeline
