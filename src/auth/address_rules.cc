#include "auth/address_rules.h"

namespace keepgate::auth {

void AddressRules::add(bool allows, Who who, const Cidr& network) {
  Rule rule;
  rule.allows = allows;
  rule.who = who;
  if (who == Who::network) rule.network.add(network);
  rules_.push_back(std::move(rule));
}

AddressVerdict AddressRules::judge(std::string_view address) const {
  for (const Rule& rule : rules_) {
    const bool matches = rule.who == Who::everybody || (rule.who == Who::unix_socket && address.empty()) ||
                         (rule.who == Who::network && rule.network.contains(address));
    if (matches) return rule.allows ? AddressVerdict::allowed : AddressVerdict::denied;
  }
  return AddressVerdict::none;
}

}  // namespace keepgate::auth
