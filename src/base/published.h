// Published<T>: one immutable value that is replaced whole; readers keep a cached copy and look at a generation number.
//
// publish() may be called from any thread. Each reading thread owns a Published<T>::Reader; get() costs one relaxed
// load while nothing has changed. The old value lives until its last reader has moved on.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

namespace keepgate {

template <typename T>
class Published {
 public:
  void publish(std::shared_ptr<const T> value) {
    const std::lock_guard lock(mutex_);
    value_ = std::move(value);
    generation_.fetch_add(1, std::memory_order_release);
  }

  std::shared_ptr<const T> current() const {
    const std::lock_guard lock(mutex_);
    return value_;
  }

  class Reader {
   public:
    explicit Reader(const Published& source) : source_(source) {}

    const std::shared_ptr<const T>& get() {
      const std::uint64_t generation = source_.generation_.load(std::memory_order_acquire);
      if (generation != seen_) {
        const std::lock_guard lock(source_.mutex_);
        value_ = source_.value_;
        seen_ = source_.generation_.load(std::memory_order_relaxed);
      }
      return value_;
    }

   private:
    const Published& source_;
    std::uint64_t seen_ = 0;
    std::shared_ptr<const T> value_;
  };

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const T> value_;
  std::atomic<std::uint64_t> generation_{0};
};

}  // namespace keepgate
