#include "oauth/params.h"

#include <algorithm>
#include <array>
#include <span>

#include "base/bytes.h"
#include "base/percent.h"
#include "crypto/json.h"
#include "crypto/secret.h"

namespace keepgate::oauth {

namespace {

constexpr std::string_view repeatable[] = {"resource", "audience"};

std::unexpected<Error> bad_parameters(std::string_view why) {
  return fail(ErrorKind::malformed, Blame::client, "invalid_request", std::string(why));
}

bool has_broken_escape(std::string_view text) {
  for (std::size_t at = text.find('%'); at != std::string_view::npos; at = text.find('%', at + 1)) {
    if (percent_byte(text, at) < 0) return true;
  }
  return false;
}

}  // namespace

Result<Params> Params::parse(std::string_view text) {
  if (text.size() > bytes_max) return bad_parameters("the parameters are longer than 64 KiB");
  Params out;
  if (text.empty()) return out;
  // Room for all at once: a list that grows would leave copies of short values behind, which nobody wipes.
  out.pairs_.reserve(std::min<std::size_t>(count_max, 1 + static_cast<std::size_t>(std::ranges::count(text, '&'))));
  const auto bad = [&](std::string_view why) {
    out.wipe();
    return bad_parameters(why);
  };
  while (!text.empty()) {
    const std::size_t end = text.find('&');
    const std::string_view pair = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (pair.empty()) continue;
    if (out.pairs_.size() == count_max) return bad("more than 128 parameters");
    if (has_broken_escape(pair)) return bad("a parameter has a broken percent-escape");
    const std::size_t equals = pair.find('=');
    std::string name = percent_decoded(pair.substr(0, equals), '+');
    std::string value =
        equals == std::string_view::npos ? std::string() : percent_decoded(pair.substr(equals + 1), '+');
    const bool has_nul = name.find('\0') != std::string::npos || value.find('\0') != std::string::npos;
    if (has_nul || !crypto::is_utf8(name) || !crypto::is_utf8(value)) {
      crypto::wipe(value.data(), value.size());
      return bad("a parameter is no UTF-8 text");
    }
    out.pairs_.emplace_back(std::move(name), std::move(value));
  }
  return out;
}

std::optional<std::string_view> Params::find(std::string_view name) const {
  for (const auto& [key, value] : pairs_) {
    if (key == name && !value.empty()) return value;
  }
  return std::nullopt;
}

std::vector<std::string_view> Params::all(std::string_view name) const {
  std::vector<std::string_view> out;
  for (const auto& [key, value] : pairs_) {
    if (key == name && !value.empty()) out.emplace_back(value);
  }
  return out;
}

std::string_view Params::first_repeated() const {
  std::array<std::string_view, count_max> names;
  std::size_t count = 0;
  for (const auto& [key, value] : pairs_) {
    if (count == count_max) break;
    if (!value.empty() && std::ranges::find(repeatable, key) == std::end(repeatable)) names[count++] = key;
  }
  const std::span<std::string_view> sent(names.data(), count);
  std::ranges::sort(sent);
  const auto found = std::ranges::adjacent_find(sent);
  return found == sent.end() ? std::string_view() : *found;
}

std::string Params::write() const {
  std::string out;
  for (const auto& [key, value] : pairs_) {
    append(out, out.empty() ? "" : "&", form_encoded(key), '=', form_encoded(value));
  }
  return out;
}

void Params::wipe() {
  for (auto& [name, value] : pairs_) {
    crypto::wipe(name.data(), name.size());
    crypto::wipe(value.data(), value.size());
  }
}

std::string form_encoded(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '*') {
      out.push_back(c);
    } else {
      const auto byte = static_cast<unsigned char>(c);
      append(out, '%', digits[byte >> 4], digits[byte & 15]);
    }
  }
  return out;
}

}  // namespace keepgate::oauth
