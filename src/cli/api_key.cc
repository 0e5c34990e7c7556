#include "cli/api_key.h"

#include <algorithm>
#include <ctime>

#include "base/bytes.h"
#include "base/clock.h"
#include "cli/command.h"
#include "cli/files.h"
#include "cli/output.h"
#include "cli/token.h"

namespace keepgate::cli {

namespace {

using auth::ApiKeyRecord;
using crypto::Json;
using store::ApiKeyEditor;

Json time_or_null(std::int64_t seconds) { return seconds == 0 ? Json() : Json(utc_time(seconds)); }

Json list_of_texts(std::string_view text, char separator) {
  Json::Array out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    out.emplace_back(std::string(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return Json(std::move(out));
}

std::optional<std::int64_t> parse_date(const std::string& text) {
  for (const char* const format : {"%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d"}) {
    std::tm parts{};
    const char* const end = ::strptime(text.c_str(), format, &parts);
    if (end == nullptr || *end != '\0') continue;
    const int day = parts.tm_mday;
    const std::int64_t seconds = ::timegm(&parts);
    // timegm makes 3 March of 31 February.
    if (parts.tm_mday == day && seconds > 0) return seconds;
  }
  return std::nullopt;
}

struct Wiper {
  std::string& secret;
  ~Wiper() { wipe(secret); }
};

}  // namespace

void KeyFileArguments::declare(Arguments& arguments) {
  arguments.option("--file", "FILE", file, "the file of API keys (auth_api_key_file)", Need::required);
  arguments.option("--secret", "FILE", secret, "what its hashes are made with (default: FILE.secret)");
}

Result<ApiKeyEditor> KeyFileArguments::open(ApiKeyEditor::Access access) const {
  return ApiKeyEditor::open(file, secret.empty() ? store::secret_path_of(file) : secret, access);
}

std::optional<FoundKey> find_key(std::string_view verb, const ApiKeyEditor& editor, const std::string& id, int& code) {
  const auto failed = [&](std::string_view why, int its_code) {
    complain(verb, why);
    code = its_code;
    return std::nullopt;
  };
  if (auth::looks_like_api_key(id)) {
    return failed(
        "this is a key and not its id: arguments can be read by every user of this machine, so rotate it. "
        "Its id are the 12 characters behind kg_",
        exit_usage);
  }
  if (!auth::is_api_key_id(id)) return failed(cat("'", printable(id, 40), "' is no id of a key"), exit_usage);
  Result<std::optional<std::string>> line = editor.find(id);
  if (!line) return failed(line.error().detail, exit_failure);
  if (!*line) return failed(cat("there is no key ", id), exit_not_found);
  FoundKey out;
  out.line = std::move(**line);
  const Result<ApiKeyRecord> record = auth::parse_api_key_record(out.line);
  if (!record) return failed(cat("the line of key ", id, " is damaged: ", record.error().detail), exit_failure);
  out.record = *record;
  return out;
}

std::optional<std::int64_t> parse_moment(std::string_view text, std::int64_t now_s) {
  if (text == "never") return 0;
  if (const auto date = parse_date(std::string(text))) return date;
  const std::optional<std::int64_t> span = parse_duration(text);
  if (!span || *span <= 0 || *span > std::int64_t{1} << 40) return std::nullopt;
  return now_s + *span;
}

int hand_out(std::string_view verb, ApiKeyEditor& editor, NewKey made) {
  const std::string id(made.record.id);
  const Wiper wiper{made.key};
  Result<std::string> line = auth::write_api_key_record(made.record);
  if (!line) {
    complain(verb, line.error().detail);
    return exit_failure;
  }
  if (const Result<void> done = editor.append(cat(*line, made.also)); !done) {
    complain(verb, done.error().detail);
    return exit_failure;
  }
  std::string text = cat(made.key, "\n");
  if (made.as_json) {
    JsonObject object;
    object.add("key", made.key).add("record", json_of(made.record, Now::read().wall_s()));
    text = pretty(object.take());
  }
  const Result<void> shown = write_file(made.out, text, 0600, Existing::refuse);
  wipe(text);
  if (shown) return exit_ok;
  made.record.revoked_s = Now::read().wall_s();
  const Result<std::string> revocation = auth::write_api_key_record(made.record);
  const bool is_revoked = revocation && editor.append(*revocation);
  complain(verb, cat(shown.error().detail, is_revoked ? "; the new key was revoked" : "; revoke the new key: ",
                     is_revoked ? "" : std::string_view(id)));
  return exit_failure;
}

auth::ApiKeyState state_of(const ApiKeyRecord& record, std::int64_t now_s) {
  return auth::state_of(record.not_before_s, record.expires_s, record.revoked_s != 0, now_s);
}

Json json_of(const ApiKeyRecord& record, std::int64_t now_s) {
  JsonObject out;
  out.add("id", record.id).add("state", auth::name_of(state_of(record, now_s)));
  out.add("client", record.client).add("user", record.user);
  out.add("roles", list_of_texts(record.roles, ',')).add("scopes", list_of_texts(record.scopes, ' '));
  out.add("owner", record.owner).add("note", record.note);
  out.add("created", time_or_null(record.created_s)).add("not_before", time_or_null(record.not_before_s));
  out.add("expires", time_or_null(record.expires_s)).add("revoked", time_or_null(record.revoked_s));
  out.add("successor", record.successor);
  return out.take();
}

std::string describe(const ApiKeyRecord& record) {
  if (record.client.empty()) return cat("user:", record.user);
  return cat("client:", record.client, record.user.empty() ? "" : " on behalf of user:", record.user);
}

}  // namespace keepgate::cli
