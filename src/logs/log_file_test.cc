#include "logs/log_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

#include "base/bytes.h"

namespace keepgate::logs {
namespace {

namespace fs = std::filesystem;

std::string contents(const fs::path& path) {
  std::ostringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

std::uint64_t count_lines(std::string_view text) {
  return static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
}

class LogFileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "keepgate-log-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { fs::remove_all(directory_); }

  std::shared_ptr<LogFile> open(const std::string& name) {
    std::string error;
    std::shared_ptr<LogFile> file = LogFile::open(directory_ / name, error);
    EXPECT_TRUE(file) << error;
    return file;
  }
  // For files that must not open.
  std::string error_of(const fs::path& path) {
    std::string error;
    EXPECT_FALSE(LogFile::open(path, error));
    return error;
  }

  fs::path directory_;
};

TEST_F(LogFileTest, flush_brings_every_line_to_the_file_in_order) {
  const auto file = open("a.log");
  std::string expected;
  for (int i = 0; i < 1000; ++i) {
    const std::string line = cat("line ", i, "\n");
    file->write(line);
    expected += line;
  }
  file->flush();
  EXPECT_EQ(contents(file->path()), expected);
  EXPECT_EQ(file->dropped_count(), 0U);
}

TEST_F(LogFileTest, the_last_owner_writes_everything_out) {
  auto file = open("a.log");
  file->write("last words\n");
  file.reset();
  EXPECT_EQ(contents(directory_ / "a.log"), "last words\n");
  open("a.log")->write("and more\n");
  EXPECT_EQ(contents(directory_ / "a.log"), "last words\nand more\n");
}

TEST_F(LogFileTest, opening_a_path_again_gives_the_same_file) {
  const auto first = open("a.log");
  EXPECT_EQ(first, open("a.log"));
  EXPECT_NE(first, open("b.log"));
}

TEST_F(LogFileTest, a_new_file_is_not_for_others_to_read) {
  const auto file = open("a.log");
  struct stat status{};
  ASSERT_EQ(::stat(file->path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0137, 0U);
}

TEST_F(LogFileTest, reopens_by_name_after_a_rename) {
  const auto file = open("a.log");
  file->write("before\n");
  fs::rename(directory_ / "a.log", directory_ / "a.log.1");
  file->write("still before\n");
  LogFile::reopen_all();
  file->write("after\n");
  LogFile::flush_all();
  EXPECT_EQ(contents(directory_ / "a.log.1"), "before\nstill before\n");
  EXPECT_EQ(contents(directory_ / "a.log"), "after\n");
}

TEST_F(LogFileTest, keeps_the_old_file_when_the_new_one_cannot_be_opened) {
  const auto file = open("a.log");
  fs::rename(directory_ / "a.log", directory_ / "a.log.1");
  fs::create_symlink(directory_ / "victim", directory_ / "a.log");
  LogFile::reopen_all();
  file->write("here\n");
  file->flush();
  EXPECT_EQ(contents(directory_ / "a.log.1"), "here\n");
  EXPECT_FALSE(fs::exists(directory_ / "victim"));
}

TEST_F(LogFileTest, refuses_a_symbolic_link) {
  std::ofstream(directory_ / "victim") << "secret";
  fs::create_symlink(directory_ / "victim", directory_ / "a.log");
  EXPECT_EQ(error_of(directory_ / "a.log"), "it is a symbolic link");
  EXPECT_EQ(contents(directory_ / "victim"), "secret");
}

TEST_F(LogFileTest, refuses_what_is_no_file) {
  EXPECT_FALSE(error_of(directory_).empty());
  EXPECT_FALSE(error_of(directory_ / "missing" / "a.log").empty());
  ASSERT_EQ(::mkfifo((directory_ / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(error_of(directory_ / "pipe"), "nobody reads the pipe");
}

TEST_F(LogFileTest, standard_error_is_understood) {
  std::string error;
  EXPECT_TRUE(LogFile::open("stderr", error)) << error;
  EXPECT_TRUE(LogFile::open("/dev/stderr", error)) << error;
  EXPECT_TRUE(LogFile::open("/dev/stdout", error)) << error;
}

TEST_F(LogFileTest, drops_a_line_larger_than_the_buffer) {
  const auto file = open("a.log");
  file->write(std::string(LogFile::buffer_bytes_max + 1, 'x'));
  file->flush();
  EXPECT_EQ(file->dropped_count(), 1U);
  EXPECT_EQ(contents(file->path()), "");
}

TEST_F(LogFileTest, every_line_of_two_threads_is_written_or_counted_as_dropped) {
  constexpr int lines_each = 100'000;
  const auto file = open("a.log");
  const std::string tail(60, 'x');
  const auto hammer = [&](char name) {
    for (int i = 0; i < lines_each; ++i) file->write(cat(name, ' ', i, ' ', tail, '\n'));
  };
  std::thread other(hammer, 'b');
  hammer('a');
  other.join();
  file->flush();
  file->flush();
  const std::string text = contents(file->path());
  EXPECT_EQ(count_lines(text) + file->dropped_count(), 2U * lines_each);
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    ASSERT_TRUE((line.starts_with("a ") || line.starts_with("b ")) && line.ends_with(' ' + tail)) << line;
  }
}

class PipeTest : public LogFileTest {
 protected:
  void SetUp() override {
    LogFileTest::SetUp();
    ASSERT_EQ(::mkfifo((directory_ / "pipe").c_str(), 0600), 0);
    reader_ = ::open((directory_ / "pipe").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ASSERT_GE(reader_, 0);
  }
  void TearDown() override {
    if (reader_ >= 0) ::close(reader_);
    LogFileTest::TearDown();
  }
  std::string read_all() {
    std::string out;
    char bytes[65536];
    for (ssize_t got = ::read(reader_, bytes, sizeof bytes); got > 0; got = ::read(reader_, bytes, sizeof bytes)) {
      out.append(bytes, static_cast<std::size_t>(got));
    }
    return out;
  }

  int reader_ = -1;
};

TEST_F(PipeTest, a_full_pipe_blocks_nobody_and_every_line_is_accounted_for) {
  const auto pipe = open("pipe");
  const auto other = open("other.log");
  const std::string line(99, 'x');
  constexpr std::uint64_t lines = 30'000;  // Three times the buffer.
  for (std::uint64_t i = 0; i < lines; ++i) pipe->write(line + '\n');
  other->write("still written\n");
  other->flush();
  EXPECT_EQ(contents(other->path()), "still written\n");
  EXPECT_GT(pipe->dropped_count(), 0U);
  std::string text;
  for (int i = 0; i < 1000 && count_lines(text) + pipe->dropped_count() < lines; ++i) {
    text += read_all();
    pipe->flush();
  }
  EXPECT_EQ(count_lines(text) + pipe->dropped_count(), lines);
}

TEST_F(PipeTest, a_reader_that_went_away_costs_lines_and_nothing_else) {
  const auto pipe = open("pipe");
  ::close(std::exchange(reader_, -1));
  for (int i = 0; i < 10; ++i) pipe->write("lost\n");
  pipe->flush();
  EXPECT_EQ(pipe->dropped_count(), 10U);
}

TEST_F(LogFileTest, a_full_disk_blocks_nobody) {
  if (::access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full";
  std::string error;
  const auto full = LogFile::open("/dev/full", error);
  ASSERT_TRUE(full) << error;
  const std::string line(999, 'x');
  for (int i = 0; i < 3000; ++i) full->write(line + '\n');
  full->flush();
  EXPECT_GT(full->dropped_count(), 0U);
}

}  // namespace
}  // namespace keepgate::logs
