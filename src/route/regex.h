// PCRE2 with JIT, nginx's semantics, and bounds on matching so that a pattern cannot be made to burn a core.
// Thread rule: immutable after compile; match data is per thread. A match that hits its limit is no match and is logged.
#pragma once

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
  bool matches(std::string_view subject) const;
  const std::string& pattern() const { return pattern_; }

 private:
  Regex() = default;
  struct Code;
  std::string pattern_;
  std::unique_ptr<Code> code_;
};

}  // namespace keepgate::route
