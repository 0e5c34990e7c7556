// The verbs of `keepgate token`, one file each. Thread rule: main thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace keepgate::cli {

int run_token_mint(int argc, char** argv);
int run_token_inspect(int argc, char** argv);
int run_token_verify(int argc, char** argv);

// "90", "30s", "1h30m", "14d", "-1h": seconds. nginx's units (conf/values.h) and a sign.
std::optional<std::int64_t> parse_duration(std::string_view text);

}  // namespace keepgate::cli
