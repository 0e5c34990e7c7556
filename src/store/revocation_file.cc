#include "store/revocation_file.h"

#include "base/bytes.h"
#include "crypto/digest.h"

namespace keepgate::store {

Result<std::string> RevocationFile::take(crypto::SecretText text, bool is_settled) {
  auto list = auth::RevocationList::parse(text.view());
  if (!list) return std::unexpected(std::move(list.error()));
  const std::size_t count = (*list)->size();
  if (const auto before = list_.current(); before && !is_settled) {
    list = auth::RevocationList::joined(**list, *before);
    if (!list) return std::unexpected(std::move(list.error()));
  }
  list_.publish(std::move(*list));
  std::string digest = crypto::sha256_hex(text.view());
  if (digest == told_) return std::string();
  told_ = std::move(digest);
  return cat("revokes ", count, count == 1 ? " name" : " names");
}

std::string_view RevocationFile::lose() {
  return list_.current() ? "the revocations that were read before stay in force" : "nothing was read of it yet";
}

}  // namespace keepgate::store
