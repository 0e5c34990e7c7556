#include "issuer/revocation_feed.h"

#include <utility>

#include "base/bytes.h"
#include "store/revocation_copy.h"

namespace keepgate::issuer {

namespace {

bool is_same_text(const std::shared_ptr<const std::string>& a, const std::shared_ptr<const std::string>& b) {
  return a == b || (a && b && *a == *b);
}

}  // namespace

bool FeedOptions::same_as(const FeedOptions& other) const {
  return url == other.url && client_id == other.client_id && is_same_text(client_secret, other.client_secret) &&
         allow_private == other.allow_private && allow_plain == other.allow_plain &&
         is_same_text(authorities, other.authorities) && wait_s == other.wait_s && cache == other.cache &&
         is_optional == other.is_optional;
}

RevocationFeed::RevocationFeed(FeedOptions options, const RevocationFeed* before)
    : options_(std::move(options)),
      state_(before && before->options_.url == options_.url ? before->state_ : std::make_shared<State>()) {
  if (!before) return;
  // Another client may be shown another list, and another place on disk has no copy yet: both want all of it anew.
  if (before->options_.client_id != options_.client_id || before->options_.cache != options_.cache) forget_version();
}

RevocationFeed::Known RevocationFeed::known() const {
  const std::lock_guard lock(state_->mutex);
  return state_->known;
}

void RevocationFeed::restore() {
  if (options_.cache.empty() || known().has_list) return;
  const Result<std::optional<store::RevocationCopy>> copy = store::read_revocation_copy(options_.cache, options_.url);
  if (!copy) restore_fault_ = copy.error().detail;
  if (!copy || !*copy) return;
  auto list = auth::RevocationList::parse((*copy)->text);
  if (!list) {
    restore_fault_ = cat(printable(options_.cache, 400), ": ", list.error().detail);
    return;
  }
  take(std::move(*list), (*copy)->version, (*copy)->epoch);
}

void RevocationFeed::take(std::shared_ptr<const auth::RevocationList> list, std::uint64_t version,
                          std::string_view epoch) {
  const std::lock_guard lock(state_->mutex);
  state_->known = {true, version, std::string(epoch)};
  state_->list.publish(std::move(list));
}

void RevocationFeed::forget_version() {
  const std::lock_guard lock(state_->mutex);
  state_->known.version.reset();
}

}  // namespace keepgate::issuer
