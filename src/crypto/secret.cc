#include "crypto/secret.h"

#include <openssl/crypto.h>

#include <cstring>

#include "base/error.h"

namespace keepgate::crypto {

void wipe(void* bytes, std::size_t size) { OPENSSL_cleanse(bytes, size); }

SecretText::SecretText(std::size_t size) : bytes_(std::make_unique<char[]>(size + 1)), size_(size), room_(size) {}

SecretText::SecretText(std::string_view text) : SecretText(text.size()) {
  if (!text.empty()) std::memcpy(bytes_.get(), text.data(), text.size());
}

SecretText::~SecretText() {
  if (bytes_) wipe(bytes_.get(), room_);
}

void SecretText::shorten(std::size_t size) {
  KG_ASSERT(size <= size_);
  if (bytes_) wipe(bytes_.get() + size, size_ - size);
  size_ = size;
}

}  // namespace keepgate::crypto
