// serve: the loop around decide: reads requests from a connection, drives each through the phases, answers, records.
// Thread rule: its worker's.
#pragma once

#include <memory>

#include "pipeline/connection.h"

namespace keepgate::pipeline {

// Serves one accepted connection to its end. Owns it.
void serve_connection(std::unique_ptr<Connection> connection);

}  // namespace keepgate::pipeline
