#include "policy/policy.h"

#include <atomic>
#include <utility>

#include "base/bytes.h"
#include "crypto/digest.h"
#include "policy/policy_impl.h"
#include "policy/rule_text.h"
#include "policy/yaml_front_end.h"

namespace keepgate::policy {

namespace {

// Zero is a slot that was never filled.
std::uint64_t next_generation() {
  static std::atomic<std::uint64_t> generation{0};
  return generation.fetch_add(1, std::memory_order_relaxed) + 1;
}

// With lengths, so that moving a byte from a name to a text or from file to file changes the hash.
std::string hash_of(std::span<const Source> sources) {
  std::string all;
  for (const Source& source : sources) {
    append(all, source.name.size(), ':', source.name, source.text.size(), ':', source.text);
  }
  return crypto::sha256_hex(all);
}

}  // namespace

std::string describe(const auth::Principal* principal) { return principal ? principal->describe() : "anonymous"; }

std::string joined(const std::vector<std::string>& texts, std::string_view separator) {
  std::string out;
  for (const std::string& text : texts) append(out, out.empty() ? "" : separator, text);
  return out;
}

Policy::Policy() : impl_(std::make_unique<Impl>()) {}
Policy::~Policy() = default;

std::shared_ptr<const Policy> Policy::load(std::span<const Source> sources, Diagnostics& diagnostics) {
  std::optional<RuleBook> book = read_sources(sources, diagnostics);
  if (!book) return nullptr;
  std::shared_ptr<Policy> policy(new Policy());
  Impl& impl = *policy->impl_;
  impl.book = *std::move(book);
  impl.compiled = std::make_unique<const CompiledRules>(impl.book);
  impl.hash = hash_of(sources);
  impl.generation = next_generation();
  return policy;
}

const std::string& Policy::hash() const { return impl_->hash; }
std::uint64_t Policy::generation() const { return impl_->generation; }
std::size_t Policy::rule_count() const { return impl_->book.rules.size(); }

bool Policy::parse_identity(std::string_view text, auth::Principal& out, std::string& error) {
  auto principal = policy::parse_identity(text);
  if (!principal) {
    error = principal.error().help.empty() ? principal.error().message
                                           : cat(principal.error().message, "; ", principal.error().help);
    return false;
  }
  out = *std::move(principal);
  return true;
}

}  // namespace keepgate::policy
