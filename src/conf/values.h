// Numbers, sizes, times and flags as nginx reads them (ngx_parse_size, ngx_parse_offset, ngx_parse_time, its slots).
// Thread rule: pure functions. Nothing: not such a value, or too large.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace keepgate::conf {

std::optional<std::uint64_t> parse_size(std::string_view text);    // Suffixes k, m.
std::optional<std::uint64_t> parse_offset(std::string_view text);  // Suffixes k, m, g.

// "1h30m", "500ms", "10": a number alone counts seconds; units go from large to small. Milliseconds allow no y and M.
std::optional<std::int64_t> parse_time_ms(std::string_view text);
std::optional<std::int64_t> parse_time_s(std::string_view text);

std::optional<bool> parse_flag(std::string_view text);  // on, off; without case, as nginx.

// A header field name (RFC 9110 §5.6.2 token).
bool is_field_name(std::string_view text);

// The id of an OAuth client: VSCHAR (RFC 6749 Appendix A.1), at most 256 of them.
bool is_client_id(std::string_view text);

}  // namespace keepgate::conf
