#include "base/arena.h"

namespace keepgate {

char* Arena::allocate_slow(std::size_t bytes) {
  if (!first_) {
    first_ = std::make_unique_for_overwrite<char[]>(block_bytes);
    next_ = first_.get();
    end_ = next_ + block_bytes;
    if (bytes <= block_bytes) return allocate(bytes);
  }
  if (bytes > block_bytes / 2) {  // Big pieces get a block of their own; the current one goes on.
    extra_.push_back(std::make_unique_for_overwrite<char[]>(bytes));
    return extra_.back().get();
  }
  extra_.push_back(std::make_unique_for_overwrite<char[]>(block_bytes));
  next_ = extra_.back().get();
  end_ = next_ + block_bytes;
  return allocate(bytes);
}

}  // namespace keepgate
