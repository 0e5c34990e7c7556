#include "store/api_key_secret.h"

#include <sys/stat.h>

#include <cstring>

#include "auth/api_key_record.h"
#include "store/files.h"

namespace keepgate::store {

namespace {

constexpr std::size_t secret_bytes_max = 128;

}  // namespace

void wipe(std::string& secret) { ::explicit_bzero(secret.data(), secret.size()); }

Result<std::string> read_secret(const std::string& path) {
  Result<std::string> text = read_small(path, secret_bytes_max, S_IRWXO);
  if (!text) return text;
  Result<std::string> secret = auth::parse_api_key_secret(*text);
  wipe(*text);
  if (!secret) return file_error(path, secret.error().detail);
  return secret;
}

}  // namespace keepgate::store
