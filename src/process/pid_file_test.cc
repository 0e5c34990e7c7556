#include "process/pid_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace keepgate::process {
namespace {

namespace fs = std::filesystem;

class PidFileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "keepgate-pid-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    path_ = fs::path(pattern) / "keepgate.pid";
  }
  void TearDown() override { fs::remove_all(path_.parent_path()); }
  std::optional<pid_t> read() {
    why_.clear();
    return read_pid_file(path_, why_);
  }

  fs::path path_;
  std::string why_;
};

TEST_F(PidFileTest, names_its_process_as_long_as_that_lives) {
  {
    PidFile file;
    ASSERT_TRUE(file.write(path_));
    EXPECT_EQ(read(), ::getpid());
  }
  EXPECT_FALSE(read()) << "it was left over";
  EXPECT_NE(why_.find("left over"), std::string::npos);
}

TEST_F(PidFileTest, steps_aside_and_back) {
  PidFile file;
  ASSERT_TRUE(file.write(path_));
  ASSERT_TRUE(file.step_aside());
  EXPECT_FALSE(fs::exists(path_));
  EXPECT_TRUE(fs::exists(path_.string() + ".oldbin"));
  ASSERT_TRUE(file.step_back());
  EXPECT_EQ(read(), ::getpid());
  file.remove();
  EXPECT_FALSE(fs::exists(path_));
}

TEST_F(PidFileTest, does_not_touch_the_file_of_another) {
  PidFile first, second;
  ASSERT_TRUE(first.write(path_));
  ASSERT_TRUE(second.write(path_));
  EXPECT_FALSE(first.step_aside());
  first.remove();
  EXPECT_TRUE(fs::exists(path_));
}

TEST_F(PidFileTest, replaces_a_link_and_leaves_what_it_led_to) {
  const fs::path victim = path_.parent_path() / "victim";
  std::ofstream(victim) << "precious";
  fs::create_symlink(victim, path_);
  PidFile file;
  ASSERT_TRUE(file.write(path_));
  EXPECT_EQ(fs::file_size(victim), 8U);
  EXPECT_FALSE(fs::is_symlink(path_));
}

TEST_F(PidFileTest, refuses_what_is_no_process) {
  for (const std::string text : {"", "x\n", "1\n", "0\n", "-5\n", "99999999999\n", "12 13\n"}) {
    std::ofstream(path_) << text;
    EXPECT_FALSE(read()) << text;
    EXPECT_FALSE(why_.empty());
  }
}

}  // namespace
}  // namespace keepgate::process
