// The reference: what a policy means, written to be obviously right and not fast.
//
// The compiled rules are compared with it on random policies and requests; explain and who_can ask it.
// Thread rule: pure functions.
#pragma once

#include <string_view>

#include "policy/ir.h"
#include "policy/policy.h"

namespace keepgate::policy::reference {

// Whether the caller is one of those that a rule of this effect names. nullptr: anonymous.
bool is_named(const RuleBook& book, const Rule& rule, const auth::Principal* principal);
bool acts_for_named_customer(const RuleBook& book, const Rule& rule, const auth::Principal* principal);
bool has_scopes(const Rule& rule, const auth::Principal* principal);
bool service_matches(const Rule& rule, std::string_view service);
bool method_matches(const Rule& rule, std::string_view method);
bool path_matches(const Rule& rule, std::string_view path);
bool path_matches(std::string_view pattern, std::string_view path);

// Whether `name` is or contains `member`: client:* contains client:web, role:r what it lists, also through other roles.
bool contains(const RuleBook& book, const Name& name, const Name& member);

bool matches(const RuleBook& book, const Rule& rule, const Request& request);
Decision decide(const RuleBook& book, const Request& request);

}  // namespace keepgate::policy::reference
