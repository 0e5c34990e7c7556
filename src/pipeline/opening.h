// opening: what comes before the first request of a connection: the PROXY header and the TLS handshake.
// Thread rule: its worker's.
#pragma once

#include "net/task.h"
#include "pipeline/connection.h"

namespace keepgate::pipeline {

// False: the connection is of no use, and why is logged. All of it, together with the head of the first request, has
// one deadline: first_head_deadline_ms().
net::Task<bool> open_connection(Connection& connection);

// client_header_timeout after the connection was accepted.
std::int64_t first_head_deadline_ms(const Connection& connection);
// The same, but for a connection that should end: that one has a moment after `since_ms`.
std::int64_t first_byte_deadline_ms(const Connection& connection, std::int64_t since_ms);

// The server that the connection is for, as far as is known before a request names one.
const ServerConfig& first_server(const Connection& connection);

}  // namespace keepgate::pipeline
