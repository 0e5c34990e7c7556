#include "crypto/random.h"

#include <openssl/rand.h>
#include <sys/random.h>

#include <cerrno>
#include <string_view>

#include "base/error.h"
#include "crypto/base64url.h"

namespace keepgate::crypto {

namespace {

bool ask_kernel(std::span<unsigned char> out) {
  while (!out.empty()) {
    const ssize_t got = ::getrandom(out.data(), out.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    out = out.subspan(static_cast<std::size_t>(got));
  }
  return true;
}

}  // namespace

void random_bytes(std::span<unsigned char> out) {
  if (ask_kernel(out)) return;
  KG_ASSERT(RAND_bytes(out.data(), static_cast<int>(out.size())) == 1);
}

std::uint64_t random_u64() {
  std::uint64_t value = 0;
  random_bytes({reinterpret_cast<unsigned char*>(&value), sizeof value});
  return value;
}

std::string random_id() {
  unsigned char bytes[16];
  random_bytes(bytes);
  return base64url_encode({reinterpret_cast<const char*>(bytes), sizeof bytes});
}

}  // namespace keepgate::crypto
