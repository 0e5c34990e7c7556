#include "logs/error_log.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/bytes.h"
#include "logs/log_file.h"

namespace keepgate::logs {
namespace {

namespace fs = std::filesystem;

class ErrorLogTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "keepgate-log-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    path_ = directory_ / "error.log";
    std::string error;
    ASSERT_TRUE(configure_error_log(path_, LogLevel::warn, error)) << error;
  }
  void TearDown() override {
    set_log_sink(nullptr);
    set_log_level(LogLevel::error);
    fs::remove_all(directory_);
  }
  std::string contents() const {
    std::ostringstream out;
    out << std::ifstream(path_).rdbuf();
    return out.str();
  }

  fs::path directory_, path_;
};

TEST_F(ErrorLogTest, writes_lines_as_nginx_does) {
  log(LogLevel::error, "upstream ", "a", " timed out");
  LogFile::flush_all();
  const std::string text = contents();
  ASSERT_GT(text.size(), 20U);
  const std::string_view shape = "dddd/dd/dd dd:dd:dd ";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    EXPECT_TRUE(shape[i] == 'd' ? is_digit(text[i]) : text[i] == shape[i]) << text;
  }
  EXPECT_EQ(text.substr(20), cat("[error] ", ::getpid(), "#", ::gettid(), ": upstream a timed out\n"));
}

TEST_F(ErrorLogTest, leaves_out_what_is_less_severe) {
  log(LogLevel::notice, "not this");
  log(LogLevel::warn, "but this");
  LogFile::flush_all();
  EXPECT_EQ(contents().find("not this"), std::string::npos);
  EXPECT_NE(contents().find("[warn]"), std::string::npos);
}

TEST_F(ErrorLogTest, severe_messages_are_in_the_file_at_once) {
  log(LogLevel::crit, "disk on fire");
  EXPECT_NE(contents().find("disk on fire"), std::string::npos);
}

TEST_F(ErrorLogTest, a_message_cannot_forge_a_line) {
  log(LogLevel::crit, "bad header \"x\n2026/01/31 12:00:00 [notice] 1#1: all is well\x1b[2K\x7f\xff");
  const std::string text = contents();
  EXPECT_EQ(text.find('\n'), text.size() - 1);
  EXPECT_NE(text.find("x\\x0A2026"), std::string::npos);
  EXPECT_NE(text.find("\\x1B[2K\\x7F\\xFF"), std::string::npos);
}

TEST_F(ErrorLogTest, cuts_a_long_message) {
  log(LogLevel::crit, std::string(100'000, 'x'));
  EXPECT_LT(contents().size(), 2200U);
  EXPECT_TRUE(contents().ends_with("x...\n"));
}

TEST_F(ErrorLogTest, a_failed_change_keeps_the_old_file) {
  std::string error;
  EXPECT_FALSE(configure_error_log(directory_ / "missing" / "error.log", LogLevel::debug, error));
  EXPECT_FALSE(error.empty());
  log(LogLevel::crit, "still here");
  EXPECT_NE(contents().find("still here"), std::string::npos);
  EXPECT_FALSE(log_enabled(LogLevel::debug));
}

TEST(ErrorLog, knows_the_levels_of_nginx) {
  for (const std::string_view name : {"emerg", "alert", "crit", "error", "warn", "notice", "info", "debug"}) {
    bool known = false;
    EXPECT_EQ(name_of(parse_log_level(name, known)), name);
    EXPECT_TRUE(known);
  }
  for (const std::string_view name : {"", "ERROR", "errors", "warning"}) {
    bool known = true;
    EXPECT_EQ(parse_log_level(name, known), LogLevel::error);
    EXPECT_FALSE(known) << name;
  }
}

}  // namespace
}  // namespace keepgate::logs
