// What API keys cost by the million: the file, reading it, memory, one look-up, one change. Prints a table; with a
// number as its argument, for that many keys.
//
// Unlike the loader this links the rooms it measures: it times functions, not a program.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "store/api_key_editor.h"
#include "store/api_key_file.h"

namespace {

using namespace keepgate;
using Clock = std::chrono::steady_clock;

double wall_seconds() { return std::chrono::duration<double>(Clock::now().time_since_epoch()).count(); }

// What this program used of a processor: the machine may have other things to do.
double cpu_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

// The middle one of several runs.
template <typename Work>
double median_of_runs(double (*seconds)(), Work work) {
  std::vector<double> runs;
  for (int i = 0; i < 7; ++i) {
    const double start = seconds();
    work();
    runs.push_back(seconds() - start);
  }
  std::ranges::nth_element(runs, runs.begin() + 3);
  return runs[3];
}

std::int64_t resident_kib() {
  long pages = 0, resident = 0;
  if (std::FILE* const file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%ld %ld", &pages, &resident) != 2) resident = 0;
    std::fclose(file);
  }
  return resident * 4;
}

struct Keys {
  std::string path, secret_path;
  std::vector<std::string> some;   // Spread over all.
  std::vector<std::string> wrong;  // Likewise: their ids are known, their secrets are others.
};

Keys make_keys(const std::string& folder, std::size_t count) {
  Keys out{folder + "/api_keys", {}, {}, {}};
  out.secret_path = store::secret_path_of(out.path);
  auto editor = store::ApiKeyEditor::open(out.path, out.secret_path, store::ApiKeyEditor::Access::create);
  KG_ASSERT(editor.has_value());
  std::string lines;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string key = auth::make_api_key();
    const std::string client = cat("client-", i);
    auth::ApiKeyRecord record;
    record.id = *auth::parse_api_key(key);
    record.hash = auth::hash_api_key(editor->secret(), key);
    record.created_s = 1;
    record.expires_s = std::int64_t{1} << 40;
    record.client = client;
    record.scopes = "orders:read orders:write";
    record.owner = "team@example.com";
    if (i % (count / 1000 + 1) == 1) {
      record.hash[31] ^= 1;
      out.wrong.push_back(key);
    }
    lines += *auth::write_api_key_record(record);
    if (i % (count / 1000 + 1) == 0) out.some.push_back(key);
    if (lines.size() > (1 << 20) || i + 1 == count) {
      KG_ASSERT(editor->append(lines).has_value());
      lines.clear();
    }
  }
  return out;
}

double ns_per_check(const auth::ApiKeySet& set, const std::vector<std::string>& keys, bool expected) {
  constexpr std::size_t rounds = 200;
  const double seconds = median_of_runs(cpu_seconds, [&] {
    for (std::size_t round = 0; round < rounds; ++round) {
      for (const std::string& key : keys) KG_ASSERT((set.check(key, 2).principal != nullptr) == expected);
    }
  });
  return seconds * 1e9 / static_cast<double>(rounds * keys.size());
}

void change_one(const Keys& keys, const std::string& key) {
  auto editor = store::ApiKeyEditor::open(keys.path, keys.secret_path, store::ApiKeyEditor::Access::change);
  KG_ASSERT(editor.has_value());
  const auto line = editor->find(*auth::parse_api_key(key));
  KG_ASSERT(line.has_value() && line->has_value());
  auth::ApiKeyRecord record = *auth::parse_api_key_record(**line);
  record.revoked_s = 3;
  KG_ASSERT(editor->append(*auth::write_api_key_record(record)).has_value());
}

}  // namespace

int main(int argc, char** argv) {
  const auto asked = argc > 1 ? parse_unsigned<std::size_t>(argv[1]) : std::optional<std::size_t>(1'000'000);
  if (!asked || *asked == 0 || *asked > auth::ApiKeyTable::keys_max) {
    std::fputs("usage: bench_api_keys [KEYS]\n", stderr);
    return 2;
  }
  std::string name = (std::filesystem::temp_directory_path() / "bench-keys-XXXXXX").string();
  const std::string folder = ::mkdtemp(name.data());
  const Keys keys = make_keys(folder, *asked);

  const std::int64_t before_kib = resident_kib();
  store::ApiKeyFile file(keys.path, keys.secret_path);
  const double start = cpu_seconds();
  KG_ASSERT(file.refresh(Now::read()).change == store::ApiKeyFile::Change::read);
  const double load_s = cpu_seconds() - start;
  const std::int64_t after_kib = resident_kib();
  const auto set = file.keys().current();

  std::vector<std::string> unknown, forged;
  for (const std::string& key : keys.some) {
    unknown.push_back(auth::make_api_key());
    forged.push_back(key.substr(0, key.size() - 1) + (key.back() == 'a' ? 'b' : 'a'));
  }
  std::printf("keys                              %12zu\n", set->size());
  std::printf("file                              %12.1f MiB\n",
              static_cast<double>(std::filesystem::file_size(keys.path)) / 1048576);
  std::printf("memory of the set                 %12.1f MiB, %.0f bytes a key\n",
              static_cast<double>(set->memory_bytes()) / 1048576,
              static_cast<double>(set->memory_bytes()) / static_cast<double>(set->size()));
  std::printf("resident memory that it added     %12.1f MiB\n", static_cast<double>(after_kib - before_kib) / 1024);
  std::printf("reading the whole file            %12.0f ms\n", load_s * 1e3);
  std::printf("look-up of a key                  %12.0f ns\n", ns_per_check(*set, keys.some, true));
  std::printf("look-up of an unknown key         %12.0f ns\n", ns_per_check(*set, unknown, false));
  std::printf("look-up with a wrong secret       %12.0f ns\n", ns_per_check(*set, keys.wrong, false));
  std::printf("refusing a wrong checksum         %12.0f ns\n", ns_per_check(*set, forged, false));

  std::size_t next = 0;
  const double change_s = median_of_runs(wall_seconds, [&] { change_one(keys, keys.some[next++ % keys.some.size()]); });
  std::printf("finding and revoking one (fsync)  %12.1f ms\n", change_s * 1e3);
  double seen_s = 0;
  for (int i = 0; i < 7; ++i) {
    change_one(keys, keys.some[next++ % keys.some.size()]);
    const double look = wall_seconds();
    file.refresh(Now::read());
    seen_s = std::max(seen_s, wall_seconds() - look);
  }
  std::printf("taking an appended change in      %12.2f ms at most\n", seen_s * 1e3);
  std::filesystem::remove_all(folder);
  return 0;
}
