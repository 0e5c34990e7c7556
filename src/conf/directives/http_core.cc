// Core directives that http, server and location share: bodies, timeouts, error pages, added fields, return.
#include <algorithm>
#include <limits>

#include "base/bytes.h"
#include "conf/directives/row.h"

namespace keepgate::conf {

namespace {

using O = LevelOptions;

void set_keepalive_timeout(Reader& reader, const Scope& scope, const Directive& directive) {
  if (directive.arguments.size() == 2) {
    const Word& word = directive.arguments[1];
    scope.level->keepalive_header_s = reader.time_s(directive, word, word.text);
    if (!scope.level->keepalive_header_s) return;
  }
  set_time_ms<&O::keepalive_timeout_ms>(reader, scope, directive);
}

void set_lingering(Reader& reader, const Scope& scope, const Directive& directive) {
  const Word& word = directive.arguments[0];
  std::optional<LingeringSetting> setting;
  if (word.text == "on") setting = LingeringSetting::on;
  if (word.text == "always") setting = LingeringSetting::always;
  if (word.text == "off") setting = LingeringSetting::off;
  if (!setting) reader.invalid_value(directive, word, "one of on, always, off");
  detail::set_once<&O::lingering>(reader, scope, directive, setting);
}

// nginx: `error_page CODE … [=[NEW]] URI`.
void add_error_page(Reader& reader, const Scope& scope, const Directive& directive) {
  const std::vector<Word>& words = directive.arguments;
  const Word& target = words.back();
  if (target.text.empty()) return reader.invalid_value(directive, target, "a URI or a named location is expected");
  std::size_t codes = words.size() - 1;
  bool take_status = false;
  std::uint64_t new_status = 0;
  if (words[codes - 1].text.starts_with('=')) {
    const Word& change = words[--codes];
    if (codes == 0) return reader.invalid_parameter(directive, change, "a status code must stand before '='");
    take_status = change.text.size() == 1;
    if (!take_status) {
      const auto value = reader.number(directive, change, std::string_view(change.text).substr(1), 100, 999);
      if (!value) return;
      new_status = *value;
    }
  }
  auto& pages = scope.level->error_pages;
  if (!pages) pages.emplace();
  for (std::size_t i = 0; i < codes; ++i) {
    const auto status = reader.number(directive, words[i], words[i].text, 300, 599);
    if (!status) continue;
    if (*status == 499) {
      reader.invalid_value(directive, words[i], "499 means that the client has gone: nobody would see the page");
      continue;
    }
    ErrorPageModel page{static_cast<std::uint16_t>(*status), target, take_status,
                        static_cast<std::uint16_t>(new_status)};
    // nginx: its own codes of TLS trouble go out as 400 unless the directive says otherwise.
    if (*status >= 494 && *status <= 497 && !take_status && new_status == 0) page.new_status = 400;
    pages->push_back(std::move(page));
  }
}

bool is_media_type(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= ' ' && c < 0x7f; });
}

void add_header(Reader& reader, const Scope& scope, const Directive& directive) {
  const std::vector<Word>& words = directive.arguments;
  const bool always = words.size() == 3;
  if (always && words[2].text != "always")
    return reader.invalid_parameter(directive, words[2], "only 'always' may follow");
  if (!is_field_name(words[0].text))
    return reader.invalid_value(directive, words[0], "a header field name is expected");
  if (words[1].text.find_first_of("\r\n") != std::string::npos) {
    return reader.invalid_value(directive, words[1], "a field value has no line breaks");
  }
  auto& headers = scope.level->add_headers;
  if (!headers) headers.emplace();
  headers->push_back({words[0].text, words[1], always});
}

// `types { text/css css; }`: a level that has any knows no others.
void read_types(Reader& reader, const Scope& scope, const Directive& directive) {
  auto& types = scope.level->types;
  if (!types) types.emplace();
  for (const Directive& entry : directive.block) {
    if (entry.has_block) {
      reader.error(code::block, "'types' holds no blocks", entry.name.at);
      continue;
    }
    if (!is_media_type(entry.name.text)) {
      reader.invalid_value(directive, entry.name, "a media type is expected: text/css css;");
      continue;
    }
    for (const Word& extension : entry.arguments) {
      const auto [place, is_new] = types->insert_or_assign(to_lower(extension.text), entry.name.text);
      if (!is_new) {
        reader.warning(code::duplicate, cat("duplicate extension '", printable(place->first), "'"), extension.at);
      }
    }
  }
}

void set_charset(Reader& reader, const Scope& scope, const Directive& directive) {
  const Word& word = directive.arguments[0];
  if (word.text.find('$') != std::string::npos) {
    return reader.not_built(word, "'charset' with variables", "name a charset, or off");
  }
  if (!is_field_name(word.text)) return reader.invalid_value(directive, word, "utf-8, another charset, or off");
  detail::set_once<&O::charset>(reader, scope, directive,
                                std::optional<std::string>(word.text == "off" ? std::string() : word.text));
}

void set_buffers(Reader& reader, const Scope& scope, const Directive& directive) {
  constexpr std::uint64_t bytes_max = 1 << 20;
  const std::vector<Word>& words = directive.arguments;
  const auto number = reader.number(directive, words[0], words[0].text, 1, 64);
  const auto size = reader.size(directive, words[1], words[1].text);
  if (!number || !size) return;
  if (*size < 128 || *size > bytes_max) return reader.invalid_value(directive, words[1], "from 128 bytes to 1m");
  auto& place = scope.level->large_client_header_buffers;
  if (place) return reader.duplicate(directive);
  place.emplace(*number, *size);
}

void set_ignore_invalid(Reader& reader, const Scope&, const Directive& directive) {
  const auto value = reader.flag(directive);
  if (value && !*value) {
    reader.not_built(directive.name, "'ignore_invalid_headers off'",
                     "fields with odd names are dropped, as by nginx's default; letting them through is refused");
  }
}

void set_header_buffer(Reader& reader, const Scope& scope, const Directive& directive) {
  const Word& word = directive.arguments[0];
  auto size = reader.size(directive, word, word.text);
  if (size && *size > 1 << 20) return reader.invalid_value(directive, word, "at most 1m");
  detail::set_once<&O::client_header_buffer_size>(reader, scope, directive, size);
}

constexpr DirectiveRow http_core_table[] = {
    {"default_type",
     in_levels,
     {1, 1},
     Support::built,
     set_text<&O::default_type>,
     "text/plain",
     "The Content-Type of answers that Keepgate makes itself."},
    {"types",
     in_levels,
     {0, 0, true},
     Support::built,
     read_types,
     "text/html html; image/gif gif; image/jpeg jpg",
     "Media types by the extension of the path, for texts of `return`."},
    {"charset",
     in_levels | in_if,
     {1, 1},
     Support::built,
     set_charset,
     "off",
     "The charset that our own HTML, XML, JavaScript and plain texts name; answers of upstreams are passed on as they "
     "are."},
    {"error_page",
     in_levels | in_if,
     {2, many},
     Support::built,
     add_error_page,
     "",
     "What answers for a status: `error_page CODE … [=[NEW]] URI|@NAME`; the first entry for a code wins."},
    {"add_header",
     in_levels | in_if,
     {2, 3},
     Support::built,
     add_header,
     "",
     "Adds a field to answers with 200, 201, 204, 206, 301, 302, 303, 304, 307, 308; with `always` to all."},
    {"client_max_body_size",
     in_levels,
     {1, 1},
     Support::built,
     set_size<&O::client_max_body_size>,
     "1m",
     "The largest request body; more is refused with 413; 0: no limit."},
    {"client_body_timeout",
     in_levels,
     {1, 1},
     Support::built,
     set_time_ms<&O::client_body_timeout_ms>,
     "60s",
     "How long to wait between two pieces of a request body; then 408."},
    {"client_header_timeout",
     in_http | in_server,
     {1, 1},
     Support::built,
     set_time_ms<&O::client_header_timeout_ms>,
     "60s",
     "How long a client may take for the head of a request."},
    {"client_header_buffer_size",
     in_http | in_server,
     {1, 1},
     Support::built,
     set_header_buffer,
     "1k",
     "A line of a request's head may be as long as this or as a large_client_header_buffers buffer."},
    {"large_client_header_buffers",
     in_http | in_server,
     {2, 2},
     Support::built,
     set_buffers,
     "4 8k",
     "Number and size: a line is at most one size long (414, 431), the whole head at most all of them (431)."},
    {"send_timeout",
     in_levels,
     {1, 1},
     Support::built,
     set_time_ms<&O::send_timeout_ms>,
     "60s",
     "How long to wait between two writes to a client."},
    {"keepalive_timeout",
     in_http | in_server | in_location,
     {1, 2},
     Support::built,
     set_keepalive_timeout,
     "75s",
     "How long an idle connection of a client stays open; 0: close after each answer. A second time is told to the "
     "client in a Keep-Alive field."},
    {"keepalive_min_timeout",
     in_levels,
     {1, 1},
     Support::built,
     set_time_ms<&O::keepalive_min_timeout_ms>,
     "0s",
     "How long an idle connection is not closed to make room for others or to end the program."},
    {"keepalive_time",
     in_levels,
     {1, 1},
     Support::built,
     set_time_ms<&O::keepalive_time_ms>,
     "1h",
     "How long one connection may be used: the first answer after that closes it."},
    {"keepalive_requests",
     in_levels,
     {1, 1},
     Support::built,
     set_number<&O::keepalive_requests, 0, std::numeric_limits<std::uint32_t>::max()>,
     "1000",
     "How many requests one connection may carry."},
    {"lingering_close",
     in_levels,
     {1, 1},
     Support::built,
     set_lingering,
     "on",
     "Whether to read on, before a connection is closed, what its client still sends: on: if it seems to; always; "
     "off."},
    {"lingering_time",
     in_levels,
     {1, 1},
     Support::built,
     set_time_ms<&O::lingering_time_ms>,
     "30s",
     "How long that may go on."},
    {"lingering_timeout",
     in_levels,
     {1, 1},
     Support::built,
     set_time_ms<&O::lingering_timeout_ms>,
     "5s",
     "How long to wait for more meanwhile."},
    {"reset_timedout_connection",
     in_levels,
     {1, 1},
     Support::built,
     set_flag<&O::reset_timedout>,
     "off",
     "Whether a client that was too slow, and a `return 444`, is cut off with a reset; an idle connection never is."},
    {"tcp_nodelay",
     in_levels,
     {1, 1},
     Support::built,
     set_flag<&O::tcp_nodelay>,
     "on",
     "Whether small pieces go out at once; what the default server of the listener says holds."},
    {"absolute_redirect",
     in_levels,
     {1, 1},
     Support::built,
     set_flag<&O::absolute_redirect>,
     "on",
     "Whether a redirect to a path of this server names its scheme, host and port."},
    {"merge_slashes",
     in_http | in_server,
     {1, 1},
     Support::built,
     set_flag<&O::merge_slashes>,
     "on",
     "Whether `//` in a path counts as `/`."},
    {"underscores_in_headers",
     in_http | in_server,
     {1, 1},
     Support::built,
     set_flag<&O::underscores_in_headers>,
     "off",
     "Whether fields with `_` in their names are let in; off: dropped."},
    {"ignore_invalid_headers",
     in_http | in_server,
     {1, 1},
     Support::built,
     set_ignore_invalid,
     "on",
     "Fields whose names have other bytes than letters, digits and `-` are dropped; `off` is refused."},
};

}  // namespace

std::span<const DirectiveRow> http_core_rows() { return http_core_table; }

}  // namespace keepgate::conf
