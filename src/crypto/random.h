// Random bytes and unique ids, from the kernel's generator; where it is out of reach (a sandbox), from OpenSSL's.
// The kernel's knows of forks and of virtual machines that go on twice, and asks for nothing to be set up.
// Thread rule: callable from any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace keepgate::crypto {

// Aborts if the system has no randomness: nothing here can go on without it.
void random_bytes(std::span<unsigned char> out);
std::uint64_t random_u64();
// 128 random bits as 22 characters of base64url.
std::string random_id();

}  // namespace keepgate::crypto
