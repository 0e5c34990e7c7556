#include "auth/revocations.h"

#include <algorithm>
#include <array>

#include "auth/claims.h"
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

Result<Revocation> read_entry(std::string_view line) {
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
  if (Result<void> done = out->read(text); !done) return std::unexpected(std::move(done.error()));
  return out;
}

Result<void> RevocationList::read(std::string_view text) {
  if (text.size() > file_bytes_max) return bad_entry(cat("larger than ", file_bytes_max, " bytes"));
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (line.size() > line_bytes_max) {
      return bad_entry(cat("line ", number, " is longer than ", line_bytes_max, " bytes"));
    }
    if (end == std::string_view::npos) break;  // It is being written, or was cut off.
    text.remove_prefix(end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    line = trim(line);
    if (line.empty() || line.starts_with('#')) continue;
    Result<Revocation> entry = read_entry(line);
    if (!entry) return bad_entry(cat("line ", number, ": ", entry.error().detail));
    if (size_ == entries_max) return bad_entry(cat("more than ", entries_max, " entries"));
    entry->line = number;
    add(*entry);
  }
  add_index();
  return {};
}

// INVARIANT: lists are bounded by file_bytes_max, twice that when joined: 32 bits name every place.
void RevocationList::add(const Revocation& revocation) {
  Entry entry;
  entry.value_at = static_cast<std::uint32_t>(texts_.size());
  entry.value_size = static_cast<std::uint16_t>(revocation.value.size());
  texts_ += revocation.value;
  entry.issuer_at = static_cast<std::uint32_t>(texts_.size());
  entry.issuer_size = static_cast<std::uint16_t>(revocation.issuer.size());
  texts_ += revocation.issuer;
  entry.line = static_cast<std::uint32_t>(revocation.line);
  entry.before_s = revocation.before_s.value_or(0);
  entry.until_s = revocation.until_s.value_or(0);
  kinds_[static_cast<std::size_t>(revocation.kind)].entries.push_back(entry);
  ++size_;
}

void RevocationList::add_index() {
  texts_.shrink_to_fit();
  for (Kind& kind : kinds_) {
    kind.entries.shrink_to_fit();
    kind.places.reserve(kind.entries.size());
    for (const Entry& entry : kind.entries) {
      kind.places.push_back({crypto::siphash13(key_, text_at(entry.value_at, entry.value_size)),
                             static_cast<std::uint32_t>(kind.places.size())});
    }
    std::ranges::sort(kind.places, {}, &Place::hash);
  }
}

std::size_t RevocationList::memory_bytes() const {
  std::size_t out = texts_.capacity();
  for (const Kind& kind : kinds_) {
    out += kind.entries.capacity() * sizeof(Entry) + kind.places.capacity() * sizeof(Place);
  }
  return out;
}

Revocation RevocationList::revocation_of(RevocationKind kind, const Entry& entry) const {
  Revocation out;
  out.kind = kind;
  out.value = text_at(entry.value_at, entry.value_size);
  out.issuer = text_at(entry.issuer_at, entry.issuer_size);
  if (entry.before_s != 0) out.before_s = entry.before_s;
  if (entry.until_s != 0) out.until_s = entry.until_s;
  out.line = entry.line;
  return out;
}

template <typename Take>
void RevocationList::each(RevocationKind kind, std::string_view value, Take take) const {
  const Kind& all = kinds_[static_cast<std::size_t>(kind)];
  if (all.places.empty() || value.empty()) return;
  const std::uint64_t hash = crypto::siphash13(key_, value);
  for (auto one = std::ranges::lower_bound(all.places, hash, {}, &Place::hash);
       one != all.places.end() && one->hash == hash; ++one) {
    const Entry& entry = all.entries[one->entry];
    if (text_at(entry.value_at, entry.value_size) == value) take(entry);
  }
}

bool RevocationList::has(const Revocation& wanted) const {
  bool found = false;
  each(wanted.kind, wanted.value, [&](const Entry& entry) {
    found = found || (text_at(entry.issuer_at, entry.issuer_size) == wanted.issuer &&
                      entry.before_s == wanted.before_s.value_or(0) && entry.until_s == wanted.until_s.value_or(0));
  });
  return found;
}

Result<std::shared_ptr<const RevocationList>> RevocationList::joined(const RevocationList& newer,
                                                                     const RevocationList& older) {
  std::shared_ptr<RevocationList> out(new RevocationList);
  for (const RevocationKind kind : all_kinds) {
    for (const Entry& entry : newer.kinds_[static_cast<std::size_t>(kind)].entries) {
      out->add(newer.revocation_of(kind, entry));
    }
    for (const Entry& entry : older.kinds_[static_cast<std::size_t>(kind)].entries) {
      const Revocation revocation = older.revocation_of(kind, entry);
      if (!newer.has(revocation)) out->add(revocation);
      if (out->size_ > 2 * entries_max || out->texts_.size() > 2 * file_bytes_max) {
        return bad_entry(cat("more than ", 2 * entries_max, " entries while it changes"));
      }
    }
  }
  out->add_index();
  return out;
}

// Of several that match, the one that stands first in the file is told.
const RevocationList::Entry* RevocationList::find(RevocationKind kind, std::string_view value, std::string_view issuer,
                                                  std::optional<std::int64_t> issued_s, Now now) const {
  const Entry* found = nullptr;
  each(kind, value, [&](const Entry& entry) {
    if (entry.issuer_size != 0 && text_at(entry.issuer_at, entry.issuer_size) != issuer) return;
    if (entry.until_s != 0 && now.wall_s() >= entry.until_s) return;
    if (entry.before_s != 0 && issued_s && *issued_s >= entry.before_s) return;
    if (!found || entry.line < found->line) found = &entry;
  });
  return found;
}

std::optional<Revocation> RevocationList::find(const RevocableNames& names, Now now) const {
  if (size_ == 0) return std::nullopt;
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
    const Entry* entry = find(kind, value, names.issuer, names.issued_s, now);
    if (entry) return revocation_of(kind, *entry);
  }
  for (const Grant& grant : {names.grant, names.carried_grant}) {
    const Entry* entry = find(RevocationKind::grant, grant.id, grant.issuer, names.issued_s, now);
    if (entry) return revocation_of(RevocationKind::grant, *entry);
  }
  return std::nullopt;
}

}  // namespace keepgate::auth
