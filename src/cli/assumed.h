// Variables of a request that was never sent: what is known of it, with an assumed token for the identity asked about.
//
// Whatever the answer depends on and nobody knows is collected, so that explain can say "depends on $x" instead of
// guessing. Thread rule: main thread. Lifetime: borrows the place and the principal.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "auth/principal.h"
#include "base/arena.h"
#include "cli/lookup.h"
#include "route/template.h"

namespace keepgate::cli {

class AssumedRequest final : public route::VariableSource {
 public:
  // `principal` nullptr: anonymous.
  AssumedRequest(const Place& place, const auth::Principal* principal) : place_(place), principal_(principal) {}

  std::string_view variable(const route::VariableRef& reference) override;
  std::string_view evaluate(const route::Template& value) { return value.evaluate(*this, arena_); }

  // Names with '$' that were asked for and are not known. Without repeats.
  const std::vector<std::string>& unknown() const { return unknown_; }
  void forget_unknown() { unknown_.clear(); }

 private:
  std::string_view claim(const route::VariableRef& reference);
  std::string_view map(const route::VariableRef& reference);
  std::string_view not_known(const route::VariableRef& reference);

  const Place& place_;
  const auth::Principal* principal_;
  Arena arena_;
  std::vector<std::string> unknown_;
  unsigned depth_ = 0;
};

}  // namespace keepgate::cli
