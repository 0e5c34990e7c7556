#include "http/head.h"

#include <algorithm>

#include "base/bytes.h"

namespace keepgate::http {

namespace {

const HeaderLine* find_line(std::span<const HeaderLine> headers, Field field) {
  for (const HeaderLine& line : headers) {
    if (line.field == field) return &line;
  }
  return nullptr;
}

const HeaderLine* find_line(std::span<const HeaderLine> headers, std::string_view name) {
  for (const HeaderLine& line : headers) {
    if (equals_ignoring_case(line.name, name)) return &line;
  }
  return nullptr;
}

bool list_has(std::string_view list, std::string_view name) {
  while (true) {
    const std::size_t comma = list.find(',');
    if (equals_ignoring_case(trim(list.substr(0, comma)), name)) return true;
    if (comma == std::string_view::npos) return false;
    list.remove_prefix(comma + 1);
  }
}

// RFC 9110 §7.6.1: several Connection fields are one list.
bool connection_has(std::span<const HeaderLine> headers, std::string_view name) {
  if (name.empty()) return false;
  for (const HeaderLine& line : headers) {
    if (line.field == Field::connection && list_has(line.value, name)) return true;
  }
  return false;
}

// Of those that Method does not name, in alphabetical order.
constexpr std::string_view idempotent_methods[] = {"ACL",
                                                   "BASELINE-CONTROL",
                                                   "BIND",
                                                   "CHECKIN",
                                                   "CHECKOUT",
                                                   "COPY",
                                                   "LABEL",
                                                   "LINK",
                                                   "MERGE",
                                                   "MKACTIVITY",
                                                   "MKCALENDAR",
                                                   "MKCOL",
                                                   "MKREDIRECTREF",
                                                   "MKWORKSPACE",
                                                   "MOVE",
                                                   "ORDERPATCH",
                                                   "PRI",
                                                   "PROPFIND",
                                                   "PROPPATCH",
                                                   "QUERY",
                                                   "REBIND",
                                                   "REPORT",
                                                   "SEARCH",
                                                   "UNBIND",
                                                   "UNCHECKOUT",
                                                   "UNLINK",
                                                   "UNLOCK",
                                                   "UPDATE",
                                                   "UPDATEREDIRECTREF",
                                                   "VERSION-CONTROL"};
static_assert(std::ranges::is_sorted(idempotent_methods));

}  // namespace

Method method_of(std::string_view text) {
  switch (text.size()) {
    case 3:
      return text == "GET" ? Method::get : text == "PUT" ? Method::put : Method::other;
    case 4:
      return text == "POST" ? Method::post : text == "HEAD" ? Method::head : Method::other;
    case 5:
      return text == "PATCH" ? Method::patch : text == "TRACE" ? Method::trace : Method::other;
    case 6:
      return text == "DELETE" ? Method::delete_ : Method::other;
    case 7:
      return text == "OPTIONS" ? Method::options : text == "CONNECT" ? Method::connect : Method::other;
    default:
      return Method::other;
  }
}

bool is_idempotent(Method method, std::string_view text) {
  switch (method) {
    case Method::other:
      return std::ranges::binary_search(idempotent_methods, text);
    case Method::get:
    case Method::head:
    case Method::put:
    case Method::delete_:
    case Method::options:
    case Method::trace:
      return true;
    default:
      return false;
  }
}

const HeaderLine* RequestHead::find(Field field) const { return find_line(headers, field); }
const HeaderLine* RequestHead::find(std::string_view name) const { return find_line(headers, name); }
bool RequestHead::connection_lists(std::string_view name) const { return connection_has(headers, name); }

const HeaderLine* ResponseHead::find(Field field) const { return find_line(headers, field); }
const HeaderLine* ResponseHead::find(std::string_view name) const { return find_line(headers, name); }
bool ResponseHead::connection_lists(std::string_view name) const { return connection_has(headers, name); }

}  // namespace keepgate::http
