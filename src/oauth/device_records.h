// The device flow in the store (RFC 8628): a device asks, a user allows on another screen, the device polls.
//
// Thread rule: functions over a Database, for jobs on the store's thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oauth/grant_records.h"

namespace keepgate::oauth {

enum class DeviceState : std::uint8_t { asked = 0, allowed, refused, fetched };

struct DeviceRecord {
  std::string hash, user_code, client, audience, grant;
  std::vector<std::string> scopes;
  DeviceState state = DeviceState::asked;
  std::int64_t interval_s = 5, polled_ms = 0, expires_s = 0;
};

// RFC 8628 §6.1: 8 letters without vowels, which make no words: 20^8, 34 bits, guessed against the limits of the page.
std::string make_user_code();                              // "WDJB-MJHT"
std::string normalized_user_code(std::string_view typed);  // Upper case, letters only; "" if it cannot be one.

Result<void> add_device(store::Database& database, const DeviceRecord& device);
// By what a user typed; nothing: unknown, expired, or decided on already.
Result<std::optional<DeviceRecord>> find_device(store::Database& database, std::string_view user_code, Now now);
// The user's word. `grant`: what it gives, if it allows. false: it was decided on meanwhile.
Result<bool> decide_device(store::Database& database, const DeviceRecord& device, const GrantRecord* grant, Now now);

enum class Polled : std::uint8_t { unknown = 0, expired, pending, slow_down, denied, good };
struct PolledDevice {
  Polled what = Polled::unknown;
  GrantRecord grant;
};
// RFC 8628 §3.5: a poll that comes too soon makes the interval five seconds longer.
Result<PolledDevice> poll_device(store::Database& database, std::string_view device_code, std::string_view client,
                                 Now now);

}  // namespace keepgate::oauth
