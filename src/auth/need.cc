#include "auth/need.h"

#include <algorithm>

namespace keepgate::auth {

std::string_view name_of(NeedKind kind) {
  switch (kind) {
    case NeedKind::none:
      return "none";
    case NeedKind::turn:
      return "turn";
    case NeedKind::issuer_keys:
      return "issuer-keys";
    case NeedKind::introspection:
      return "introspection";
    case NeedKind::password:
      return "password";
    case NeedKind::subrequest:
      return "subrequest";
    case NeedKind::body_digest:
      return "body-digest";
    case NeedKind::requested_keys:
      return "requested-keys";
  }
  return "none";
}

const Answer* Answers::find(NeedKind kind, std::string_view key) const {
  const auto found =
      std::ranges::find_if(answers_, [&](const Answer& one) { return one.kind == kind && one.key == key; });
  return found == answers_.end() ? nullptr : &*found;
}

}  // namespace keepgate::auth
