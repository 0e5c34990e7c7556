#include "identity/airlock.h"

#include <algorithm>

#include "base/bytes.h"
#include "identity/transaction_token.h"

namespace keepgate::identity {

Airlock::Airlock() {
  add(transaction_token_field);
  add("Client-Cert");
  add("Client-Cert-Chain");
}

void Airlock::add(std::string_view name) {
  if (name.empty() || strips(name)) return;
  std::string folded(name);
  std::transform(folded.begin(), folded.end(), folded.begin(), fold);
  lengths_ |= length_bit(folded.size());
  firsts_ |= first_bit(folded.front());
  names_.push_back(std::move(folded));
}

bool Airlock::lists(std::string_view name) const {
  return std::any_of(names_.begin(), names_.end(), [&](const std::string& listed) {
    return name.size() == listed.size() &&
           std::equal(name.begin(), name.end(), listed.begin(), [](char a, char b) { return fold(a) == b; });
  });
}

}  // namespace keepgate::identity
