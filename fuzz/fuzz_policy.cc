// rooms: policy
// Policy::load on any text, and every question about what it loads: none may crash, hang or disagree with the
// reference.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "policy/policy.h"
#include "policy/reference.h"
#include "policy/yaml_front_end.h"

namespace {

void require(bool holds) {
  if (!holds) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace keepgate;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const std::vector<policy::Source> sources{{"fuzz.yaml", text}};
  Diagnostics diagnostics;
  const auto loaded = policy::Policy::load(sources, diagnostics);
  require((loaded == nullptr) == diagnostics.has_errors());
  diagnostics.render_text();
  diagnostics.render_json();
  if (!loaded) {
    auth::Principal principal;
    std::string error;
    policy::Policy::parse_identity(text, principal, error);
    return 0;
  }

  Diagnostics again;
  const auto book = policy::read_sources(sources, again);
  require(book.has_value());
  loaded->run_tests();
  std::vector<auth::Principal> principals(4);
  principals[1].client = "a";
  principals[2].client = "client1";
  principals[2].user = "alice";
  principals[2].scopes = {"orders:write"};
  principals[3].service = "spiffe://a/b";
  principals[3].roles = {"r"};
  for (const policy::Rule& rule : book->rules) {
    const std::string path = rule.paths.empty() ? "/a/b" : rule.paths.front();
    const std::string service = rule.services.empty() ? "" : rule.services.front();
    const std::string method = rule.methods.empty() ? "GET" : rule.methods.front();
    for (const auth::Principal& principal : principals) {
      const policy::Request request{&principal, service, method, path};
      const policy::Decision fast = loaded->authorize(request);
      const policy::Decision right = policy::reference::decide(*book, request);
      require(fast.verdict == right.verdict && fast.rule == right.rule && fast.shadow_rule == right.shadow_rule);
      loaded->explain(request);
    }
    loaded->who_can(service, method, path);
    if (&rule - book->rules.data() > 20) break;
  }
  return 0;
}
