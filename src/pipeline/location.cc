#include "pipeline/location.h"

#include <algorithm>
#include <iterator>

namespace keepgate::pipeline {

std::uint32_t method_bit(std::string_view method) {
  constexpr std::string_view names[] = {"GET",  "HEAD",    "POST",     "PUT",       "DELETE", "MKCOL",  "COPY",
                                        "MOVE", "OPTIONS", "PROPFIND", "PROPPATCH", "LOCK",   "UNLOCK", "PATCH"};
  const auto found = std::ranges::find(names, method);
  return found == std::end(names) ? 0 : 1U << (found - std::begin(names));
}

}  // namespace keepgate::pipeline
