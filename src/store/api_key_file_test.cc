#include "store/api_key_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/bytes.h"
#include "base/temp_folder_for_tests.h"
#include "store/api_key_editor.h"
#include "store/file_watcher.h"

namespace keepgate::store {
namespace {

using EditorAccess = ApiKeyEditor::Access;
using Change = ApiKeyFile::Change;
using auth::ApiKeyState;

struct NewKey {
  std::string key;
  std::string id() const { return key.substr(3, auth::api_key_id_length); }
};

class KeyFiles : public testing::Test {
 protected:
  KeyFiles() {
    folder = temporary.path();
    path = folder + "/api_keys";
    secret_path = secret_path_of(path);
    now = Now::read();
  }
  Result<ApiKeyEditor> open(EditorAccess access) const { return ApiKeyEditor::open(path, secret_path, access); }

  NewKey add(std::string_view client = "orders-app", std::size_t copies = 1) {
    Result<ApiKeyEditor> editor = open(EditorAccess::create);
    EXPECT_TRUE(editor.has_value()) << editor.error().detail;
    NewKey made;
    std::string lines;
    for (std::size_t i = 0; i < copies; ++i) {
      made.key = auth::make_api_key();
      auth::ApiKeyRecord record;
      const std::string id = made.id();
      record.id = id;
      record.hash = auth::hash_api_key(editor->secret(), made.key);
      record.client = client;
      lines += *auth::write_api_key_record(record);
    }
    EXPECT_TRUE(editor->append(lines).has_value());
    return made;
  }

  void revoke(const NewKey& key) {
    Result<ApiKeyEditor> editor = open(EditorAccess::change);
    ASSERT_TRUE(editor.has_value()) << editor.error().detail;
    const auto line = editor->find(key.id());
    ASSERT_TRUE(line.has_value() && line->has_value());
    auth::ApiKeyRecord record = *auth::parse_api_key_record(**line);
    record.revoked_s = now.wall_s();
    ASSERT_TRUE(editor->append(*auth::write_api_key_record(record)).has_value());
  }

  // Far enough behind the last change that nothing has to be looked at twice.
  Now later(std::int64_t ms = 1000) {
    now.monotonic_ms += ms;
    now.wall_ms += ms;
    return now;
  }

  bool accepts(const ApiKeyFile& file, const NewKey& key) const {
    const auto set = file.keys().current();
    return set && set->check(key.key, now.wall_s()).principal != nullptr;
  }

  std::string text() const {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void write(const std::string& content, std::ios::openmode how = std::ios::trunc) const {
    std::ofstream(path, std::ios::out | how) << content;
  }

  TempFolder temporary;
  std::string folder, path, secret_path;
  Now now;
};

TEST_F(KeyFiles, a_new_file_and_its_secret_are_for_their_owner_only) {
  add();
  for (const std::string& name : {path, secret_path}) {
    struct stat facts{};
    ASSERT_EQ(::stat(name.c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 0777, 0600u) << name;
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 2) << "nothing else is left behind";
}

TEST_F(KeyFiles, a_missing_file_gives_no_keys_and_is_read_when_it_comes) {
  ApiKeyFile file(path, secret_path);
  EXPECT_EQ(file.refresh(now).change, Change::failed);
  EXPECT_EQ(file.keys().current(), nullptr);
  EXPECT_EQ(file.refresh(later()).change, Change::none) << "told once";
  const NewKey key = add();
  EXPECT_EQ(file.refresh(later()).change, Change::read);
  EXPECT_TRUE(accepts(file, key));
}

TEST_F(KeyFiles, changes_are_seen_at_the_next_look) {
  const NewKey one = add();
  ApiKeyFile file(path, secret_path);
  EXPECT_EQ(file.refresh(later()).change, Change::read);
  EXPECT_TRUE(accepts(file, one));
  const NewKey two = add("other");
  EXPECT_EQ(file.refresh(later()).change, Change::read);
  EXPECT_TRUE(accepts(file, one) && accepts(file, two));
  revoke(one);
  file.refresh(later());
  EXPECT_FALSE(accepts(file, one));
  EXPECT_TRUE(accepts(file, two));
  EXPECT_EQ(file.refresh(later()).change, Change::none);
}

TEST_F(KeyFiles, a_broken_file_leaves_the_keys_and_is_told_once_with_its_line) {
  const NewKey key = add();
  ApiKeyFile file(path, secret_path);
  file.refresh(later());
  const std::string good = text();
  write(good + "garbage\n");
  const auto news = file.refresh(later());
  EXPECT_EQ(news.change, Change::failed);
  EXPECT_NE(news.message.find("line 3"), std::string::npos) << news.message;
  EXPECT_EQ(news.message.find("garbage"), std::string::npos);
  EXPECT_TRUE(accepts(file, key));
  EXPECT_EQ(file.refresh(later()).change, Change::none);
  EXPECT_EQ(file.refresh(later(60'000)).change, Change::none);
  write(good);
  EXPECT_EQ(file.refresh(later()).change, Change::read);
  EXPECT_TRUE(accepts(file, key));
}

TEST_F(KeyFiles, whatever_else_becomes_of_the_file_leaves_the_keys) {
  const NewKey key = add();
  ApiKeyFile file(path, secret_path);
  file.refresh(later());
  const std::string good = text();
  const auto fails = [&] {
    const auto news = file.refresh(later());
    EXPECT_TRUE(accepts(file, key));
    return news.change == Change::failed;
  };
  write("");
  EXPECT_TRUE(fails());
  std::filesystem::remove(path);
  EXPECT_TRUE(fails());
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  EXPECT_TRUE(fails()) << "and does not hang";
  std::filesystem::remove(path);
  write(good);
  EXPECT_EQ(file.refresh(later()).change, Change::read);
  std::filesystem::remove(path);
  std::filesystem::create_directory(path);
  EXPECT_TRUE(fails());
  std::filesystem::remove(path);
  write(good);
  ASSERT_EQ(::chmod(path.c_str(), 0666), 0);
  EXPECT_TRUE(fails()) << "everybody may write it";
  ASSERT_EQ(::chmod(path.c_str(), 0600), 0);
  EXPECT_EQ(file.refresh(later()).change, Change::read);
  ASSERT_EQ(::chmod(secret_path.c_str(), 0644), 0);
  EXPECT_TRUE(fails()) << "everybody may read the secret";
  ASSERT_EQ(::chmod(secret_path.c_str(), 0600), 0);
  EXPECT_EQ(file.refresh(later()).change, Change::read);
  std::ofstream(secret_path) << auth::make_api_key_secret();
  EXPECT_TRUE(fails()) << "another secret";
}

TEST_F(KeyFiles, a_line_that_is_being_written_is_not_there_yet) {
  const NewKey one = add();
  ApiKeyFile file(path, secret_path);
  const std::string before = text();
  const NewKey two = add();
  const std::string after = text();
  for (std::size_t cut = before.size(); cut < after.size(); cut += 7) {
    write(after.substr(0, cut));
    file.refresh(later());
    EXPECT_TRUE(accepts(file, one));
    EXPECT_FALSE(accepts(file, two));
  }
  write(after);
  file.refresh(later());
  EXPECT_TRUE(accepts(file, two));
}

TEST_F(KeyFiles, what_a_crash_left_half_written_is_taken_away_by_the_next_change) {
  const NewKey one = add();
  write("4tXqk2mJw0Za\thalf a li", std::ios::app);
  const NewKey two = add();
  ApiKeyFile file(path, secret_path);
  EXPECT_EQ(file.refresh(later()).change, Change::read);
  EXPECT_TRUE(accepts(file, one) && accepts(file, two));
}

TEST_F(KeyFiles, of_a_big_file_what_is_appended_is_read_and_all_of_it_a_while_later) {
  const NewKey one = add("a-client-with-a-long-name-0123456789", 12'000);
  ASSERT_GT(std::filesystem::file_size(path), ApiKeyFile::followed_from_bytes);
  ApiKeyFile file(path, secret_path);
  file.refresh(later());
  const auto base = file.keys().current();
  EXPECT_EQ(base->size(), 12'000u);
  const NewKey two = add();
  revoke(one);
  file.refresh(later());
  EXPECT_TRUE(accepts(file, two));
  EXPECT_FALSE(accepts(file, one));
  EXPECT_EQ(file.keys().current()->size(), 12'001u);
  EXPECT_EQ(file.refresh(later()).change, Change::none);

  // Somebody writes within the file, behind our back, and something is appended too.
  std::string spoilt = text();
  spoilt.replace(spoilt.find(two.id()), two.id().size(), "000000000000");
  const int descriptor = ::open(path.c_str(), O_WRONLY);
  ASSERT_EQ(::pwrite(descriptor, spoilt.data(), spoilt.size(), 0), static_cast<ssize_t>(spoilt.size()));
  ::close(descriptor);
  add();
  file.refresh(later());
  file.refresh(later(ApiKeyFile::verify_after_ms));
  EXPECT_FALSE(accepts(file, two));
}

TEST_F(KeyFiles, of_a_big_file_that_was_written_within_nothing_is_kept) {
  add("a-client-with-a-long-name-0123456789", 12'000);
  const NewKey key = add();
  add();
  ApiKeyFile file(path, secret_path);
  file.refresh(later());
  std::string spoilt = text();
  spoilt.replace(spoilt.find(key.id()), key.id().size(), "000000000000");
  const int descriptor = ::open(path.c_str(), O_WRONLY);
  ASSERT_EQ(::pwrite(descriptor, spoilt.data(), spoilt.size(), 0), static_cast<ssize_t>(spoilt.size()));
  ::close(descriptor);
  file.refresh(later());
  EXPECT_FALSE(accepts(file, key));
}

TEST_F(KeyFiles, compacting_keeps_the_newest_line_of_each_key_and_the_owner_and_mode) {
  const NewKey one = add(), two = add();
  revoke(one);
  ASSERT_EQ(::chmod(path.c_str(), 0640), 0);
  Result<ApiKeyEditor> editor = open(EditorAccess::change);
  ASSERT_TRUE(editor.has_value());
  const auto done = editor->compact([](const auth::ApiKeyRecord&) { return true; });
  ASSERT_TRUE(done.has_value()) << done.error().detail;
  EXPECT_EQ(done->keys, 2u);
  EXPECT_EQ(done->dropped_lines, 1u);
  struct stat facts{};
  ASSERT_EQ(::stat(path.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0640u);
  ApiKeyFile file(path, secret_path);
  file.refresh(later());
  EXPECT_FALSE(accepts(file, one));
  EXPECT_TRUE(accepts(file, two));
}

TEST_F(KeyFiles, changes_at_the_same_time_follow_one_another_also_while_it_is_compacted) {
  add();
  constexpr int writers = 4, each = 25;
  std::vector<std::thread> threads;
  for (int i = 0; i < writers; ++i) {
    threads.emplace_back([this] {
      for (int n = 0; n < each; ++n) add();
    });
  }
  for (int n = 0; n < 10; ++n) {
    Result<ApiKeyEditor> editor = open(EditorAccess::change);
    ASSERT_TRUE(editor.has_value()) << editor.error().detail;
    ASSERT_TRUE(editor->compact([](const auth::ApiKeyRecord&) { return true; }).has_value());
  }
  for (std::thread& thread : threads) thread.join();
  ApiKeyFile file(path, secret_path);
  file.refresh(later());
  EXPECT_EQ(file.keys().current()->size(), 1u + writers * each);
}

TEST_F(KeyFiles, a_file_whose_secret_is_gone_is_not_given_another) {
  add();
  std::filesystem::remove(secret_path);
  EXPECT_FALSE(open(EditorAccess::create).has_value());
  EXPECT_FALSE(std::filesystem::exists(secret_path));
}

TEST_F(KeyFiles, opening_for_a_change_makes_nothing) {
  EXPECT_FALSE(open(EditorAccess::change).has_value());
  EXPECT_FALSE(open(EditorAccess::read).has_value());
  EXPECT_TRUE(std::filesystem::is_empty(folder));
}

TEST_F(KeyFiles, the_watcher_sees_a_change_by_itself_and_ends_when_told) {
  const NewKey one = add();
  auto file = std::make_shared<ApiKeyFile>(path, secret_path);
  file->refresh(Now::read());
  FileWatcher watcher;
  watcher.watch({});
  watcher.watch({file});
  revoke(one);
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (accepts(*file, one) && std::chrono::steady_clock::now() < give_up) std::this_thread::yield();
  EXPECT_FALSE(accepts(*file, one));
}

}  // namespace
}  // namespace keepgate::store
