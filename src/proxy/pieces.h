// How much of a body is moved at a time.
#pragma once

#include <cstddef>

namespace keepgate::proxy {

inline constexpr std::size_t coalesced_bytes_max = 4 * 1024;  // Bodies up to here go out in one buffer with the head.
inline constexpr unsigned pieces_per_turn = 32;               // Of a body, before others get a turn.

}  // namespace keepgate::proxy
