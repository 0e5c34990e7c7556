// What SQLite does to the disk, failed at the N-th call, for all N: nothing that was told to be done is lost.
#include <dlfcn.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/log.h"
#include "store/store_for_tests.h"

namespace keepgate::store::test {
namespace {

// One thread of one transactor works while this is armed. 0: nothing is failed.
std::atomic<int> fail_at{0}, calls_seen{0}, fault{EIO}, syncs{0};
std::atomic<bool> fails_for_good{false};

bool is_to_fail() {
  const int at = fail_at;
  if (at == 0) return false;
  const int seen = ++calls_seen;
  if (seen != at && !(fails_for_good && seen > at)) return false;
  errno = fault;
  return true;
}

ssize_t failing_pwrite(int file, const void* bytes, std::size_t count, off_t offset) {
  return is_to_fail() ? -1 : ::pwrite(file, bytes, count, offset);
}
int failing_ftruncate(int file, off_t size) { return is_to_fail() ? -1 : ::ftruncate(file, size); }

template <typename Function>
sqlite3_syscall_ptr as_system_call(Function* function) {
  return reinterpret_cast<sqlite3_syscall_ptr>(function);
}

}  // namespace

// SQLite's own table of system calls does not have the two that put things on the disk: the program's are found before
// the C library's.
extern "C" int fdatasync(int file) {
  ++syncs;
  return is_to_fail() ? -1 : static_cast<int>(::syscall(SYS_fdatasync, file));
}
extern "C" int fsync(int file) {
  ++syncs;
  return is_to_fail() ? -1 : static_cast<int>(::syscall(SYS_fsync, file));
}

namespace {

class DiskFaults : public testing::Test {
 protected:
  DiskFaults() : path((folder.path() / "store.db").string()), vfs(sqlite3_vfs_find("unix")) {
    vfs->xSetSystemCall(vfs, "pwrite64", as_system_call(failing_pwrite));
    vfs->xSetSystemCall(vfs, "pwrite", as_system_call(failing_pwrite));
    vfs->xSetSystemCall(vfs, "ftruncate", as_system_call(failing_ftruncate));
  }
  ~DiskFaults() override {
    fail_at = 0;
    vfs->xSetSystemCall(vfs, nullptr, nullptr);
  }

  // The words of SQLite about its file.
  std::string integrity() const {
    sqlite3* handle = nullptr;
    std::string words;
    EXPECT_EQ(sqlite3_open_v2(path.c_str(), &handle, SQLITE_OPEN_READWRITE, nullptr), SQLITE_OK);
    const auto take = [](void* into, int, char** values, char**) {
      *static_cast<std::string*>(into) += values[0];
      return 0;
    };
    EXPECT_EQ(sqlite3_exec(handle, "PRAGMA integrity_check", take, &words, nullptr), SQLITE_OK);
    sqlite3_close(handle);
    return words;
  }

  // Ten commits, of which the N-th call to the disk fails. Tells whether there was an N-th.
  bool try_fault(int at, int error, bool for_good) {
    std::filesystem::remove_all(path);
    std::filesystem::remove_all(path + "-wal");
    std::filesystem::remove_all(path + "-shm");
    auto transactor = open_store(sqlite_address(path));
    fault = error;
    fails_for_good = for_good;
    calls_seen = 0;
    fail_at = at;
    std::vector<std::string> told;
    for (int i = 0; i < 10; ++i) {
      const std::string id = cat(i);
      const Result<void> outcome = transactor->run([&](Database& database) {
        // Large enough that there is a checkpoint among them.
        return none(
            database.run("INSERT INTO codes(id, uses, note) VALUES($1, 0, $2)", {id, std::string(450'000, 'x')}));
      });
      if (outcome) {
        told.push_back(id);
      } else {
        EXPECT_EQ(outcome.error().code, "store_unavailable") << outcome.error().detail;
      }
    }
    const bool has_failed = calls_seen >= at;
    fail_at = 0;
    // It works again without a new start...
    EXPECT_EQ(code_of(transactor->run([](Database& database) { return insert_code(database, "behind"); })), "");
    told.emplace_back("behind");
    for (int opened = 0; opened < 2; ++opened) {  // ... and what was told is there, before and after one.
      for (const std::string& id : told) {
        EXPECT_EQ(rows_of(*transactor, "SELECT id FROM codes WHERE id = $1", {id}).size(), 1U) << id << " at " << at;
      }
      transactor = opened == 0 ? nullptr : std::move(transactor);
      if (!transactor) transactor = open_store(sqlite_address(path));
    }
    transactor = nullptr;
    EXPECT_EQ(integrity(), "ok") << at;
    return has_failed;
  }

  TempFolder folder;
  std::string path;
  sqlite3_vfs* vfs;
};

TEST_F(DiskFaults, cannot_take_what_is_told_only_when_it_is_on_the_disk) {
  const auto transactor = open_store(sqlite_address(path));
  for (int i = 0; i < 5; ++i) {
    const int before = syncs;
    EXPECT_EQ(code_of(transactor->run([i](Database& database) { return insert_code(database, cat(i)); })), "");
    EXPECT_GT(syncs, before);
    const int behind = syncs;
    EXPECT_EQ(count_codes(*transactor), i + 1);
    EXPECT_EQ(syncs, behind);  // What only reads does not wait for the disk.
  }
}

TEST_F(DiskFaults, lose_nothing_that_was_told_to_be_done) {
  set_log_level(LogLevel::emerg);
  int at = 1;
  // The first calls one by one: the first commits. Then, in the midst of large ones, here and there.
  while (try_fault(at, at % 2 == 0 ? EIO : ENOSPC, false)) at += at < 24 ? 1 : 331;
  EXPECT_GT(at, 1'000);
  set_log_level(LogLevel::error);
}

TEST_F(DiskFaults, that_stay_fail_everything_until_they_are_over) {
  set_log_level(LogLevel::emerg);
  for (const int at : {1, 2, 3, 300, 1'500}) EXPECT_TRUE(try_fault(at, ENOSPC, true)) << at;
  set_log_level(LogLevel::error);
}

// A file system of a megabyte in a mount namespace of a process that ends.
[[noreturn]] void fill_disk(const std::string& folder) {
  if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      ::mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=1m,mode=0700") != 0) {
    ::_exit(77);
  }
  const auto transactor = open_store(sqlite_address(folder + "/store.db"));
  if (!transactor) ::_exit(2);
  std::int64_t done = 0, refused = 0;
  for (int i = 0; i < 1'000; ++i) {
    const Result<void> outcome = transactor->run([i](Database& database) {
      return none(
          database.run("INSERT INTO codes(id, uses, note) VALUES($1, 0, $2)", {cat(i), std::string(2'000, 'x')}));
    });
    if (!outcome && !is_unavailable(outcome.error())) ::_exit(3);
    ++(outcome ? done : refused);
  }
  if (done == 0 || refused == 0) ::_exit(4);
  if (::mount("tmpfs", folder.c_str(), "tmpfs", MS_REMOUNT, "size=8m") != 0) ::_exit(77);
  if (!transactor->run([](Database& database) { return insert_code(database, "again"); })) ::_exit(5);
  ::_exit(count_codes(*transactor) == done + 1 ? 0 : 6);
}

TEST_F(DiskFaults, of_a_full_disk_fail_the_jobs_until_there_is_room) {
  const pid_t child = ::fork();
  if (child == 0) fill_disk(folder.path().string());
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) GTEST_SKIP() << "no file system can be mounted here";
  EXPECT_EQ(status, 0) << "it ended with " << WEXITSTATUS(status);
}

}  // namespace
}  // namespace keepgate::store::test
