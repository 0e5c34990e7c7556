// PCRE2 with JIT, nginx's semantics, and bounds on matching so that a pattern cannot be made to burn a core.
// A match that hits its limit is no match and is logged. Thread rule: immutable after compile; match data per thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace keepgate::route {

// What a pattern's groups took of a subject: 0 is the whole match, and a group without a part in it is empty.
struct Captures {
  static constexpr std::size_t groups_max = 20;
  std::array<std::string_view, groups_max> groups;  // Views into the subject.
  std::string_view at(std::size_t number) const { return number < groups_max ? groups[number] : std::string_view(); }
};

class Regex {
 public:
  // On failure nothing, and `error` says why with the offset.
  static std::optional<Regex> compile(std::string_view pattern, bool ignore_case, std::string& error);
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;
  ~Regex();

  // failed: a limit was hit or the subject is not what the pattern wants ((*UTF) and invalid UTF-8); it is logged. A
  // caller whose next candidate could be less strict stops there instead of going on, as nginx does.
  enum class Match : std::uint8_t { no = 0, yes, failed };
  Match match(std::string_view subject) const;
  Match match(std::string_view subject, Captures& captures) const;
  bool matches(std::string_view subject) const { return match(subject) == Match::yes; }
  const std::string& pattern() const { return pattern_; }
  // Groups with a name, (?<name>…), and their numbers.
  const std::vector<std::pair<std::string, std::uint32_t>>& names() const { return names_; }

 private:
  Regex() = default;
  struct Code;
  std::string pattern_;
  std::vector<std::pair<std::string, std::uint32_t>> names_;
  std::unique_ptr<Code> code_;
};

}  // namespace keepgate::route
