#include "net/frame_pool.h"

#include <new>

namespace keepgate::net::detail {

constinit thread_local FramePool frame_pool{};

namespace {

struct AtThreadEnd {
  bool armed = false;
  ~AtThreadEnd() {
    for (FreeFrame*& head : frame_pool.heads) {
      while (head) {
        FreeFrame* const frame = head;
        head = frame->next;
        ::operator delete(frame);
      }
    }
    for (std::uint32_t& count : frame_pool.counts) count = frames_kept_max;  // Later frames go straight back.
  }
};
thread_local AtThreadEnd at_thread_end;

}  // namespace

void* new_frame(std::size_t bytes) {
  at_thread_end.armed = true;  // Made here: no frame is in the pool that did not come from here.
  return ::operator new(bytes);
}

void delete_frame(void* frame) noexcept { ::operator delete(frame); }

}  // namespace keepgate::net::detail
