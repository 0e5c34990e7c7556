// How we show issuers who we are: client_secret_basic (RFC 6749 §2.3.1).
// Thread rule: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "fetch/fetcher.h"

namespace keepgate::issuer {

// application/x-www-form-urlencoded, as RFC 6749 Appendix B has it.
void append_form(std::string& out, std::string_view text);

// The Authorization field. Whoever holds it wipes it: Request::is_secret.
fetch::Header client_secret_basic(std::string_view client_id, std::string_view client_secret);

}  // namespace keepgate::issuer
