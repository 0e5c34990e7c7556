#include "pipeline/stored_body.h"

#include <gtest/gtest.h>

#include <string>

namespace keepgate::pipeline {
namespace {

const std::string folder = "/tmp";
const std::string missing_folder = "/tmp/keepgate-no-such-folder";

std::string counted(std::size_t bytes) {
  std::string out(bytes, '\0');
  for (std::size_t i = 0; i < bytes; ++i) out[i] = static_cast<char>('a' + i % 23);
  return out;
}

std::string read_from(StoredBody& body, std::uint64_t offset) {
  std::string all;
  while (true) {
    const auto piece = body.piece(offset + all.size());
    EXPECT_TRUE(piece);
    if (!piece || piece->empty()) return all;
    all += *piece;
  }
}

TEST(StoredBody, keeps_nothing_of_nothing) {
  BufferPool pool;
  StoredBody body(pool, 16, folder);
  EXPECT_EQ(body.size(), 0U);
  EXPECT_EQ(read_from(body, 0), "");
  EXPECT_FALSE(body.spilled());
}

TEST(StoredBody, stays_in_memory_up_to_its_bound_and_spills_one_byte_later) {
  BufferPool pool;
  for (const std::size_t bound : {std::size_t{16}, BufferPool::head_bytes, std::size_t{16'384}, std::size_t{100'000}}) {
    StoredBody body(pool, bound, folder);
    ASSERT_TRUE(body.append(counted(bound)));
    EXPECT_FALSE(body.spilled());
    ASSERT_TRUE(body.append("!"));
    EXPECT_TRUE(body.spilled());
    EXPECT_EQ(body.size(), bound + 1);
    EXPECT_EQ(read_from(body, 0), counted(bound) + "!");
  }
}

TEST(StoredBody, gives_the_same_bytes_again_from_any_offset) {
  BufferPool pool;
  StoredBody body(pool, 1000, folder);
  const std::string all = counted(150'000);
  for (std::size_t at = 0; at < all.size(); at += 777) ASSERT_TRUE(body.append(std::string_view(all).substr(at, 777)));
  for (const std::size_t offset : {std::size_t{0}, std::size_t{999}, std::size_t{1000}, std::size_t{1001},
                                   std::size_t{149'999}, std::size_t{150'000}}) {
    EXPECT_EQ(read_from(body, offset), all.substr(offset)) << offset;
  }
  EXPECT_EQ(read_from(body, 0), all);
}

TEST(StoredBody, without_memory_everything_goes_to_the_file) {
  BufferPool pool;
  StoredBody body(pool, 0, folder);
  ASSERT_TRUE(body.append("abc"));
  EXPECT_TRUE(body.spilled());
  EXPECT_EQ(read_from(body, 1), "bc");
}

TEST(StoredBody, says_so_when_there_is_no_place_for_the_file) {
  BufferPool pool;
  StoredBody body(pool, 4, missing_folder);
  ASSERT_TRUE(body.append("abcd"));
  const auto failed = body.append("e");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().kind, ErrorKind::io);
  EXPECT_EQ(body.size(), 4U);
}

TEST(SpillFile, takes_and_gives_and_starts_over) {
  auto file = SpillFile::create(folder);
  ASSERT_TRUE(file);
  char bytes[8];
  EXPECT_EQ(*file->read(0, bytes, sizeof bytes), 0U);
  ASSERT_TRUE(file->append("hello"));
  EXPECT_EQ(*file->read(1, bytes, 3), 3U);
  EXPECT_EQ(std::string_view(bytes, 3), "ell");
  EXPECT_EQ(*file->read(5, bytes, 3), 0U);
  file->clear();
  EXPECT_EQ(file->size(), 0U);
  ASSERT_TRUE(file->append("new"));
  EXPECT_EQ(*file->read(0, bytes, sizeof bytes), 3U);
}

TEST(SpillFile, is_an_error_where_nothing_can_be_written) {
  EXPECT_FALSE(SpillFile::create(missing_folder));
  EXPECT_FALSE(SpillFile::create("/proc"));
}

}  // namespace
}  // namespace keepgate::pipeline
