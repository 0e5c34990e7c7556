// revocations: where the lists of what is taken back are: a file, servers, or both.
#include <algorithm>

#include "auth/revocation_sources.h"
#include "base/bytes.h"
#include "conf/directives/row.h"
#include "issuer/document.h"

namespace keepgate::conf {

namespace {

constexpr std::size_t feeds_max = auth::revocation_sources_max - 1;
constexpr std::int64_t wait_s_min = 1, wait_s_max = 300;
constexpr std::string_view feed_help =
    "client_id=ID client_secret_file=FILE ca=FILE cache=FILE wait=TIME allow_private allow_http optional";

bool is_url(std::string_view text) { return text.find("://") != std::string_view::npos; }

bool set_wait(Reader& reader, const Directive& directive, const Word& word, std::string_view text,
              RevocationFeedModel& model) {
  const auto seconds = reader.time_s(directive, word, text);
  if (!seconds) return true;  // It was reported.
  if (*seconds < wait_s_min || *seconds > wait_s_max) return false;
  model.wait_s = *seconds;
  return true;
}

bool set_feed_parameter(Reader& reader, const Directive& directive, const Word& word, RevocationFeedModel& model) {
  const auto take = [&](std::string_view name, std::optional<Word>& place) {
    const auto value = parameter(word, name);
    if (!value || value->empty() || place) return false;
    place = word;
    place->text = *value;
    return true;
  };
  if (word.text == "allow_private") return model.allow_private = true;
  if (word.text == "allow_http") return model.allow_plain = true;
  if (word.text == "optional") return model.is_optional = true;
  if (const auto wait = parameter(word, "wait=")) return set_wait(reader, directive, word, *wait, model);
  if (const auto id = parameter(word, "client_id="); id && !is_client_id(*id)) return false;
  return take("client_id=", model.client_id) || take("client_secret_file=", model.secret_file) ||
         take("ca=", model.authorities) || take("cache=", model.cache);
}

void add_feed(Reader& reader, const Directive& directive) {
  const std::vector<Word>& words = directive.arguments;
  std::vector<RevocationFeedModel>& feeds = reader.model().revocation_feeds;
  RevocationFeedModel model;
  model.at = directive.name.at;
  model.url = words[0];
  for (std::size_t i = 1; i < words.size(); ++i) {
    if (!set_feed_parameter(reader, directive, words[i], model)) {
      return reader.invalid_parameter(directive, words[i], std::string(feed_help));
    }
  }
  const std::string why = issuer::trouble_with_url(words[0].text, model.allow_plain);
  if (!why.empty()) return reader.invalid_value(directive, words[0], cat("a file, or a server's URL; ", why));
  if (model.client_id.has_value() != model.secret_file.has_value()) {
    return reader.error(code::bad_parameter, "client_id and client_secret_file belong together", directive.name.at,
                        "client_id=ID client_secret_file=FILE");
  }
  const auto is_same = [&](const RevocationFeedModel& one) {
    return one.url.text == model.url.text || (one.cache && model.cache && one.cache->text == model.cache->text);
  };
  if (std::ranges::any_of(feeds, is_same)) return reader.duplicate(directive);
  if (feeds.size() == feeds_max) {
    return reader.error(code::too_much, cat("more than ", feeds_max, " servers of revocations"), directive.name.at);
  }
  feeds.push_back(std::move(model));
}

void set_revocations(Reader& reader, const Scope& scope, const Directive& directive) {
  const std::vector<Word>& words = directive.arguments;
  for (const Word& word : words) {
    if (has_variable(word)) return reader.invalid_value(directive, word, "a file or a URL, without variables");
  }
  if (is_url(words[0].text)) return add_feed(reader, directive);
  if (words[0].text.empty()) return reader.invalid_value(directive, words[0], "the name of a file, or a URL");
  if (words.size() > 1) {
    return reader.invalid_parameter(directive, words[1], "revocations FILE; parameters are for servers: https://…");
  }
  set_word<&Model::revocations>(reader, scope, directive);
}

constexpr DirectiveRow revocation_table[] = {
    {"revocations",
     in_http,
     {1, 9},
     Support::built,
     set_revocations,
     "",
     "What is taken back before it expires: a FILE, or the https URL of a server's list, or both; several servers are "
     "several directives. A list has a line each, `sub|jti|client|kid|key|grant NAME [iss=ISSUER] [before=TIME] "
     "[until=TIME]` or a JSON object of the same members. It is followed: a change is in effect within a second, for "
     "every credential, cached or not. A server is asked with `client_id=` and `client_secret_file=` (readable by its "
     "owner alone) and may hold its answer back for `wait=` (30s, at most 300s). While it cannot be asked, its last "
     "list "
     "stays in force; `cache=FILE` keeps that over a restart. Until its first list is there, every credential is "
     "answered 503; `optional` goes without. `ca=FILE`, `allow_private` and `allow_http` (on this machine) are about "
     "the way to it."},
};

}  // namespace

std::span<const DirectiveRow> revocation_rows() { return revocation_table; }

}  // namespace keepgate::conf
