#include "base/error.h"

#include <cstdio>
#include <cstdlib>

namespace keepgate {

void assertion_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "keepgate: broken invariant: %s (%s:%d)\n", expression, file, line);
  std::abort();
}

}  // namespace keepgate
