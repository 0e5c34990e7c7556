#include "oauth/message.h"

#include <algorithm>

#include "base/bytes.h"

namespace keepgate::oauth {

namespace {
constexpr std::string_view not_stored = "Cache-Control: no-store\r\nPragma: no-cache\r\n";
constexpr std::uint16_t service_unavailable = 503;
}  // namespace

std::unexpected<Failure> refuse(std::string_view error, std::string description) {
  return std::unexpected(Failure{400, error, std::move(description), {}});
}

std::unexpected<Failure> refuse(std::uint16_t status, std::string_view error, std::string description) {
  return std::unexpected(Failure{status, error, std::move(description), {}});
}

std::unexpected<Failure> unavailable() {
  return std::unexpected(Failure{service_unavailable, "temporarily_unavailable",
                                 "what has to be recorded cannot be recorded just now", "Retry-After: 2\r\n"});
}

Answer json_answer(std::string body, std::uint16_t status) {
  Answer out;
  out.status = status;
  out.content_type = "application/json";
  out.body = std::move(body);
  out.fields = not_stored;
  return out;
}

Answer answer_of(const Failure& failure) {
  std::string body = cat(R"({"error":")", failure.error, '"');
  if (!failure.description.empty()) {
    body += R"(,"error_description":")";
    // RFC 6749 §5.2: neither of these; the name of a parameter or of an algorithm may have had one.
    std::string text = failure.description;
    std::ranges::replace_if(text, [](char c) { return c == '"' || c == '\\'; }, '\'');
    append_json_escaped(body, text);
    body += '"';
  }
  body += '}';
  Answer out = json_answer(std::move(body), failure.status);
  out.fields += failure.fields;
  return out;
}

}  // namespace keepgate::oauth
