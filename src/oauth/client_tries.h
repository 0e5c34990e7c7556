// How often clients may fail to prove themselves, wherever they are authenticated (RFC 6749 §2.3.1 wants a bound).
//
// Failures alone are counted, by network and, where a secret may have been guessed, by client within it: nothing that
// happens elsewhere keeps a right proof out, and where a client has proven itself lately, only a flood in its own name
// does. Who proves nothing (a public client) is not limited here. Thread rule: its worker's.
#pragma once

#include <string_view>

#include "oauth/context.h"

namespace keepgate::oauth {

// To be asked before a proof is looked at. 429 with Retry-After (RFC 6585 §4): nothing was judged.
Checked<void> check_client_tries(const Context& context, std::string_view id);
// `id`: "" where no secret can have been guessed.
void note_failed_client(const Context& context, std::string_view id);
void note_proven_client(const Context& context, std::string_view id);

}  // namespace keepgate::oauth
