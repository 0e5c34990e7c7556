#include "crypto/running_digest.h"

#include <openssl/evp.h>

#include "base/error.h"
#include "crypto/openssl.h"

namespace keepgate::crypto {

struct RunningDigest::Impl {
  DigestContextPtr context{EVP_MD_CTX_new()};
};

RunningDigest::RunningDigest(DigestKind kind) : impl_(std::make_unique<Impl>()) {
  const EVP_MD* hash = kind == DigestKind::sha256 ? EVP_sha256() : EVP_sha512();
  KG_ASSERT(impl_->context != nullptr && EVP_DigestInit_ex(impl_->context.get(), hash, nullptr) == 1);
}

RunningDigest::~RunningDigest() = default;

void RunningDigest::add(std::string_view bytes) {
  KG_ASSERT(EVP_DigestUpdate(impl_->context.get(), bytes.data(), bytes.size()) == 1);
}

std::string RunningDigest::finish() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  KG_ASSERT(EVP_DigestFinal_ex(impl_->context.get(), digest, &size) == 1);
  return {reinterpret_cast<const char*>(digest), size};
}

std::string digest_of(std::string_view bytes, DigestKind kind) {
  RunningDigest digest(kind);
  digest.add(bytes);
  return digest.finish();
}

}  // namespace keepgate::crypto
