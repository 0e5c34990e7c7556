#include "store/user_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/bytes.h"
#include "base/temp_folder_for_tests.h"

namespace keepgate::store {
namespace {

using Change = FollowedFile::Change;

class UserFiles : public testing::Test {
 protected:
  UserFiles() : folder(temporary.path()), path(folder / "users"), file(std::make_unique<UserFile>(path)) {}

  void write(std::string_view text) {
    std::ofstream(path, std::ios::trunc) << text;
    ASSERT_EQ(::chmod(path.c_str(), 0600), 0);
  }
  // By a new file in its place.
  void replace(std::string_view text) {
    std::ofstream(folder / "new") << text;
    std::filesystem::rename(folder / "new", path);
  }
  FollowedFile::Refreshed look(std::int64_t later_ms = 0) {
    Now now = Now::read();
    now.monotonic_ms += later_ms;
    return file->refresh(now);
  }
  bool knows(std::string_view name) const {
    const auto users = file->users().current();
    return users && users->find(name);
  }

  TempFolder temporary;
  std::filesystem::path folder, path;
  std::unique_ptr<UserFile> file;
};

TEST_F(UserFiles, are_read_and_followed) {
  write("a:{PLAIN}x\n");
  FollowedFile::Refreshed news = look();
  EXPECT_EQ(news.change, Change::read);
  EXPECT_NE(news.message.find("has 1 user"), std::string::npos) << news.message;
  EXPECT_TRUE(knows("a"));
  EXPECT_EQ(look().change, Change::none);
  replace("b:{PLAIN}x\n");
  EXPECT_EQ(look().change, Change::read);
  EXPECT_FALSE(knows("a"));
  EXPECT_TRUE(knows("b"));
  write("b:{PLAIN}x\nc:{PLAIN}x");  // In place, and without a last newline.
  EXPECT_EQ(look().change, Change::read);
  EXPECT_TRUE(knows("c"));
}

TEST_F(UserFiles, let_nobody_in_while_they_cannot_be_read) {
  write("a:{PLAIN}x\n");
  look();
  std::filesystem::remove(path);
  const FollowedFile::Refreshed news = look();
  EXPECT_EQ(news.change, Change::failed);
  EXPECT_NE(news.message.find("503"), std::string::npos) << news.message;
  EXPECT_EQ(file->users().current(), nullptr);
  EXPECT_EQ(look(2 * UserFile::retry_after_ms).message, "") << "told once";
  write("a:{PLAIN}x\n");
  EXPECT_EQ(look().change, Change::read);
  EXPECT_TRUE(knows("a"));
}

TEST_F(UserFiles, that_everybody_may_write_or_that_are_no_files_are_refused) {
  write("a:{PLAIN}x\n");
  ASSERT_EQ(::chmod(path.c_str(), 0606), 0);
  EXPECT_EQ(look().change, Change::failed);
  EXPECT_FALSE(knows("a"));
  ASSERT_EQ(::chmod(path.c_str(), 0644), 0);
  EXPECT_EQ(look().change, Change::read);
  EXPECT_TRUE(knows("a"));
  std::filesystem::remove(path);
  std::filesystem::create_directory(path);
  EXPECT_EQ(look().change, Change::failed);
  EXPECT_FALSE(knows("a"));
}

TEST_F(UserFiles, beyond_a_bound_let_nobody_in) {
  write("a:{PLAIN}x\n");
  look();
  write(cat("a:{PLAIN}x\nb:{PLAIN}x:", std::string(auth::UserSet::line_bytes_max, 'c'), "\n"));
  const FollowedFile::Refreshed news = look();
  EXPECT_EQ(news.change, Change::failed);
  EXPECT_NE(news.message.find("line 2"), std::string::npos) << news.message;
  EXPECT_FALSE(knows("a"));
  write(std::string(auth::UserSet::file_bytes_max + 1, '\n'));
  EXPECT_EQ(look().change, Change::failed);
  EXPECT_FALSE(knows("a"));
}

TEST_F(UserFiles, say_which_line_lets_nobody_in) {
  write("a:{PLAIN}x\nb:secret\n");
  const std::string message = look().message;
  EXPECT_NE(message.find("line 2"), std::string::npos) << message;
  EXPECT_EQ(message.find("secret"), std::string::npos) << message;
}

}  // namespace
}  // namespace keepgate::store
