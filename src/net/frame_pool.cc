// Coroutine frames by size class, kept per thread: a warm request allocates none from the heap.
#include <cstdlib>
#include <new>

#include "net/task.h"

namespace keepgate::net {

namespace {

constexpr std::size_t class_step = 128;
constexpr std::size_t class_count = 256;  // Frames up to 32 KiB are pooled; larger ones come from the heap.
constexpr std::size_t kept_max = 1024;    // Per class: bounds what an earlier peak of connections leaves behind.

struct FreeFrame {
  FreeFrame* next;
};

struct Pool {
  FreeFrame* heads[class_count] = {};
  std::size_t counts[class_count] = {};
  ~Pool() {
    for (FreeFrame*& head : heads) {
      while (head) {
        FreeFrame* frame = head;
        head = frame->next;
        ::operator delete(frame);
      }
    }
  }
};

thread_local Pool pool;

constexpr std::size_t class_of(std::size_t bytes) { return (bytes - 1) / class_step; }

}  // namespace

void* allocate_frame(std::size_t bytes) {
  const std::size_t index = class_of(bytes);
  if (index >= class_count) return ::operator new(bytes);
  if (FreeFrame* frame = pool.heads[index]) {
    pool.heads[index] = frame->next;
    --pool.counts[index];
    return frame;
  }
  return ::operator new((index + 1) * class_step);
}

void release_frame(void* memory, std::size_t bytes) noexcept {
  const std::size_t index = class_of(bytes);
  if (index >= class_count || pool.counts[index] >= kept_max) {
    ::operator delete(memory);
    return;
  }
  auto* frame = static_cast<FreeFrame*>(memory);
  frame->next = pool.heads[index];
  pool.heads[index] = frame;
  ++pool.counts[index];
}

}  // namespace keepgate::net
