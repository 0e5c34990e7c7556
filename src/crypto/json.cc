#include "crypto/json.h"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/bytes.h"

namespace keepgate::crypto {

namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

constexpr std::size_t depth_cap = 64;              // The builder recurses; this bounds the stack.
constexpr std::size_t kept_bytes_max = 64 * 1024;  // Larger documents get a parser of their own, freed afterwards.
constexpr std::size_t names_compared_pairwise_max = 16;

std::unexpected<Error> malformed(std::string detail) {
  return fail(ErrorKind::malformed, Blame::client, "bad_json", std::move(detail));
}

// RFC 8259 §4 leaves duplicate names to the reader; two readers that choose differently are an attack.
bool has_duplicate_names(const Json::Object& members) {
  if (members.size() <= names_compared_pairwise_max) {
    for (std::size_t i = 1; i < members.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        if (members[i].first == members[j].first) return true;
      }
    }
    return false;
  }
  std::vector<std::string_view> names;
  names.reserve(members.size());
  for (const Json::Member& member : members) names.push_back(member.first);
  std::sort(names.begin(), names.end());
  return std::adjacent_find(names.begin(), names.end()) != names.end();
}

// Copies simdjson's tape into values of our own. `why` is set when it fails.
class Builder {
 public:
  Builder(const JsonLimits& limits, bool escapes)
      : depth_max_(std::min(limits.depth_max, depth_cap)), values_left_(limits.values_max), escapes_(escapes) {}

  std::optional<Json> build(element from, std::size_t depth) {
    if (values_left_-- == 0) return fail_with("more values than allowed");
    switch (from.type()) {
      case element_type::NULL_VALUE:
        return Json();
      case element_type::BOOL:
        return Json(bool{from.get_bool().value_unsafe()});
      case element_type::INT64:
        return Json(std::int64_t{from.get_int64().value_unsafe()});
      case element_type::UINT64:
        return Json(static_cast<double>(from.get_uint64().value_unsafe()));
      case element_type::DOUBLE:
        return real(from.get_double().value_unsafe());
      case element_type::STRING:
        return text(from.get_string().value_unsafe());
      case element_type::ARRAY:
        return array(from.get_array().value_unsafe(), depth + 1);
      case element_type::OBJECT:
        return object(from.get_object().value_unsafe(), depth + 1);
    }
    return fail_with("a value of unknown type");
  }

  std::string_view why() const { return why_; }

 private:
  std::nullopt_t fail_with(std::string_view why) {
    why_ = why;
    return std::nullopt;
  }
  std::optional<Json> real(double value) {
    if (!std::isfinite(value)) return fail_with("a number out of range");
    return Json(value);
  }
  // Escapes can spell what raw UTF-8 may not: a lone surrogate.
  bool acceptable(std::string_view value) const { return !escapes_ || is_utf8(value); }

  std::optional<Json> text(std::string_view value) {
    if (!acceptable(value)) return fail_with("a lone surrogate");
    return Json(std::string(value));
  }
  std::optional<Json> array(simdjson::dom::array from, std::size_t depth) {
    if (depth > depth_max_) return fail_with("nested too deep");
    Json::Array values;
    values.reserve(std::min(from.size(), values_left_));
    for (const element one : from) {
      std::optional<Json> value = build(one, depth);
      if (!value) return std::nullopt;
      values.push_back(std::move(*value));
    }
    return Json(std::move(values));
  }
  std::optional<Json> object(simdjson::dom::object from, std::size_t depth) {
    if (depth > depth_max_) return fail_with("nested too deep");
    Json::Object members;
    members.reserve(std::min(from.size(), values_left_));
    for (const auto [name, one] : from) {
      if (!acceptable(name)) return fail_with("a lone surrogate");
      std::optional<Json> value = build(one, depth);
      if (!value) return std::nullopt;
      members.emplace_back(std::string(name), std::move(*value));
    }
    if (has_duplicate_names(members)) return fail_with("a duplicate member name");
    return Json(std::move(members));
  }

  std::size_t depth_max_, values_left_;
  bool escapes_;
  std::string_view why_;
};

struct Scratch {
  simdjson::dom::parser parser;
  std::string padded;
};

Result<Json> parse_with(Scratch& scratch, std::string_view text, const JsonLimits& limits) {
  scratch.padded.clear();
  scratch.padded.reserve(text.size() + simdjson::SIMDJSON_PADDING);
  scratch.padded.append(text).append(simdjson::SIMDJSON_PADDING, '\0');
  element root;
  const auto error = scratch.parser.parse(scratch.padded.data(), text.size(), false).get(root);
  if (error == simdjson::DEPTH_ERROR) return malformed("nested too deep");
  if (error != simdjson::SUCCESS) return malformed(simdjson::error_message(error));
  Builder builder(limits, text.find('\\') != std::string_view::npos);
  std::optional<Json> json = builder.build(root, 0);
  if (!json) return malformed(std::string(builder.why()));
  return std::move(*json);
}

void write_string(std::string& out, std::string_view text) {
  out.push_back('"');
  append_json_escaped(out, text);
  out.push_back('"');
}

void write_real(std::string& out, double value) {
  if (!std::isfinite(value)) {
    out += "null";  // JSON has no other way to say it; parse_json never makes one.
    return;
  }
  char digits[40];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, value);
  const std::string_view text(digits, static_cast<std::size_t>(end - digits));
  out += text;
  // It was no integer when it was read and must not be one when it is read again.
  if (text.find_first_of(".e") == std::string_view::npos) out += ".0";
}

}  // namespace

const Json* Json::find(std::string_view name) const {
  const Object* members = object();
  if (members == nullptr) return nullptr;
  for (const Member& member : *members) {
    if (member.first == name) return &member.second;
  }
  return nullptr;
}

std::optional<std::string_view> Json::string_at(std::string_view name) const {
  const Json* member = find(name);
  if (member == nullptr || member->string() == nullptr) return std::nullopt;
  return *member->string();
}

std::string Json::write() const {
  std::string out;
  write_to(out);
  return out;
}

void Json::write_to(std::string& out) const {
  if (const bool* truth = boolean()) {
    out += *truth ? "true" : "false";
  } else if (const std::int64_t* whole = integer()) {
    append(out, *whole);
  } else if (const double* number = real()) {
    write_real(out, *number);
  } else if (const std::string* text = string()) {
    write_string(out, *text);
  } else if (const Array* values = array()) {
    out.push_back('[');
    for (const Json& value : *values) {
      if (&value != values->data()) out.push_back(',');
      value.write_to(out);
    }
    out.push_back(']');
  } else if (const Object* members = object()) {
    out.push_back('{');
    for (const Member& member : *members) {
      if (&member != members->data()) out.push_back(',');
      write_string(out, member.first);
      out.push_back(':');
      member.second.write_to(out);
    }
    out.push_back('}');
  } else {
    out += "null";
  }
}

Result<Json> parse_json(std::string_view text, const JsonLimits& limits) {
  if (text.size() > limits.bytes_max) return fail(ErrorKind::limit, Blame::client, "bad_json", "larger than allowed");
  if (text.starts_with("\xef\xbb\xbf")) return malformed("a byte order mark");  // RFC 8259 §8.1.
  if (text.size() > kept_bytes_max) {
    Scratch once;
    return parse_with(once, text, limits);
  }
  thread_local Scratch scratch;
  return parse_with(scratch, text, limits);
}

bool is_utf8(std::string_view text) { return simdjson::validate_utf8(text.data(), text.size()); }

}  // namespace keepgate::crypto
