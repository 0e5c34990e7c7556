// rooms: auth
// Keys, and files of keys, from hostile hands: what is read can be written back, and no key is accepted by accident.
#include <cstdint>

#include "auth/api_key_credential.h"
#include "base/redact.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace keepgate;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static const std::string secret(32, 's');

  if (const auto id = auth::parse_api_key(text)) KG_ASSERT(auth::is_api_key_id(*id) && auth::looks_like_api_key(text));
  std::string line(text);
  redact_api_keys(line);
  const std::string once = line;
  redact_api_keys(line);
  KG_ASSERT(line == once);

  auth::ApiKeySetBuilder builder{std::string(secret)};
  KG_ASSERT(builder.add(auth::api_key_file_head(secret)).has_value());
  if (builder.add(text)) {
    const auto set = builder.finish();
    KG_ASSERT(set.has_value() && (*set)->check(text, 1).principal == nullptr);
  }
  if (const auto record = auth::parse_api_key_record(text)) {
    const auto written = auth::write_api_key_record(*record);
    KG_ASSERT(written.has_value());
    const auto again = auth::parse_api_key_record(std::string_view(*written).substr(0, written->size() - 1));
    KG_ASSERT(again.has_value() && again->identity == record->identity && again->note == record->note);
  }

  auth::ApiKeyOptions options;
  options.places = {{auth::ApiKeyPlaceKind::query, "key"}, {auth::ApiKeyPlaceKind::cookie, "key"}};
  Arena arena;
  http::RequestHead head;
  head.query = auth::without_api_key_arguments(options, text, arena);
  const http::HeaderLine lines[] = {
      {"Cookie", auth::without_api_key_cookies(options, text, arena), {}, http::Field::cookie}};
  head.headers = lines;
  const auto found = auth::find_api_key(options, head);
  KG_ASSERT(found.has_value() && !found->is_there);  // Nothing of a key goes on.
  return 0;
}
