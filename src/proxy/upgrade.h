// Upgrade: when a request may turn its connection into a tunnel, and whether the upstream really agreed.
//
// A tunnel is behind every check, so it opens only for what was asked and answered by the rules: RFC 9110 §7.8, and for
// WebSocket RFC 6455 §4. HTTP/2 is never upgraded to: what is sent inside it would be requests that nobody decided
// (design: security checklist D27). Thread rule: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "http/head.h"

namespace keepgate::proxy {

// The protocol a request asks for, if it may be asked of an upstream; "" otherwise.
std::string_view wanted_upgrade(const http::RequestHead& request);

// Is this answer (101) what `protocol`, sent with `request`, asks for? The reason why not, or "" if it is.
std::string_view fault_of_upgrade(const http::RequestHead& request, std::string_view protocol,
                                  const http::ResponseHead& response);

// RFC 6455 §4.2.2: what a server that speaks WebSocket answers to this key.
std::string websocket_accept(std::string_view key);

}  // namespace keepgate::proxy
