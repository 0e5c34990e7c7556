// SecretText: bytes that are wiped when they go, and that nobody copies by accident.
//
// Thread rule: plain value. Move only: a move takes the memory along and leaves nothing behind. Lifetime: owns its
// bytes; view() and data() point at them.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>

namespace keepgate::crypto {

class SecretText {
 public:
  SecretText() = default;
  explicit SecretText(std::size_t size);  // Zero bytes, to be written.
  explicit SecretText(std::string_view text);
  SecretText(SecretText&& other) noexcept
      : bytes_(std::move(other.bytes_)), size_(std::exchange(other.size_, 0)), room_(std::exchange(other.room_, 0)) {}
  SecretText& operator=(SecretText&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    std::swap(size_, other.size_);
    std::swap(room_, other.room_);
    return *this;
  }
  ~SecretText();

  char* data() { return bytes_.get(); }
  const char* c_str() const { return bytes_ ? bytes_.get() : ""; }  // A NUL stands behind the last byte.
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::string_view view() const { return {c_str(), size_}; }
  void shorten(std::size_t size);  // What is cut off is wiped. At most size().

 private:
  std::unique_ptr<char[]> bytes_;
  std::size_t size_ = 0;
  std::size_t room_ = 0;  // Of `bytes_`, without the NUL.
};

// Wipes what others hold as plain bytes, in a way that no compiler leaves out.
void wipe(void* bytes, std::size_t size);

}  // namespace keepgate::crypto
