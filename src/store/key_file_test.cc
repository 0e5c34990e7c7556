#include "store/key_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/bytes.h"
#include "base/temp_folder_for_tests.h"

namespace keepgate::store {
namespace {

class KeyFile : public testing::Test {
 protected:
  KeyFile() : path((folder.path() / "store.key").string()) {}
  void write(const std::string& text, mode_t mode = 0600) const {
    std::ofstream(path, std::ios::trunc) << text;
    ::chmod(path.c_str(), mode);
  }
  bool is_refused() const {
    const auto key = load_or_create_key(path);
    if (!key) {
      EXPECT_EQ(key.error().code, "file");
    }
    return !key;
  }
  std::string text() const {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  TempFolder folder;
  std::string path;
  const std::string good = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n";
};

TEST_F(KeyFile, is_made_once_for_its_owner_alone) {
  const mode_t before = ::umask(0);
  const auto made = load_or_create_key(path);
  ::umask(before);
  ASSERT_TRUE(made.has_value()) << made.error().detail;
  EXPECT_EQ(made->size(), key_file_key_bytes);
  struct stat facts{};
  ASSERT_EQ(::stat(path.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0600U);
  const auto again = load_or_create_key(path);
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(made->view(), again->view());
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

TEST_F(KeyFile, is_never_made_for_a_store_that_wraps_something) {
  const auto missing = load_store_key(path, true);
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code, "file");
  EXPECT_NE(missing.error().detail.find("restore it"), std::string::npos) << missing.error().detail;
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  const auto made = load_store_key(path, false);
  ASSERT_TRUE(made.has_value()) << made.error().detail;
  const auto found = load_store_key(path, true);
  ASSERT_TRUE(found.has_value()) << found.error().detail;
  EXPECT_EQ(made->view(), found->view());
}

TEST_F(KeyFile, is_another_one_each_time_it_is_made) {
  const auto first = load_or_create_key(path);
  const auto second = load_or_create_key(path + "2");
  ASSERT_TRUE(first.has_value() && second.has_value());
  EXPECT_NE(first->view(), second->view());
}

TEST_F(KeyFile, is_read_as_it_is_written) {
  write(good);
  const auto key = load_or_create_key(path);
  ASSERT_TRUE(key.has_value()) << key.error().detail;
  for (std::size_t i = 0; i < key->size(); ++i) EXPECT_EQ(key->view()[i], static_cast<char>(i));
}

TEST_F(KeyFile, is_refused_where_others_may_read_or_write_it) {
  for (const mode_t mode : {0640, 0604, 0620, 0602, 0644}) {
    write(good, mode);
    EXPECT_TRUE(is_refused()) << mode;
  }
  write(good);
  EXPECT_FALSE(is_refused());
}

TEST_F(KeyFile, is_refused_and_kept_where_it_is_no_key) {
  const std::string bare = good.substr(0, good.size() - 1);
  for (const std::string& text : {std::string(), std::string("\n"), bare, cat(good, "\n"), cat(good, good),
                                  cat(" ", good), cat(bare, "=\n"), cat(bare, "A\n"), cat(bare.substr(1), "\n"),
                                  cat(bare, "\r\n"), cat(bare.substr(1), "+\n"), std::string(1'000'000, 'A')}) {
    write(text);
    EXPECT_TRUE(is_refused()) << text.substr(0, 60);
    EXPECT_EQ(this->text(), text);
  }
}

TEST_F(KeyFile, is_no_link_and_no_folder) {
  std::ofstream(folder.path() / "real") << good;
  ::chmod((folder.path() / "real").c_str(), 0600);
  ASSERT_EQ(::symlink("real", path.c_str()), 0);
  EXPECT_TRUE(is_refused());
  ::unlink(path.c_str());
  ASSERT_EQ(::symlink("nowhere", path.c_str()), 0);
  EXPECT_TRUE(is_refused());
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "nowhere"));
  ::unlink(path.c_str());
  ASSERT_EQ(::mkdir(path.c_str(), 0700), 0);
  EXPECT_TRUE(is_refused());
}

TEST_F(KeyFile, is_not_made_where_it_has_to_be_there) {
  EXPECT_FALSE(load_key(path).has_value());
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(KeyFile, is_the_same_for_all_who_make_it_at_once) {
  std::vector<pid_t> children;
  for (int i = 0; i < 8; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      const auto key = load_or_create_key(path);
      if (!key) ::_exit(1);
      std::ofstream(cat(path, ".seen", i)) << key->view();
      std::_Exit(0);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  const auto key = load_key(path);
  ASSERT_TRUE(key.has_value());
  for (int i = 0; i < 8; ++i) {
    std::ifstream in(cat(path, ".seen", i));
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), key->view());
  }
}

}  // namespace
}  // namespace keepgate::store
