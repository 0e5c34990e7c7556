// auth_basic and its relatives: nginx's user names and passwords.
#include "conf/directives/row.h"

namespace keepgate::conf {

namespace {

using O = LevelOptions;

constexpr std::uint32_t basic_levels = in_levels | in_limit_except;

void set_auth_basic(Reader& reader, const Scope& scope, const Directive& directive) {
  auto& setting = scope.level->auth_basic;
  if (setting) return reader.duplicate(directive);
  const Word& realm = directive.arguments[0];
  setting = AuthBasicModel{realm.text == "off", realm, directive.name.at};
}

void set_user_file(Reader& reader, const Scope& scope, const Directive& directive) {
  const Word& file = directive.arguments[0];
  if (has_variable(file)) return reader.not_built(file, "'auth_basic_user_file' with variables", "name a file");
  if (file.text.empty()) return reader.invalid_value(directive, file, "a file name is expected");
  set_word<&O::basic_user_file>(reader, scope, directive);
}

constexpr DirectiveRow basic_table[] = {
    {"auth_basic",
     basic_levels,
     {1, 1},
     Support::built,
     set_auth_basic,
     "off",
     "Asks for a user name and a password (RFC 7617): REALM or off. A realm with variables that becomes `off` asks for "
     "none. Slow hashes are worked out beside the workers; above 128 that wait the answer is 503."},
    {"auth_basic_user_file",
     basic_levels,
     {1, 1},
     Support::built,
     set_user_file,
     "",
     "The users, NAME:HASH or NAME:HASH:COMMENT a line, as htpasswd writes them: crypt(3) ($2y$, $5$, $6$, $y$, $1$), "
     "$argon2id$, $apr1$, {SHA}, {SSHA}, {PLAIN}. Changes are in effect within a second, without a reload; while the "
     "file cannot be read the location answers 503."},
    {"auth_basic_forward",
     basic_levels,
     {1, 1},
     Support::built,
     set_flag<&O::basic_forward>,
     "off",
     "Whether the service behind sees the password. With off the Authorization field is taken out once it was checked, "
     "and $http_authorization does not show it; $remote_user stays."},
};

}  // namespace

std::span<const DirectiveRow> basic_rows() { return basic_table; }

}  // namespace keepgate::conf
