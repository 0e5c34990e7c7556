#include "cli/files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/bytes.h"

namespace keepgate::cli {
namespace {

class Files : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = cat(testing::TempDir(), "/keepgate_files_XXXXXX");
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string path(std::string_view name) const { return cat(folder_, '/', name); }
  std::size_t count() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder_), {}));
  }
  unsigned mode(const std::string& file) const {
    struct stat there = {};
    return ::stat(file.c_str(), &there) == 0 ? there.st_mode & 0777U : 0U;
  }

  std::string folder_;
};

TEST_F(Files, writes_a_private_file_and_leaves_nothing_else_behind) {
  ASSERT_TRUE(write_file(path("key"), "secret\n", 0600, Existing::refuse));
  EXPECT_EQ(read_text(path("key")).value_or(""), "secret\n");
  EXPECT_EQ(mode(path("key")), 0600U);
  EXPECT_EQ(count(), 1U);
}

TEST_F(Files, does_not_replace_a_file_unless_told) {
  ASSERT_TRUE(write_file(path("key"), "one", 0600, Existing::refuse));
  EXPECT_FALSE(write_file(path("key"), "two", 0600, Existing::refuse));
  EXPECT_EQ(read_text(path("key")).value_or(""), "one");
  EXPECT_TRUE(write_file(path("key"), "two", 0600, Existing::replace));
  EXPECT_EQ(read_text(path("key")).value_or(""), "two");
  EXPECT_EQ(count(), 1U);
}

TEST_F(Files, never_replaces_what_is_no_regular_file) {
  ASSERT_EQ(::mkdir(path("folder").c_str(), 0700), 0);
  EXPECT_FALSE(write_file(path("folder"), "x", 0600, Existing::replace));
  EXPECT_FALSE(write_file("/dev/null", "x", 0600, Existing::replace));
}

TEST_F(Files, replacing_makes_a_readable_file_private) {
  ASSERT_TRUE(write_file(path("key"), "one", 0644, Existing::refuse));
  ASSERT_TRUE(write_file(path("key"), "two", 0600, Existing::replace));
  EXPECT_EQ(mode(path("key")), 0600U);
}

TEST_F(Files, reads_no_more_than_it_may) {
  ASSERT_TRUE(write_file(path("text"), "0123456789", 0600, Existing::refuse));
  EXPECT_TRUE(read_text(path("text"), 10));
  EXPECT_FALSE(read_text(path("text"), 9));
  EXPECT_FALSE(read_text(path("absent")));
}

}  // namespace
}  // namespace keepgate::cli
