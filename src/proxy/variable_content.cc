// proxy_pass with variables: a Plan for each target that turned up, kept by the worker.
#include <atomic>
#include <unordered_map>

#include "base/bytes.h"
#include "proxy/forward.h"
#include "proxy/plan.h"
#include "proxy/proxy_content.h"
#include "proxy/target.h"

namespace keepgate::proxy {

namespace {

// One worker's. What a Plan computes is computed once for a target, not for each request.
class TargetPlans final : public pipeline::WorkerCache {
 public:
  static constexpr std::size_t plans_max = 1'000;

  std::shared_ptr<const Plan> find(std::uint64_t content, const Target& target) {
    const auto found = plans_.find(key_of(content, target));  // Without a new key: what is known costs no memory.
    // The same name may have become another group meanwhile.
    return found != plans_.end() && found->second->options.group == target.group ? found->second : nullptr;
  }
  void keep(std::uint64_t content, const Target& target, std::shared_ptr<const Plan> plan) {
    if (plans_.size() >= plans_max) plans_.clear();  // Rare, and each is soon made again.
    plans_[key_of(content, target)] = std::move(plan);
  }

 private:
  const std::string& key_of(std::uint64_t content, const Target& target) {
    scratch_.clear();
    append(scratch_, content, target.tls ? " https " : " http ", target.host, ' ', target.tls_name);
    return scratch_;
  }
  std::string scratch_;
  std::unordered_map<std::string, std::shared_ptr<const Plan>> plans_;
};

TargetPlans& plans_of(pipeline::Worker& worker) {
  if (!worker.target_plans) worker.target_plans = std::make_unique<TargetPlans>();
  return static_cast<TargetPlans&>(*worker.target_plans);
}

class VariableProxyContent final : public pipeline::Content {
 public:
  VariableProxyContent(ProxyOptions options, std::shared_ptr<const VariableTarget> from)
      : options_(std::move(options)), from_(std::move(from)), number_(++last_number) {}

  net::Task<std::optional<pipeline::Refusal>> serve(pipeline::Exchange& exchange,
                                                    pipeline::Permit permit) const override {
    Target target;
    auto refused = co_await find_target(exchange, permit, *from_, target);
    if (refused) co_return refused;
    TargetPlans& plans = plans_of(exchange.worker());
    std::shared_ptr<const Plan> plan = plans.find(number_, target);
    if (!plan) {
      plan = plan_for(target);
      plans.keep(number_, target, plan);
    }
    exchange.target_uri = target.uri;
    exchange.proxy_host = target.host;
    exchange.proxy_port = target.tls ? 443 : 80;
    Forward forward(exchange, permit, *plan);
    co_return co_await forward.run();
  }

 private:
  std::shared_ptr<const Plan> plan_for(const Target& target) const {
    ProxyOptions options = options_;
    options.group = target.group;
    options.host = target.host;
    options.tls = target.tls ? from_->tls : nullptr;
    options.tls_name = target.tls_name;
    return std::make_shared<const Plan>(std::move(options));
  }

  inline static std::atomic<std::uint64_t> last_number{0};
  ProxyOptions options_;
  std::shared_ptr<const VariableTarget> from_;
  std::uint64_t number_;  // Never given out twice: the object's address may come again after a reload.
};

}  // namespace

std::shared_ptr<const pipeline::Content> make_proxy_content(ProxyOptions options,
                                                            std::shared_ptr<const VariableTarget> from) {
  return std::make_shared<VariableProxyContent>(std::move(options), std::move(from));
}

}  // namespace keepgate::proxy
