#include "oauth/revocation_log.h"

#include <algorithm>

namespace keepgate::oauth {

void RevocationLog::add(std::span<const Line> lines) {
  while (!lines.empty()) {
    const bool is_full = pieces_.empty() || pieces_.back()->text.size() >= piece_bytes_max;
    // What others share stays as it is.
    auto piece = is_full ? std::make_shared<Piece>() : std::make_shared<Piece>(*pieces_.back());
    if (!is_full) pieces_.pop_back();
    while (!lines.empty() && piece->text.size() < piece_bytes_max) {
      const Line& line = lines.front();
      piece->lines.emplace_back(line.version, piece->text.size());
      piece->text += line.text;
      piece->until_s = std::max(piece->until_s, line.until_s);
      ++size_;
      bytes_ += line.text.size();
      lines = lines.subspan(1);
    }
    pieces_.push_back(std::move(piece));
  }
}

void RevocationLog::forget(std::int64_t ended_s) {
  std::erase_if(pieces_, [&](const auto& piece) {
    if (piece->until_s >= ended_s) return false;
    size_ -= piece->lines.size();
    bytes_ -= piece->text.size();
    return true;
  });
}

std::string RevocationLog::behind(std::int64_t version) const {
  const auto first = std::ranges::find_if(pieces_, [&](const auto& one) { return one->lines.back().first > version; });
  std::string out;
  if (version == 0) out.reserve(bytes_);
  for (auto piece = first; piece != pieces_.end(); ++piece) {
    const auto line = std::ranges::upper_bound((*piece)->lines, version, {}, [](const auto& one) { return one.first; });
    if (line != (*piece)->lines.end()) out += std::string_view((*piece)->text).substr(line->second);
  }
  return out;
}

}  // namespace keepgate::oauth
