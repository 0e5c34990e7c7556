#include "pipeline/stub_status.h"

#include "base/bytes.h"
#include "pipeline/content_type.h"
#include "pipeline/counters.h"
#include "pipeline/exchange.h"
#include "pipeline/respond.h"

namespace keepgate::pipeline {

namespace {

class StubStatus final : public Content {
 public:
  net::Task<std::optional<Refusal>> serve(Exchange& exchange, Permit /*permit*/) const override {
    const http::Method method = exchange.method_is_get ? http::Method::get : exchange.head().method;
    if (method != http::Method::get && method != http::Method::head) {
      Refusal refusal;
      refusal.status = 405;
      refusal.code = "method_not_allowed";
      co_return refusal;
    }
    const CounterValues now = Counters::sum();
    const std::string text = cat("Active connections: ", now.connections, " \nserver accepts handled requests\n ",
                                 now.accepted, ' ', now.accepted, ' ', now.requests, " \nReading: ", now.reading(),
                                 " Writing: ", now.writing, " Waiting: ", now.waiting, " \n");
    LocalAnswer answer;
    answer.status = 200;
    answer.content_type = with_charset(exchange.location(), "text/plain", exchange.arena);
    answer.body = text;
    co_await respond(exchange, answer);
    co_return std::nullopt;
  }
};

}  // namespace

std::shared_ptr<const Content> make_stub_status() { return std::make_shared<StubStatus>(); }

}  // namespace keepgate::pipeline
