// Transaction tokens over HTTP: the Transaction Token Service (draft-ietf-oauth-transaction-tokens, a profile of RFC
// 8693; design: transaction-tokens.md). Thread rule: its worker's.
#pragma once

#include "oauth/grant.h"

namespace keepgate::oauth {

// Of one transaction, replacements included: the chain of workloads that asked.
inline constexpr std::size_t requesters_max = 4;

net::Task<Checked<Answer>> exchange_for_transaction(Context& context, const TokenRequest& request);

}  // namespace keepgate::oauth
