#include "store/revocation_file.h"

#include <utility>

#include "base/bytes.h"
#include "crypto/digest.h"

namespace keepgate::store {

Result<std::string> RevocationFile::take(crypto::SecretText text, bool is_settled) {
  auto list = auth::RevocationList::parse(text.view());
  if (!list) return std::unexpected(std::move(list.error()));
  const std::size_t count = (*list)->size();
  const auto before = list_.current();
  // Appended to, it has all that it had.
  const bool has_grown = is_exact_ && text.size() >= taken_bytes_ &&
                         crypto::sha256_hex(text.view().substr(0, taken_bytes_)) == taken_digest_;
  const bool is_exact = is_settled || !before || has_grown;
  if (!is_exact) {
    list = auth::RevocationList::joined(**list, *before);
    if (!list) return std::unexpected(std::move(list.error()));
  }
  list_.publish(std::move(*list));
  is_exact_ = is_exact;
  taken_bytes_ = text.size();
  const std::string told = std::exchange(taken_digest_, crypto::sha256_hex(text.view()));
  if (told == taken_digest_) return std::string();
  return cat("revokes ", count, count == 1 ? " name" : " names");
}

std::string_view RevocationFile::lose() {
  return list_.current() ? "the revocations that were read before stay in force" : "nothing was read of it yet";
}

}  // namespace keepgate::store
