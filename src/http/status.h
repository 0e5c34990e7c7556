// Status codes as text, and the body pages nginx sends for errors.
//
// Thread rule: pure functions. Sources: RFC 9110 §15; nginx's own codes 444, 494–497, 499.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace keepgate::http {

// "Not Found"; "" for a code without a registered reason.
std::string_view reason_phrase(std::uint16_t status);
// "HTTP/1.1 404 Not Found\r\n" for a known code, from a table; built into `scratch` otherwise.
std::string_view status_line(std::uint16_t status, std::string& scratch);
// nginx's HTML page for an error status, with our name in the place of nginx's.
std::string error_page_html(std::uint16_t status);
// RFC 9110 §6.4.1: may this answer have a body at all?
constexpr bool has_body(std::uint16_t status) { return status >= 200 && status != 204 && status != 304; }
// IMF-fixdate (RFC 9110 §5.6.7) into 29 characters.
void write_http_date(char (&out)[29], std::int64_t wall_s);

}  // namespace keepgate::http
