// `keepgate key create`, `rotate`, `revoke` and `compact`: what changes a file of keys.
#include <algorithm>

#include "base/bytes.h"
#include "base/clock.h"
#include "cli/api_key.h"
#include "cli/command.h"
#include "cli/files.h"
#include "cli/output.h"
#include "cli/token.h"

namespace keepgate::cli {

namespace {

using auth::ApiKeyRecord;
using auth::ApiKeyState;
using store::ApiKeyEditor;

constexpr std::string_view default_expiry = "365d";

std::string until(const ApiKeyRecord& record) {
  return record.expires_s == 0 ? std::string("for ever") : cat("until ", utc_time(record.expires_s));
}

void make_key(NewKey& made, const ApiKeyEditor& editor, std::int64_t now_s) {
  made.key = auth::make_api_key();
  made.record.id = *auth::parse_api_key(made.key);
  made.record.hash = auth::hash_api_key(editor.secret(), made.key);
  made.record.created_s = now_s;
}

struct CreateOptions {
  std::string client, user, owner, note, not_before, expires{default_expiry}, out = "-", output = "text";
  std::vector<std::string> scopes, roles;
};

void declare(Arguments& arguments, CreateOptions& options) {
  arguments.option("--client", "NAME", options.client, "who calls with it: the client that the policy knows");
  arguments.option("--user", "NAME", options.user, "on whose behalf; alone: the key is a person's");
  arguments.options("--scope", "SCOPE", options.scopes, "what it may be used for, as the policy reads it");
  arguments.options("--role", "NAME", options.roles, "a role of who calls");
  arguments.option("--expires", "WHEN", options.expires, cat(moment_help, " (default: ", default_expiry, ")"));
  arguments.option("--not-before", "WHEN", options.not_before, "valid from then on");
  arguments.option("--owner", "TEXT", options.owner, "who answers for it: a team, an address");
  arguments.option("--note", "TEXT", options.note, "what it is for");
  arguments.option("--out", "FILE", options.out, "write the key to a new file, mode 0600, instead of printing it");
  arguments.option("--output,--format", "FORMAT", options.output, "text or json (default: text)");
}

}  // namespace

int run_api_key_create(int argc, char** argv) {
  KeyFileArguments file;
  CreateOptions options;
  Arguments arguments(
      "key create",
      "Makes an API key, stores its keyed hash and prints the key: this once. The file and its secret are made if they "
      "are not there.",
      {{"keepgate key create --file api_keys --client orders-app --scope orders:read --expires 90d", ""},
       {"keepgate key create --file api_keys --client nightly --role reader --owner team-data --out nightly.key", ""},
       {"keepgate key create --file api_keys --user alice --expires 2027-01-31", "the key of a person"}});
  file.declare(arguments);
  declare(arguments, options);
  if (const auto code = arguments.parse(argc, argv)) return *code;
  const std::int64_t now_s = Now::read().wall_s();
  if (options.client.empty() && options.user.empty()) return arguments.usage_error("--client or --user is needed");
  if (options.output != "text" && options.output != "json") return arguments.usage_error("--output: text or json");
  const auto expires = parse_moment(options.expires, now_s);
  if (!expires) return arguments.usage_error(cat("--expires ", printable(options.expires, 40), ": ", moment_help));
  if (*expires != 0 && *expires <= now_s) return arguments.usage_error("--expires: that is over");
  const auto begins = options.not_before.empty() ? 0 : parse_moment(options.not_before, now_s);
  if (!begins) return arguments.usage_error(cat("--not-before ", printable(options.not_before, 40), ": ", moment_help));

  Result<ApiKeyEditor> editor = file.open(ApiKeyEditor::Access::create);
  if (!editor) return failed("key create", editor.error().detail);
  const std::string roles = joined(options.roles, ','), scopes = joined(options.scopes, ' ');
  NewKey made;
  make_key(made, *editor, now_s);
  made.record.not_before_s = *begins;
  made.record.expires_s = *expires;
  made.record.client = options.client;
  made.record.user = options.user;
  made.record.roles = roles;
  made.record.scopes = scopes;
  made.record.owner = options.owner;
  made.record.note = options.note;
  made.out = options.out;
  made.as_json = options.output == "json";
  const std::string news = cat("key ", made.record.id, " for ", describe(made.record), ", valid ", until(made.record),
                               ". It is not shown again.");
  if (editor->made_file()) say(cat("made ", file.file, " and its secret; back them up apart from each other"));
  const int code = hand_out("key create", *editor, std::move(made));
  if (code == exit_ok) say(news);
  return code;
}

int run_api_key_rotate(int argc, char** argv) {
  KeyFileArguments file;
  std::string id, overlap = "24h", out = "-", output = "text";
  std::optional<std::string> expires;
  Arguments arguments("key rotate",
                      "Makes a new key with all that the old one has but its life, and lets the old one end after the "
                      "overlap. Prints the new key: this once.",
                      {{"keepgate key rotate 4tXqk2mJw0Za --file api_keys --overlap 24h", ""},
                       {"keepgate key rotate 4tXqk2mJw0Za --file api_keys --overlap 0", "the old one ends at once"}});
  arguments.operand("ID", id, "the old key's id");
  file.declare(arguments);
  arguments.option("--overlap", "TIME", overlap, "how long the old one stays valid (default: 24h)");
  arguments.option("--expires", "WHEN", expires,
                   cat("of the new one: ", moment_help, " (default: as long as the old one)"));
  arguments.option("--out", "FILE", out, "write the key to a new file, mode 0600, instead of printing it");
  arguments.option("--output,--format", "FORMAT", output, "text or json (default: text)");
  if (const auto code = arguments.parse(argc, argv)) return *code;
  const std::int64_t now_s = Now::read().wall_s();
  if (output != "text" && output != "json") return arguments.usage_error("--output: text or json");
  const std::optional<std::int64_t> overlap_s = parse_duration(overlap);
  if (!overlap_s || *overlap_s < 0) return arguments.usage_error("--overlap: a time like 24h or 7d, or 0");
  const auto moment = expires ? parse_moment(*expires, now_s) : 0;
  if (!moment || (*moment != 0 && *moment <= now_s)) return arguments.usage_error(cat("--expires: ", moment_help));

  Result<ApiKeyEditor> editor = file.open(ApiKeyEditor::Access::change);
  if (!editor) return failed("key rotate", editor.error().detail);
  int code = exit_ok;
  const std::optional<FoundKey> old = find_key("key rotate", *editor, id, code);
  if (!old) return code;
  const ApiKeyState state = state_of(old->record, now_s);
  if (state == ApiKeyState::revoked || state == ApiKeyState::expired) {
    return failed("key rotate", cat("key ", id, " is ", auth::name_of(state), ": make a new one with `key create`"));
  }
  if (!old->record.successor.empty()) {
    return failed("key rotate", cat("key ", id, " was rotated before: its successor is ", old->record.successor));
  }
  NewKey made;
  made.record = old->record;
  make_key(made, *editor, now_s);
  const std::int64_t life_s = old->record.expires_s - std::max(old->record.created_s, old->record.not_before_s);
  made.record.not_before_s = 0;
  made.record.expires_s = expires                      ? *moment
                          : old->record.expires_s == 0 ? 0
                                                       : now_s + std::max<std::int64_t>(life_s, 1);
  made.out = out;
  made.as_json = output == "json";
  ApiKeyRecord ending = old->record;
  ending.successor = made.record.id;
  const std::int64_t end_s = now_s + std::min(*overlap_s, std::int64_t{1} << 40);
  if (*overlap_s == 0) {
    ending.revoked_s = now_s;
  } else if (ending.expires_s == 0 || ending.expires_s > end_s) {
    ending.expires_s = end_s;
  }
  const Result<std::string> line = auth::write_api_key_record(ending);
  if (!line) return failed("key rotate", line.error().detail);
  made.also = *line;
  const std::string news =
      cat("key ", made.record.id, " for ", describe(made.record), ", valid ", until(made.record), "; the old one ",
          *overlap_s == 0 ? std::string("is revoked") : cat("is valid ", until(ending)));
  code = hand_out("key rotate", *editor, std::move(made));
  if (code == exit_ok) say(news);
  return code;
}

int run_api_key_revoke(int argc, char** argv) {
  KeyFileArguments file;
  std::string id;
  Arguments arguments("key revoke", "Makes a key invalid. Running gateways refuse it within a second.",
                      {{"keepgate key revoke 4tXqk2mJw0Za --file api_keys", ""}});
  arguments.operand("ID", id, "the key's id");
  file.declare(arguments);
  if (const auto code = arguments.parse(argc, argv)) return *code;
  Result<ApiKeyEditor> editor = file.open(ApiKeyEditor::Access::change);
  if (!editor) return failed("key revoke", editor.error().detail);
  int code = exit_ok;
  const std::optional<FoundKey> found = find_key("key revoke", *editor, id, code);
  if (!found) return code;
  if (found->record.revoked_s != 0) {
    say(cat("key ", id, " was revoked at ", utc_time(found->record.revoked_s)));
    return exit_ok;
  }
  ApiKeyRecord record = found->record;
  record.revoked_s = Now::read().wall_s();
  const Result<std::string> line = auth::write_api_key_record(record);
  if (!line) return failed("key revoke", line.error().detail);
  if (const Result<void> done = editor->append(*line); !done) return failed("key revoke", done.error().detail);
  say(cat("key ", id, " of ", describe(record), " is revoked"));
  return exit_ok;
}

int run_api_key_compact(int argc, char** argv) {
  KeyFileArguments file;
  std::optional<std::string> older;
  Arguments arguments("key compact",
                      "Writes a file of keys anew, one line a key: each change of a key has appended one. Running "
                      "gateways go on with it.",
                      {{"keepgate key compact --file api_keys", ""},
                       {"keepgate key compact --file api_keys --drop-ended 90d",
                        "and without the keys that ended more than 90 days ago"}});
  file.declare(arguments);
  arguments.option("--drop-ended", "TIME", older, "drop what was revoked or expired longer ago than that");
  if (const auto code = arguments.parse(argc, argv)) return *code;
  const std::optional<std::int64_t> age_s = older ? parse_duration(*older) : 0;
  if (!age_s || *age_s < 0) return arguments.usage_error("--drop-ended: a time like 90d");
  Result<ApiKeyEditor> editor = file.open(ApiKeyEditor::Access::change);
  if (!editor) return failed("key compact", editor.error().detail);
  const std::int64_t oldest_s = Now::read().wall_s() - *age_s;
  const auto stays = [&](const ApiKeyRecord& record) {
    const std::int64_t end_s = record.revoked_s != 0 ? record.revoked_s : record.expires_s;
    return !older || end_s == 0 || end_s > oldest_s;
  };
  const Result<ApiKeyEditor::Compacted> done = editor->compact(stays);
  if (!done) return failed("key compact", done.error().detail);
  say(cat(file.file, ": ", done->keys, " keys; ", done->dropped_lines, " lines are gone, ", done->dropped_keys,
          " keys of them"));
  return exit_ok;
}

}  // namespace keepgate::cli
