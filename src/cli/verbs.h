// The verbs, for the table; and how a verb with verbs of its own (`token mint`) finds the right one.
//
// Thread rule: main thread.
#pragma once

#include <initializer_list>
#include <span>
#include <string_view>

#include "cli/arguments.h"
#include "cli/command.h"

namespace keepgate::cli {

int run_check(int argc, char** argv);
int run_client(int argc, char** argv);
int run_explain(int argc, char** argv);
int run_help(int argc, char** argv);
int run_jwk(int argc, char** argv);
int run_key(int argc, char** argv);
int run_policy(int argc, char** argv);
int run_revoke(int argc, char** argv);
int run_token(int argc, char** argv);
int run_user(int argc, char** argv);
int run_who_can(int argc, char** argv);

// The verbs of `keepgate jwk`, which `keepgate key` once had: `key create jwk`, `key public` and `key list FILE` still
// lead there.
int run_jwk_create(int argc, char** argv);
int run_jwk_public(int argc, char** argv);
int run_jwk_list(int argc, char** argv);

// Known, not built: says so, exits 2. `argv[0]` is the verb.
int run_not_built(int argc, char** argv);

// Second words: `rows` with `run` empty are not built yet.
struct Noun {
  std::string_view name;
  std::span<const Command> rows;
  std::span<const Example> examples;
};
int run_noun(const Noun& noun, int argc, char** argv);

// A line of summaries for each row, in columns.
std::string list_of(std::span<const Command> rows);
inline constexpr std::string_view not_built_mark = "(not built yet)";

}  // namespace keepgate::cli
