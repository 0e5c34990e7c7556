// rooms: auth crypto http route base
// What an endpoint says of a token: active only by the boolean, never beyond exp, and only for who may be named.
#include <cstdint>
#include <string_view>

#include "auth/claims.h"
#include "auth/introspection.h"
#include "base/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace keepgate;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)auth::looks_like_jwt(text);
  (void)auth::read_introspection(text, R"({"active":true})");
  const auto answer = auth::read_introspection("application/json", text);
  if (!answer) return 0;
  const auto document = crypto::parse_json(text, auth::answer_limits);
  KG_ASSERT(document && document->find("active") && document->find("active")->boolean());
  KG_ASSERT((*answer)->is_active == *document->find("active")->boolean());
  auth::IntrospectionOptions options;
  options.audiences = {"a"};
  const Now now{0, 1'900'000'000'000};
  const auto token = auth::verify_introspected("opaque", **answer, options, now);
  if (!token) return 0;
  KG_ASSERT((*answer)->is_active && document->find("aud") != nullptr);
  KG_ASSERT((*token)->expires_s == 0 || now.wall_ms < (*token)->expires_s * 1000);
  const auth::Principal& who = (*token)->principal;
  KG_ASSERT(who.client.empty() || auth::is_identity_text(who.client));
  KG_ASSERT(who.user.empty() || auth::is_identity_text(who.user));
  for (const auto& scope : who.scopes) KG_ASSERT(auth::is_identity_text(scope));
  return 0;
}
