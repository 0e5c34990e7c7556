// record: exactly one access record and one decision record per request, and none of a token.
// Thread rule: its worker's; the files are written in the background.
#pragma once

#include "pipeline/exchange.h"

namespace keepgate::pipeline {

void record(Exchange& exchange);

// The error log's line about a refusal, if it has a reason. Part of record().
void log_refusal(Exchange& exchange);

// The decision record alone: for a decision that another one of the same request follows.
void record_decision(Exchange& exchange);

// The JSON line of a decision, with its newline. Exposed for tests.
void append_decision_record(Exchange& exchange, std::string& out);

}  // namespace keepgate::pipeline
