// Classes of bytes and the scans over runs of them that the HTTP/1 parsers share; private to http/.
//
// Thread rule: pure functions. Every scan returns the first place in [at, end) that does not belong to the class, or
// `end`; none reads a byte outside of it. SSE2 is part of every x86-64; elsewhere a table does the same.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#ifdef __SSE2__
#include <emmintrin.h>

#include <bit>
#endif

namespace keepgate::http {

enum CharClass : std::uint8_t {
  char_token = 1 << 0,        // RFC 9110 §5.6.2 tchar.
  char_simple_name = 1 << 1,  // Letters, digits and '-': what nginx takes for a valid field name.
  char_value = 1 << 2,        // RFC 9110 §5.5: VCHAR, obs-text, SP, HTAB.
  char_target = 1 << 3,       // 0x21–0x7e without '#'.
  char_host = 1 << 4,         // RFC 3986 unreserved; see authority.cc.
};

namespace detail {
consteval std::array<std::uint8_t, 256> make_char_classes() {
  std::array<std::uint8_t, 256> classes{};
  constexpr char token_marks[] = "!#$%&'*+-.^_`|~";
  for (unsigned c = 0; c < 256; ++c) {
    const bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    unsigned bits = 0;
    if (alnum) bits |= char_token | char_simple_name | char_host;
    for (const char* mark = token_marks; *mark != 0; ++mark) {
      if (c == static_cast<unsigned char>(*mark)) bits |= char_token;
    }
    if (c == '-') bits |= char_simple_name;
    if (c == '-' || c == '.' || c == '_' || c == '~') bits |= char_host;
    if ((c >= 0x20 && c != 0x7f) || c == '\t') bits |= char_value;
    if (c > 0x20 && c < 0x7f && c != '#') bits |= char_target;
    classes[c] = static_cast<std::uint8_t>(bits);
  }
  return classes;
}
inline constexpr std::array<std::uint8_t, 256> char_classes = make_char_classes();
}  // namespace detail

constexpr bool is_char(char c, CharClass wanted) {
  return (detail::char_classes[static_cast<unsigned char>(c)] & wanted) != 0;
}

inline const char* skip_class(const char* at, const char* end, CharClass wanted) {
  while (at != end && is_char(*at, wanted)) ++at;
  return at;
}

#ifdef __SSE2__
namespace detail {
inline __m128i load16(const char* at) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at)); }

// One bit for each byte that is not a letter, digit or '-'. Comparisons are signed: bytes from 0x80 are negative.
inline unsigned not_simple_name(__m128i bytes) {
  const __m128i lower = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
  const __m128i alpha =
      _mm_and_si128(_mm_cmpgt_epi8(lower, _mm_set1_epi8('a' - 1)), _mm_cmplt_epi8(lower, _mm_set1_epi8('z' + 1)));
  const __m128i digit =
      _mm_and_si128(_mm_cmpgt_epi8(bytes, _mm_set1_epi8('0' - 1)), _mm_cmplt_epi8(bytes, _mm_set1_epi8('9' + 1)));
  const __m128i dash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('-'));
  const __m128i good = _mm_or_si128(_mm_or_si128(alpha, digit), dash);
  return static_cast<unsigned>(_mm_movemask_epi8(good)) ^ 0xffffU;
}

// All ones for each control byte, HTAB among them.
inline __m128i controls(__m128i bytes) {
  return _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes),
                      _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f)));
}

inline unsigned not_value(__m128i bytes) {
  const __m128i tab = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t'));
  return static_cast<unsigned>(_mm_movemask_epi8(_mm_andnot_si128(tab, controls(bytes))));
}

inline unsigned not_target(__m128i bytes) {
  const __m128i above_space = _mm_cmpgt_epi8(bytes, _mm_set1_epi8(0x20));
  const __m128i odd =
      _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f)), _mm_cmpeq_epi8(bytes, _mm_set1_epi8('#')));
  return static_cast<unsigned>(_mm_movemask_epi8(_mm_andnot_si128(odd, above_space))) ^ 0xffffU;
}

template <unsigned (*bad_bytes)(__m128i)>
inline const char* skip16(const char* at, const char* end, CharClass wanted) {
  for (; end - at >= 16; at += 16) {
    if (const unsigned bad = bad_bytes(load16(at)); bad != 0) return at + std::countr_zero(bad);
  }
  return skip_class(at, end, wanted);
}
}  // namespace detail

inline const char* skip_simple_name(const char* at, const char* end) {
  return detail::skip16<detail::not_simple_name>(at, end, char_simple_name);
}
inline const char* skip_target(const char* at, const char* end) {
  return detail::skip16<detail::not_target>(at, end, char_target);
}
namespace detail {
// Tokens and cookies are long: 64 bytes a turn, and the exact place is looked for only where a control byte stands.
[[gnu::noinline]] inline const char* skip_long_value(const char* at, const char* end) {
  while (end - at >= 64) {
    const __m128i found = _mm_or_si128(_mm_or_si128(controls(load16(at)), controls(load16(at + 16))),
                                       _mm_or_si128(controls(load16(at + 32)), controls(load16(at + 48))));
    if (_mm_movemask_epi8(found) != 0) {
      for (int i = 0; i < 4; ++i, at += 16) {
        if (const unsigned bad = not_value(load16(at)); bad != 0) return at + std::countr_zero(bad);
      }
    } else {
      at += 64;
    }
  }
  return skip16<not_value>(at, end, char_value);
}
}  // namespace detail
// Most values end within 32 bytes: those are looked at where the scan is asked for.
inline const char* skip_value(const char* at, const char* end) {
  for (int i = 0; i < 2 && end - at >= 16; ++i, at += 16) {
    if (const unsigned bad = detail::not_value(detail::load16(at)); bad != 0) return at + std::countr_zero(bad);
  }
  return detail::skip_long_value(at, end);
}
#else
inline const char* skip_simple_name(const char* at, const char* end) { return skip_class(at, end, char_simple_name); }
inline const char* skip_target(const char* at, const char* end) { return skip_class(at, end, char_target); }
inline const char* skip_value(const char* at, const char* end) { return skip_class(at, end, char_value); }
#endif

// Where something begins in a head: heads are far smaller than 4 GiB.
constexpr std::uint32_t offset(std::size_t value) { return static_cast<std::uint32_t>(value); }

}  // namespace keepgate::http
