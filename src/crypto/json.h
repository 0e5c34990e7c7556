// A strict JSON reader (RFC 8259 over simdjson) for tokens, keys and their like: small documents from hostile hands.
//
// Refused: duplicate member names (compared after unescaping), depth over the limit, invalid UTF-8, a byte order mark,
// lone surrogates, numbers outside double's range, integers beyond 64 bits, trailing bytes, input over the limits.
// Thread rule: values own all they refer to. Cost: time n log n in the members of one object, else linear; memory at
// most 72 bytes per value (values_max bounds them) and three times the text.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"

namespace keepgate::crypto {

class Json {
 public:
  using Array = std::vector<Json>;
  using Member = std::pair<std::string, Json>;
  using Object = std::vector<Member>;  // In document order.

  Json() = default;  // null
  explicit Json(bool value) : value_(value) {}
  explicit Json(std::int64_t value) : value_(value) {}
  explicit Json(double value) : value_(value) {}
  explicit Json(std::string value) : value_(std::move(value)) {}
  explicit Json(const char* value) : value_(std::string(value)) {}  // Else a literal would become a bool.
  explicit Json(Array value) : value_(std::move(value)) {}
  explicit Json(Object value) : value_(std::move(value)) {}

  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  const bool* boolean() const { return std::get_if<bool>(&value_); }
  const std::int64_t* integer() const { return std::get_if<std::int64_t>(&value_); }
  const double* real() const { return std::get_if<double>(&value_); }  // Not for integers in int64 range.
  const std::string* string() const { return std::get_if<std::string>(&value_); }
  const Array* array() const { return std::get_if<Array>(&value_); }
  const Object* object() const { return std::get_if<Object>(&value_); }

  // Member of an object; nullptr if this is no object or has no such member.
  const Json* find(std::string_view name) const;
  // The string of that member; nothing if absent or not a string.
  std::optional<std::string_view> string_at(std::string_view name) const;

  // Compact JSON text, members in order.
  std::string write() const;
  void write_to(std::string& out) const;

 private:
  std::variant<std::monostate, bool, std::int64_t, double, std::string, Array, Object> value_;
};

struct JsonLimits {
  std::size_t bytes_max = 64 * 1024;
  std::size_t depth_max = 16;  // Nested arrays and objects; never more than 64.
  std::size_t values_max = 4096;
};

// Error::detail says what and where, without quoting the document.
Result<Json> parse_json(std::string_view text, const JsonLimits& limits = {});

// RFC 3629: no surrogates, no overlong forms.
bool is_utf8(std::string_view text);

}  // namespace keepgate::crypto
