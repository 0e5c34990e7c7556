// serve: the loop around decide: reads requests from a connection, drives each through the phases, answers, records.
// Thread rule: its worker's.
#pragma once

#include <memory>

#include "net/task.h"
#include "pipeline/connection.h"

namespace keepgate::pipeline {

class Exchange;

// Serves one accepted connection to its end. Owns it.
void serve_connection(std::unique_ptr<Connection> connection);

// Serves what Exchange::begin_subrequest() began, to the last byte of its answer. Recording it is the caller's
// business.
net::Task<void> serve_subrequest(Exchange& exchange);

}  // namespace keepgate::pipeline
