#include "proxy/proxy_content.h"

#include "proxy/forward.h"
#include "proxy/plan.h"

namespace keepgate::proxy {

namespace {

class ProxyContent final : public pipeline::Content {
 public:
  explicit ProxyContent(ProxyOptions options) : plan_(std::move(options)) {}

  net::Task<std::optional<pipeline::Refusal>> serve(pipeline::Exchange& exchange,
                                                    pipeline::Permit permit) const override {
    Forward forward(exchange, permit, plan_);
    co_return co_await forward.run();
  }
  std::string_view upstream_name() const override { return plan_.options.host; }
  std::uint16_t upstream_port() const override { return plan_.options.port; }

 private:
  Plan plan_;
};

}  // namespace

std::shared_ptr<const pipeline::Content> make_proxy_content(ProxyOptions options) {
  return std::make_shared<ProxyContent>(std::move(options));
}

}  // namespace keepgate::proxy
