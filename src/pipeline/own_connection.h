// The connection of a request of our own that no client's connection carries: it never says a word and never goes away,
// but ends with the worker like any other. Thread rule: its worker's.
#pragma once

#include <memory>

#include "pipeline/connection.h"

namespace keepgate::pipeline {

class Exchange;

// Nobody's: with the configuration of `because`, and nothing of its client. nullptr: there is no room for one more.
std::unique_ptr<Connection> make_own_connection(const Exchange& because);

}  // namespace keepgate::pipeline
