// What verbs write: answers to standard output, words for people to standard error; tables, JSON, colours on a
// terminal.
//
// Thread rule: main thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"
#include "crypto/json.h"

namespace keepgate::cli {

// Writes the whole answer and flushes. exit_ok, or exit_failure when it could not be written.
int print(std::string_view text);
void say(std::string_view line);                                 // A line on standard error.
void complain(std::string_view verb, std::string_view message);  // "keepgate token mint: message"
// complain(), and the exit code that goes with it.
int failed(std::string_view verb, std::string_view why, int code = exit_failure);

// Indented by two spaces, with a newline at the end.
std::string pretty(const crypto::Json& value);

std::string joined(const std::vector<std::string>& texts, char separator);

// Columns that a text takes on a terminal: characters, without our colours.
std::size_t display_width(std::string_view text);

// Columns two spaces apart, as wide as they have to be; the last one free. A row may be short.
std::string table(const std::vector<std::vector<std::string>>& rows);

// Colours: only for standard output on a terminal, and never with NO_COLOR (https://no-color.org).
enum class Colour : std::uint8_t { none = 0, red, green, yellow, faint, bold };
std::string painted(Colour colour, std::string_view text);

// "2026-01-31T12:00:00Z".
std::string utc_time(std::int64_t seconds);
// The distance between two times: "in 3 hours", "14 days ago", "now".
std::string relative_time(std::int64_t seconds, std::int64_t now_seconds);

// Builds an object in the order of the calls.
class JsonObject {
 public:
  JsonObject& add(std::string_view name, crypto::Json value);
  JsonObject& add(std::string_view name, std::string_view text) { return add(name, crypto::Json(std::string(text))); }
  JsonObject& add(std::string_view name, const char* text) { return add(name, std::string_view(text)); }
  JsonObject& add(std::string_view name, bool truth) { return add(name, crypto::Json(truth)); }
  JsonObject& add(std::string_view name, std::int64_t number) { return add(name, crypto::Json(number)); }
  crypto::Json take() { return crypto::Json(std::move(members_)); }

 private:
  crypto::Json::Object members_;
};

}  // namespace keepgate::cli
