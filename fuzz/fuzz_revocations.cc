// rooms: auth
// Lists of revocations from hostile hands: what is read as one finds each of its own entries, and nothing else.
#include <cstdint>

#include "auth/revocations.h"
#include "base/bytes.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace keepgate;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto list = auth::RevocationList::parse(text);
  if (!list) {
    KG_ASSERT(list.error().code == "bad_revocations");
    return 0;
  }
  KG_ASSERT(!(*list)->find(auth::RevocableNames{}, {}).has_value());
  auth::RevocableNames names;
  names.subject = names.token = names.token_key = names.api_key = names.grant.id = text.substr(0, text.find('\n'));
  if (const std::optional<auth::Revocation> found = (*list)->find(names, {0, 1'900'000'000'000})) {
    KG_ASSERT(found->value == names.subject && found->line > 0 && found->issuer.empty());
    KG_ASSERT(!found->describe().empty());
  }
  // The first line in words, if it is one: found by its value.
  const std::string_view line = names.subject;
  if (line.starts_with("sub ") && line.find_first_of(" \t\r#", 4) == std::string_view::npos &&
      line.size() < text.size()) {
    names = {};
    names.subject = line.substr(4);
    KG_ASSERT((*list)->find(names, {}).has_value());
  }
  return 0;
}
