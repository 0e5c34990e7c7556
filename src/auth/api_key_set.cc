#include "auth/api_key_set.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/bytes.h"
#include "crypto/digest.h"

namespace keepgate::auth {

namespace {

std::string_view view(const ApiKeyHash& hash) { return {reinterpret_cast<const char*>(hash.data()), hash.size()}; }

void wipe(std::string& secret) {
  volatile char* at = secret.data();
  for (std::size_t i = 0; i < secret.size(); ++i) at[i] = 0;
}

// One key for the process: the order of a table's slots is nobody's business.
const crypto::SipKey& slot_key() {
  static const crypto::SipKey key = crypto::SipKey::random();
  return key;
}

std::string_view take_column(std::string_view& rest) {
  const std::size_t end = std::min(rest.find('\t'), rest.size());
  const std::string_view column = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return column;
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    out.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

std::shared_ptr<const Principal> make_principal(std::string_view names) {
  auto principal = std::make_shared<Principal>();
  principal->method = AuthMethod::api_key;
  principal->client = take_column(names);
  principal->user = take_column(names);
  principal->roles = split(take_column(names), ',');
  principal->scopes = split(take_column(names), ' ');
  return principal;
}

}  // namespace

void ApiKeyTable::reserve(std::size_t count) {
  count = std::min(count, keys_max);
  entries_.reserve(count);
  if (2 * count > slots_.size()) index_anew(std::bit_ceil(2 * count));
}

std::size_t ApiKeyTable::slot_of(std::string_view id) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = crypto::siphash13(slot_key(), id) & mask;
  while (slots_[slot] != empty) {
    const Entry& entry = entries_[slots_[slot]];
    if (std::memcmp(entry.id.data(), id.data(), entry.id.size()) == 0) break;
    slot = (slot + 1) & mask;
  }
  return slot;
}

void ApiKeyTable::index_anew(std::size_t slots) {
  slots_.assign(std::max<std::size_t>(slots, 16), empty);
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    slots_[slot_of({entries_[i].id.data(), entries_[i].id.size()})] = static_cast<std::uint32_t>(i);
  }
}

// INVARIANT: record.id has the length of an id: parse_api_key_record saw to it.
bool ApiKeyTable::put(const ApiKeyRecord& record) {
  if (names_.size() + record.identity.size() + 1 > names_bytes_max) return false;
  if (2 * (entries_.size() + 1) > slots_.size()) index_anew(2 * slots_.size());
  const std::size_t slot = slot_of(record.id);
  if (slots_[slot] == empty) {
    if (entries_.size() == keys_max) return false;
    slots_[slot] = static_cast<std::uint32_t>(entries_.size());
    entries_.emplace_back();
  }
  Entry& entry = entries_[slots_[slot]];
  entry.hash = record.hash;
  std::ranges::copy(record.id, entry.id.begin());
  entry.not_before_s = record.not_before_s;
  entry.expires_s = record.revoked_s != 0 ? revoked : record.expires_s;
  entry.names_at = static_cast<std::uint32_t>(names_.size());
  append(names_, record.identity, '\n');
  return true;
}

const ApiKeyTable::Entry* ApiKeyTable::find(std::string_view id) const {
  if (entries_.empty()) return nullptr;
  const std::uint32_t index = slots_[slot_of(id)];
  return index == empty ? nullptr : &entries_[index];
}

std::string_view ApiKeyTable::names(const Entry& entry) const {
  const std::string_view rest = std::string_view(names_).substr(entry.names_at);
  return rest.substr(0, rest.find('\n'));
}

std::size_t ApiKeyTable::memory_bytes() const {
  return entries_.capacity() * sizeof(Entry) + slots_.capacity() * sizeof(std::uint32_t) + names_.capacity();
}

void ApiKeyTable::shrink() {
  entries_.shrink_to_fit();
  names_.shrink_to_fit();
}

ApiKeySet::ApiKeySet(std::string secret, std::shared_ptr<const ApiKeyTable> base, ApiKeyTable recent)
    : secret_(std::move(secret)), base_(std::move(base)), recent_(std::move(recent)) {}

ApiKeySet::~ApiKeySet() { wipe(secret_); }

CheckedApiKey ApiKeySet::check(std::string_view key, std::int64_t now_s) const {
  CheckedApiKey out;
  const std::optional<std::string_view> id = parse_api_key(key);
  if (!id) return out;
  out.id = *id;
  const ApiKeyHash hash = hash_api_key(secret_, key);
  const ApiKeyTable* table = &recent_;
  const ApiKeyTable::Entry* entry = recent_.find(*id);
  if (entry == nullptr) {
    table = base_.get();
    entry = base_->find(*id);
  }
  // Nobody has a key with this hash; comparing with it takes as long as with a real one.
  static constexpr ApiKeyHash nobody{};
  const bool is_equal = crypto::equal_constant_time(view(hash), view(entry != nullptr ? entry->hash : nobody));
  if (!is_equal || entry == nullptr) return out;
  out.is_known = true;
  const bool is_revoked = entry->expires_s == ApiKeyTable::revoked;
  out.state = state_of(entry->not_before_s, entry->expires_s, is_revoked, now_s);
  if (out.state == ApiKeyState::active) out.principal = make_principal(table->names(*entry));
  return out;
}

std::size_t ApiKeySet::size() const {
  std::size_t count = base_->size();
  for (const ApiKeyTable::Entry& entry : recent_.entries()) count += base_->has(entry) ? 0 : 1;
  return count;
}

ApiKeySetBuilder::ApiKeySetBuilder(std::string secret)
    : secret_(std::move(secret)), table_(std::make_shared<ApiKeyTable>()) {}

ApiKeySetBuilder::ApiKeySetBuilder(const ApiKeySet& before)
    : secret_(before.secret_), base_(before.base_), table_(std::make_shared<ApiKeyTable>(before.recent_)) {}

ApiKeySetBuilder::~ApiKeySetBuilder() { wipe(secret_); }

Result<void> ApiKeySetBuilder::add(std::string_view lines) {
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    ++line_number_;
    if (Result<void> added = add_line(lines.substr(0, end)); !added) {
      Error error = std::move(added.error());
      error.detail = cat(base_ ? "appended line " : "line ", line_number_, ": ", error.detail);
      return std::unexpected(std::move(error));
    }
    lines.remove_prefix(std::min(end + 1, lines.size()));
  }
  return {};
}

Result<void> ApiKeySetBuilder::add_line(std::string_view line) {
  if (line_number_ == 1 && !base_) return check_api_key_file_head(line, secret_);
  const Result<ApiKeyRecord> record = parse_api_key_record(line);
  if (!record) return std::unexpected(record.error());
  if (table_->put(*record)) return {};
  return fail(ErrorKind::limit, Blame::configuration, "bad_key_file",
              cat("more than ", ApiKeyTable::keys_max, " keys, or too many long names"));
}

Result<std::shared_ptr<const ApiKeySet>> ApiKeySetBuilder::finish() {
  if (base_) return std::make_shared<const ApiKeySet>(secret_, base_, std::move(*table_));
  if (line_number_ == 0) return fail(ErrorKind::malformed, Blame::configuration, "bad_key_file", "it is empty");
  table_->shrink();
  return std::make_shared<const ApiKeySet>(secret_, std::move(table_), ApiKeyTable());
}

}  // namespace keepgate::auth
