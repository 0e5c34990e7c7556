// RevocationFile: the file of revocations (directive `revocations`) that is followed.
//
// A file that becomes unreadable or broken leaves the last good list in use: what was taken back stays so. What stands
// in the file counts at the next look; what stands there no longer counts until the file has settled, so that one that
// is being written anew (and is empty first) does not let anybody in meanwhile. Thread rule: as FollowedFile; list()
// from any thread.
#pragma once

#include <string>

#include "auth/revocations.h"
#include "base/published.h"
#include "store/followed_file.h"

namespace keepgate::store {

class RevocationFile final : public FollowedText {
 public:
  explicit RevocationFile(std::string path) : FollowedText(std::move(path), auth::RevocationList::file_bytes_max) {}

  // nullptr is published until the file could be read once.
  const Published<auth::RevocationList>& list() const { return list_; }

 private:
  Result<std::string> take(crypto::SecretText text, bool is_settled) override;
  bool takes_again() const override { return !is_exact_; }
  std::string_view lose() override;

  Published<auth::RevocationList> list_;
  // The list is exactly that of the text that was taken last, and not joined with what stood there before.
  bool is_exact_ = false;
  std::size_t taken_bytes_ = 0;
  std::string taken_digest_;
};

}  // namespace keepgate::store
