// auth_http_signature: whose keys may sign requests, and what a signature has to cover.
#include <algorithm>

#include "auth/http_signature.h"
#include "base/bytes.h"
#include "conf/directives/row.h"

namespace keepgate::conf {

namespace {

constexpr std::int64_t signature_age_s_max = 86'400, signature_leeway_s_max = 600;
constexpr std::string_view signature_help =
    "components=LIST max_age=TIME leeway=TIME nonce=once label=NAME tag=TEXT realm=NAME";

void set_seconds(Reader& reader, const Directive& directive, const Word& word, std::string_view text,
                 std::int64_t least, std::int64_t most, std::int64_t& out) {
  const auto seconds = reader.time_s(directive, word, text);
  if (!seconds) return;
  if (*seconds < least || *seconds > most) {
    return reader.invalid_parameter(directive, word, cat("between ", least, "s and ", most, "s"));
  }
  out = *seconds;
}

bool set_signature_parameter(Reader& reader, const Directive& directive, const Word& word, HttpSignatureModel& model) {
  if (word.text == "nonce=once" && !model.once) {
    model.once = true;
  } else if (const auto list = parameter(word, "components="); list && model.components.empty()) {
    auto components = auth::parse_components(*list);
    if (!components) {
      reader.invalid_parameter(directive, word, cat("no component: ", components.error().detail));
      return true;
    }
    model.components = std::move(*components);
  } else if (const auto age = parameter(word, "max_age=")) {
    set_seconds(reader, directive, word, *age, 1, signature_age_s_max, model.max_age_s);
  } else if (const auto leeway = parameter(word, "leeway=")) {
    set_seconds(reader, directive, word, *leeway, 0, signature_leeway_s_max, model.leeway_s);
  } else if (const auto label = parameter(word, "label="); label && !label->empty() && model.label.empty()) {
    model.label = *label;
  } else if (const auto tag = parameter(word, "tag="); tag && !tag->empty() && model.tag.empty()) {
    model.tag = *tag;
  } else if (const auto realm = parameter(word, "realm="); realm && !realm->empty() && model.realm.empty()) {
    model.realm = *realm;
  } else {
    return false;
  }
  return true;
}

void set_http_signature(Reader& reader, const Scope& scope, const Directive& directive) {
  auto& setting = scope.level->auth_http_signature;
  if (setting) return reader.duplicate(directive);
  const std::vector<Word>& words = directive.arguments;
  HttpSignatureModel model;
  model.at = directive.name.at;
  model.off = words[0].text == "off";
  model.keys = words[0];
  if (model.off && words.size() > 1) return reader.invalid_parameter(directive, words[1], "auth_http_signature off;");
  if (has_variable(words[0])) return reader.not_built(words[0], "'auth_http_signature' with variables", "name a file");
  if (words[0].text.empty()) return reader.invalid_value(directive, words[0], "a file with a JSON Web Key Set, or off");
  for (std::size_t i = 1; i < words.size(); ++i) {
    if (!set_signature_parameter(reader, directive, words[i], model)) {
      return reader.invalid_parameter(directive, words[i], std::string(signature_help));
    }
  }
  setting = std::move(model);
}

constexpr DirectiveRow http_signature_table[] = {
    {"auth_http_signature",
     in_levels,
     {1, 20},
     Support::built,
     set_http_signature,
     "off",
     "Asks for a signature of the request (RFC 9421) by a key of FILE, a JSON Web Key Set; or off. Its keyid names the "
     "key, and the client. It has to cover `components=` (by default @method,@authority,@path,@query, and "
     "content-digest where there is a body, which is then read and compared), to be created at most `max_age=` (300s) "
     "ago, `leeway=` (5s) for clocks that differ. `nonce=once`: a nonce is required and passes once. `label=` and "
     "`tag=` say which signature counts where there are several; `realm=` is for WWW-Authenticate."},
};

}  // namespace

std::span<const DirectiveRow> http_signature_rows() { return http_signature_table; }

}  // namespace keepgate::conf
