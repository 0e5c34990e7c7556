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
  std::unique_ptr<pcre2_code, FreeCode> compiled;
};

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
  regex.code_ = std::make_unique<Code>(Code{std::move(compiled)});
  return regex;
}

Regex::Match Regex::match(std::string_view subject) const {
  Workspace& own = workspace();
  if (!own.usable()) {
    log(LogLevel::error, "no memory to match regular expression \"", printable(pattern_), "\"");
    return Match::failed;
  }
  // pcre2_match() uses the JIT code but, unlike pcre2_jit_match(), checks the subject of a (*UTF) pattern first.
  const int result =
      pcre2_match(code_->compiled.get(), reinterpret_cast<PCRE2_SPTR>(subject.empty() ? "" : subject.data()),
                  subject.size(), 0, 0, own.data.get(), own.context.get());
  if (result >= 0) return Match::yes;
  if (result == PCRE2_ERROR_NOMATCH) return Match::no;
  // The subject is the client's and may hold a secret: it is not logged.
  log(LogLevel::error, "matching regular expression \"", printable(pattern_), "\" failed: ", describe(result), " on ",
      subject.size(), " bytes");
  return Match::failed;
}

}  // namespace keepgate::route
