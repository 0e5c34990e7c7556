#include "auth/revocations.h"

#include <algorithm>
#include <array>
#include <utility>

#include "auth/claims.h"
#include "auth/revocation_layer.h"
#include "base/bytes.h"

namespace keepgate::auth {

namespace {

using crypto::Json;

constexpr std::array<RevocationKind, revocation_kinds> all_kinds = {RevocationKind::subject, RevocationKind::token,
                                                                    RevocationKind::client,  RevocationKind::token_key,
                                                                    RevocationKind::api_key, RevocationKind::grant};
// Times beyond the year 9999 are mistakes, milliseconds most of all.
constexpr std::int64_t time_max_s = 253'402'300'799;
constexpr crypto::JsonLimits line_limits{.bytes_max = RevocationList::line_bytes_max, .depth_max = 2, .values_max = 16};

std::unexpected<Error> bad_entry(std::string_view why) {
  return fail(ErrorKind::malformed, Blame::configuration, "bad_revocations", std::string(why));
}

std::optional<RevocationKind> kind_named(std::string_view name) {
  const auto found = std::ranges::find(all_kinds, name, [](RevocationKind kind) { return name_of(kind); });
  return found == all_kinds.end() ? std::nullopt : std::optional(*found);
}

// A name as it may stand in a token: any text but one that no log should show.
bool is_value(std::string_view text) {
  return !text.empty() && text.size() <= RevocationList::value_bytes_max && crypto::is_utf8(text) &&
         std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

// "user:alice" and "client:web" are how our issuers and gateways write subjects (auth/jwt.h).
std::string_view without_namespace(std::string_view subject) {
  for (const std::string_view prefix : {"user:", "client:"}) {
    if (subject.starts_with(prefix)) return subject.substr(prefix.size());
  }
  return {};
}

// One fact of an entry, whichever way it was written.
class EntryReader {
 public:
  Result<void> name(RevocationKind kind, std::string_view value) {
    if (!entry.value.empty()) return bad_entry("names two things to revoke");
    if (!is_value(value)) return bad_entry("the value is empty, too long, or has control characters");
    entry.kind = kind;
    entry.value = value;
    return {};
  }
  Result<void> issuer(std::string_view value) {
    if (!entry.issuer.empty()) return bad_entry("iss twice");
    if (!is_value(value)) return bad_entry("iss is empty, too long, or has control characters");
    entry.issuer = value;
    return {};
  }
  Result<void> time(std::string_view which, std::int64_t seconds) {
    std::optional<std::int64_t>& place = which == "before" ? entry.before_s : entry.until_s;
    if (place) return bad_entry("a time twice");
    if (seconds <= 0 || seconds > time_max_s) return bad_entry("a time is not in seconds since 1970");
    place = seconds;
    return {};
  }

  Revocation entry;
};

Result<void> read_object(const Json::Object& members, EntryReader& reader) {
  for (const auto& [name, value] : members) {
    Result<void> done;
    if (name == "before" || name == "until") {
      if (!value.integer()) return bad_entry("a time is no whole number");
      done = reader.time(name, *value.integer());
    } else if (!value.string()) {
      return bad_entry("a value is no text");
    } else if (name == "iss") {
      done = reader.issuer(*value.string());
    } else if (const auto kind = kind_named(name)) {
      done = reader.name(*kind, *value.string());
    } else {
      return bad_entry("an unknown member: sub, jti, client, kid, key, grant, iss, before and until are known");
    }
    if (!done) return done;
  }
  return {};
}

std::string_view take_word(std::string_view& rest) {
  rest = trim(rest);
  const std::size_t end = std::min(rest.find_first_of(" \t"), rest.size());
  const std::string_view word = rest.substr(0, end);
  rest.remove_prefix(end);
  return word;
}

// KIND VALUE [iss=…] [before=…] [until=…]; a value with spaces needs the other form.
Result<void> read_words(std::string_view line, EntryReader& reader) {
  const auto kind = kind_named(take_word(line));
  if (!kind) return bad_entry("begins with none of sub, jti, client, kid, key, grant");
  if (Result<void> done = reader.name(*kind, take_word(line)); !done) return done;
  for (std::string_view word = take_word(line); !word.empty(); word = take_word(line)) {
    const std::size_t equals = std::min(word.find('='), word.size());
    const std::string_view name = word.substr(0, equals), value = word.substr(std::min(equals + 1, word.size()));
    Result<void> done;
    if (name == "iss") {
      done = reader.issuer(value);
    } else if (name == "before" || name == "until") {
      const auto seconds = parse_unsigned<std::uint64_t>(value);
      if (!seconds) return bad_entry("a time is no whole number");
      done = reader.time(name, static_cast<std::int64_t>(std::min<std::uint64_t>(*seconds, INT64_MAX)));
    } else {
      return bad_entry("an unknown word: iss=, before= and until= are known");
    }
    if (!done) return done;
  }
  return {};
}

// A number without sign, fraction or leading zero, as JSON has it.
std::optional<std::int64_t> take_plain_time(std::string_view& rest) {
  const std::size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
  const auto number = rest.starts_with('0') ? std::nullopt : parse_unsigned<std::uint32_t>(rest.substr(0, digits));
  rest.remove_prefix(digits);
  if (!number) return std::nullopt;
  return *number;
}

bool take_text(std::string_view& rest, std::string_view text) {
  if (!rest.starts_with(text)) return false;
  rest.remove_prefix(text.size());
  return true;
}

// What our own server writes, {"jti":"t-1","before":1767225600,"until":1798761600}, without a JSON parser: a list of
// half a million is read in a fraction of a second. Whatever is written in another way is nothing, and no error.
std::optional<Revocation> read_plain_object(std::string_view line) {
  if (!take_text(line, "{\"")) return std::nullopt;
  Revocation out;
  const auto kind = kind_named(line.substr(0, line.find('"')));
  if (!kind) return std::nullopt;
  out.kind = *kind;
  line.remove_prefix(name_of(*kind).size());
  if (!take_text(line, "\":\"")) return std::nullopt;
  const std::string_view value = line.substr(0, line.find('"'));
  const auto is_plain = [](char c) { return c >= 0x20 && c < 0x7f && c != '\\'; };
  if (value.empty() || value.size() > RevocationList::value_bytes_max || !std::ranges::all_of(value, is_plain)) {
    return std::nullopt;
  }
  line.remove_prefix(value.size());
  if (!take_text(line, "\"")) return std::nullopt;
  out.value = value;
  for (const auto& [name, time] : {std::pair(",\"before\":", &out.before_s), {",\"until\":", &out.until_s}}) {
    if (!take_text(line, name)) continue;
    *time = take_plain_time(line);
    if (!*time) return std::nullopt;
  }
  if (line != "}") return std::nullopt;
  return out;
}

Result<Revocation> read_entry(std::string_view line) {
  if (auto plain = read_plain_object(line)) return std::move(*plain);
  EntryReader reader;
  if (line.starts_with('{')) {
    const Result<Json> object = crypto::parse_json(line, line_limits);
    if (!object) return bad_entry(cat("not acceptable JSON: ", object.error().detail));
    if (!object->object()) return bad_entry("no object");
    if (Result<void> done = read_object(*object->object(), reader); !done) return std::unexpected(done.error());
  } else if (Result<void> done = read_words(line, reader); !done) {
    return std::unexpected(done.error());
  }
  if (reader.entry.value.empty()) return bad_entry("names nothing to revoke: sub, jti, client, kid, key or grant");
  return std::move(reader.entry);
}

}  // namespace

std::string_view name_of(RevocationKind kind) {
  switch (kind) {
    case RevocationKind::subject:
      return "sub";
    case RevocationKind::token:
      return "jti";
    case RevocationKind::client:
      return "client";
    case RevocationKind::token_key:
      return "kid";
    case RevocationKind::api_key:
      return "key";
    case RevocationKind::grant:
      return "grant";
  }
  return "sub";
}

std::string Revocation::describe() const {
  std::string out = cat(name_of(kind), " \"", printable(value), "\" (line ", line);
  if (!source.empty()) append(out, " of ", printable(source));
  if (!issuer.empty()) append(out, ", iss ", printable(issuer));
  if (before_s) append(out, ", before ", *before_s);
  if (until_s) append(out, ", until ", *until_s);
  return out + ")";
}

Grant grant_of(const Json& payload) {
  return {payload.string_at("grant_id").value_or(std::string_view()),
          payload.string_at("iss").value_or(std::string_view())};
}

void RevocableNames::take_claims(const Json& payload) {
  issuer = payload.string_at("iss").value_or(std::string_view());
  subject = payload.string_at("sub").value_or(std::string_view());
  token = payload.string_at("jti").value_or(std::string_view());
  const auto issued = numeric_date(payload, "iat");
  issued_s = issued ? *issued : std::nullopt;
  grant = grant_of(payload);
}

void RevocableNames::take_transaction(const Json& payload) {
  take_claims(payload);
  const Json* context = payload.find("tctx");
  if (context == nullptr) return;
  carried_grant = {context->string_at(carried_grant_id).value_or(std::string_view()),
                   context->string_at(carried_grant_issuer).value_or(std::string_view())};
}

Result<std::shared_ptr<const RevocationList>> RevocationList::parse(std::string_view text) {
  std::shared_ptr<RevocationList> out(new RevocationList);
  auto layer = out->read(text);
  if (!layer) return std::unexpected(std::move(layer.error()));
  if ((*layer)->size() > 0) out->layers_[0] = std::move(*layer);
  return out;
}

Result<std::shared_ptr<RevocationLayer>> RevocationList::read(std::string_view text) {
  if (text.size() > file_bytes_max) return bad_entry(cat("larger than ", file_bytes_max, " bytes"));
  auto out = std::make_shared<RevocationLayer>();
  for (std::size_t number = lines_ + 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (line.size() > line_bytes_max) {
      return bad_entry(cat("line ", number, " is longer than ", line_bytes_max, " bytes"));
    }
    if (end == std::string_view::npos) break;  // It is being written, or was cut off.
    text.remove_prefix(end + 1);
    lines_ = number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    line = trim(line);
    if (line.empty() || line.starts_with('#')) continue;
    Result<Revocation> entry = read_entry(line);
    if (!entry) return bad_entry(cat("line ", number, ": ", entry.error().detail));
    if (out->size() == entries_max) return bad_entry(cat("more than ", entries_max, " entries"));
    entry->line = number;
    out->add(*entry);
  }
  out->add_index(key_);
  return out;
}

// Layers are filled like the digits of a number: what is too much for the small one goes into the middle one, and what
// is too much for that into the big one.
Result<std::shared_ptr<const RevocationList>> RevocationList::extended(const RevocationList& before,
                                                                       std::string_view text, std::int64_t ended_s) {
  std::shared_ptr<RevocationList> out(new RevocationList);
  out->key_ = before.key_;
  out->lines_ = before.lines_;
  out->layers_ = before.layers_;
  auto added = out->read(text);
  if (!added) return std::unexpected(std::move(added.error()));
  if ((*added)->size() == 0) return out;
  // INVARIANT: 32 bits name every place of a layer.
  std::size_t text_bytes = (*added)->text_bytes();
  for (const Layer& layer : out->layers_) text_bytes += layer ? layer->text_bytes() : 0;
  if (out->size() + (*added)->size() > 2 * entries_max || text_bytes > 2 * file_bytes_max) {
    return bad_entry(cat("more than ", 2 * entries_max, " entries while it changes"));
  }
  Layer layer = std::move(*added);
  constexpr std::array<std::size_t, 3> bounds = {SIZE_MAX, middle_layer_max, small_layer_max};
  for (std::size_t i = bounds.size(); i-- > 0;) {
    Layer& here = out->layers_[i];
    if (here) layer = RevocationLayer::merged(*std::exchange(here, nullptr), *layer, ended_s);
    if (layer->size() > bounds[i]) continue;
    if (layer->size() > 0) here = std::move(layer);
    break;
  }
  return out;
}

std::size_t RevocationList::size() const {
  std::size_t out = 0;
  for (const Layer& layer : layers_) out += layer ? layer->size() : 0;
  return out;
}

std::size_t RevocationList::memory_bytes() const {
  std::size_t out = 0;
  for (const Layer& layer : layers_) out += layer ? layer->memory_bytes() : 0;
  return out;
}

template <typename Take>
void RevocationList::each(RevocationKind kind, std::string_view value, Take take) const {
  if (value.empty()) return;
  const std::uint64_t hash = crypto::siphash13(key_, value);
  for (const Layer& layer : layers_) {
    if (!layer) continue;
    layer->each(kind, value, hash, [&](const RevocationLayer::Entry& entry) { take(*layer, entry); });
  }
}

bool RevocationList::has(const Revocation& wanted) const {
  bool found = false;
  each(wanted.kind, wanted.value, [&](const RevocationLayer& layer, const RevocationLayer::Entry& entry) {
    found = found || (layer.issuer(entry) == wanted.issuer && entry.before_s == wanted.before_s.value_or(0) &&
                      entry.until_s == wanted.until_s.value_or(0));
  });
  return found;
}

// INVARIANT: lists are bounded by file_bytes_max, twice that when joined: 32 bits name every place.
Result<std::shared_ptr<const RevocationList>> RevocationList::joined(const RevocationList& newer,
                                                                     const RevocationList& older) {
  std::shared_ptr<RevocationList> out(new RevocationList);
  auto all = std::make_shared<RevocationLayer>();
  for (const RevocationKind kind : all_kinds) {
    for (const Layer& layer : newer.layers_) {
      if (!layer) continue;
      for (const auto& entry : layer->entries(kind)) all->add(layer->revocation(kind, entry));
    }
    for (const Layer& layer : older.layers_) {
      if (!layer) continue;
      for (const auto& entry : layer->entries(kind)) {
        const Revocation revocation = layer->revocation(kind, entry);
        if (!newer.has(revocation)) all->add(revocation);
        if (all->size() > 2 * entries_max || all->text_bytes() > 2 * file_bytes_max) {
          return bad_entry(cat("more than ", 2 * entries_max, " entries while it changes"));
        }
      }
    }
  }
  all->add_index(out->key_);
  out->lines_ = newer.lines_;
  if (all->size() > 0) out->layers_[0] = std::move(all);
  return out;
}

// Of several that match, the one that stands first in the file is told.
std::optional<Revocation> RevocationList::find(RevocationKind kind, std::string_view value, std::string_view issuer,
                                               std::optional<std::int64_t> issued_s, Now now) const {
  const RevocationLayer* where = nullptr;
  const RevocationLayer::Entry* found = nullptr;
  each(kind, value, [&](const RevocationLayer& layer, const RevocationLayer::Entry& entry) {
    if (entry.issuer_size != 0 && layer.issuer(entry) != issuer) return;
    if (entry.until_s != 0 && now.wall_s() >= entry.until_s) return;
    if (entry.before_s != 0 && issued_s && *issued_s >= entry.before_s) return;
    if (found && found->line <= entry.line) return;
    where = &layer;
    found = &entry;
  });
  if (!found) return std::nullopt;
  return where->revocation(kind, *found);
}

std::optional<Revocation> RevocationList::find(const RevocableNames& names, Now now) const {
  if (size() == 0) return std::nullopt;
  const Principal* const who = names.principal;
  const std::pair<RevocationKind, std::string_view> looked_for[] = {
      {RevocationKind::token, names.token},
      {RevocationKind::subject, names.subject},
      {RevocationKind::subject, without_namespace(names.subject)},
      {RevocationKind::subject, who ? std::string_view(who->user) : std::string_view()},
      {RevocationKind::client, who ? std::string_view(who->client) : std::string_view()},
      {RevocationKind::client, who ? std::string_view(who->service) : std::string_view()},
      {RevocationKind::token_key, names.token_key},
      {RevocationKind::api_key, names.api_key},
  };
  for (const auto& [kind, value] : looked_for) {
    auto entry = find(kind, value, names.issuer, names.issued_s, now);
    if (entry) return entry;
  }
  for (const Grant& grant : {names.grant, names.carried_grant}) {
    auto entry = find(RevocationKind::grant, grant.id, grant.issuer, names.issued_s, now);
    if (entry) return entry;
  }
  return std::nullopt;
}

}  // namespace keepgate::auth
