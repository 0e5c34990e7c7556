#include "http/status.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/bytes.h"

namespace keepgate::http {

namespace {

// The IANA registry of status codes, then nginx's own; in order.
constexpr std::string_view status_lines[] = {
    "HTTP/1.1 100 Continue\r\n",
    "HTTP/1.1 101 Switching Protocols\r\n",
    "HTTP/1.1 102 Processing\r\n",
    "HTTP/1.1 103 Early Hints\r\n",
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.1 201 Created\r\n",
    "HTTP/1.1 202 Accepted\r\n",
    "HTTP/1.1 203 Non-Authoritative Information\r\n",
    "HTTP/1.1 204 No Content\r\n",
    "HTTP/1.1 205 Reset Content\r\n",
    "HTTP/1.1 206 Partial Content\r\n",
    "HTTP/1.1 207 Multi-Status\r\n",
    "HTTP/1.1 208 Already Reported\r\n",
    "HTTP/1.1 226 IM Used\r\n",
    "HTTP/1.1 300 Multiple Choices\r\n",
    "HTTP/1.1 301 Moved Permanently\r\n",
    "HTTP/1.1 302 Found\r\n",
    "HTTP/1.1 303 See Other\r\n",
    "HTTP/1.1 304 Not Modified\r\n",
    "HTTP/1.1 305 Use Proxy\r\n",
    "HTTP/1.1 307 Temporary Redirect\r\n",
    "HTTP/1.1 308 Permanent Redirect\r\n",
    "HTTP/1.1 400 Bad Request\r\n",
    "HTTP/1.1 401 Unauthorized\r\n",
    "HTTP/1.1 402 Payment Required\r\n",
    "HTTP/1.1 403 Forbidden\r\n",
    "HTTP/1.1 404 Not Found\r\n",
    "HTTP/1.1 405 Method Not Allowed\r\n",
    "HTTP/1.1 406 Not Acceptable\r\n",
    "HTTP/1.1 407 Proxy Authentication Required\r\n",
    "HTTP/1.1 408 Request Timeout\r\n",
    "HTTP/1.1 409 Conflict\r\n",
    "HTTP/1.1 410 Gone\r\n",
    "HTTP/1.1 411 Length Required\r\n",
    "HTTP/1.1 412 Precondition Failed\r\n",
    "HTTP/1.1 413 Content Too Large\r\n",
    "HTTP/1.1 414 URI Too Long\r\n",
    "HTTP/1.1 415 Unsupported Media Type\r\n",
    "HTTP/1.1 416 Range Not Satisfiable\r\n",
    "HTTP/1.1 417 Expectation Failed\r\n",
    "HTTP/1.1 421 Misdirected Request\r\n",
    "HTTP/1.1 422 Unprocessable Content\r\n",
    "HTTP/1.1 423 Locked\r\n",
    "HTTP/1.1 424 Failed Dependency\r\n",
    "HTTP/1.1 425 Too Early\r\n",
    "HTTP/1.1 426 Upgrade Required\r\n",
    "HTTP/1.1 428 Precondition Required\r\n",
    "HTTP/1.1 429 Too Many Requests\r\n",
    "HTTP/1.1 431 Request Header Fields Too Large\r\n",
    "HTTP/1.1 444 No Response\r\n",
    "HTTP/1.1 451 Unavailable For Legal Reasons\r\n",
    "HTTP/1.1 494 Request Header Or Cookie Too Large\r\n",
    "HTTP/1.1 495 SSL Certificate Error\r\n",
    "HTTP/1.1 496 SSL Certificate Required\r\n",
    "HTTP/1.1 497 HTTP Request Sent to HTTPS Port\r\n",
    "HTTP/1.1 499 Client Closed Request\r\n",
    "HTTP/1.1 500 Internal Server Error\r\n",
    "HTTP/1.1 501 Not Implemented\r\n",
    "HTTP/1.1 502 Bad Gateway\r\n",
    "HTTP/1.1 503 Service Unavailable\r\n",
    "HTTP/1.1 504 Gateway Timeout\r\n",
    "HTTP/1.1 505 HTTP Version Not Supported\r\n",
    "HTTP/1.1 506 Variant Also Negotiates\r\n",
    "HTTP/1.1 507 Insufficient Storage\r\n",
    "HTTP/1.1 508 Loop Detected\r\n",
    "HTTP/1.1 510 Not Extended\r\n",
    "HTTP/1.1 511 Network Authentication Required\r\n",
};
constexpr std::size_t code_begin = 9;  // In "HTTP/1.1 404 Not Found\r\n".
constexpr std::size_t phrase_begin = 13;
constexpr std::uint16_t status_end = 600;

// Status → row of status_lines, counted from 1.
consteval std::array<std::uint8_t, status_end> make_rows() {
  std::array<std::uint8_t, status_end> status_rows{};
  std::uint8_t row = 0;
  for (const std::string_view line : status_lines) {
    std::size_t status = 0;
    for (const char digit : line.substr(code_begin, 3)) status = status * 10 + static_cast<std::size_t>(digit - '0');
    status_rows[status] = ++row;
  }
  return status_rows;
}
constexpr std::array<std::uint8_t, status_end> status_rows = make_rows();

std::string_view known_line(std::uint16_t status) {
  const std::uint8_t row = status < status_end ? status_rows[status] : 0;
  return row == 0 ? std::string_view{} : status_lines[row - 1];
}

// Where nginx's pages say something else than today's registry.
struct PageWords {
  std::uint16_t status;
  std::string_view title;
  std::string_view note;  // Below the heading "400 Bad Request"; only for the codes that nginx sends as 400.
};
constexpr PageWords page_words[] = {
    {408, "408 Request Time-out", {}},
    {413, "413 Request Entity Too Large", {}},
    {414, "414 Request-URI Too Large", {}},
    {416, "416 Requested Range Not Satisfiable", {}},
    {494, "400 Request Header Or Cookie Too Large", "Request Header Or Cookie Too Large"},
    {495, "400 The SSL certificate error", "The SSL certificate error"},
    {496, "400 No required SSL certificate was sent", "No required SSL certificate was sent"},
    {497, "400 The plain HTTP request was sent to HTTPS port", "The plain HTTP request was sent to HTTPS port"},
    {503, "503 Service Temporarily Unavailable", {}},
    {504, "504 Gateway Time-out", {}},
};

std::string page(std::string_view title, std::string_view heading, std::string_view note) {
  std::string out =
      cat("<html>\r\n<head><title>", title, "</title></head>\r\n<body>\r\n<center><h1>", heading, "</h1></center>\r\n");
  if (!note.empty()) append(out, "<center>", note, "</center>\r\n");
  append(out, "<hr><center>keepgate</center>\r\n</body>\r\n</html>\r\n");
  return out;
}

void put_two(char* out, std::int64_t value) {
  out[0] = static_cast<char>('0' + value / 10);
  out[1] = static_cast<char>('0' + value % 10);
}

struct Day {
  std::int64_t year, month, day;
};

// Proleptic Gregorian date of a day counted from 1970-01-01, by 400-year eras that start on 1 March.
Day day_of(std::int64_t days) {
  days += 719'468;  // From 0000-03-01.
  const std::int64_t era = days / 146'097;
  const std::int64_t in_era = days % 146'097;
  const std::int64_t year_of_era = (in_era - in_era / 1'460 + in_era / 36'524 - in_era / 146'096) / 365;
  const std::int64_t in_year = in_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t march_month = (5 * in_year + 2) / 153;
  const std::int64_t month = march_month < 10 ? march_month + 3 : march_month - 9;
  return {era * 400 + year_of_era + (month <= 2 ? 1 : 0), month, in_year - (153 * march_month + 2) / 5 + 1};
}

}  // namespace

std::string_view reason_phrase(std::uint16_t status) {
  const std::string_view line = known_line(status);
  return line.empty() ? line : line.substr(phrase_begin, line.size() - phrase_begin - 2);
}

std::string_view status_line(std::uint16_t status, std::string& scratch) {
  if (const std::string_view line = known_line(status); !line.empty()) return line;
  scratch = cat("HTTP/1.1 ", status, " \r\n");  // RFC 9112 §4: the SP stays when the reason is empty.
  return scratch;
}

std::string error_page_html(std::uint16_t status) {
  for (const PageWords& words : page_words) {
    if (words.status != status) continue;
    return page(words.title, words.note.empty() ? words.title : std::string_view("400 Bad Request"), words.note);
  }
  const std::string_view phrase = reason_phrase(status);
  const std::string title = phrase.empty() ? cat(status) : cat(status, ' ', phrase);
  return page(title, title, {});
}

void write_http_date(char (&out)[29], std::int64_t wall_s) {
  constexpr std::int64_t last_s = 253'402'300'799;  // 9999-12-31T23:59:59Z: the format has four digits.
  wall_s = std::clamp<std::int64_t>(wall_s, 0, last_s);
  constexpr std::int64_t day_s = 86'400;
  const std::int64_t days = wall_s / day_s;
  const std::int64_t in_day = wall_s % day_s;
  const Day date = day_of(days);
  std::memcpy(out, "Thu, 01 Jan 1970 00:00:00 GMT", 29);
  std::memcpy(out, &"ThuFriSatSunMonTueWed"[days % 7 * 3], 3);
  put_two(out + 5, date.day);
  std::memcpy(out + 8, &"JanFebMarAprMayJunJulAugSepOctNovDec"[(date.month - 1) * 3], 3);
  put_two(out + 12, date.year / 100);
  put_two(out + 14, date.year % 100);
  put_two(out + 17, in_day / 3600);
  put_two(out + 20, in_day / 60 % 60);
  put_two(out + 23, in_day % 60);
}

}  // namespace keepgate::http
