#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <latch>
#include <thread>

#include "store/sqlite_file.h"
#include "store/store_for_tests.h"

namespace keepgate::store::test {
namespace {

class SqliteFiles : public testing::Test {
 protected:
  SqliteFiles() : path((folder.path() / "store.db").string()), address(sqlite_address(path)) {}

  std::string refusal() const {
    Transactor::Options options;
    options.address = address;
    options.migrations = migrations;
    const auto opened = Transactor::open(options);
    return opened ? "" : opened.error().detail;
  }
  unsigned mode_of(const std::string& file) const {
    struct stat facts{};
    return ::stat(file.c_str(), &facts) == 0 ? facts.st_mode & 0777 : 0;
  }

  TempFolder folder;
  std::string path;
  StoreAddress address;
};

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST_F(SqliteFiles, are_made_for_their_owner_alone) {
  const mode_t before = ::umask(0);
  const auto transactor = open_store(address);
  rows_of(*transactor, "INSERT INTO codes(id, uses) VALUES('a', 1)");
  ::umask(before);
  EXPECT_EQ(mode_of(path), 0600U);
  EXPECT_EQ(mode_of(path + "-wal"), 0600U);
  EXPECT_EQ(mode_of(path + "-shm"), 0600U);
}

TEST_F(SqliteFiles, that_others_may_read_are_refused) {
  ASSERT_EQ(refusal(), "");
  for (const mode_t mode : {0640, 0604, 0620, 0602, 0610}) {
    ::chmod(path.c_str(), mode);
    EXPECT_TRUE(contains(refusal(), "chmod 600")) << mode;
  }
  ::chmod(path.c_str(), 0600);
  EXPECT_EQ(refusal(), "");
  std::ofstream(path + "-wal").put('x');
  ::chmod((path + "-wal").c_str(), 0644);
  EXPECT_TRUE(contains(refusal(), "-wal: others"));
}

TEST_F(SqliteFiles, in_a_folder_that_everybody_may_write_are_refused) {
  ::chmod(folder.path().c_str(), 0777);
  EXPECT_TRUE(contains(refusal(), "everybody may write"));
  ::chmod(folder.path().c_str(), 01777);
  EXPECT_TRUE(contains(refusal(), "everybody may write"));
  ::chmod(folder.path().c_str(), 0755);
  EXPECT_EQ(refusal(), "");
}

TEST_F(SqliteFiles, behind_a_link_of_somebody_else_are_refused) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can make a link of somebody else";
  ASSERT_EQ(refusal(), "");
  std::filesystem::rename(path, folder.path() / "real.db");
  ASSERT_EQ(::symlink("real.db", path.c_str()), 0);
  EXPECT_EQ(refusal(), "");
  ASSERT_EQ(::lchown(path.c_str(), 65534, 65534), 0);
  EXPECT_TRUE(contains(refusal(), "symbolic link of somebody else"));
}

TEST_F(SqliteFiles, need_a_folder_and_a_regular_file) {
  address = sqlite_address(folder.path() / "missing" / "store.db");
  EXPECT_TRUE(contains(refusal(), "No such file"));
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "missing"));
  std::filesystem::create_directory(folder.path() / "it-is-a-folder");
  address = sqlite_address(folder.path() / "it-is-a-folder");
  EXPECT_TRUE(contains(refusal(), "no regular file"));
  ASSERT_EQ(::mkfifo((folder.path() / "pipe").c_str(), 0600), 0);
  address = sqlite_address(folder.path() / "pipe");
  EXPECT_TRUE(contains(refusal(), "no regular file"));
}

TEST_F(SqliteFiles, are_found_again_from_another_folder) {
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  const auto transactor = open_store(sqlite_address("store.db"));
  std::filesystem::current_path(before);
  EXPECT_EQ(code_of(transactor->run([](Database& database) { return insert_code(database, "a"); })), "");
  EXPECT_EQ(count_codes(*open_store(address)), 1);
}

// As VACUUM INTO leaves a backup: bytes 18 and 19 say how the file is written (sqlite.org/fileformat2.html).
TEST_F(SqliteFiles, that_come_back_without_a_log_are_opened_and_go_on) {
  rows_of(*open_store(address), "INSERT INTO codes(id, uses) VALUES('a', 1)");
  ASSERT_FALSE(std::filesystem::exists(path + "-wal"));
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(18);
  file.write("\1\1", 2);
  file.close();
  const auto transactor = open_store(address);
  ASSERT_NE(transactor, nullptr);
  EXPECT_TRUE(std::filesystem::exists(path + "-wal"));
  EXPECT_EQ(code_of(transactor->run([](Database& database) { return insert_code(database, "b"); })), "");
  EXPECT_EQ(count_codes(*transactor), 2);
}

TEST_F(SqliteFiles, are_made_only_by_whoever_may_make_them) {
  Transactor::Options options;
  options.address = address;
  options.migrations = migrations;
  options.access = Access::none;
  EXPECT_EQ(code_of(Transactor::open(options)), "store_unavailable");
  EXPECT_FALSE(std::filesystem::exists(path));
  ASSERT_EQ(refusal(), "");
  EXPECT_EQ(code_of(Transactor::open(options)), "");
}

TEST_F(SqliteFiles, of_other_programs_are_left_alone) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT, 0600);
  ASSERT_EQ(::write(file, "important words\n", 16), 16);
  ::close(file);
  EXPECT_NE(refusal(), "");
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  EXPECT_EQ(line, "important words");
}

TEST_F(SqliteFiles, that_are_taken_away_fail_what_would_be_lost) {
  const auto transactor = open_store(address);
  const auto insert = [](Database& database) { return insert_code(database, "a"); };
  std::filesystem::rename(path, folder.path() / "moved.db");
  EXPECT_EQ(code_of(transactor->run(insert)), "store_unavailable");
  EXPECT_FALSE(std::filesystem::exists(path));  // Nor is an empty one made in its place.
  EXPECT_EQ(code_of(transactor->run(insert)), "store_unavailable");
  EXPECT_FALSE(transactor->is_reachable());
}

// One connection without a transactor's thread: each step is seen.
class SqliteLog : public SqliteFiles {
 protected:
  SqliteLog() : connection(make_sqlite_connection(address)) {
    open_store(address) = nullptr;  // Makes the tables.
    EXPECT_EQ(connection->open(Access::none, 0, why), Opening::open) << why;
  }
  Result<void> insert(std::string_view id) {
    Result<void> outcome = connection->begin(false);
    if (!outcome) return outcome;
    EXPECT_TRUE(connection->begin_job());
    outcome = insert_code(*connection, id);
    EXPECT_TRUE(connection->keep_job());
    EXPECT_EQ(connection->commit(why), CommitOutcome::done) << why;
    return outcome;
  }
  // What a start behind a kill -9 of this moment finds.
  std::int64_t count_behind_a_kill() const {
    const TempFolder other;
    for (const std::string_view suffix : {"", "-wal"}) {
      if (std::filesystem::exists(cat(path, suffix))) {
        std::filesystem::copy_file(cat(path, suffix), other.path() / cat("store.db", suffix));
      }
    }
    return count_codes(*open_store(sqlite_address(other.path() / "store.db")));
  }

  std::unique_ptr<Connection> connection;
  std::string why;
};

TEST_F(SqliteLog, is_not_written_any_more_when_its_name_is_gone) {
  EXPECT_EQ(code_of(insert("a")), "");
  EXPECT_EQ(count_behind_a_kill(), 1);
  std::filesystem::remove(path + "-wal");
  EXPECT_EQ(count_behind_a_kill(), 0);  // So it would be lost.
  EXPECT_EQ(code_of(insert("b")), "store_unavailable");
  EXPECT_EQ(connection->trouble(), Trouble::failed);
  EXPECT_EQ(count_behind_a_kill(), 1);
  connection->close();
  ASSERT_EQ(connection->open(Access::none, 0, why), Opening::open) << why;
  EXPECT_EQ(code_of(insert("b")), "");
  EXPECT_EQ(count_behind_a_kill(), 2);
}

TEST_F(SqliteLog, is_not_written_any_more_when_another_file_has_its_name) {
  EXPECT_EQ(code_of(insert("a")), "");
  std::filesystem::copy_file(path + "-wal", path + "-copy");
  std::filesystem::rename(path + "-copy", path + "-wal");
  EXPECT_EQ(code_of(insert("b")), "store_unavailable");
  EXPECT_EQ(count_behind_a_kill(), 1);
}

TEST_F(SqliteLog, that_is_gone_counts_as_a_change) {
  EXPECT_EQ(code_of(insert("a")), "");
  connection->others_changed();
  EXPECT_FALSE(connection->others_changed());
  std::filesystem::remove(path + "-wal");
  EXPECT_TRUE(connection->others_changed());
}

// `keepgate client create` beside the server.
TEST_F(SqliteLog, stays_when_another_connection_comes_and_goes) {
  EXPECT_EQ(code_of(insert("a")), "");
  EXPECT_EQ(count_codes(*open_store(address)), 1);
  EXPECT_EQ(code_of(insert("b")), "");
  EXPECT_EQ(count_codes(*open_store(address)), 2);
}

TEST_F(SqliteLog, that_is_gone_costs_nothing_that_another_connection_sees) {
  EXPECT_EQ(code_of(insert("a")), "");
  const auto other = open_store(address);
  EXPECT_EQ(count_codes(*other), 1);
  std::filesystem::remove(path + "-wal");
  EXPECT_EQ(code_of(insert("b")), "store_unavailable");
  connection->close();
  ASSERT_EQ(connection->open(Access::none, 0, why), Opening::open) << why;
  EXPECT_EQ(code_of(insert("b")), "");
  EXPECT_EQ(count_behind_a_kill(), 2);
}

TEST_F(SqliteFiles, keep_what_was_told_when_their_log_is_removed) {
  const auto transactor = open_store(address);
  std::int64_t told = 0;
  for (int i = 0; i < 20; ++i) {
    if (i % 4 == 3) std::filesystem::remove(path + "-wal");
    const Result<void> outcome = transactor->run([i](Database& database) { return insert_code(database, cat(i)); });
    if (outcome) {
      ++told;
    } else {
      EXPECT_EQ(outcome.error().code, "store_unavailable") << outcome.error().detail;
    }
  }
  EXPECT_GE(told, 15);
  EXPECT_EQ(count_codes(*transactor), told);
}

// Inserts numbers from many askers until it is killed, and writes each to the pipe when it is told that it is there.
[[noreturn]] void insert_until_killed(const StoreAddress& address, int pipe, std::int64_t from) {
  Transactor::Options options;
  options.address = address;
  options.migrations = migrations;
  auto transactor = Transactor::open(options);
  if (!transactor) ::_exit(3);
  std::atomic<std::int64_t> next{from};
  std::vector<std::thread> askers;
  for (int i = 0; i < 8; ++i) {
    askers.emplace_back([&] {
      while (true) {
        const std::int64_t id = next++;
        const auto job = [id](Database& database) { return insert_code(database, cat(id)); };
        if (!(*transactor)->run(job)) continue;
        if (::write(pipe, &id, sizeof id) != sizeof id) ::_exit(4);
      }
    });
  }
  for (std::thread& asker : askers) asker.join();
  ::_exit(5);
}

TEST_F(SqliteFiles, keep_what_was_told_to_be_done_over_kill_9) {
  constexpr int rounds = 15;
  std::vector<std::int64_t> told;
  for (int round = 0; round < rounds; ++round) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const pid_t child = ::fork();
    if (child == 0) insert_until_killed(address, ends[1], round * 1'000'000);
    ::close(ends[1]);
    // Another number of answers in each round, so that it ends at another place.
    std::int64_t id = 0;
    for (int i = 0; i < 20 + 37 * round; ++i) {
      ASSERT_EQ(::read(ends[0], &id, sizeof id), static_cast<ssize_t>(sizeof id));
      told.push_back(id);
    }
    ::kill(child, SIGKILL);
    while (::read(ends[0], &id, sizeof id) == static_cast<ssize_t>(sizeof id)) told.push_back(id);
    ::close(ends[0]);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  }
  const auto transactor = open_store(address);
  for (const std::int64_t id : told) {
    EXPECT_EQ(rows_of(*transactor, "SELECT id FROM codes WHERE id = $1", {cat(id)}).size(), 1U) << id;
  }
}

// In a process of its own, since the limit cannot be taken back for the other tests. SIGXFSZ must be ignored.
TEST_F(SqliteFiles, that_cannot_grow_fail_their_jobs_and_work_again_when_they_can) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    Transactor::Options options;
    options.address = address;
    options.migrations = migrations;
    auto transactor = Transactor::open(options);
    if (!transactor) ::_exit(2);
    rlimit limit{};
    ::getrlimit(RLIMIT_FSIZE, &limit);
    const rlim_t before = limit.rlim_cur;
    limit.rlim_cur = 200'000;
    ::setrlimit(RLIMIT_FSIZE, &limit);
    std::int64_t good = 0, refused = 0;
    for (int i = 0; i < 400; ++i) {
      const Result<void> outcome = (*transactor)->run([i](Database& database) {
        return none(
            database.run("INSERT INTO codes(id, uses, note) VALUES($1, 0, $2)", {cat(i), std::string(2'000, 'x')}));
      });
      if (outcome) {
        ++good;
      } else if (is_unavailable(outcome.error())) {
        ++refused;
      } else {
        ::_exit(3);
      }
    }
    if (good == 0 || refused == 0) ::_exit(4);
    if (count_codes(**transactor) != good) ::_exit(5);
    limit.rlim_cur = before;
    ::setrlimit(RLIMIT_FSIZE, &limit);
    if (!(*transactor)->run([](Database& database) { return insert_code(database, "again"); })) ::_exit(6);
    if (count_codes(**transactor) != good + 1) ::_exit(7);
    ::_exit(0);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0) << "it ended with " << WEXITSTATUS(status);
}

TEST_F(SqliteFiles, may_be_written_by_two_processes_at_once) {
  constexpr int jobs = 300;
  const pid_t child = ::fork();
  const auto insert_all = [this](std::string_view name) {
    const auto transactor = open_store(address);
    int done = 0;
    for (int i = 0; transactor && i < jobs; ++i) {
      done += transactor->run([&](Database& database) { return insert_code(database, cat(name, i)); }).has_value();
    }
    return done;
  };
  if (child == 0) ::_exit(insert_all("theirs") == jobs ? 0 : 1);
  EXPECT_EQ(insert_all("ours"), jobs);
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(count_codes(*open_store(address)), 2 * jobs);
}

TEST_F(SqliteFiles, are_made_once_by_processes_that_start_at_once) {
  for (int round = 0; round < 10; ++round) {
    address = sqlite_address((folder.path() / cat("store", round, ".db")).string());
    std::vector<pid_t> children;
    for (int i = 0; i < 4; ++i) {
      const pid_t child = ::fork();
      if (child == 0) {
        const std::string why = refusal();
        if (!why.empty()) std::fprintf(stderr, "%s\n", why.c_str());
        ::_exit(why.empty() ? 0 : 1);
      }
      children.push_back(child);
    }
    for (const pid_t child : children) {
      int status = -1;
      ASSERT_EQ(::waitpid(child, &status, 0), child);
      EXPECT_EQ(status, 0);
    }
    EXPECT_EQ(count_codes(*open_store(address)), 0);
  }
}

TEST_F(SqliteFiles, answer_selects_without_writing) {
  const auto transactor = open_store(address);
  rows_of(*transactor, "INSERT INTO codes(id, uses) VALUES('a', 1)");
  const auto before = state_of_file(path + "-wal");
  for (int i = 0; i < 10; ++i) EXPECT_EQ(count_codes(*transactor), 1);
  EXPECT_EQ(state_of_file(path + "-wal"), before);
}

}  // namespace
}  // namespace keepgate::store::test
