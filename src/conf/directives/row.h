// A directive is one row: name, contexts, arguments, support, what it does, one line of documentation.
//
// The zero of Support is `refused`: a directive that somebody listed and did not build never loads silently.
// Thread rule: tables are constants.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "conf/codes.h"
#include "conf/reader.h"
#include "conf/values.h"

namespace keepgate::conf {

enum class Support : std::uint8_t {
  refused = 0,  // Known, not built: an error.
  ignored,      // Accepted and without effect here; the row says why that is harmless.
  built,
};

struct Arity {
  std::uint8_t least = 0;
  std::uint8_t most = 0;
  bool block = false;
};
inline constexpr std::uint8_t many = 255;

using Apply = void (*)(Reader&, const Scope&, const Directive&);

struct DirectiveRow {
  std::string_view name;
  std::uint32_t contexts = context_none;
  Arity arity;
  Support support = Support::refused;
  // What it does. `ignored` rows may have one for a remark, `refused` rows to let `off` pass and refuse the rest.
  Apply apply = nullptr;
  std::string_view fallback;  // The default, as the reference page shows it; "" if there is none.
  std::string_view summary;   // One sentence.
};

struct DirectiveTable {
  std::string_view module;
  std::span<const DirectiveRow> rows;
};

// Every directive there is: the list to read.
std::span<const DirectiveTable> directive_tables();

std::span<const DirectiveRow> main_rows();
std::span<const DirectiveRow> http_core_rows();
std::span<const DirectiveRow> server_rows();
std::span<const DirectiveRow> upstream_rows();
std::span<const DirectiveRow> proxy_rows();
std::span<const DirectiveRow> proxy_answer_rows();
std::span<const DirectiveRow> resolver_rows();
std::span<const DirectiveRow> health_rows();
std::span<const DirectiveRow> body_rows();
std::span<const DirectiveRow> limit_rows();
std::span<const DirectiveRow> real_ip_rows();
std::span<const DirectiveRow> map_rows();
std::span<const DirectiveRow> geo_rows();
std::span<const DirectiveRow> rewrite_rows();
std::span<const DirectiveRow> log_rows();
std::span<const DirectiveRow> ssl_rows();
std::span<const DirectiveRow> client_certificate_rows();
std::span<const DirectiveRow> access_rows();
std::span<const DirectiveRow> subrequest_rows();
std::span<const DirectiveRow> api_key_rows();
std::span<const DirectiveRow> basic_rows();
std::span<const DirectiveRow> jwt_rows();
std::span<const DirectiveRow> issuer_rows();
std::span<const DirectiveRow> introspect_rows();
std::span<const DirectiveRow> http_signature_rows();
std::span<const DirectiveRow> revocation_rows();
std::span<const DirectiveRow> keepgate_rows();
std::span<const DirectiveRow> authorization_server_rows();
std::span<const DirectiveRow> authorization_client_rows();
std::span<const DirectiveRow> ignored_rows();
std::span<const DirectiveRow> refused_nginx_rows();
std::span<const DirectiveRow> refused_plus_rows();
std::span<const DirectiveRow> refused_own_rows();

// A server's directive that an authorization_server takes as well: how it listens, limits and logs.
bool holds_in_authorization_server(std::string_view name);

// Setters for the usual kinds of values. A field that has a value already is a duplicate.
namespace detail {
template <typename T>
struct OwnerOf;
template <typename C, typename T>
struct OwnerOf<T C::*> {
  using type = C;
};

template <auto Member>
auto& field(Reader& reader, const Scope& scope) {
  using Owner = typename OwnerOf<decltype(Member)>::type;
  if constexpr (std::is_same_v<Owner, LevelOptions>) {
    return scope.level->*Member;
  } else if constexpr (std::is_same_v<Owner, UpstreamModel>) {
    return scope.upstream->*Member;
  } else if constexpr (std::is_same_v<Owner, MainModel>) {
    return reader.model().main.*Member;
  } else {
    static_assert(std::is_same_v<Owner, Model>);
    return reader.model().*Member;
  }
}

template <auto Member, typename Value>
void set_once(Reader& reader, const Scope& scope, const Directive& directive, Value&& value) {
  auto& place = field<Member>(reader, scope);
  if (place) return reader.duplicate(directive);
  if (value) place = *std::forward<Value>(value);
}
}  // namespace detail

template <auto Member>
void set_flag(Reader& reader, const Scope& scope, const Directive& directive) {
  detail::set_once<Member>(reader, scope, directive, reader.flag(directive));
}

template <auto Member, std::uint64_t Least, std::uint64_t Most>
void set_number(Reader& reader, const Scope& scope, const Directive& directive) {
  const Word& word = directive.arguments[0];
  detail::set_once<Member>(reader, scope, directive, reader.number(directive, word, word.text, Least, Most));
}

template <auto Member>
void set_time_ms(Reader& reader, const Scope& scope, const Directive& directive) {
  const Word& word = directive.arguments[0];
  detail::set_once<Member>(reader, scope, directive, reader.time_ms(directive, word, word.text));
}

template <auto Member>
void set_time_s(Reader& reader, const Scope& scope, const Directive& directive) {
  const Word& word = directive.arguments[0];
  detail::set_once<Member>(reader, scope, directive, reader.time_s(directive, word, word.text));
}

template <auto Member>
void set_size(Reader& reader, const Scope& scope, const Directive& directive) {
  const Word& word = directive.arguments[0];
  detail::set_once<Member>(reader, scope, directive, reader.size(directive, word, word.text));
}

template <auto Member>
void set_word(Reader& reader, const Scope& scope, const Directive& directive) {
  detail::set_once<Member>(reader, scope, directive, std::optional<Word>(directive.arguments[0]));
}

template <auto Member>
void set_text(Reader& reader, const Scope& scope, const Directive& directive) {
  detail::set_once<Member>(reader, scope, directive, std::optional<std::string>(directive.arguments[0].text));
}

// A list directive with one word: every use adds one.
template <auto Member>
void add_word(Reader& reader, const Scope& scope, const Directive& directive) {
  auto& place = detail::field<Member>(reader, scope);
  if (!place) place.emplace();
  place->push_back(directive.arguments[0]);
}

// "burst=20" → "20" where `name` is "burst="; nothing if the word is another parameter.
inline std::optional<std::string_view> parameter(const Word& word, std::string_view name) {
  const std::string_view text = word.text;
  if (!text.starts_with(name)) return std::nullopt;
  return text.substr(name.size());
}

// Words behind `limit_req_log_level` and `error_log`.
std::optional<LogLevel> log_level_named(std::string_view name);

// A path of this server, for a request of our own; else the complaint is made. subrequests.cc
bool check_subrequest_uri(Reader& reader, const Directive& directive, const Word& word);
// The same location with other settings, for `if` and `limit_except`.
std::unique_ptr<LocationModel> inner_location(const LocationModel& outer);

inline bool has_variable(const Word& word) { return word.text.find('$') != std::string::npos; }

}  // namespace keepgate::conf
