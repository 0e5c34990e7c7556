// auth_http_signature: the keys that may sign requests.
#include <algorithm>

#include "auth/http_signature.h"
#include "base/bytes.h"
#include "conf/codes.h"
#include "conf/compile/compiler.h"

namespace keepgate::conf {

void Compiler::compile_http_signature(Location& out, const Level& level) {
  const auto& model = level.options.auth_http_signature;
  if (!model || model->off) return;
  auto options = std::make_shared<auth::SignatureOptions>();
  options->keys = key_set({model->keys}, false);
  if (options->keys) {
    for (const auto& key : options->keys->keys) {
      if (!key->secret().empty()) check_exposure(configuration_path(model->keys.text), model->keys);
      const bool has_name = !key->id().empty(), has_algorithm = !auth::signature_algorithm(*key).empty();
      if (has_name && has_algorithm) continue;
      warning(code::unusable_keys,
              cat("key '", printable(key->id(), 60), "' verifies no signature of a request: ",
                  has_name ? "RFC 9421 has no such algorithm" : "it has no kid"),
              model->keys.at);
    }
  }
  options->components = model->components;
  if (options->components.empty())
    options->components = auth::parse_components("@method,@authority,@path,@query").value();
  options->covers_body = model->components.empty();
  options->max_age_s = model->max_age_s;
  options->leeway_s = model->leeway_s;
  options->once = model->once;
  options->label = model->label;
  options->tag = model->tag;
  options->realm = model->realm;
  out.auth.signature = std::move(options);
}

}  // namespace keepgate::conf
