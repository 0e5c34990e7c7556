// Text for HTML: everything that is not ours goes through here before it stands in a page.
//
// Thread rule: pure functions. Bounds: shown_text_max, in code points, for text that a stranger chose.
#pragma once

#include <string>
#include <string_view>

namespace keepgate::oauth {

inline constexpr std::size_t shown_text_max = 80;

// Good between tags and within quoted attributes: & < > " ' are written as references. What is no UTF-8, control
// characters, and those that turn the direction of what stands behind them (so that one name could pose as another)
// become U+FFFD.
std::string escape_html(std::string_view text);
// The same, cut behind `characters_max` code points, with an ellipsis.
std::string escape_html_cut(std::string_view text, std::size_t characters_max = shown_text_max);

}  // namespace keepgate::oauth
