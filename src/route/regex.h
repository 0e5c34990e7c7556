// PCRE2 with JIT, nginx's semantics, and bounds on matching so that a pattern cannot be made to burn a core.
// A match that hits its limit is no match and is logged. Thread rule: immutable after compile; match data per thread.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
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

// The slot in which a request keeps the group of that name; nothing: nobody reads it.
using SlotOf = std::function<std::optional<std::uint32_t>(std::string_view group)>;

class Regex;

// Whoever keeps what groups took. Told of each match, in order; the subject outlives it.
class CaptureSink {
 public:
  // `groups` is nullptr where the expression has none.
  virtual void keep_groups(const Regex& regex, const Captures* groups) = 0;

 protected:
  ~CaptureSink() = default;
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
  // As match(); `sink` (which may be nullptr) learns of a match.
  Match match_for(std::string_view subject, CaptureSink* sink) const;
  bool matches(std::string_view subject) const { return match(subject) == Match::yes; }
  const std::string& pattern() const { return pattern_; }
  // Groups with a name, (?<name>…), and their numbers.
  const std::vector<std::pair<std::string, std::uint32_t>>& names() const { return names_; }
  std::uint32_t group_count() const { return group_count_; }
  // Which groups go to which slots; once, before the expression is shared. False: a group has too high a number.
  bool bind(const SlotOf& slot_of);
  struct Bound {
    std::uint32_t group, slot;
  };
  const std::vector<Bound>& bound() const { return bound_; }

 private:
  Regex() = default;
  struct Code;
  std::string pattern_;
  std::vector<std::pair<std::string, std::uint32_t>> names_;
  std::vector<Bound> bound_;
  std::uint32_t group_count_ = 0;
  std::unique_ptr<Code> code_;
};

}  // namespace keepgate::route
