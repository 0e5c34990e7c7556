#include "tls/ticket_keys.h"

#include <openssl/crypto.h>

#include <algorithm>

#include "crypto/random.h"

namespace keepgate::tls {

TicketKey::~TicketKey() {
  OPENSSL_cleanse(cipher_key.data(), cipher_key.size());
  OPENSSL_cleanse(mac_key.data(), mac_key.size());
}

void TicketKeys::rotate(std::int64_t now_s) {
  if (current_ && now_s - current_->made_at_s >= period_s_) {
    previous_ = current_;
    current_.reset();
  }
  if (previous_ && now_s - previous_->made_at_s >= 2 * period_s_) previous_.reset();
}

TicketKey TicketKeys::sealing_key(std::int64_t now_s) {
  const std::lock_guard lock(mutex_);
  rotate(now_s);
  if (!current_) {
    current_.emplace();
    crypto::random_bytes(current_->name);
    crypto::random_bytes(current_->cipher_key);
    crypto::random_bytes(current_->mac_key);
    current_->made_at_s = now_s;
  }
  return *current_;
}

std::optional<TicketKey> TicketKeys::opening_key(std::span<const unsigned char, 16> name, std::int64_t now_s) {
  const std::lock_guard lock(mutex_);
  rotate(now_s);
  for (const std::optional<TicketKey>& key : {std::cref(current_), std::cref(previous_)}) {
    if (key && std::ranges::equal(key->name, name)) return key;
  }
  return std::nullopt;
}

}  // namespace keepgate::tls
