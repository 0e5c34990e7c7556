// rooms: oauth
// What browsers send and strangers choose: escaped text is text and UTF-8; a cookie is found where a reader that is
// written for being read only finds it; nothing that was not made here passes for a form, a flow or a base32 text of
// another length.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/error.h"
#include "crypto/base32.h"
#include "crypto/json.h"
#include "oauth/cookies.h"
#include "oauth/flow.h"
#include "oauth/form_token.h"
#include "oauth/html.h"
#include "oauth/page_frame.h"

namespace {

using namespace keepgate;
using namespace keepgate::oauth;

constexpr std::string_view key = "0123456789abcdef0123456789abcdef", name = "__Host-a";

std::optional<std::string_view> expected_cookie(std::string_view field) {
  std::optional<std::string_view> found;
  int count = 0;
  for (std::size_t at = 0; at <= field.size();) {
    const std::size_t end = std::min(field.find(';', at), field.size());
    const std::string_view pair = trim(field.substr(at, end - at));
    const std::size_t equals = pair.find('=');
    if (trim(pair.substr(0, equals)) == name) {
      ++count;
      if (equals != std::string_view::npos) found = pair.substr(equals + 1);
    }
    at = end + 1;
  }
  if (count != 1 || !found || found->empty() || found->size() > cookie_value_bytes_max) return std::nullopt;
  for (const char c : *found) {
    if (c <= 0x20 || c >= 0x7f || std::string_view("\",;\\").contains(c)) return std::nullopt;
  }
  return found;
}

void check_html(std::string_view text) {
  const std::string escaped = escape_html(text);
  KG_ASSERT(escaped.find_first_of("<>\"'") == std::string::npos && crypto::is_utf8(escaped));
  for (std::size_t at = escaped.find('&'); at != std::string::npos; at = escaped.find('&', at + 1)) {
    const std::string_view rest = std::string_view(escaped).substr(at);
    KG_ASSERT(rest.starts_with("&amp;") || rest.starts_with("&lt;") || rest.starts_with("&gt;") ||
              rest.starts_with("&quot;") || rest.starts_with("&#39;"));
  }
  KG_ASSERT(crypto::is_utf8(escape_html_cut(text, 5)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_html(text);
  const std::string_view fields[] = {text};
  KG_ASSERT(find_cookie(fields, name) == expected_cookie(text));
  KG_ASSERT(!check_form_token(key, {FormPurpose::consent, "browser", "request", {}}, text, 1'700'000'000));
  KG_ASSERT(!open_flow(key, "browser", text));
  if (const auto decoded = crypto::base32_decode_secret(text)) {
    const auto again = crypto::base32_decode_secret(crypto::base32_encode(decoded->view()).view());
    KG_ASSERT(again && again->view() == decoded->view());
  }
  for (const PageField& one : page_fields(text)) {
    KG_ASSERT(one.value.find_first_of("\r\n") == std::string::npos);
    if (one.name == "Content-Security-Policy")
      KG_ASSERT(one.value.starts_with("default-src 'none'; style-src 'self'; "));
  }
  return 0;
}
