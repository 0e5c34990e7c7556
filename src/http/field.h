// The header fields that the program knows by name, as small numbers, so that the hot path compares integers.
//
// Thread rule: pure functions. Source: RFC 9110 §5, §7.6.1 (fields that belong to one connection).
#pragma once

#include <cstdint>
#include <string_view>

namespace keepgate::http {

enum class Field : std::uint8_t {
  other = 0,
  // Framing and connection: never copied from one side to the other.
  connection,
  content_length,
  expect,
  host,
  http2_settings,
  keep_alive,
  proxy_authenticate,
  proxy_authentication_info,
  proxy_authorization,
  proxy_connection,
  te,
  trailer,
  transfer_encoding,
  upgrade,
  // Known for other reasons.
  accept,
  authorization,
  content_type,
  cookie,
  date,
  forwarded,
  location,
  server,
  txn_token,
  user_agent,
  www_authenticate,
  x_accel,  // Any X-Accel-*: instructions to the proxy, never shown to a client.
  x_forwarded_for,
  x_pad,
};

// Compares without case. Field::other for every name not in the list.
Field field_of(std::string_view name);

// RFC 9110 §7.6.1 and its relatives: meaningful for one connection only; a proxy writes its own.
constexpr bool is_hop_by_hop(Field field) {
  switch (field) {
    case Field::connection:
    case Field::http2_settings:
    case Field::keep_alive:
    case Field::proxy_authenticate:
    case Field::proxy_authentication_info:
    case Field::proxy_authorization:
    case Field::proxy_connection:
    case Field::te:
    case Field::trailer:
    case Field::transfer_encoding:
    case Field::upgrade:
      return true;
    default:
      return false;
  }
}

// RFC 9110 §5.6.2. Names and methods.
bool is_token(std::string_view text);
// RFC 9110 §5.5 as we accept it: no control bytes but HTAB; obs-text (0x80–0xff) is allowed in values.
bool is_field_value(std::string_view text);

}  // namespace keepgate::http
