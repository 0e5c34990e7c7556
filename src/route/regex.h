// PCRE2 with JIT, nginx's semantics, and bounds on matching so that a pattern cannot be made to burn a core.
// A match that hits its limit is no match and is logged. Thread rule: immutable after compile; match data per thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace keepgate::route {

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
  bool matches(std::string_view subject) const { return match(subject) == Match::yes; }
  const std::string& pattern() const { return pattern_; }

 private:
  Regex() = default;
  struct Code;
  std::string pattern_;
  std::unique_ptr<Code> code_;
};

}  // namespace keepgate::route
