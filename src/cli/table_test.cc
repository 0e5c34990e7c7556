#include <gtest/gtest.h>

#include <set>
#include <string>

#include "cli/verbs.h"

namespace keepgate::cli {
namespace {

TEST(CommandTable, every_row_has_its_own_name_a_summary_and_something_to_run) {
  std::set<std::string_view> names;
  for (const Command& command : commands()) {
    EXPECT_TRUE(names.insert(command.name).second) << command.name;
    EXPECT_FALSE(command.summary.empty()) << command.name;
    EXPECT_NE(command.run, nullptr) << command.name;
    EXPECT_FALSE(command.summary.ends_with('.')) << command.name;
  }
}

TEST(CommandTable, has_every_verb_of_the_design) {
  std::set<std::string_view> names;
  for (const Command& command : commands()) names.insert(command.name);
  for (const std::string_view name : {"check", "explain", "who-can", "what-can", "policy", "token", "key", "client",
                                      "user", "revoke", "bypass-test", "status", "completion", "help"}) {
    EXPECT_TRUE(names.contains(name)) << name;
  }
}

TEST(CommandTable, a_verb_that_is_not_built_says_so_in_its_summary) {
  for (const Command& command : commands()) {
    EXPECT_EQ(command.run == run_not_built, command.summary.ends_with(not_built_mark)) << command.name;
  }
}

int run_words(int (*run)(int, char**), std::vector<std::string> words) {
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  return run(static_cast<int>(words.size()), argv.data());
}

TEST(CommandTable, what_is_not_built_is_a_usage_error) {
  EXPECT_EQ(run_words(run_not_built, {"status"}), exit_usage);
  EXPECT_EQ(run_words(run_policy, {"policy", "diff"}), exit_usage);
  EXPECT_EQ(run_words(run_key, {"key", "rotate"}), exit_usage);
}

TEST(CommandTable, an_unknown_or_missing_word_is_a_usage_error) {
  EXPECT_EQ(run_words(run_token, {"token"}), exit_usage);
  EXPECT_EQ(run_words(run_token, {"token", "vreify"}), exit_usage);
  EXPECT_EQ(run_words(run_help, {"help", "frobnicate"}), exit_usage);
  EXPECT_EQ(run_words(run_explain, {"explain", "GET", "/x"}), exit_usage) << "--as is missing";
  EXPECT_EQ(run_words(run_explain, {"explain", "get", "/x", "--as", "a", "--service", "s", "--policy", "p"}),
            exit_usage);
}

TEST(CommandTable, a_token_as_an_argument_is_refused_and_not_repeated) {
  testing::internal::CaptureStderr();
  EXPECT_EQ(run_words(run_token, {"token", "verify", "--jwks", "x", "--", "eyJhbGciOiJub25lIn0.e30.secret"}),
            exit_usage);
  const std::string words = testing::internal::GetCapturedStderr();
  EXPECT_EQ(words.find("secret"), std::string::npos) << words;
  EXPECT_NE(words.find("standard input"), std::string::npos) << words;
}

TEST(CommandTable, help_of_every_built_verb_starts_with_examples) {
  for (const Command& command : commands()) {
    if (command.run == run_not_built) continue;
    testing::internal::CaptureStdout();
    EXPECT_EQ(run_words(run_help, {"help", std::string(command.name)}), exit_ok) << command.name;
    EXPECT_TRUE(testing::internal::GetCapturedStdout().starts_with("Examples:\n")) << command.name;
  }
}

}  // namespace
}  // namespace keepgate::cli
