// RunningDigest: SHA-256 or SHA-512 of bytes that come piece by piece. Thread rule: one owner.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace keepgate::crypto {

enum class DigestKind : std::uint8_t { sha256 = 0, sha512 };

class RunningDigest {
 public:
  explicit RunningDigest(DigestKind kind);
  ~RunningDigest();
  RunningDigest(const RunningDigest&) = delete;
  RunningDigest& operator=(const RunningDigest&) = delete;

  void add(std::string_view bytes);
  std::string finish();  // Once; in bytes.

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

std::string digest_of(std::string_view bytes, DigestKind kind);

}  // namespace keepgate::crypto
