#include "http/structured_field.h"

#include <algorithm>

#include "base/bytes.h"

namespace keepgate::http {

namespace {

constexpr std::size_t integer_digits_max = 15;

std::unexpected<Error> bad_structure(std::string_view what) {
  return fail(ErrorKind::malformed, Blame::client, "bad_structured_field", std::string(what));
}

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool starts_key(char c) { return is_lower(c) || c == '*'; }
bool continues_key(char c) { return starts_key(c) || is_digit(c) || c == '_' || c == '-' || c == '.'; }
bool continues_token(char c) {
  return is_alpha(c) || is_digit(c) || std::string_view("!#$%&'*+-.^_`|~:/").find(c) != std::string_view::npos;
}
bool in_base64(char c) { return is_alpha(c) || is_digit(c) || c == '+' || c == '/' || c == '='; }

const BareItem* find_parameter(const StructuredParameters& parameters, std::string_view key) {
  const auto found = std::ranges::find_if(parameters, [&](const StructuredParameter& one) { return one.key == key; });
  return found == parameters.end() ? nullptr : &found->value;
}

// RFC 8941 §4.2, from left to right.
class StructuredReader {
 public:
  explicit StructuredReader(std::string_view text) : rest_(text) {}

  Result<StructuredDictionary> dictionary() {
    StructuredDictionary out;
    skip_spaces();
    while (!rest_.empty()) {
      StructuredMember member;
      if (auto key = read_key(); key) {
        member.key = std::move(*key);
      } else {
        return std::unexpected(std::move(key.error()));
      }
      const auto is_same = [&](const StructuredMember& one) { return one.key == member.key; };
      if (std::ranges::any_of(out, is_same)) return bad_structure("a key comes twice");
      if (out.size() == structured_members_max) return bad_structure("too many members");
      if (const auto read = take('=') ? read_value(member) : read_parameters(member.item.parameters); !read) {
        return std::unexpected(read.error());
      }
      out.push_back(std::move(member));
      skip_blanks();
      if (rest_.empty()) return out;
      if (!take(',')) return bad_structure("no comma between members");
      skip_blanks();
      if (rest_.empty()) return bad_structure("a comma at the end");
    }
    return out;
  }

  Result<StructuredItem> only_item() {
    skip_spaces();
    StructuredItem out;
    if (const auto read = read_item(out); !read) return std::unexpected(read.error());
    skip_spaces();
    if (!rest_.empty()) return bad_structure("something behind the item");
    return out;
  }

 private:
  bool take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void skip_spaces() {
    while (take(' ')) {
    }
  }
  void skip_blanks() {
    while (take(' ') || take('\t')) {
    }
  }
  template <typename Predicate>
  std::string_view take_while(Predicate predicate) {
    const auto end = std::ranges::find_if_not(rest_, predicate);
    const std::string_view out = rest_.substr(0, static_cast<std::size_t>(end - rest_.begin()));
    rest_.remove_prefix(out.size());
    return out;
  }

  Result<std::string> read_key() {
    if (rest_.empty() || !starts_key(rest_.front())) return bad_structure("a key is expected");
    const std::string_view key = take_while(continues_key);
    if (key.size() > structured_key_bytes_max) return bad_structure("a key is too long");
    return std::string(key);
  }

  Result<void> read_value(StructuredMember& member) {
    if (!take('(')) return read_item(member.item);
    member.is_list = true;
    while (true) {
      skip_spaces();
      if (take(')')) return read_parameters(member.item.parameters);
      if (member.items.size() == structured_items_max) return bad_structure("too many items in a list");
      StructuredItem& item = member.items.emplace_back();
      if (const auto read = read_item(item); !read) return read;
      if (rest_.empty() || (rest_.front() != ' ' && rest_.front() != ')')) {
        return bad_structure("a list is not closed, or its items are not apart");
      }
    }
  }

  Result<void> read_item(StructuredItem& item) {
    if (const auto read = read_bare(item.value); !read) return read;
    return read_parameters(item.parameters);
  }

  Result<void> read_parameters(StructuredParameters& parameters) {
    while (take(';')) {
      skip_spaces();
      auto key = read_key();
      if (!key) return std::unexpected(std::move(key.error()));
      if (find_parameter(parameters, *key) != nullptr) return bad_structure("a parameter comes twice");
      if (parameters.size() == structured_parameters_max) return bad_structure("too many parameters");
      StructuredParameter& parameter = parameters.emplace_back();
      parameter.key = std::move(*key);
      if (!take('=')) continue;  // true
      if (const auto read = read_bare(parameter.value); !read) return read;
    }
    return {};
  }

  Result<void> read_bare(BareItem& out) {
    if (rest_.empty()) return bad_structure("a value is missing");
    const char first = rest_.front();
    if (first == '-' || is_digit(first)) return read_integer(out);
    if (first == '"') return read_string(out);
    if (first == ':') return read_bytes(out);
    if (first == '?') return read_boolean(out);
    if (!is_alpha(first) && first != '*') return bad_structure("a value of no known kind");
    out.kind = BareKind::token;
    out.text = take_while(continues_token);
    return {};
  }

  Result<void> read_integer(BareItem& out) {
    out.kind = BareKind::integer;
    const bool is_negative = take('-');
    const std::string_view digits = take_while(is_digit);
    if (digits.empty() || digits.size() > integer_digits_max) return bad_structure("an integer that is none");
    if (!rest_.empty() && rest_.front() == '.') return bad_structure("a decimal, where none is expected");
    for (const char c : digits) out.integer = out.integer * 10 + (c - '0');
    if (is_negative) out.integer = -out.integer;
    return {};
  }

  Result<void> read_string(BareItem& out) {
    out.kind = BareKind::string;
    rest_.remove_prefix(1);
    while (!rest_.empty()) {
      char c = rest_.front();
      rest_.remove_prefix(1);
      if (c == '"') return {};
      if (c == '\\') {
        if (rest_.empty() || (rest_.front() != '"' && rest_.front() != '\\')) return bad_structure("a bad escape");
        c = rest_.front();
        rest_.remove_prefix(1);
      } else if (c < 0x20 || c > 0x7e) {
        return bad_structure("a byte that no string has");
      }
      out.text.push_back(c);
    }
    return bad_structure("a string is not closed");
  }

  Result<void> read_bytes(BareItem& out) {
    out.kind = BareKind::bytes;
    rest_.remove_prefix(1);
    out.text = take_while(in_base64);
    return take(':') ? Result<void>() : Result<void>(bad_structure("a byte sequence is not closed"));
  }

  Result<void> read_boolean(BareItem& out) {
    out.kind = BareKind::boolean;
    rest_.remove_prefix(1);
    out.boolean = !rest_.empty() && rest_.front() == '1';
    return take('1') || take('0') ? Result<void>() : Result<void>(bad_structure("a boolean that is none"));
  }

  std::string_view rest_;
};

void write_bare(std::string& out, const BareItem& item) {
  switch (item.kind) {
    case BareKind::boolean:
      out += item.boolean ? "?1" : "?0";
      break;
    case BareKind::integer:
      append(out, item.integer);
      break;
    case BareKind::token:
      out += item.text;
      break;
    case BareKind::bytes:
      append(out, ':', item.text, ':');
      break;
    case BareKind::string:
      out += '"';
      for (const char c : item.text) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
      }
      out += '"';
      break;
  }
}

void write_parameters(std::string& out, const StructuredParameters& parameters) {
  for (const StructuredParameter& one : parameters) {
    append(out, ';', one.key);
    if (one.value.kind == BareKind::boolean && one.value.boolean) continue;
    out += '=';
    write_bare(out, one.value);
  }
}

}  // namespace

const BareItem* StructuredItem::find(std::string_view key) const { return find_parameter(parameters, key); }

Result<StructuredDictionary> parse_dictionary(std::string_view text) {
  if (text.size() > structured_bytes_max) return bad_structure("the field is too long");
  return StructuredReader(text).dictionary();
}

Result<StructuredItem> parse_item(std::string_view text) {
  if (text.size() > structured_bytes_max) return bad_structure("the field is too long");
  return StructuredReader(text).only_item();
}

std::string write_item(const StructuredItem& item) {
  std::string out;
  write_bare(out, item.value);
  write_parameters(out, item.parameters);
  return out;
}

std::string write_list(const StructuredMember& list) {
  std::string out = "(";
  for (const StructuredItem& item : list.items) {
    if (out.size() > 1) out += ' ';
    out += write_item(item);
  }
  out += ')';
  write_parameters(out, list.item.parameters);
  return out;
}

std::string write_member(const StructuredMember& member) {
  return member.is_list ? write_list(member) : write_item(member.item);
}

std::string write_dictionary(const StructuredDictionary& dictionary) {
  std::string out;
  for (const StructuredMember& member : dictionary) {
    append(out, out.empty() ? "" : ", ", member.key);
    const BareItem& value = member.item.value;
    if (!member.is_list && value.kind == BareKind::boolean && value.boolean) {
      write_parameters(out, member.item.parameters);
    } else {
      append(out, '=', write_member(member));
    }
  }
  return out;
}

}  // namespace keepgate::http
