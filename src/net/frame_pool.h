// Coroutine frames by size class, kept per thread: a warm request allocates none from the heap.
//
// Thread rule: a frame is given back to the thread that took it, which also runs it. Inline, since it is passed a dozen
// times with every request; the size of a frame is known when its coroutine is compiled. Bound: frames_kept_max per
// class.
#pragma once

#include <cstddef>
#include <cstdint>

namespace keepgate::net {

namespace detail {

// Small ones in steps of 16 bytes, each the most that fits into a chunk of malloc's; up to 32 KiB in steps of 1 KiB;
// larger ones come from the heap.
inline constexpr std::size_t small_frame_step = 16, small_frame_rest = 8, small_classes = 64;
inline constexpr std::size_t small_frame_max = (small_classes - 1) * small_frame_step + small_frame_rest;
inline constexpr std::size_t large_frame_step = 1024, large_frame_max = 32 * 1024;
inline constexpr std::size_t frame_classes = small_classes + large_frame_max / large_frame_step;
inline constexpr std::uint32_t frames_kept_max = 1024;  // Of each: bounds what an earlier peak leaves behind.

constexpr std::size_t frame_class(std::size_t bytes) {
  return bytes <= small_frame_max ? (bytes + small_frame_step - small_frame_rest - 1) / small_frame_step
                                  : small_classes + (bytes - 1) / large_frame_step;
}
constexpr std::size_t frame_class_bytes(std::size_t index) {
  return index < small_classes ? index * small_frame_step + small_frame_rest
                               : (index - small_classes + 1) * large_frame_step;
}
static_assert(frame_class(small_frame_max) == small_classes - 1 && frame_class(small_frame_max + 1) == small_classes);
static_assert(frame_class_bytes(frame_class(25)) == 40 && frame_class_bytes(frame_class(24)) == 24);

struct FreeFrame {
  FreeFrame* next;
};

// Trivial, so that it is reached without asking whether it was made yet; frame_pool.cc frees what is left at the end.
struct FramePool {
  FreeFrame* heads[frame_classes];
  std::uint32_t counts[frame_classes];
};
extern constinit thread_local FramePool frame_pool;

void* new_frame(std::size_t bytes);
void delete_frame(void* frame) noexcept;

}  // namespace detail

inline void* allocate_frame(std::size_t bytes) {
  if (bytes > detail::large_frame_max) return detail::new_frame(bytes);
  const std::size_t index = detail::frame_class(bytes);
  detail::FramePool& pool = detail::frame_pool;
  detail::FreeFrame* const frame = pool.heads[index];
  if (!frame) return detail::new_frame(detail::frame_class_bytes(index));
  pool.heads[index] = frame->next;
  --pool.counts[index];
  return frame;
}

inline void release_frame(void* memory, std::size_t bytes) noexcept {
  const std::size_t index = bytes > detail::large_frame_max ? 0 : detail::frame_class(bytes);
  detail::FramePool& pool = detail::frame_pool;
  if (bytes > detail::large_frame_max || pool.counts[index] >= detail::frames_kept_max) {
    return detail::delete_frame(memory);
  }
  auto* const frame = static_cast<detail::FreeFrame*>(memory);
  frame->next = pool.heads[index];
  pool.heads[index] = frame;
  ++pool.counts[index];
}

}  // namespace keepgate::net
