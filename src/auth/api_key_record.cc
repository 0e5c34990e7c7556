#include "auth/api_key_record.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "auth/claims.h"
#include "base/bytes.h"
#include "crypto/base64url.h"
#include "crypto/digest.h"
#include "crypto/random.h"

namespace keepgate::auth {

namespace {

constexpr std::size_t column_count = 13;
constexpr std::string_view head_start = "keepgate-api-keys 1 ";
constexpr std::size_t check_length = 22;  // 128 bits.
constexpr std::int64_t time_max = (std::int64_t{1} << 53) - 1;

std::unexpected<Error> bad(std::string why) {
  return fail(ErrorKind::malformed, Blame::configuration, "bad_key_file", std::move(why));
}

std::optional<std::int64_t> parse_time(std::string_view text) {
  if (text.empty()) return 0;
  const auto value = parse_unsigned<std::uint64_t>(text);
  if (!value || *value == 0 || *value > static_cast<std::uint64_t>(time_max)) return std::nullopt;
  return static_cast<std::int64_t>(*value);
}

bool is_list(std::string_view text, char separator) {
  if (text.empty()) return true;
  std::size_t count = 0;
  while (true) {
    const std::size_t end = text.find(separator);
    if (!is_identity_text(text.substr(0, end)) || ++count > api_key_list_max) return false;
    if (end == std::string_view::npos) return true;
    text.remove_prefix(end + 1);
  }
}

// Which text of a record is not acceptable; "" if all are.
std::string_view find_fault(const ApiKeyRecord& record) {
  const auto is_text = [](std::string_view text) { return text.empty() || is_identity_text(text); };
  if (!is_api_key_id(record.id)) return "the id is no id";
  if (!record.successor.empty() && !is_api_key_id(record.successor)) return "the successor is no id";
  if (record.client.empty() && record.user.empty()) return "neither a client nor a user";
  if (!is_text(record.client)) return "the client's name may name nobody";
  if (!is_text(record.user)) return "the user's name may name nobody";
  if (!is_list(record.roles, ',')) return "the roles are no list of roles";
  if (!is_list(record.scopes, ' ')) return "the scopes are no list of scopes";
  if (!is_text(record.owner)) return "the owner is no text";
  if (!is_text(record.note)) return "the note is no text";
  return {};
}

std::string check_of(std::string_view secret) {
  const ApiKeyHash hash = crypto::hmac_sha256(secret, head_start);
  return crypto::base64url_encode({reinterpret_cast<const char*>(hash.data()), 16});
}

}  // namespace

Result<ApiKeyRecord> parse_api_key_record(std::string_view line) {
  if (line.size() > api_key_line_bytes_max) return bad(cat("longer than ", api_key_line_bytes_max, " bytes"));
  std::array<std::string_view, column_count> columns;
  std::size_t count = 0;
  for (std::size_t start = 0; start <= line.size(); ++count) {
    if (count == column_count) return bad(cat("more than ", column_count, " columns"));
    const std::size_t end = std::min(line.find('\t', start), line.size());
    columns[count] = line.substr(start, end - start);
    start = end + 1;
  }
  if (count != column_count) return bad(cat(count, " columns where ", column_count, " are expected"));

  ApiKeyRecord record;
  record.id = columns[0];
  const auto hash = crypto::base64url_decode(columns[1]);
  if (!hash || hash->size() != record.hash.size()) return bad("the hash is no hash");
  std::memcpy(record.hash.data(), hash->data(), record.hash.size());
  std::int64_t* const times[] = {&record.created_s, &record.not_before_s, &record.expires_s, &record.revoked_s};
  for (std::size_t i = 0; i < std::size(times); ++i) {
    const std::optional<std::int64_t> time = parse_time(columns[2 + i]);
    if (!time) return bad("a time is no time");
    *times[i] = *time;
  }
  record.successor = columns[6];
  record.client = columns[7];
  record.user = columns[8];
  record.roles = columns[9];
  record.scopes = columns[10];
  record.owner = columns[11];
  record.note = columns[12];
  const char* const begin = record.client.data();
  record.identity = {begin, static_cast<std::size_t>(record.scopes.data() + record.scopes.size() - begin)};
  if (const std::string_view fault = find_fault(record); !fault.empty()) return bad(std::string(fault));
  return record;
}

Result<std::string> write_api_key_record(const ApiKeyRecord& record) {
  if (const std::string_view fault = find_fault(record); !fault.empty()) return bad(std::string(fault));
  std::string out = cat(record.id, '\t');
  out += crypto::base64url_encode({reinterpret_cast<const char*>(record.hash.data()), record.hash.size()});
  for (const std::int64_t time : {record.created_s, record.not_before_s, record.expires_s, record.revoked_s}) {
    if (time < 0 || time > time_max) return bad("a time is out of range");
    out.push_back('\t');
    if (time != 0) append(out, time);
  }
  for (const std::string_view text :
       {record.successor, record.client, record.user, record.roles, record.scopes, record.owner, record.note}) {
    append(out, '\t', text);
  }
  if (out.size() > api_key_line_bytes_max) return bad("names, roles, scopes and note are too long together");
  out.push_back('\n');
  return out;
}

std::string api_key_file_head(std::string_view secret) { return cat(head_start, check_of(secret), '\n'); }

Result<void> check_api_key_file_head(std::string_view line, std::string_view secret) {
  if (!line.starts_with(head_start) || line.size() != head_start.size() + check_length) {
    return bad("this is no file of API keys");
  }
  if (!crypto::equal_constant_time(line.substr(head_start.size()), check_of(secret))) {
    return bad("its keys were made with another secret file");
  }
  return {};
}

std::string make_api_key_secret() {
  std::array<unsigned char, 32> bytes;
  crypto::random_bytes(bytes);
  return crypto::base64url_encode({reinterpret_cast<const char*>(bytes.data()), bytes.size()}) + '\n';
}

Result<std::string> parse_api_key_secret(std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  std::optional<std::string> bytes = crypto::base64url_decode(text);
  if (!bytes || bytes->size() != 32) return bad("no secret of a key file: 43 characters of base64url are expected");
  return std::move(*bytes);
}

std::string_view name_of(ApiKeyState state) {
  switch (state) {
    case ApiKeyState::revoked:
      return "revoked";
    case ApiKeyState::expired:
      return "expired";
    case ApiKeyState::not_yet:
      return "not yet valid";
    case ApiKeyState::active:
      return "active";
    case ApiKeyState::unknown:
      break;
  }
  return "unknown";
}

ApiKeyState state_of(std::int64_t not_before_s, std::int64_t expires_s, bool is_revoked, std::int64_t now_s) {
  if (is_revoked) return ApiKeyState::revoked;
  if (expires_s != 0 && now_s >= expires_s) return ApiKeyState::expired;
  if (now_s < not_before_s) return ApiKeyState::not_yet;
  return ApiKeyState::active;
}

}  // namespace keepgate::auth
