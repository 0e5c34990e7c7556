#include "auth/api_key_set.h"

#include <gtest/gtest.h>

#include "base/bytes.h"

namespace keepgate::auth {
namespace {

constexpr std::int64_t now_s = 1'000'000;
const std::string secret(32, 's');

struct Made {
  std::string key;
  ApiKeyRecord record;  // Its texts are literals or point into `key`.
};

Made make(std::string_view client = "orders-app") {
  Made out;
  out.key = make_api_key();
  out.record.id = std::string_view(out.key).substr(3, api_key_id_length);
  out.record.hash = hash_api_key(secret, out.key);
  out.record.created_s = now_s - 100;
  out.record.client = client;
  return out;
}

std::string line_of(const ApiKeyRecord& record) {
  Result<std::string> line = write_api_key_record(record);
  EXPECT_TRUE(line.has_value()) << line.error().detail;
  return line.value_or("");
}

Result<std::shared_ptr<const ApiKeySet>> build(const std::string& text, std::string_view its_secret = secret) {
  ApiKeySetBuilder builder{std::string(its_secret)};
  if (Result<void> added = builder.add(text); !added) return std::unexpected(added.error());
  return builder.finish();
}

std::shared_ptr<const ApiKeySet> set_of(const std::string& lines) {
  auto set = build(api_key_file_head(secret) + lines);
  EXPECT_TRUE(set.has_value()) << set.error().detail;
  return set.value_or(nullptr);
}

TEST(ApiKeySet, a_key_says_who_its_bearer_is) {
  Made one = make();
  one.record.user = "alice";
  one.record.roles = "reader,writer";
  one.record.scopes = "orders:read orders:write";
  const auto set = set_of(line_of(one.record));
  const CheckedApiKey checked = set->check(one.key, now_s);
  EXPECT_TRUE(checked.is_known);
  EXPECT_EQ(checked.state, ApiKeyState::active);
  ASSERT_NE(checked.principal, nullptr);
  EXPECT_EQ(checked.principal->method, AuthMethod::api_key);
  EXPECT_EQ(checked.principal->client, "orders-app");
  EXPECT_EQ(checked.principal->user, "alice");
  EXPECT_EQ(checked.principal->roles, (std::vector<std::string>{"reader", "writer"}));
  EXPECT_EQ(checked.principal->scopes, (std::vector<std::string>{"orders:read", "orders:write"}));
}

TEST(ApiKeySet, a_key_that_is_not_in_the_set_is_nobody) {
  const auto set = set_of(line_of(make().record));
  const CheckedApiKey checked = set->check(make_api_key(), now_s);
  EXPECT_FALSE(checked.is_known);
  EXPECT_EQ(checked.state, ApiKeyState::unknown);
  EXPECT_EQ(checked.principal, nullptr);
  EXPECT_EQ(set_of("")->check(make_api_key(), now_s).principal, nullptr);
}

TEST(ApiKeySet, a_known_id_with_another_secret_is_nobody) {
  Made one = make();
  const Made other = make();
  one.record.hash = other.record.hash;  // As if somebody had made a key of their own with this id.
  const CheckedApiKey checked = set_of(line_of(one.record))->check(one.key, now_s);
  EXPECT_EQ(checked.id, one.record.id);
  EXPECT_FALSE(checked.is_known);
  EXPECT_EQ(checked.principal, nullptr);
}

TEST(ApiKeySet, a_hash_of_zeros_opens_nothing) {
  Made one = make();
  one.record.hash = {};
  EXPECT_EQ(set_of(line_of(one.record))->check(one.key, now_s).principal, nullptr);
}

TEST(ApiKeySet, times_are_kept_to_the_second) {
  Made one = make();
  one.record.not_before_s = now_s;
  one.record.expires_s = now_s + 10;
  const auto set = set_of(line_of(one.record));
  EXPECT_EQ(set->check(one.key, now_s - 1).state, ApiKeyState::not_yet);
  EXPECT_EQ(set->check(one.key, now_s - 1).principal, nullptr);
  EXPECT_NE(set->check(one.key, now_s).principal, nullptr);
  EXPECT_NE(set->check(one.key, now_s + 9).principal, nullptr);
  EXPECT_EQ(set->check(one.key, now_s + 10).state, ApiKeyState::expired);
  EXPECT_EQ(set->check(one.key, now_s + 10).principal, nullptr);
}

TEST(ApiKeySet, a_later_line_replaces_an_earlier_one) {
  Made one = make();
  const std::string before = line_of(one.record);
  one.record.revoked_s = now_s;
  const auto set = set_of(before + line_of(one.record));
  EXPECT_EQ(set->size(), 1u);
  EXPECT_EQ(set->check(one.key, now_s).state, ApiKeyState::revoked);
  EXPECT_EQ(set->check(one.key, now_s).principal, nullptr);
}

TEST(ApiKeySet, what_is_appended_comes_before_what_was_there_and_leaves_the_old_set_alone) {
  Made one = make();
  const Made two = make("other-app");
  const auto before = set_of(line_of(one.record));
  one.record.revoked_s = now_s;
  ApiKeySetBuilder builder(*before);
  ASSERT_TRUE(builder.add(line_of(one.record) + line_of(two.record)).has_value());
  const auto after = *builder.finish();
  EXPECT_EQ(after->size(), 2u);
  EXPECT_EQ(after->check(one.key, now_s).state, ApiKeyState::revoked);
  EXPECT_EQ(after->check(two.key, now_s).principal->client, "other-app");
  EXPECT_NE(before->check(one.key, now_s).principal, nullptr);
  EXPECT_EQ(before->check(two.key, now_s).principal, nullptr);
}

TEST(ApiKeySet, thousands_of_keys_are_all_found) {
  std::vector<Made> keys;
  std::string text;
  for (int i = 0; i < 3000; ++i) {
    keys.push_back(make());
    text += line_of(keys.back().record);
  }
  const auto set = set_of(text);
  EXPECT_EQ(set->size(), keys.size());
  for (const Made& one : keys) ASSERT_NE(set->check(one.key, now_s).principal, nullptr);
}

TEST(ApiKeySet, the_secret_has_to_be_the_one_the_file_was_made_with) {
  const std::string text = api_key_file_head(secret) + line_of(make().record);
  EXPECT_TRUE(build(text).has_value());
  EXPECT_FALSE(build(text, std::string(32, 't')).has_value());
}

TEST(ApiKeySet, a_file_with_one_bad_line_is_refused_whole_and_the_line_is_named) {
  const auto set = build(api_key_file_head(secret) + line_of(make().record) + "nonsense\n");
  ASSERT_FALSE(set.has_value());
  EXPECT_TRUE(set.error().detail.starts_with("line 3: ")) << set.error().detail;
  EXPECT_EQ(set.error().detail.find("nonsense"), std::string::npos);
  EXPECT_FALSE(build("").has_value());
  EXPECT_FALSE(build("{\"keys\":[]}\n").has_value());
  EXPECT_FALSE(build(api_key_file_head(secret) + "\n").has_value());
}

TEST(ApiKeyRecord, is_read_back_as_it_was_written) {
  Made one = make("Ünïcode client");
  one.record.user = "alice";
  one.record.roles = "a,b c";
  one.record.scopes = "x y,z";
  one.record.owner = "team@example.com";
  one.record.note = "for the night job";
  one.record.successor = "0123456789AB";
  one.record.not_before_s = 5;
  one.record.expires_s = 6;
  one.record.revoked_s = 7;
  const std::string line = line_of(one.record);
  const auto back = parse_api_key_record(std::string_view(line).substr(0, line.size() - 1));
  ASSERT_TRUE(back.has_value()) << back.error().detail;
  EXPECT_EQ(line_of(*back), line);
  EXPECT_EQ(back->note, one.record.note);
  EXPECT_EQ(back->identity, "Ünïcode client\talice\ta,b c\tx y,z");
}

TEST(ApiKeyRecord, refuses_every_spoilt_column) {
  const Made one = make();
  const std::string line = line_of(one.record);
  ASSERT_TRUE(parse_api_key_record(std::string_view(line).substr(0, line.size() - 1)).has_value());
  std::vector<std::string> columns;
  for (std::size_t start = 0; start < line.size();) {
    const std::size_t end = line.find_first_of("\t\n", start);
    columns.push_back(line.substr(start, end - start));
    start = end + 1;
  }
  ASSERT_EQ(columns.size(), 13u);
  const auto with = [&](std::size_t column, const std::string& text) {
    std::string out;
    for (std::size_t i = 0; i < columns.size(); ++i) append(out, i > 0 ? "\t" : "", i == column ? text : columns[i]);
    return parse_api_key_record(out).has_value();
  };
  EXPECT_TRUE(with(12, "a note"));
  const std::pair<std::size_t, std::string> spoilt[] = {
      {0, ""},
      {0, "short"},
      {0, "0123456789A-"},
      {1, ""},
      {1, columns[1] + "A"},
      {1, columns[1].substr(1)},
      {1, std::string(43, '=')},
      {2, "-1"},
      {2, "0"},
      {2, "1e3"},
      {3, "99999999999999999999"},
      {4, " 1"},
      {5, "x"},
      {6, "x"},
      {7, ""},
      {7, " client"},
      {7, "a\rb"},
      {7, std::string("a\0b", 3)},
      {7, "\xff"},
      {7, "a\tb"},
      {8, "a\xe2\x80\xae"},
      {9, "a,,b"},
      {9, ","},
      {10, "a  b"},
      {10, " a"},
      {11, "a\x7f"},
      {12, "a\tb"},
      {12, std::string(9000, 'n')},
  };
  for (const auto& [column, text] : spoilt) EXPECT_FALSE(with(column, text)) << column << ' ' << printable(text, 40);
}

TEST(ApiKeyRecord, writes_nothing_that_could_not_be_read) {
  Made one = make();
  one.record.note = "two\nlines";
  EXPECT_FALSE(write_api_key_record(one.record).has_value());
  one.record.note = "";
  one.record.client = "";
  EXPECT_FALSE(write_api_key_record(one.record).has_value());
  one.record.client = "c";
  one.record.expires_s = -1;
  EXPECT_FALSE(write_api_key_record(one.record).has_value());
}

TEST(ApiKeySecret, is_256_bits_and_read_strictly) {
  const std::string text = make_api_key_secret();
  ASSERT_TRUE(parse_api_key_secret(text).has_value());
  EXPECT_EQ(parse_api_key_secret(text)->size(), 32u);
  EXPECT_FALSE(parse_api_key_secret("").has_value());
  EXPECT_FALSE(parse_api_key_secret("\n").has_value());
  EXPECT_FALSE(parse_api_key_secret("AAAA\n").has_value());
  EXPECT_FALSE(parse_api_key_secret(text + "\n").has_value());
  EXPECT_NE(make_api_key_secret(), text);
}

}  // namespace
}  // namespace keepgate::auth
