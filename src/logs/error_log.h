// error_log: nginx's line format ("2026/01/31 12:00:00 [error] 123#4: message"), as the sink of base/log.h.
// Thread rule: configure from one thread; logging from any.
#pragma once

#include <string>

#include "base/log.h"

namespace keepgate::logs {

// `path` as in log_file.h. Replaces what was configured before. false and `error` if the file cannot be opened.
bool configure_error_log(const std::string& path, LogLevel least_severe, std::string& error);
LogLevel parse_log_level(std::string_view name, bool& known);

}  // namespace keepgate::logs
