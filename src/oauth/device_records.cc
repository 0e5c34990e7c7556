#include "oauth/device_records.h"

#include <array>

#include "base/bytes.h"
#include "crypto/random.h"

namespace keepgate::oauth {

namespace {

using store::number_of;
using store::text_of;

constexpr std::string_view letters = "BCDFGHJKLMNPQRSTVWXZ";
constexpr std::size_t user_code_letters = 8;
constexpr std::int64_t slower_by_s = 5;
constexpr std::int64_t poll_leeway_ms = 500;  // A device that waits as long as it was told is not late by a hair.

DeviceRecord device_of(const store::Row& row) {
  DeviceRecord out;
  out.hash = text_of(row[0]);
  out.user_code = text_of(row[1]);
  out.client = text_of(row[2]);
  out.scopes = split_words(text_of(row[3]));
  out.audience = text_of(row[4]);
  out.state = static_cast<DeviceState>(number_of(row[5]));
  out.grant = text_of(row[6]);
  out.interval_s = number_of(row[7]);
  out.polled_ms = number_of(row[8]);
  out.expires_s = number_of(row[9]);
  return out;
}

}  // namespace

std::string make_user_code() {
  std::string out;
  while (out.size() < user_code_letters) {
    std::array<unsigned char, 32> bytes{};
    crypto::random_bytes(bytes);
    for (const unsigned char byte : bytes) {
      if (byte < 240 && out.size() < user_code_letters) out.push_back(letters[byte % letters.size()]);  // Evenly.
    }
  }
  return cat(out.substr(0, 4), '-', out.substr(4));
}

std::string normalized_user_code(std::string_view typed) {
  std::string out;
  for (char c : typed) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    if (letters.find(c) != std::string_view::npos) {
      out.push_back(c);
    } else if (c != '-' && c != ' ' && c != '.') {
      return {};
    }
    if (out.size() > user_code_letters) return {};
  }
  return out.size() == user_code_letters ? out : std::string();
}

Result<void> add_device(store::Database& database, const DeviceRecord& device) {
  const auto done = database.run(
      "INSERT INTO device_codes (hash, user_code, client, scopes, audience, state, grant_id, interval_s, polled_ms,"
      " expires_s) VALUES ($1, $2, $3, $4, $5, 0, '', $6, 0, $7)",
      {device.hash, normalized_user_code(device.user_code), device.client, joined(device.scopes), device.audience,
       device.interval_s, device.expires_s});
  if (!done) return std::unexpected(done.error());
  return {};
}

Result<std::optional<DeviceRecord>> find_device(store::Database& database, std::string_view user_code, Now now) {
  const std::string normalized = normalized_user_code(user_code);
  if (normalized.empty()) return std::nullopt;
  const auto rows = database.run(
      "SELECT hash, user_code, client, scopes, audience, state, grant_id, interval_s, polled_ms, expires_s"
      " FROM device_codes WHERE user_code = $1 AND state = 0 AND expires_s > $2",
      {normalized, now.wall_s()});
  if (!rows) return std::unexpected(rows.error());
  if (rows->empty()) return std::nullopt;
  return device_of(rows->front());
}

Result<bool> decide_device(store::Database& database, const DeviceRecord& device, const GrantRecord* grant, Now now) {
  const DeviceState state = grant ? DeviceState::allowed : DeviceState::refused;
  const auto won = database.run(
      "UPDATE device_codes SET state = $2, grant_id = $3 WHERE hash = $1 AND state = 0 AND expires_s > $4"
      " RETURNING hash",
      {device.hash, static_cast<std::int64_t>(state), grant ? grant->id : std::string(), now.wall_s()});
  if (!won) return std::unexpected(won.error());
  if (won->empty()) return false;
  if (!grant) return true;
  if (const auto added = add_grant(database, *grant); !added) return std::unexpected(added.error());
  return true;
}

Result<PolledDevice> poll_device(store::Database& database, std::string_view device_code, std::string_view client,
                                 Now now) {
  PolledDevice out;
  const std::string hash = hash_of_token(device_code);
  const auto rows = database.run(
      "SELECT hash, user_code, client, scopes, audience, state, grant_id, interval_s, polled_ms, expires_s"
      " FROM device_codes WHERE hash = $1 AND client = $2",
      {hash, std::string(client)});
  if (!rows) return std::unexpected(rows.error());
  if (rows->empty()) return out;
  const DeviceRecord device = device_of(rows->front());
  const auto ends = [&out](Polled what) {
    out.what = what;
    return out;
  };
  if (device.state == DeviceState::fetched) return ends(Polled::unknown);
  if (device.expires_s <= now.wall_s()) return ends(Polled::expired);
  if (device.state == DeviceState::refused) return ends(Polled::denied);
  if (device.state == DeviceState::allowed) {
    const auto won =
        database.run("UPDATE device_codes SET state = 3 WHERE hash = $1 AND state = 1 RETURNING grant_id", {hash});
    if (!won) return std::unexpected(won.error());
    if (won->empty()) return ends(Polled::unknown);
    auto grant = find_grant(database, device.grant);
    if (!grant) return std::unexpected(grant.error());
    if (!*grant || (*grant)->is_revoked) return ends(Polled::unknown);
    out.grant = std::move(**grant);
    return ends(Polled::good);
  }
  const std::int64_t since_ms = now.wall_ms - device.polled_ms;
  const bool is_too_soon =
      device.polled_ms > 0 && since_ms >= 0 && since_ms < device.interval_s * 1000 - poll_leeway_ms;
  const auto noted = database.run("UPDATE device_codes SET polled_ms = $2, interval_s = $3 WHERE hash = $1",
                                  {hash, now.wall_ms, device.interval_s + (is_too_soon ? slower_by_s : 0)});
  if (!noted) return std::unexpected(noted.error());
  return ends(is_too_soon ? Polled::slow_down : Polled::pending);
}

}  // namespace keepgate::oauth
