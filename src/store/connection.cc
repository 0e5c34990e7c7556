#include "store/connection.h"

#include "base/bytes.h"
#include "crypto/json.h"

namespace keepgate::store {

Result<void> check_values(std::string_view sql, std::span<const Value> values) {
  const auto refused = [sql](std::string_view why) { return store_broken(cat(why, ": ", sql.substr(0, 200))); };
  if (values.size() > values_max) return refused("too many values");
  for (const Value& value : values) {
    const std::string* text = std::get_if<std::string>(&value);
    if (!text) continue;
    if (text->size() > value_bytes_max) return refused("a value that is too long");
    if (text->find('\0') != std::string::npos) return refused("a value with NUL");
    if (!crypto::is_utf8(*text)) return refused("a value that is no UTF-8");
  }
  return {};
}

}  // namespace keepgate::store
