// `keepgate key list`, `show` and `verify`: what a file of keys holds. None prints a hash or a secret.
#include "base/bytes.h"
#include "base/clock.h"
#include "cli/api_key.h"
#include "cli/command.h"
#include "cli/files.h"
#include "cli/output.h"
#include "crypto/digest.h"

namespace keepgate::cli {

namespace {

using auth::ApiKeyRecord;
using auth::ApiKeyState;
using crypto::Json;
using store::ApiKeyEditor;

std::vector<std::string> row_of(const ApiKeyRecord& record, std::int64_t now_s) {
  const std::string expires = record.expires_s == 0 ? "never" : relative_time(record.expires_s, now_s);
  return {std::string(record.id),
          std::string(record.client),
          std::string(record.user),
          std::string(auth::name_of(state_of(record, now_s))),
          expires,
          std::string(record.roles),
          std::string(record.scopes),
          std::string(record.owner),
          std::string(record.note)};
}

std::string lines_of(const ApiKeyRecord& record, std::int64_t now_s) {
  std::vector<std::vector<std::string>> lines;
  const auto add = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) lines.push_back({std::string(name), std::string(value)});
  };
  const auto add_time = [&](std::string_view name, std::int64_t seconds) {
    if (seconds != 0) add(name, cat(utc_time(seconds), " (", relative_time(seconds, now_s), ")"));
  };
  add("id", record.id);
  add("state", auth::name_of(state_of(record, now_s)));
  add("client", record.client);
  add("user", record.user);
  add("roles", record.roles);
  add("scopes", record.scopes);
  add("owner", record.owner);
  add("note", record.note);
  add_time("created", record.created_s);
  add_time("not before", record.not_before_s);
  add_time("expires", record.expires_s);
  add_time("revoked", record.revoked_s);
  add("successor", record.successor);
  return table(lines);
}

int print_record(const ApiKeyRecord& record, std::string_view output, std::int64_t now_s) {
  return print(output == "json" ? pretty(json_of(record, now_s)) : lines_of(record, now_s));
}

}  // namespace

int run_api_key_list(int argc, char** argv) {
  KeyFileArguments file;
  std::string output = "table";
  std::optional<std::string> client;
  bool active = false;
  Arguments arguments("key list", "Lists the keys of a file: whose they are and until when, never what they are.",
                      {{"keepgate key list --file api_keys", ""},
                       {"keepgate key list --file api_keys --client orders-app --active --output json", ""}});
  file.declare(arguments);
  arguments.option("--client", "NAME", client, "only this client's");
  arguments.flag("--active", active, "only those that can be used now");
  arguments.option("--output,--format", "FORMAT", output, "table or json (default: table)");
  if (const auto code = arguments.parse(argc, argv)) return *code;
  if (output != "table" && output != "json") return arguments.usage_error("--output: table or json");
  const Result<ApiKeyEditor> editor = file.open(ApiKeyEditor::Access::read);
  if (!editor) return failed("key list", editor.error().detail);

  const std::int64_t now_s = Now::read().wall_s();
  std::vector<std::vector<std::string>> rows = {
      {"ID", "CLIENT", "USER", "STATE", "EXPIRES", "ROLES", "SCOPES", "OWNER", "NOTE"}};
  Json::Array objects;
  const Result<void> done = editor->each([&](const ApiKeyRecord& record) {
    if (client && record.client != *client) return;
    if (active && state_of(record, now_s) != ApiKeyState::active) return;
    output == "json" ? objects.push_back(json_of(record, now_s)) : rows.push_back(row_of(record, now_s));
  });
  if (!done) return failed("key list", done.error().detail);
  return print(output == "json" ? pretty(Json(std::move(objects))) : table(rows));
}

int run_api_key_show(int argc, char** argv) {
  KeyFileArguments file;
  std::string id, output = "text";
  Arguments arguments("key show", "All that is known of one key.",
                      {{"keepgate key show 4tXqk2mJw0Za --file api_keys", ""}});
  arguments.operand("ID", id, "the key's id");
  file.declare(arguments);
  arguments.option("--output,--format", "FORMAT", output, "text or json (default: text)");
  if (const auto code = arguments.parse(argc, argv)) return *code;
  if (output != "text" && output != "json") return arguments.usage_error("--output: text or json");
  const Result<ApiKeyEditor> editor = file.open(ApiKeyEditor::Access::read);
  if (!editor) return failed("key show", editor.error().detail);
  int code = exit_ok;
  const std::optional<FoundKey> found = find_key("key show", *editor, id, code);
  return found ? print_record(found->record, output, Now::read().wall_s()) : code;
}

int run_api_key_verify(int argc, char** argv) {
  KeyFileArguments file;
  std::string output = "text";
  Arguments arguments(
      "key verify",
      "Reads a key from standard input and says whose it is; exits 4 when it would be refused, and says "
      "why.",
      {{"keepgate key verify --file api_keys <orders-app.key", ""}});
  file.declare(arguments);
  arguments.option("--output,--format", "FORMAT", output, "text or json (default: text)");
  if (const auto code = arguments.parse(argc, argv)) return *code;
  if (output != "text" && output != "json") return arguments.usage_error("--output: text or json");
  Result<std::string> key = read_text("-", 4096);
  if (!key) return failed("key verify", key.error().detail);
  while (key->ends_with('\n') || key->ends_with('\r')) key->pop_back();
  const std::optional<std::string_view> id = auth::parse_api_key(*key);
  if (!id) return failed("key verify", "this is no key: its form or its checksum is wrong", exit_denied);
  const Result<ApiKeyEditor> editor = file.open(ApiKeyEditor::Access::read);
  if (!editor) return failed("key verify", editor.error().detail);
  int code = exit_ok;
  const std::optional<FoundKey> found = find_key("key verify", *editor, std::string(*id), code);
  if (!found) return code == exit_not_found ? exit_denied : code;
  const auth::ApiKeyHash hash = auth::hash_api_key(editor->secret(), *key);
  const auto bytes = [](const auth::ApiKeyHash& of) {
    return std::string_view(reinterpret_cast<const char*>(of.data()), of.size());
  };
  const bool is_right = crypto::equal_constant_time(bytes(hash), bytes(found->record.hash));
  wipe(*key);
  if (!is_right) return failed("key verify", "the key has the id of another one and is not it", exit_denied);
  const std::int64_t now_s = Now::read().wall_s();
  const int printed = print_record(found->record, output, now_s);
  const ApiKeyState state = state_of(found->record, now_s);
  if (printed != exit_ok || state == ApiKeyState::active) return printed;
  return failed("key verify", cat("the key is ", auth::name_of(state)), exit_denied);
}

}  // namespace keepgate::cli
