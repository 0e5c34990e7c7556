#include "store/connection.h"

#include <algorithm>

#include "base/bytes.h"
#include "crypto/json.h"

namespace keepgate::store {

namespace {

// The transactor's alone. The first word tells: nothing else in front of a statement is ours.
constexpr std::string_view words_of_transactions[] = {"ABORT",   "BEGIN",   "COMMIT",   "END",      "LISTEN",
                                                      "PREPARE", "RELEASE", "RESET",    "ROLLBACK", "SAVEPOINT",
                                                      "SET",     "START",   "UNLISTEN", "DISCARD",  "DEALLOCATE"};

bool is_about_transactions(std::string_view sql) {
  sql.remove_prefix(std::min(sql.find_first_not_of(" \t\r\n"), sql.size()));
  std::size_t letters = 0;
  while (letters < sql.size() && is_alpha(sql[letters])) ++letters;
  const std::string_view word = sql.substr(0, letters);
  for (const std::string_view one : words_of_transactions) {
    if (equals_ignoring_case(word, one)) return true;
  }
  return word.empty();
}

}  // namespace

Result<void> check_values(std::string_view sql, std::span<const Value> values) {
  const auto refused = [sql](std::string_view why) { return store_broken(cat(why, ": ", sql.substr(0, 200))); };
  if (is_about_transactions(sql)) return refused("no statement for a job");
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
