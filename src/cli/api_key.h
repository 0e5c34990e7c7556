// The verbs of `keepgate key`, and what they share. Thread rule: main thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/api_key_record.h"
#include "cli/arguments.h"
#include "crypto/json.h"
#include "store/api_key_editor.h"

namespace keepgate::cli {

int run_api_key_create(int argc, char** argv);
int run_api_key_list(int argc, char** argv);
int run_api_key_show(int argc, char** argv);
int run_api_key_verify(int argc, char** argv);
int run_api_key_rotate(int argc, char** argv);
int run_api_key_revoke(int argc, char** argv);
int run_api_key_compact(int argc, char** argv);

// --file and --secret.
struct KeyFileArguments {
  std::string file, secret;

  void declare(Arguments& arguments);
  Result<store::ApiKeyEditor> open(store::ApiKeyEditor::Access access) const;
};

// A key that was looked for by its id: its line, and the record that points into it.
struct FoundKey {
  std::string line;
  auth::ApiKeyRecord record;
};
// Nothing: it was said why, and `code` is the exit code.
std::optional<FoundKey> find_key(std::string_view verb, const store::ApiKeyEditor& editor, const std::string& id,
                                 int& code);

// "90d", "2027-01-31", "2027-01-31T12:00:00Z", "never" (0): seconds since 1970. A span counts from `now_s`.
std::optional<std::int64_t> parse_moment(std::string_view text, std::int64_t now_s);
inline constexpr std::string_view moment_help = "90d, 2027-01-31, 2027-01-31T12:00:00Z or never";

// Appends the record of a new key (and `also`) and hands the key out: on standard output or in a new file, this once.
// What cannot be handed out is revoked again.
struct NewKey {
  std::string key;  // Wiped.
  auth::ApiKeyRecord record;
  std::string also;  // A line of another key that changes with it.
  std::string out;   // "-": standard output.
  bool as_json = false;
};
int hand_out(std::string_view verb, store::ApiKeyEditor& editor, NewKey made);

auth::ApiKeyState state_of(const auth::ApiKeyRecord& record, std::int64_t now_s);
crypto::Json json_of(const auth::ApiKeyRecord& record, std::int64_t now_s);
// "client:orders-app", "user:alice", "client:a on behalf of user:b".
std::string describe(const auth::ApiKeyRecord& record);

}  // namespace keepgate::cli
