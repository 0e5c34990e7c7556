#include "issuer/introspector.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/log.h"
#include "crypto/digest.h"
#include "issuer/client_secret.h"

namespace keepgate::issuer {

namespace {

constexpr unsigned introspection_ok = 200;

auth::Answer nobody_knows(std::string why) {
  auth::Answer out;
  out.reason = std::move(why);
  return out;
}

auth::Answer said(AnswerCache::Answer answer) {
  auth::Answer out;
  out.is_good = true;
  out.value = std::move(answer);
  return out;
}

bool keeps_silent(ErrorKind kind) {
  return kind == ErrorKind::timeout || kind == ErrorKind::unreachable || kind == ErrorKind::closed;
}

std::string fault_of_status(unsigned status) {
  if (status == 401 || status == 403) return cat("it answers ", status, ": it does not take our credentials");
  if (status >= 300 && status < 400) return cat("it answers ", status, ": redirects are not followed");
  return cat("it answers ", status);
}

}  // namespace

Introspector::Introspector(fetch::Fetcher& fetcher, Clock clock, const IntrospectorBounds& bounds)
    : fetcher_(fetcher), clock_(std::move(clock)), bounds_(bounds), cache_(bounds.cache) {}

Introspector::Key Introspector::key_of(const auth::IntrospectionNeed& need) {
  return {need.endpoint->number(), crypto::sha256(need.token)};
}

std::optional<auth::Answer> Introspector::find(const auth::IntrospectionNeed& need) {
  const Key key = key_of(need);
  const Now now = clock_();
  const std::lock_guard lock(mutex_);
  if (auto known = cache_.find(key, need.cache_ms, now)) return said(std::move(known));
  return std::nullopt;
}

// "": go on. Locked.
std::string Introspector::fault_of_asking(const auth::IntrospectionEndpoint& endpoint, const Key& key, Now now) {
  if (calls_.contains(key)) {
    return calls_[key].waiting.size() < bounds_.waiting ? "" : "too many wait for the answer about this token";
  }
  if (calls_.size() >= bounds_.calls) return "too many tokens are being asked about";
  const auto health = health_.find(endpoint.number());
  if (health == health_.end() || health->second.failures < bounds_.failures) return {};
  if (now.monotonic_ms < health->second.ask_after_ms) return "the endpoint did not answer a moment ago";
  health->second.ask_after_ms = now.monotonic_ms + bounds_.pause_ms;
  return {};
}

void Introspector::ask(const auth::IntrospectionNeed& need, const Told& told) {
  const Key key = key_of(need);
  const Now now = clock_();
  AnswerCache::Answer known;
  std::string fault;
  bool begins = false;
  {
    const std::lock_guard lock(mutex_);
    known = cache_.find(key, need.cache_ms, now);
    if (!known) fault = fault_of_asking(*need.endpoint, key, now);
    if (!known && fault.empty()) {
      Call& call = calls_[key];
      begins = call.waiting.empty();
      call.cache_ms = std::max(call.cache_ms, need.cache_ms);
      call.waiting.push_back(told);
    }
  }
  if (known) return told(said(std::move(known)));
  if (!fault.empty()) return told(nobody_knows(std::move(fault)));
  if (!begins) return;
  fetcher_.fetch(request_for(need), [this, endpoint = need.endpoint, key](Result<fetch::Response> response) {
    take(endpoint, key, std::move(response));
  });
}

// RFC 7662 §2.1.
fetch::Request Introspector::request_for(const auth::IntrospectionNeed& need) const {
  const auth::EndpointOptions& options = need.endpoint->options();
  fetch::Request request;
  request.url = options.url;
  request.method = fetch::Method::post;
  request.is_secret = true;
  request.headers.push_back({"Accept", "application/json"});
  request.headers.push_back({"Content-Type", "application/x-www-form-urlencoded"});
  request.body.reserve(64 + 3 * need.token.size());  // Grows no more: nothing of the token is left behind.
  request.body = "token=";
  append_form(request.body, need.token);
  request.body += "&token_type_hint=access_token";
  if (!options.client_id.empty()) {
    request.headers.push_back(client_secret_basic(options.client_id, *options.client_secret));
  }
  request.reach = options.allow_private ? fetch::Reach::with_private : fetch::Reach::global;
  if (options.allow_plain) request.plain = fetch::Plain::to_loopback;
  request.authorities = options.authorities;
  request.body_bytes_max = auth::answer_limits.bytes_max;
  request.connect_timeout_ms = std::min(bounds_.connect_timeout_ms, options.timeout_ms);
  request.timeout_ms = options.timeout_ms;
  return request;
}

void Introspector::take(const std::shared_ptr<const auth::IntrospectionEndpoint>& endpoint, const Key& key,
                        Result<fetch::Response> response) {
  const bool is_silent = !response && keeps_silent(response.error().kind);
  AnswerCache::Answer answer;
  std::string fault;
  if (!response) {
    fault = response.error().detail;
  } else if (response->status != introspection_ok) {
    fault = fault_of_status(response->status);
  } else if (auto read = auth::read_introspection(response->find("content-type"), response->body); !read) {
    fault = read.error().detail;
  } else {
    answer = std::move(*read);
  }
  const Now now = clock_();
  Call call;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = calls_.find(key); found != calls_.end()) {
      call = std::move(found->second);
      calls_.erase(found);
    }
    if (answer) cache_.insert(key, answer, call.cache_ms, now);
    const bool we_end = !response && response.error().kind == ErrorKind::cancelled;
    if (!we_end) judge_endpoint(*endpoint, is_silent, fault, now);
  }
  for (const Told& told : call.waiting) told(answer ? said(answer) : nobody_knows(fault));
}

// Only silence makes an endpoint count as down: an answer that cannot be used may be about this one token. Locked.
void Introspector::judge_endpoint(const auth::IntrospectionEndpoint& endpoint, bool is_silent, const std::string& fault,
                                  Now now) {
  const std::string& url = endpoint.options().url;
  const auto known = health_.find(endpoint.number());
  if (fault.empty()) {
    if (known == health_.end()) return;
    if (known->second.complained) log(LogLevel::notice, "introspection endpoint ", url, ": it answers again");
    health_.erase(known);
    return;
  }
  if (known == health_.end() && health_.size() >= bounds_.endpoints) health_.clear();  // Of reloads long ago.
  Health& health = health_[endpoint.number()];
  health.failures = is_silent ? health.failures + 1 : 0;
  if (health.failures >= bounds_.failures) health.ask_after_ms = now.monotonic_ms + bounds_.pause_ms;
  if (now.monotonic_ms < health.quiet_until_ms) return;
  health.quiet_until_ms = now.monotonic_ms + bounds_.log_pause_ms;
  health.complained = true;
  log(LogLevel::error, "introspection endpoint ", url, ": ", fault, "; its tokens are answered 503");
}

}  // namespace keepgate::issuer
