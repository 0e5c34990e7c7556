#include "auth/challenge.h"

#include "base/bytes.h"

namespace keepgate::auth {

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) continue;
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  out.push_back('"');
  return out;
}

std::string challenge(std::string_view scheme, std::string_view realm, std::string_view error) {
  std::string out = cat(scheme, " realm=", quoted(realm));
  if (!error.empty()) append(out, ", error=", quoted(error));
  return out;
}

}  // namespace keepgate::auth
