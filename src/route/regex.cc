#define PCRE2_CODE_UNIT_WIDTH 8
#include "route/regex.h"

#include <pcre2.h>

#include <cstdint>

#include "base/bytes.h"
#include "base/log.h"

namespace keepgate::route {

namespace {

// PCRE2's own count of backtracking points. A pattern with nested repetition reaches it within a few milliseconds;
// ordinary patterns on the longest paths stay a hundred times below it.
constexpr std::uint32_t match_limit = 250'000;
constexpr std::uint32_t heap_kib_max = 1024;  // Without JIT: PCRE2 keeps its backtracking frames on the heap.
constexpr std::size_t jit_stack_start = 32 * 1024;
constexpr std::size_t jit_stack_max = 256 * 1024;

struct FreeCode {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct FreeMatchData {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};
struct FreeMatchContext {
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};
struct FreeJitStack {
  void operator()(pcre2_jit_stack* stack) const { pcre2_jit_stack_free(stack); }
};

// What a match writes to. One for each thread, made at its first match, so that matching allocates nothing.
struct Workspace {
  std::unique_ptr<pcre2_match_data, FreeMatchData> data{pcre2_match_data_create(1, nullptr)};
  std::unique_ptr<pcre2_match_data, FreeMatchData> groups;  // Only where somebody asks for groups.
  std::unique_ptr<pcre2_match_context, FreeMatchContext> context{pcre2_match_context_create(nullptr)};
  std::unique_ptr<pcre2_jit_stack, FreeJitStack> stack{pcre2_jit_stack_create(jit_stack_start, jit_stack_max, nullptr)};

  Workspace() {
    if (!context) return;
    pcre2_set_match_limit(context.get(), match_limit);
    pcre2_set_depth_limit(context.get(), match_limit);
    pcre2_set_heap_limit(context.get(), heap_kib_max);
    pcre2_jit_stack_assign(context.get(), nullptr, stack.get());
  }
  bool usable() const { return data && context; }
};

Workspace& workspace() {
  thread_local Workspace own;
  return own;
}

std::string describe(int code) {
  PCRE2_UCHAR8 text[256];
  if (pcre2_get_error_message(code, text, sizeof text) < 0) return cat("error ", code);
  return {text, text + std::char_traits<char>::length(reinterpret_cast<const char*>(text))};
}

}  // namespace

struct Regex::Code {
  // The number of groups that the match data had room for, or an error.
  int match(std::string_view subject, pcre2_match_data* data, pcre2_match_context* context) const {
    // pcre2_match() uses the JIT code but, unlike pcre2_jit_match(), checks the subject of a (*UTF) pattern first.
    return pcre2_match(compiled.get(), reinterpret_cast<PCRE2_SPTR>(subject.empty() ? "" : subject.data()),
                       subject.size(), 0, 0, data, context);
  }
  std::unique_ptr<pcre2_code, FreeCode> compiled;
};

namespace {

std::vector<std::pair<std::string, std::uint32_t>> names_of(const pcre2_code* code) {
  std::uint32_t count = 0, row_bytes = 0;
  PCRE2_SPTR table = nullptr;
  pcre2_pattern_info(code, PCRE2_INFO_NAMECOUNT, &count);
  pcre2_pattern_info(code, PCRE2_INFO_NAMEENTRYSIZE, &row_bytes);
  pcre2_pattern_info(code, PCRE2_INFO_NAMETABLE, static_cast<void*>(&table));
  std::vector<std::pair<std::string, std::uint32_t>> names;
  for (std::uint32_t i = 0; i < count; ++i, table += row_bytes) {  // A row: the number in two bytes, the name, a zero.
    names.emplace_back(reinterpret_cast<const char*>(table + 2), static_cast<std::uint32_t>(table[0] << 8 | table[1]));
  }
  return names;
}

// The subject is the client's and may hold a secret: it is not logged.
Regex::Match judge(int result, std::string_view pattern, std::string_view subject) {
  if (result >= 0) return Regex::Match::yes;
  if (result == PCRE2_ERROR_NOMATCH) return Regex::Match::no;
  log(LogLevel::error, "matching regular expression \"", printable(pattern), "\" failed: ", describe(result), " on ",
      subject.size(), " bytes");
  return Regex::Match::failed;
}

Regex::Match no_memory(std::string_view pattern) {
  log(LogLevel::error, "no memory to match regular expression \"", printable(pattern), "\"");
  return Regex::Match::failed;
}

}  // namespace

Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;
Regex::~Regex() = default;

std::optional<Regex> Regex::compile(std::string_view pattern, bool ignore_case, std::string& error) {
  int code = 0;
  PCRE2_SIZE offset = 0;
  // No UTF mode, as nginx: a pattern that wants it says (*UTF).
  std::unique_ptr<pcre2_code, FreeCode> compiled(
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.empty() ? "" : pattern.data()), pattern.size(),
                    ignore_case ? PCRE2_CASELESS : 0, &code, &offset, nullptr));
  if (!compiled) {
    error = cat("regular expression \"", printable(pattern), "\" is refused: ", describe(code), " at offset ", offset);
    return std::nullopt;
  }
  // Failure leaves the interpreter, which answers the same.
  pcre2_jit_compile(compiled.get(), PCRE2_JIT_COMPLETE);
  Regex regex;
  regex.pattern_ = pattern;
  regex.names_ = names_of(compiled.get());
  pcre2_pattern_info(compiled.get(), PCRE2_INFO_CAPTURECOUNT, &regex.group_count_);
  regex.code_ = std::make_unique<Code>(Code{std::move(compiled)});
  return regex;
}

bool Regex::bind(const SlotOf& slot_of) {
  bound_.clear();
  for (const auto& [name, group] : names_) {
    const std::optional<std::uint32_t> slot = slot_of(name);
    if (!slot) continue;
    if (group >= Captures::groups_max) return false;
    bound_.push_back({group, *slot});
  }
  return true;
}

Regex::Match Regex::match_for(std::string_view subject, CaptureSink* sink) const {
  if (!sink) return match(subject);
  if (group_count_ == 0) {
    const Match result = match(subject);
    if (result == Match::yes) sink->keep_groups(*this, nullptr);
    return result;
  }
  Captures captures;
  const Match result = match(subject, captures);
  if (result == Match::yes) sink->keep_groups(*this, &captures);
  return result;
}

Regex::Match Regex::match(std::string_view subject) const {
  Workspace& own = workspace();
  if (!own.usable()) return no_memory(pattern_);
  return judge(code_->match(subject, own.data.get(), own.context.get()), pattern_, subject);
}

Regex::Match Regex::match(std::string_view subject, Captures& captures) const {
  Workspace& own = workspace();
  if (!own.groups) own.groups.reset(pcre2_match_data_create(Captures::groups_max, nullptr));
  if (!own.usable() || !own.groups) return no_memory(pattern_);
  captures = {};
  const int result = code_->match(subject, own.groups.get(), own.context.get());
  const Match match = judge(result, pattern_, subject);
  if (match != Match::yes) return match;
  const PCRE2_SIZE* const ends = pcre2_get_ovector_pointer(own.groups.get());
  // The number of groups that were set; what lies behind them is left from earlier matches. 0: there are more than fit.
  const std::size_t count = result == 0 ? Captures::groups_max : static_cast<std::size_t>(result);
  for (std::size_t i = 0; i < count; ++i) {
    const PCRE2_SIZE begin = ends[2 * i], end = ends[2 * i + 1];
    // \K in a lookaround can put the begin behind the end; that is no text.
    if (begin != PCRE2_UNSET && begin <= end) captures.groups[i] = subject.substr(begin, end - begin);
  }
  return match;
}

}  // namespace keepgate::route
