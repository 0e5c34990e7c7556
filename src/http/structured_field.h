// Structured fields (RFC 8941): dictionaries, as HTTP message signatures and digests use them; parsed strictly.
//
// Refused beside what the grammar refuses: a key or a parameter that comes twice (the RFC would keep the last one),
// decimals (nothing here uses them, and their spelling is not unique) and everything over the bounds. Thread rule: pure
// functions. Lifetime: values own their text. Cost: linear in the field, quadratic in the number of keys.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace keepgate::http {

inline constexpr std::size_t structured_bytes_max = 16 * 1024;
inline constexpr std::size_t structured_members_max = 64;
inline constexpr std::size_t structured_items_max = 128;  // Of an inner list.
inline constexpr std::size_t structured_parameters_max = 32;
inline constexpr std::size_t structured_key_bytes_max = 64;

enum class BareKind : std::uint8_t { boolean = 0, integer, string, token, bytes };

struct BareItem {
  BareKind kind = BareKind::boolean;
  std::string text;          // string, unescaped; token; bytes: their base64 as written.
  std::int64_t integer = 0;  // At most 15 digits.
  bool boolean = true;
};

struct StructuredParameter {
  std::string key;
  BareItem value;
};
using StructuredParameters = std::vector<StructuredParameter>;

struct StructuredItem {
  BareItem value;
  StructuredParameters parameters;
  const BareItem* find(std::string_view key) const;  // Of its parameters; nullptr: absent.
};

struct StructuredMember {
  std::string key;
  bool is_list = false;
  StructuredItem item;                // Of a list: its parameters alone.
  std::vector<StructuredItem> items;  // Of a list.
};
using StructuredDictionary = std::vector<StructuredMember>;

// A whole field: all lines of it, joined by ", ". Empty: no members.
Result<StructuredDictionary> parse_dictionary(std::string_view text);
// One item with its parameters and nothing else.
Result<StructuredItem> parse_item(std::string_view text);

// RFC 8941 §4.1: the one spelling of each value.
std::string write_item(const StructuredItem& item);
std::string write_list(const StructuredMember& list);      // "(…);…"
std::string write_member(const StructuredMember& member);  // Its value: an item or a list; a parameterless true: "?1".
std::string write_dictionary(const StructuredDictionary& dictionary);

}  // namespace keepgate::http
