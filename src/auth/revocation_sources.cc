#include "auth/revocation_sources.h"

namespace keepgate::auth {

void Revocations::clear() {
  lists_.clear();
  missing_ = {};
}

void Revocations::add(const RevocationList* list, const RevocationSource& source) {
  if (list != nullptr) {
    lists_.push_back({list, source.name});
  } else if (source.is_required) {
    missing_ = source.name.empty() ? std::string_view("the file") : std::string_view(source.name);
  }
}

std::optional<Revocation> Revocations::find(const RevocableNames& names, Now now) const {
  for (const One& one : lists_) {
    std::optional<Revocation> found = one.list->find(names, now);
    if (!found) continue;
    found->source = one.name;
    return found;
  }
  return std::nullopt;
}

}  // namespace keepgate::auth
