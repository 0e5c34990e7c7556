#include "store/revocation_copy.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "auth/revocations.h"
#include "base/bytes.h"
#include "base/temp_folder_for_tests.h"
#include "crypto/digest.h"

namespace keepgate::store {
namespace {

const std::string url = "https://as.example/revocations?a=b";

class RevocationCopies : public testing::Test {
 protected:
  RevocationCopies() : path((temporary.path() / "copy").string()) {}
  std::string bytes() const {
    std::ostringstream out;
    out << std::ifstream(path, std::ios::binary).rdbuf();
    return out.str();
  }
  void put(std::string_view text) const { std::ofstream(path, std::ios::binary | std::ios::trunc) << text; }
  std::size_t files() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(temporary.path()), {}));
  }

  TempFolder temporary;
  std::string path;
  RevocationCopy copy{7, "e-1", url, "sub a\njti b\n"};
};

TEST_F(RevocationCopies, come_back_as_they_were_written) {
  EXPECT_FALSE(read_revocation_copy(path, url)->has_value()) << "there is none yet";
  ASSERT_TRUE(write_revocation_copy(path, copy).has_value());
  struct stat facts{};
  ASSERT_EQ(::stat(path.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600U);
  const auto back = read_revocation_copy(path, url);
  ASSERT_TRUE(back.has_value() && back->has_value());
  EXPECT_EQ((*back)->version, 7U);
  EXPECT_EQ((*back)->epoch, "e-1");
  EXPECT_EQ((*back)->text, copy.text);
  EXPECT_EQ((*auth::RevocationList::parse(bytes()))->size(), 2U) << "the file is a list itself";
  EXPECT_EQ(files(), 1U);
  for (const std::string_view text : {"", "\n", "# only a remark\n"}) {
    copy.epoch = "";
    copy.version = UINT64_MAX;
    copy.text = text;
    ASSERT_TRUE(write_revocation_copy(path, copy).has_value());
    EXPECT_EQ((*read_revocation_copy(path, url))->text, text);
    EXPECT_EQ((*read_revocation_copy(path, url))->version, UINT64_MAX);
    std::filesystem::remove(path);
  }
}

TEST_F(RevocationCopies, that_are_broken_anywhere_are_none) {
  ASSERT_TRUE(write_revocation_copy(path, copy).has_value());
  const std::string good = bytes();
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string broken = good;
    broken[i] = static_cast<char>(broken[i] ^ 1);
    put(broken);
    EXPECT_FALSE(read_revocation_copy(path, url).has_value()) << "byte " << i;
    put(good.substr(0, i));
    EXPECT_FALSE(read_revocation_copy(path, url).has_value()) << "cut off at " << i;
  }
  put(good + "sub c\n");
  EXPECT_EQ((*read_revocation_copy(path, url))->text, copy.text) << "what is no part of ours does not count";
  EXPECT_FALSE((*read_revocation_copy(path, url))->ends_well);
  put("sub a\n");
  EXPECT_FALSE(read_revocation_copy(path, url).has_value());
  put(good);
  EXPECT_TRUE(read_revocation_copy(path, url).has_value());
}

// Written by a version before this one. It is not appended to, and replaced by the next list.
TEST_F(RevocationCopies, of_the_first_form_are_read) {
  const std::string covered = cat("version=7 epoch=e-1 url=", url, "\nsub a\n");
  const std::string good = cat("# keepgate-revocations-1 ", crypto::sha256_hex(covered), " ", covered);
  put(good);
  ASSERT_EQ(::chmod(path.c_str(), 0600), 0);
  const auto back = read_revocation_copy(path, url);
  ASSERT_TRUE(back.has_value() && back->has_value());
  EXPECT_EQ((*back)->version, 7U);
  EXPECT_EQ((*back)->epoch, "e-1");
  EXPECT_EQ((*back)->text, "sub a\n");
  FileState state;
  EXPECT_FALSE(append_revocation_copy(path, {8, "e-1", url, "sub b\n"}, 7, state).has_value());
  for (std::size_t i = 0; i < good.size(); ++i) {
    put(good.substr(0, i));
    EXPECT_FALSE(read_revocation_copy(path, url).has_value()) << i;
  }
  put(good + "sub c\n");
  EXPECT_FALSE(read_revocation_copy(path, url).has_value());
}

TEST_F(RevocationCopies, are_appended_to_and_half_of_what_was_added_leaves_what_stood_before) {
  ASSERT_TRUE(write_revocation_copy(path, copy).has_value());
  const std::string whole = bytes();
  FileState state;
  ASSERT_TRUE(append_revocation_copy(path, {9, "e-1", url, "sub c\n"}, 7, state).has_value());
  EXPECT_EQ(state, state_of_file(path));
  const std::string more = bytes();
  ASSERT_TRUE(append_revocation_copy(path, {10, "e-1", url, "sub d\n"}, 9, state).has_value());
  const std::string most = bytes();
  EXPECT_TRUE(most.starts_with(more) && more.starts_with(whole));
  const auto read = [&] { return std::move(**read_revocation_copy(path, url)); };
  EXPECT_EQ(read().version, 10U);
  EXPECT_EQ(read().text, copy.text + "sub c\nsub d\n");
  EXPECT_TRUE(read().ends_well);
  EXPECT_EQ((*auth::RevocationList::parse(most))->size(), 4U) << "the file is a list itself";
  for (std::size_t i = whole.size(); i < most.size(); ++i) {
    const std::uint64_t version = i < more.size() ? 7 : 9;
    const std::string text = i < more.size() ? copy.text : copy.text + "sub c\n";
    put(most.substr(0, i));
    EXPECT_EQ(read().version, version) << "cut off at " << i;
    EXPECT_EQ(read().text, text) << "cut off at " << i;
    EXPECT_EQ(read().ends_well, i == whole.size() || i == more.size());
    std::string broken = most;
    broken[i] = static_cast<char>(broken[i] ^ 1);
    put(broken);
    EXPECT_EQ(read().version, version) << "byte " << i;
    EXPECT_EQ(read().text, text) << "byte " << i;
  }
}

TEST_F(RevocationCopies, are_appended_to_only_where_they_go_up_to_what_is_added) {
  const RevocationCopy added{12, "e-1", url, "sub c\n"};
  FileState state;
  EXPECT_FALSE(append_revocation_copy(path, added, 7, state).has_value()) << "there is none";
  ASSERT_TRUE(write_revocation_copy(path, copy).has_value());
  EXPECT_FALSE(append_revocation_copy(path, added, 8, state).has_value()) << "a gap";
  EXPECT_FALSE(append_revocation_copy(path, {12, "e-2", url, "sub c\n"}, 7, state).has_value());
  EXPECT_FALSE(append_revocation_copy(path, {12, "e-1", "https://other", "sub c\n"}, 7, state).has_value());
  EXPECT_EQ((*read_revocation_copy(path, url))->version, 7U);
  // Another process of ours was here before us: its additions count, and ours behind them.
  FileState others;
  ASSERT_TRUE(append_revocation_copy(path, {9, "e-1", url, "sub b\n"}, 7, others).has_value());
  ASSERT_TRUE(append_revocation_copy(path, {8, "e-1", url, "sub b\n"}, 7, state).has_value());
  EXPECT_EQ((*read_revocation_copy(path, url))->version, 9U) << "it has that already";
  ASSERT_TRUE(append_revocation_copy(path, added, 8, state).has_value());
  EXPECT_EQ((*read_revocation_copy(path, url))->version, 12U);
  ASSERT_TRUE(write_revocation_copy(path, {11, "e-1", url, "sub x\n"}).has_value());
  EXPECT_EQ((*read_revocation_copy(path, url))->version, 12U) << "one that is newer by what was added is left alone";
  put(bytes() + "# half of a line");
  EXPECT_FALSE(append_revocation_copy(path, {13, "e-1", url, "sub d\n"}, 12, state).has_value());
  ASSERT_EQ(::chmod(path.c_str(), 0602), 0);
  EXPECT_FALSE(append_revocation_copy(path, {13, "e-1", url, "sub d\n"}, 12, state).has_value());
}

TEST_F(RevocationCopies, are_believed_of_their_own_server_and_owner_only) {
  ASSERT_TRUE(write_revocation_copy(path, copy).has_value());
  EXPECT_FALSE(read_revocation_copy(path, "https://as.example/revocations").has_value());
  ASSERT_EQ(::chmod(path.c_str(), 0620), 0);
  EXPECT_FALSE(read_revocation_copy(path, url).has_value());
  ASSERT_EQ(::chmod(path.c_str(), 0602), 0);
  EXPECT_FALSE(read_revocation_copy(path, url).has_value());
  ASSERT_EQ(::chmod(path.c_str(), 0600), 0);
  EXPECT_TRUE(read_revocation_copy(path, url).has_value());
  EXPECT_FALSE(read_revocation_copy(temporary.path().string(), url).has_value()) << "a folder";
}

TEST_F(RevocationCopies, that_are_newer_are_left_alone) {
  const auto version = [&] { return (*read_revocation_copy(path, url))->version; };
  ASSERT_TRUE(write_revocation_copy(path, copy).has_value());
  copy.version = 6;
  ASSERT_TRUE(write_revocation_copy(path, copy).has_value());
  EXPECT_EQ(version(), 7U);
  copy.epoch = "e-2";
  ASSERT_TRUE(write_revocation_copy(path, copy).has_value());
  EXPECT_EQ(version(), 6U) << "the server began anew";
  copy.version = 8;
  ASSERT_TRUE(write_revocation_copy(path, copy).has_value());
  EXPECT_EQ(version(), 8U);
  put("something else\n");
  ASSERT_TRUE(write_revocation_copy(path, copy).has_value());
  EXPECT_EQ(version(), 8U);
}

TEST_F(RevocationCopies, that_cannot_be_written_are_an_error_and_leave_the_old_one) {
  EXPECT_FALSE(write_revocation_copy((temporary.path() / "gone" / "copy").string(), copy).has_value());
  copy.url = std::string(RevocationCopy::head_bytes_max, 'u');
  EXPECT_FALSE(write_revocation_copy(path, copy).has_value());
  EXPECT_EQ(files(), 0U);
}

}  // namespace
}  // namespace keepgate::store
