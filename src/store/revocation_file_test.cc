#include "store/revocation_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/bytes.h"
#include "base/temp_folder_for_tests.h"

namespace keepgate::store {
namespace {

using Change = FollowedFile::Change;

class RevocationFiles : public testing::Test {
 protected:
  RevocationFiles()
      : folder(temporary.path()), path(folder / "revocations"), file(std::make_unique<RevocationFile>(path)) {}

  void write(std::string_view text, std::ios::openmode mode = std::ios::trunc) { std::ofstream(path, mode) << text; }
  // Long after it was written, or `later_ms` after now.
  FollowedFile::Refreshed look(std::int64_t later_ms = 10'000) {
    Now now = Now::read();
    now.monotonic_ms += later_ms;
    now.wall_ms += later_ms;
    return file->refresh(now);
  }
  bool revokes(std::string_view name) const {
    auth::RevocableNames names;
    names.subject = name;
    const auto list = file->list().current();
    return list && list->find(names, Now::read()).has_value();
  }

  TempFolder temporary;
  std::filesystem::path folder, path;
  std::unique_ptr<RevocationFile> file;
};

TEST_F(RevocationFiles, are_read_at_once_and_followed) {
  write("sub a\n");
  EXPECT_EQ(look(0).change, Change::read);
  EXPECT_TRUE(revokes("a"));
  EXPECT_FALSE(revokes("b"));
  write("sub b\n", std::ios::app);
  const FollowedFile::Refreshed news = look(0);
  EXPECT_EQ(news.change, Change::read);
  EXPECT_NE(news.message.find("revokes 2 names"), std::string::npos) << news.message;
  EXPECT_TRUE(revokes("a"));
  EXPECT_TRUE(revokes("b"));
}

TEST_F(RevocationFiles, that_are_being_written_anew_let_nobody_in_meanwhile) {
  write("sub a\nsub b\n");
  look(0);
  for (int i = 0; i < 5; ++i) {
    write("");
    look(0);
    EXPECT_TRUE(revokes("a") && revokes("b"));
    write("sub b\nsub c\n");
    look(0);
    EXPECT_TRUE(revokes("a") && revokes("b") && revokes("c"));
  }
  EXPECT_EQ(file->list().current()->size(), 3U) << "each once";
  look();  // It has settled.
  EXPECT_FALSE(revokes("a"));
  EXPECT_TRUE(revokes("b") && revokes("c"));
  EXPECT_EQ(look().change, Change::none);
}

TEST_F(RevocationFiles, that_break_leave_the_last_good_list) {
  write("sub a\n");
  look();
  write("sub a\nsub b\nnonsense\n");
  FollowedFile::Refreshed news = look();
  EXPECT_EQ(news.change, Change::failed);
  EXPECT_NE(news.message.find("line 3"), std::string::npos) << news.message;
  EXPECT_NE(news.message.find("stay in force"), std::string::npos) << news.message;
  EXPECT_NE(file->failure(), "");
  EXPECT_TRUE(revokes("a"));
  EXPECT_FALSE(revokes("b"));
  std::filesystem::remove(path);
  EXPECT_EQ(look().change, Change::failed);
  EXPECT_TRUE(revokes("a"));
  write("sub b\n");
  EXPECT_EQ(look().change, Change::read);
  EXPECT_EQ(file->failure(), "");
  EXPECT_FALSE(revokes("a"));
  EXPECT_TRUE(revokes("b"));
}

TEST_F(RevocationFiles, that_were_never_read_have_no_list) {
  EXPECT_EQ(look().change, Change::failed);
  EXPECT_NE(file->failure(), "");
  EXPECT_EQ(file->list().current(), nullptr);
  write("sub a\n");
  ASSERT_EQ(::chmod(path.c_str(), 0606), 0);
  look();
  EXPECT_NE(file->failure(), "") << "everybody may write it";
  EXPECT_EQ(file->list().current(), nullptr);
}

}  // namespace
}  // namespace keepgate::store
