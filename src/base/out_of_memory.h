// What happens when there is no memory left: the process says so on standard error and ends (docs/decisions/0022).
//
// Libraries that report it as an error of their own are believed; this is for our own allocations.
#pragma once

namespace keepgate {

void end_when_out_of_memory();  // From here on, for the whole process.

}  // namespace keepgate
