// How bodies wait: buffers, temporary files, and the pace at which answers go out.
#include <limits>

#include "base/bytes.h"
#include "conf/directives/row.h"

namespace keepgate::conf {

namespace {

using O = LevelOptions;
constexpr std::uint64_t buffer_bytes_max = 64 << 20;

template <auto Member>
void set_path(Reader& reader, const Scope& scope, const Directive& directive) {
  // nginx's levels of folders are for files with names; ours have none.
  for (std::size_t i = 1; i < directive.arguments.size(); ++i) {
    const Word& word = directive.arguments[i];
    if (!reader.number(directive, word, word.text, 1, 3)) return;
  }
  const Word& word = directive.arguments[0];
  if (word.text.empty() || has_variable(word)) return reader.invalid_value(directive, word, "a folder is expected");
  detail::set_once<Member>(reader, scope, directive, std::optional<Word>(word));
}

template <auto Member>
void set_bounded_size(Reader& reader, const Scope& scope, const Directive& directive) {
  const Word& word = directive.arguments[0];
  auto value = reader.size(directive, word, word.text);
  if (value && *value > buffer_bytes_max) return reader.invalid_value(directive, word, "at most 64m");
  detail::set_once<Member>(reader, scope, directive, value);
}

template <auto Member>
void set_offset(Reader& reader, const Scope& scope, const Directive& directive) {
  const Word& word = directive.arguments[0];
  const auto value = parse_offset(word.text);
  if (!value) return reader.invalid_value(directive, word, "a size like 8k, 16m or 1g is expected");
  detail::set_once<Member>(reader, scope, directive, value);
}

// A size, or text with variables that is one when a request comes.
template <auto Member>
void set_rate(Reader& reader, const Scope& scope, const Directive& directive) {
  const Word& word = directive.arguments[0];
  if (!has_variable(word) && !reader.size(directive, word, word.text)) return;
  detail::set_once<Member>(reader, scope, directive, std::optional<Word>(word));
}

void set_proxy_buffers(Reader& reader, const Scope& scope, const Directive& directive) {
  const std::vector<Word>& words = directive.arguments;
  const auto count = reader.number(directive, words[0], words[0].text, 2, 1'000'000);
  const auto size = reader.size(directive, words[1], words[1].text);
  if (!count || !size) return;
  if (*size == 0 || *size > buffer_bytes_max || *count * *size > buffer_bytes_max) {
    return reader.invalid_value(directive, words[1], "together at most 64m, for each request");
  }
  detail::set_once<&O::proxy_buffers_bytes>(reader, scope, directive, std::optional<std::uint64_t>(*count * *size));
}

void check_size(Reader& reader, const Scope&, const Directive& directive) {
  reader.size(directive, directive.arguments[0], directive.arguments[0].text);
}

// Keeping the files is for debugging nginx; ours have no name under which anybody could look at them.
void check_file_only(Reader& reader, const Scope&, const Directive& directive) {
  const Word& word = directive.arguments[0];
  if (word.text == "off" || word.text == "clean") return;
  if (word.text == "on") return reader.not_built(word, "'client_body_in_file_only on'", "remove it");
  reader.invalid_value(directive, word, "on, clean or off");
}

constexpr DirectiveRow bodies_table[] = {
    {"client_body_buffer_size",
     in_levels,
     {1, 1},
     Support::built,
     set_bounded_size<&O::client_body_buffer_size>,
     "16k",
     "How much of a request body that is read before it is forwarded stays in memory."},
    {"client_body_temp_path",
     in_levels,
     {1, 4},
     Support::built,
     set_path<&O::client_body_temp_path>,
     "/var/tmp",
     "The folder for the rest of such bodies; the files have no names, so levels of folders have no effect."},
    {"client_body_in_single_buffer",
     in_levels,
     {1, 1},
     Support::ignored,
     nullptr,
     "off",
     "No effect: nothing here reads a body as one buffer."},
    {"client_body_in_file_only",
     in_levels,
     {1, 1},
     Support::ignored,
     check_file_only,
     "off",
     "No effect: temporary files have no names; `on` is refused."},
    {"limit_rate",
     in_levels | in_if,
     {1, 1},
     Support::built,
     set_rate<&O::limit_rate>,
     "0",
     "Bytes per second of one forwarded answer; 0: no limit. Variables are allowed."},
    {"limit_rate_after",
     in_levels | in_if,
     {1, 1},
     Support::built,
     set_rate<&O::limit_rate_after>,
     "0",
     "How many bytes of an answer go out before limit_rate counts. Variables are allowed."},
    {"proxy_buffering",
     in_levels,
     {1, 1},
     Support::built,
     set_flag<&O::proxy_buffering>,
     "on",
     "Whether an answer is read as fast as the upstream sends it; off: as fast as the client takes it. "
     "Whatever arrives is passed on at once."},
    {"proxy_request_buffering",
     in_levels,
     {1, 1},
     Support::built,
     set_flag<&O::proxy_request_buffering>,
     "on",
     "Whether a request body is read whole before the upstream is asked; off: it is streamed."},
    {"proxy_buffers",
     in_levels,
     {2, 2},
     Support::built,
     set_proxy_buffers,
     "8 4k",
     "NUMBER SIZE: how much of an answer waits in memory for a slow client."},
    {"proxy_buffer_size",
     in_levels,
     {1, 1},
     Support::built,
     set_bounded_size<&O::proxy_buffer_size>,
     "32k",
     "How large the head of an answer may be; less than 32k means 32k."},
    {"proxy_busy_buffers_size",
     in_levels,
     {1, 1},
     Support::ignored,
     check_size,
     "",
     "No effect: nothing is held back to fill a buffer."},
    {"proxy_max_temp_file_size",
     in_levels,
     {1, 1},
     Support::built,
     set_offset<&O::proxy_max_temp_file_size>,
     "1024m",
     "How much of an answer waits on disk beyond proxy_buffers; 0: none."},
    {"proxy_temp_file_write_size", in_levels, {1, 1}, Support::ignored, check_size, "", "No effect: sizes itself."},
    {"proxy_temp_path",
     in_levels,
     {1, 4},
     Support::built,
     set_path<&O::proxy_temp_path>,
     "/var/tmp",
     "The folder for those files; they have no names, so levels of folders have no effect."},
    {"proxy_limit_rate",
     in_levels,
     {1, 1},
     Support::built,
     set_bounded_size<&O::proxy_limit_rate>,
     "0",
     "Bytes per second that are read of an upstream's answer; 0: no limit."},
    {"proxy_pass_trailers",
     in_levels,
     {1, 1},
     Support::built,
     set_flag<&O::proxy_pass_trailers>,
     "off",
     "Whether the trailer fields of an upstream's answer are passed on."},
};

}  // namespace

std::span<const DirectiveRow> body_rows() { return bodies_table; }

}  // namespace keepgate::conf
