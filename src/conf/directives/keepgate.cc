// What nginx does not have: policy, authorization, services, transaction tokens, identity headers.
#include <algorithm>

#include "base/bytes.h"
#include "conf/directives/row.h"

namespace keepgate::conf {

namespace {

using O = LevelOptions;

void add_policy(Reader& reader, const Scope& scope, const Directive& directive) {
  const Word& word = directive.arguments[0];
  if (has_variable(word)) return reader.not_built(word, "'policy' with variables", "name a file");
  if (word.text.ends_with(".cedar")) return reader.not_built(word, "a policy in Cedar's notation", "write it as YAML");
  add_word<&O::policies>(reader, scope, directive);
}

void set_authorize(Reader& reader, const Scope& scope, const Directive& directive) {
  const Word& word = directive.arguments[0];
  std::optional<Placed<AuthorizeSetting>> value;
  if (word.text == "on") value = {AuthorizeSetting::on, directive.name.at};
  if (word.text == "off") value = {AuthorizeSetting::off, directive.name.at};
  if (word.text == "shadow") value = {AuthorizeSetting::shadow, directive.name.at};
  if (!value) reader.invalid_value(directive, word, "on, off or shadow");
  detail::set_once<&O::authorize>(reader, scope, directive, value);
}

// A name that stands in tokens, logs and policies: no spaces, quotes or control bytes.
bool is_plain_name(std::string_view text) {
  return !text.empty() && text.size() <= 255 && std::ranges::all_of(text, [](char c) {
    return is_alpha(c) || is_digit(c) || std::string_view("._-:/").find(c) != std::string_view::npos;
  });
}

template <auto Member>
void set_plain_name(Reader& reader, const Scope& scope, const Directive& directive) {
  const Word& word = directive.arguments[0];
  if (!is_plain_name(word.text)) {
    return reader.invalid_value(directive, word, "letters, digits and . _ - : / are allowed");
  }
  set_word<Member>(reader, scope, directive);
}

void set_auth_identity(Reader& reader, const Scope& scope, const Directive& directive) {
  const Word& word = directive.arguments[0];
  const bool off = word.text == "off";
  if (!off && !word.text.starts_with('$')) {
    return reader.invalid_value(directive, word, "auth_identity $variable; or auth_identity off;");
  }
  detail::set_once<&O::auth_identity>(reader, scope, directive, std::optional(OptionalFile{off, word}));
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> out;
  while (true) {
    const std::size_t end = std::min(text.find_first_of(",|"), text.size());
    out.emplace_back(text.substr(0, end));
    if (end == text.size()) return out;
    text.remove_prefix(end + 1);
  }
}

void set_identity_claims(Reader& reader, const Scope& scope, const Directive& directive) {
  IdentityClaimsModel model;
  const std::pair<std::string_view, std::optional<std::vector<std::string>>*> parts[] = {
      {"client=", &model.client}, {"user=", &model.user}, {"roles=", &model.roles}, {"scopes=", &model.scopes}};
  for (const Word& word : directive.arguments) {
    const auto part =
        std::ranges::find_if(parts, [&](const auto& one) { return parameter(word, one.first).has_value(); });
    if (part == std::end(parts)) {
      return reader.invalid_parameter(directive, word, "client=CLAIM user=CLAIM roles=CLAIM scopes=CLAIM");
    }
    std::vector<std::string> names = split(*parameter(word, part->first));
    if (*part->second || std::ranges::find(names, "") != names.end()) return reader.invalid_parameter(directive, word);
    *part->second = std::move(names);
  }
  detail::set_once<&O::identity_claims>(reader, scope, directive, std::optional(std::move(model)));
}

// `issue` parameters: ttl=, claims=$variable:name; more `$variable:name` words may follow.
bool read_issue_parameter(Reader& reader, const Directive& directive, const Word& word, TransactionModel& model) {
  constexpr std::int64_t ttl_s_max = 300;  // The draft: minutes at most.
  if (const auto ttl = parameter(word, "ttl=")) {
    const auto value = reader.time_s(directive, word, *ttl);
    if (!value) return false;
    if (*value < 1 || *value > ttl_s_max) {
      reader.invalid_parameter(directive, word, "a transaction token lives from 1s to 5m");
      return false;
    }
    model.ttl_s = *value;
    return true;
  }
  const bool more = word.text.starts_with('$') && !model.claims.empty();
  const auto claim = more ? std::optional<std::string_view>(word.text) : parameter(word, "claims=");
  const std::size_t colon = claim ? claim->rfind(':') : std::string_view::npos;
  if (!claim || colon == std::string_view::npos || !claim->starts_with('$') || colon + 1 == claim->size()) {
    reader.invalid_parameter(directive, word, "issue [ttl=TIME] [claims=$variable:name …]");
    return false;
  }
  const std::string name(claim->substr(colon + 1));
  constexpr std::string_view taken[] = {"method", "path", "service", "client_id", "customer"};
  const bool repeated = std::ranges::any_of(model.claims, [&](const auto& one) { return one.first == name; });
  if (std::ranges::find(taken, name) != std::end(taken) || repeated || !is_plain_name(name)) {
    reader.invalid_parameter(directive, word, cat("'", printable(name), "' cannot be the name of another claim"));
    return false;
  }
  Word value = word;
  value.text = claim->substr(0, colon);
  model.claims.emplace_back(name, std::move(value));
  return true;
}

bool read_require_parameter(Reader& reader, const Directive& directive, const Word& word, TransactionModel& model) {
  const bool more = !model.from.empty() && word.text.find('=') == std::string::npos && word.text != "single_use";
  if (word.text == "bind=request") {
    model.bind_request = true;
  } else if (word.text == "bind=caller") {
    model.bind_caller = true;
  } else if (word.text == "single_use") {
    model.single_use = true;
  } else if (const auto from = more ? std::optional<std::string_view>(word.text) : parameter(word, "from=");
             from && is_plain_name(*from)) {
    model.from.emplace_back(*from);
  } else {
    reader.invalid_parameter(directive, word, "require [bind=request] [bind=caller] [single_use] [from=WORKLOAD …]");
    return false;
  }
  return true;
}

void set_transaction(Reader& reader, const Scope& scope, const Directive& directive) {
  auto& place = scope.level->transaction;
  if (place) return reader.duplicate(directive);
  const Word& mode = directive.arguments[0];
  TransactionModel model;
  model.at = directive.name.at;
  if (mode.text == "issue") {
    model.setting = TransactionSetting::issue;
  } else if (mode.text == "require") {
    model.setting = TransactionSetting::require;
  } else if (mode.text != "off") {
    return reader.invalid_value(directive, mode, "issue, require or off");
  }
  for (std::size_t i = 1; i < directive.arguments.size(); ++i) {
    const Word& word = directive.arguments[i];
    if (model.setting == TransactionSetting::off)
      return reader.invalid_parameter(directive, word, "nothing may follow 'off'");
    const auto read = model.setting == TransactionSetting::issue ? read_issue_parameter : read_require_parameter;
    if (!read(reader, directive, word, model)) return;
  }
  place = std::move(model);
}

void add_identity_headers(Reader& reader, const Scope& scope, const Directive& directive) {
  auto& names = scope.level->identity_headers;
  if (!names) names.emplace();
  for (const Word& word : directive.arguments) {
    constexpr std::string_view needed[] = {"Host", "Authorization", "Connection", "Content-Length",
                                           "Transfer-Encoding"};
    const bool own =
        std::ranges::any_of(needed, [&](std::string_view name) { return equals_ignoring_case(name, word.text); });
    if (!is_field_name(word.text) || own) {
      reader.invalid_value(directive, word, own ? "this field has another meaning" : "a header field name is expected");
      continue;
    }
    names->push_back(word);
  }
}

void set_decision_log(Reader& reader, const Scope& scope, const Directive& directive) {
  const std::vector<Word>& words = directive.arguments;
  if (words.size() == 2 && words[1].text != "format=json") {
    return reader.invalid_parameter(directive, words[1], "format=json");
  }
  if (has_variable(words[0])) return reader.not_built(words[0], "'decision_log' with variables", "name a file");
  detail::set_once<&O::decision_log>(reader, scope, directive,
                                     std::optional(OptionalFile{words[0].text == "off", words[0]}));
}

constexpr DirectiveRow keepgate_table[] = {
    {"policy",
     in_levels,
     {1, 1},
     Support::built,
     add_policy,
     "",
     "A policy file (YAML); several accumulate; inherited only where none is set."},
    {"authorize",
     in_levels,
     {1, 1},
     Support::built,
     set_authorize,
     "on where a policy is in effect or `strict on`",
     "Whether a policy must allow the request. `off` opens the location: it also cancels the auth_jwt, auth_api_key, "
     "auth_basic, auth_identity and transaction_token that outer levels ask for, unless the same level names its own. "
     "`shadow` "
     "asks and logs."},
    {"service",
     in_server | in_location,
     {1, 1},
     Support::built,
     set_plain_name<&O::service>,
     "the upstream's name",
     "The name by which policies know what the location forwards to."},
    {"auth_identity",
     in_levels,
     {1, 1},
     Support::built,
     set_auth_identity,
     "off",
     "Takes the client's identity from a variable, usually of a map over API keys; an empty value is no identity."},
    {"identity_claims",
     in_levels,
     {1, 4},
     Support::built,
     set_identity_claims,
     "client=client_id,azp user=sub roles=roles scopes=scope,scp",
     "Which claims name the requester, the customer, the roles and the scopes; the first that is present counts."},
    {"trust_domain",
     in_http,
     {1, 1},
     Support::built,
     set_plain_name<&Model::trust_domain>,
     "",
     "The name of the network inside: the audience of transaction tokens."},
    {"transaction_token",
     in_levels,
     {1, many},
     Support::built,
     set_transaction,
     "off",
     "issue [ttl=TIME] [claims=$variable:name …]: mints a token for the service; require [bind=request] [bind=caller] "
     "[single_use] [from=WORKLOAD …]: demands one in place of a client's credential; off."},
    {"transaction_token_key",
     in_levels,
     {1, 1},
     Support::built,
     set_word<&O::transaction_key>,
     "",
     "File with the private JWK that signs transaction tokens."},
    {"transaction_token_key_file",
     in_levels,
     {1, 1},
     Support::built,
     add_word<&O::transaction_key_files>,
     "",
     "File with the public JWK Set that verifies transaction tokens; several accumulate."},
    {"identity_headers",
     in_http | in_server,
     {1, many},
     Support::built,
     add_identity_headers,
     "",
     "Fields that may carry identity to a service: taken out of every outside request in every spelling."},
    {"decision_log",
     in_levels,
     {1, 2},
     Support::built,
     set_decision_log,
     "off",
     "One JSON record for each decision: FILE [format=json] or off."},
};

}  // namespace

std::span<const DirectiveRow> keepgate_rows() { return keepgate_table; }

}  // namespace keepgate::conf
