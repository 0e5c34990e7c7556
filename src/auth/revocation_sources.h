// RevocationSources: where revocations come from (a file, servers), and Revocations: what all of them say at a moment.
//
// Thread rule: sources are immutable, what they publish may be read from any thread; Revocations belongs to one thread.
// Lifetime: Revocations borrows its lists. Bounds: sources_max.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/revocations.h"
#include "base/clock.h"
#include "base/published.h"

namespace keepgate::auth {

inline constexpr std::size_t revocation_sources_max = 9;  // A file and eight servers.

struct RevocationSource {
  std::shared_ptr<const Published<RevocationList>> list;  // Publishes nullptr as long as nobody knows what it says.
  std::string name;                                       // For logs, where there are several kinds; "": the file.
  // Until its list is known no credential is good. Not so: until then it counts as empty.
  bool is_required = true;
};
using RevocationSources = std::vector<RevocationSource>;

class Revocations {
 public:
  void clear();
  void add(const RevocationList* list, const RevocationSource& source);  // nullptr: not known.

  // The entry that takes the credential back, if any of the lists has one.
  std::optional<Revocation> find(const RevocableNames& names, Now now) const;
  // A required source whose list is not known: what find() does not find may be revoked all the same. "": none.
  std::string_view missing() const { return missing_; }

 private:
  struct One {
    const RevocationList* list;
    std::string_view name;
  };
  std::vector<One> lists_;
  std::string_view missing_;
};

}  // namespace keepgate::auth
