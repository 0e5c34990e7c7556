#include "crypto/running_digest.h"

#include <gtest/gtest.h>

#include "base/bytes.h"

namespace keepgate::crypto {
namespace {

// FIPS 180-4, "abc".
TEST(RunningDigest, is_that_of_all_its_pieces) {
  for (const auto& [kind, expected] :
       {std::pair{DigestKind::sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        std::pair{DigestKind::sha512,
                  "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                  "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"}}) {
    EXPECT_EQ(to_hex(digest_of("abc", kind)), expected);
    RunningDigest pieces(kind);
    for (const char* piece : {"", "a", "bc", ""}) pieces.add(piece);
    EXPECT_EQ(to_hex(pieces.finish()), expected);
  }
}

}  // namespace
}  // namespace keepgate::crypto
