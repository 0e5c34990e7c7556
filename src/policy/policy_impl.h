// What a Policy holds: the rules as written and as compiled. For the files of this room only.
//
// Thread rule: immutable after load. Lifetime: `compiled` borrows `book`; both stay where they are.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "policy/compiled_rules.h"
#include "policy/ir.h"
#include "policy/policy.h"

namespace keepgate::policy {

struct Policy::Impl {
  RuleBook book;
  std::unique_ptr<const CompiledRules> compiled;
  std::string hash;
  std::uint64_t generation = 0;

  // What the principal's slot keeps, made if it is missing or of another policy; nullptr without memory: then deny.
  const CompiledRules::PrincipalRows* rows_of(const auth::Principal* principal) const;
};

}  // namespace keepgate::policy
