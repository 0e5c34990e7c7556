// Following lists of revocations, on a simulated clock and without a network.
#include "issuer/feed_keeper.h"

#include <gtest/gtest.h>

#include <deque>
#include <filesystem>

#include "base/bytes.h"
#include "base/temp_folder_for_tests.h"
#include "store/files.h"
#include "store/revocation_copy.h"

namespace keepgate::issuer {
namespace {

const std::string feed_url = "https://as.example/revocations";

// What a server answers.
struct Said {
  unsigned status = 200;
  std::string version = {}, body = {};
  std::string epoch = {};
  std::string type = "text/plain; charset=utf-8";
  bool says_length = true;
  std::string after = {};
};

class FeedServer final : public fetch::Fetcher {
 public:
  void fetch(fetch::Request request, Callback callback) override {
    ++count;
    last = std::move(request);
    callbacks.push_back(std::move(callback));
  }
  void answer(const Said& said) {
    fetch::Response response;
    response.status = said.status;
    response.body = said.body;
    if (!said.version.empty()) response.headers.push_back({"revocation-version", said.version});
    if (!said.epoch.empty()) response.headers.push_back({"revocation-epoch", said.epoch});
    if (!said.after.empty()) response.headers.push_back({"revocation-after", said.after});
    if (!said.type.empty()) response.headers.push_back({"content-type", said.type});
    if (said.says_length) response.headers.push_back({"content-length", cat(said.body.size())});
    end(std::move(response));
  }
  void break_off() { end(keepgate::fail(ErrorKind::unreachable, Blame::upstream, "fetch_failed", "nobody is there")); }
  std::size_t under_way() const { return callbacks.size(); }

  int count = 0;
  fetch::Request last;

 private:
  void end(Result<fetch::Response> result) {
    ASSERT_EQ(callbacks.size(), 1U) << "one question at a time";
    const Callback callback = std::move(callbacks.front());
    callbacks.pop_front();
    callback(std::move(result));
  }
  std::deque<Callback> callbacks;
};

// A gateway that follows one feed.
class Feeds : public testing::Test {
 protected:
  Feeds() : keeper(server, [this](const std::function<void(Now)>& action) { action(now); }, [this] { return chance; }) {
    options.url = feed_url;
  }
  void start() { use(std::make_shared<RevocationFeed>(options)); }
  void use(std::shared_ptr<RevocationFeed> its_feed) {
    feed = std::move(its_feed);
    keeper.use({feed}, now);
    next_ms = keeper.advance(now);
  }
  // Time passes; what becomes due on the way is begun.
  void pass(std::int64_t ms) {
    const std::int64_t end_ms = now.monotonic_ms + ms;
    for (next_ms = keeper.advance(now); next_ms <= end_ms; next_ms = keeper.advance(now)) {
      now.monotonic_ms = std::max(next_ms, now.monotonic_ms + 1);
    }
    now.monotonic_ms = end_ms;
    next_ms = keeper.advance(now);
  }
  void answer(const Said& said) {
    server.answer(said);
    next_ms = keeper.advance(now);
  }
  // The first list, and the next question is under way.
  void start_with(std::string version, std::string body, std::string epoch = "") {
    start();
    answer({.version = std::move(version), .body = std::move(body), .epoch = std::move(epoch)});
    pass(100);
    ASSERT_EQ(server.under_way(), 1U);
  }
  bool revokes(std::string_view name) const {
    auth::RevocableNames names;
    names.subject = name;
    const auto list = feed->list().current();
    return list && list->find(names, now).has_value();
  }

  Now now{1'000'000, 1'900'000'000'000};
  double chance = 0.5;
  std::int64_t next_ms = 0;
  FeedOptions options;
  FeedServer server;
  std::shared_ptr<RevocationFeed> feed;
  FeedKeeper keeper;
};

TEST_F(Feeds, are_asked_as_agreed) {
  options.client_id = "gate way";
  options.client_secret = std::make_shared<const std::string>("s+:é");
  options.wait_s = 20;
  start();
  EXPECT_EQ(server.last.url, feed_url + "?after=0&wait=0");
  EXPECT_EQ(server.last.method, fetch::Method::get);
  EXPECT_TRUE(server.last.is_secret);
  EXPECT_EQ(server.last.redirects_max, 0U);
  EXPECT_EQ(server.last.reach, fetch::Reach::global);
  EXPECT_EQ(server.last.plain, fetch::Plain::refused);
  EXPECT_EQ(server.last.body_bytes_max, std::size_t{64} << 20);
  ASSERT_EQ(server.last.headers.size(), 2U);
  EXPECT_EQ(server.last.headers[0].value, "text/plain");
  EXPECT_EQ(server.last.headers[1].value, "Basic Z2F0ZSt3YXk6cyUyQiUzQSVDMyVBOQ==");
  EXPECT_FALSE(feed->was_asked());
  answer({.version = "7", .body = "sub a\n"});
  EXPECT_TRUE(feed->was_asked());
  EXPECT_TRUE(revokes("a"));
  EXPECT_EQ(server.under_way(), 0U);
  pass(100);
  EXPECT_EQ(server.last.url, feed_url + "?after=7&wait=20");
  EXPECT_EQ(server.last.silence_s_max, 25);
  EXPECT_EQ(server.last.timeout_ms, 140'000);
}

TEST_F(Feeds, whose_url_has_a_query_keep_it) {
  options.url = feed_url + "?list=all";
  start();
  EXPECT_EQ(server.last.url, feed_url + "?list=all&after=0&wait=0");
}

TEST_F(Feeds, have_one_question_under_way_and_the_next_right_behind_its_answer) {
  start_with("1", "sub a\n");
  EXPECT_EQ(server.count, 2);
  pass(29'000);
  EXPECT_EQ(server.count, 2) << "the server holds it back";
  answer({.version = "2", .body = "sub a\nsub b\n"});
  EXPECT_TRUE(revokes("a") && revokes("b"));
  pass(99);
  EXPECT_EQ(server.count, 2);
  pass(1);
  EXPECT_EQ(server.count, 3);
  pass(30'000);
  answer({.status = 304, .version = "2"});
  EXPECT_EQ(server.count, 4) << "at once: it was held back";
  pass(10);
  answer({.status = 304, .version = "2"});
  pass(989);
  EXPECT_EQ(server.count, 4) << "a server that holds nothing back is asked once a second";
  pass(1);
  EXPECT_EQ(server.count, 5);
  answer({.version = "3", .body = "sub b\n"});
  EXPECT_FALSE(revokes("a")) << "the list is whole: what it has no more is no longer taken back";
  EXPECT_TRUE(revokes("b"));
}

TEST_F(Feeds, without_a_list_know_nothing_until_there_is_one) {
  start();
  EXPECT_EQ(feed->list().current(), nullptr);
  server.break_off();
  EXPECT_TRUE(feed->was_asked());
  EXPECT_EQ(feed->list().current(), nullptr);
  pass(20'000);
  answer({.version = "1", .body = ""});
  ASSERT_NE(feed->list().current(), nullptr) << "an empty list is one";
  EXPECT_EQ(feed->list().current()->size(), 0U);
}

TEST_F(Feeds, that_never_had_an_entry_may_say_so) {
  start();
  answer({.status = 304, .version = "0"});
  ASSERT_NE(feed->list().current(), nullptr);
  EXPECT_EQ(feed->known().version, 0U);
  pass(1'000);
  EXPECT_EQ(server.last.url, feed_url + "?after=0&wait=30");
}

TEST_F(Feeds, nothing_that_cannot_be_used_changes_what_is_in_force) {
  start_with("5", "sub a\n", "e");
  const Said odd[] = {
      {.status = 401, .version = "6", .body = "sub b\n"},
      {.status = 403, .version = "6", .body = ""},
      {.status = 404, .version = "6", .body = ""},
      {.status = 302, .version = "6", .body = ""},
      {.status = 500, .version = "6", .body = ""},
      {.status = 503},
      {.status = 204, .version = "6"},
      {.status = 206, .version = "6", .body = ""},
      {.version = "", .body = "sub b\n"},
      {.version = "x", .body = "sub b\n"},
      {.version = "-6", .body = "sub b\n"},
      {.version = "6 ", .body = "sub b\n"},
      {.version = "18446744073709551616", .body = "sub b\n"},
      {.version = "6", .body = "sub b\nnonsense\n"},
      {.version = "6", .body = "sub b\nsub c"},
      {.version = "6", .body = "sub b\n", .type = "text/html"},
      {.version = "6", .body = "sub b\n", .type = ""},
      {.version = "6", .body = "sub b\n", .type = "text/plainer"},
      {.version = "6", .body = "sub b\n", .says_length = false},
      {.version = "6", .body = "sub b\n", .epoch = "e e"},
      {.version = "6", .body = "sub b\n", .epoch = std::string(RevocationFeed::epoch_bytes_max + 1, 'e')},
      {.version = "4", .body = ""},
      {.version = "0", .body = ""},
      {.version = "4", .body = "", .epoch = "e"},
      {.status = 304, .version = "4"},
      {.status = 304, .version = "6"},
      {.status = 304},
  };
  for (const Said& one : odd) {
    answer(one);
    EXPECT_TRUE(revokes("a")) << one.status << one.version << one.body;
    EXPECT_FALSE(revokes("b")) << one.status << one.version << one.body;
    EXPECT_EQ(feed->known().version, 5U);
    EXPECT_EQ(server.under_way(), 0U);
    pass(15'000);
    ASSERT_EQ(server.under_way(), 1U);
    EXPECT_EQ(server.last.url, feed_url + "?after=5&wait=30&epoch=e");
  }
  answer({.version = "6", .body = "sub b\n", .epoch = "e"});
  EXPECT_TRUE(revokes("b"));
}

TEST_F(Feeds, of_a_server_that_began_anew_replace_what_is_in_force) {
  start_with("50", "sub a\n", "first");
  answer({.version = "3", .body = "sub b\n"});
  EXPECT_TRUE(revokes("a")) << "no word of another beginning";
  pass(15'000);
  answer({.version = "3", .body = "sub b\n", .epoch = "second"});
  EXPECT_TRUE(revokes("b"));
  EXPECT_FALSE(revokes("a"));
  pass(100);
  EXPECT_EQ(server.last.url, feed_url + "?after=3&wait=30&epoch=second");
  answer({.version = "4", .body = "sub c\n"});
  pass(100);
  EXPECT_EQ(feed->known().epoch, "second") << "what is not said stays so";
  // Nothing changed, says another server than the one before: it has to show all of its list.
  answer({.status = 304, .version = "4", .epoch = "third"});
  EXPECT_TRUE(revokes("c"));
  pass(100);
  EXPECT_EQ(server.last.url, feed_url + "?after=0&wait=0");
  answer({.version = "1", .body = "sub d\n", .epoch = "third"});
  EXPECT_TRUE(revokes("d"));
  EXPECT_FALSE(revokes("c"));
}

TEST_F(Feeds, that_fail_are_asked_ever_more_slowly_and_not_all_at_once) {
  start_with("1", "sub a\n");
  std::vector<std::int64_t> pauses;
  for (int i = 0; i < 8; ++i) {
    server.break_off();
    next_ms = keeper.advance(now);
    pauses.push_back(next_ms - now.monotonic_ms);
    pass(pauses.back());
  }
  EXPECT_EQ(pauses, (std::vector<std::int64_t>{375, 750, 1'500, 3'000, 6'000, 11'250, 11'250, 11'250}));
  chance = 0;
  server.break_off();
  EXPECT_EQ(keeper.advance(now) - now.monotonic_ms, 7'500);
  pass(7'500);
  answer({.status = 304, .version = "1"});
  pass(1'000);
  server.break_off();
  EXPECT_EQ(keeper.advance(now) - now.monotonic_ms, 250) << "as before the first failure";
  EXPECT_TRUE(revokes("a"));
}

TEST_F(Feeds, that_are_no_longer_wanted_are_not_listened_to) {
  start_with("1", "sub a\n");
  keeper.use({}, now);
  server.answer({.version = "2", .body = "sub b\n"});
  EXPECT_FALSE(revokes("b"));
  EXPECT_EQ(keeper.advance(now), INT64_MAX);
}

TEST_F(Feeds, are_the_same_over_a_reload) {
  start_with("1", "sub a\n");
  keeper.use({feed}, now);
  keeper.advance(now);
  EXPECT_EQ(server.count, 2) << "the question goes on";
  answer({.version = "2", .body = "sub b\n"});
  EXPECT_TRUE(revokes("b"));
}

TEST_F(Feeds, with_other_options_go_on_with_the_list_that_is_known) {
  start_with("9", "sub a\n");
  const auto before = feed;
  options.wait_s = 10;
  EXPECT_FALSE(options.same_as(before->options()));
  feed = std::make_shared<RevocationFeed>(options, before.get());
  EXPECT_TRUE(revokes("a"));
  EXPECT_EQ(feed->known().version, 9U);
  options.client_id = "another";
  options.client_secret = std::make_shared<const std::string>("x");
  feed = std::make_shared<RevocationFeed>(options, feed.get());
  EXPECT_TRUE(revokes("a"));
  EXPECT_EQ(feed->known().version, std::nullopt) << "another client may be shown another list";
  options.url += "/other";
  feed = std::make_shared<RevocationFeed>(options, feed.get());
  EXPECT_EQ(feed->list().current(), nullptr);
}

TEST_F(Feeds, keep_their_last_list_on_disk) {
  const TempFolder folder;
  options.cache = (folder.path() / "copy").string();
  start_with("5", "sub a\n", "e");
  EXPECT_EQ((*store::read_revocation_copy(options.cache, feed_url))->version, 5U);
  answer({.version = "6", .body = "sub a\nsub b\n"});
  const auto copy = store::read_revocation_copy(options.cache, feed_url);
  EXPECT_EQ((*copy)->version, 6U);
  EXPECT_EQ((*copy)->epoch, "e");
  EXPECT_EQ((*copy)->text, "sub a\nsub b\n");

  // A new start, and nobody is there.
  feed = std::make_shared<RevocationFeed>(options);
  feed->restore();
  EXPECT_EQ(feed->restore_fault(), "");
  EXPECT_TRUE(revokes("a") && revokes("b"));
  FeedServer other;
  FeedKeeper second(other, [this](const std::function<void(Now)>& action) { action(now); }, [] { return 0.5; });
  second.use({feed}, now);
  second.advance(now);
  EXPECT_EQ(other.last.url, feed_url + "?after=6&wait=0&epoch=e") << "what is on the disk may be old";
  other.break_off();
  EXPECT_TRUE(revokes("a") && revokes("b"));
  now.monotonic_ms += 15'000;
  second.advance(now);
  other.answer({.version = "7", .body = "sub c\n"});
  EXPECT_TRUE(revokes("c"));

  // Another place, another copy: all of the list is asked for.
  options.cache += "2";
  feed = std::make_shared<RevocationFeed>(options, feed.get());
  EXPECT_EQ(feed->known().version, std::nullopt);
  EXPECT_TRUE(revokes("c"));
}

TEST_F(Feeds, that_tell_additions_only_keep_all_they_had) {
  start_with("5", "sub a\n", "e");
  EXPECT_EQ(server.last.url, feed_url + "?after=5&wait=30&epoch=e");
  answer({.version = "7", .body = "sub b\n", .epoch = "e", .after = "5"});
  EXPECT_TRUE(revokes("a") && revokes("b"));
  EXPECT_EQ(feed->known().version, 7U);
  pass(100);
  EXPECT_EQ(server.last.url, feed_url + "?after=7&wait=30&epoch=e");
  answer({.version = "8", .body = "", .epoch = "e", .after = "7"});
  EXPECT_TRUE(revokes("a") && revokes("b"));
  EXPECT_EQ(feed->known().version, 8U);
  pass(100);
  answer({.version = "9", .body = "sub c\n", .epoch = "e"});
  EXPECT_FALSE(revokes("a")) << "a whole list is all there is";
  EXPECT_TRUE(revokes("c"));
}

TEST_F(Feeds, additions_to_another_list_are_not_taken_and_all_of_it_is_asked_for) {
  const Said odd[] = {
      {.version = "6", .body = "sub b\n", .epoch = "e", .after = "4"},
      {.version = "7", .body = "sub b\n", .epoch = "e", .after = "6"},
      {.version = "6", .body = "sub b\n", .epoch = "other", .after = "5"},
      {.version = "6", .body = "sub b\n", .after = "5"},
      {.version = "4", .body = "sub b\n", .epoch = "e", .after = "5"},
      {.version = "6", .body = "sub b\n", .epoch = "e", .after = "x"},
      {.version = "6", .body = "sub b\nnonsense\n", .epoch = "e", .after = "5"},
  };
  start_with("5", "sub a\n", "e");
  for (const Said& one : odd) {
    answer(one);
    EXPECT_TRUE(revokes("a")) << one.after << one.epoch;
    EXPECT_FALSE(revokes("b")) << one.after << one.epoch;
    pass(15'000);
    ASSERT_EQ(server.under_way(), 1U);
    EXPECT_EQ(server.last.url, feed_url + "?after=0&wait=0");
    answer(one);
    EXPECT_TRUE(revokes("a") && !revokes("b")) << "nobody asked for additions";
    pass(15'000);
    answer({.version = "4", .body = "", .epoch = "e"});
    EXPECT_TRUE(revokes("a")) << "an older list is still refused";
    pass(15'000);
    EXPECT_EQ(server.last.url, feed_url + "?after=0&wait=0");
    answer({.version = "5", .body = "sub a\n", .epoch = "e"});
    pass(100);
    ASSERT_EQ(server.last.url, feed_url + "?after=5&wait=30&epoch=e");
  }
}

TEST_F(Feeds, whose_epoch_cannot_stand_in_a_query_are_told_whole_lists) {
  start_with("5", "sub a\n", "e&f");
  EXPECT_EQ(server.last.url, feed_url + "?after=5&wait=30");
}

// What has ended is not on the server's list any more; ours would grow for ever.
TEST_F(Feeds, that_have_grown_much_are_asked_for_whole) {
  start_with("5", "sub a\n", "e");
  std::string text;
  for (std::size_t i = 0; i <= FeedBounds().added_max + 2; ++i) append(text, "jti t-", i, '\n');
  answer({.version = "6", .body = text, .epoch = "e", .after = "5"});
  EXPECT_TRUE(revokes("a"));
  pass(100);
  EXPECT_EQ(server.last.url, feed_url + "?after=0&wait=0");
  answer({.version = "6", .body = "sub a\n", .epoch = "e"});
  EXPECT_EQ(feed->list().current()->size(), 1U);
  EXPECT_TRUE(revokes("a"));
  pass(100);
  EXPECT_EQ(server.last.url, feed_url + "?after=6&wait=30&epoch=e");
}

TEST_F(Feeds, append_additions_to_their_copy) {
  const TempFolder folder;
  options.cache = (folder.path() / "copy").string();
  start_with("5", "sub a\n", "e");
  const auto inode = store::state_of_file(options.cache).inode;
  for (const std::string_view version : {"6", "7", "8"}) {
    answer({.version = std::string(version),
            .body = cat("sub s", version, "\n"),
            .epoch = "e",
            .after = cat(version[0] - '0' - 1)});
    pass(100);
  }
  EXPECT_EQ(store::state_of_file(options.cache).inode, inode) << "it was not written anew";
  const auto copy = store::read_revocation_copy(options.cache, feed_url);
  EXPECT_EQ((*copy)->version, 8U);
  EXPECT_EQ((*copy)->text, "sub a\nsub s6\nsub s7\nsub s8\n");

  // A new start goes on where it was, and appends.
  feed = std::make_shared<RevocationFeed>(options);
  feed->restore();
  FeedServer other;
  FeedKeeper second(other, [this](const std::function<void(Now)>& action) { action(now); }, [] { return 0.5; });
  second.use({feed}, now);
  second.advance(now);
  EXPECT_EQ(other.last.url, feed_url + "?after=8&wait=0&epoch=e");
  other.answer({.version = "9", .body = "sub s9\n", .epoch = "e", .after = "8"});
  second.advance(now);
  EXPECT_TRUE(revokes("a") && revokes("s7") && revokes("s9"));
  EXPECT_EQ((*store::read_revocation_copy(options.cache, feed_url))->version, 9U);
  EXPECT_EQ(store::state_of_file(options.cache).inode, inode);
}

TEST_F(Feeds, whose_copy_was_taken_away_ask_for_all_of_it_and_write_it) {
  const TempFolder folder;
  options.cache = (folder.path() / "copy").string();
  start_with("5", "sub a\n", "e");
  std::filesystem::remove(options.cache);
  answer({.version = "6", .body = "sub b\n", .epoch = "e", .after = "5"});
  EXPECT_TRUE(revokes("a") && revokes("b"));
  pass(100);
  EXPECT_EQ(server.last.url, feed_url + "?after=0&wait=0");
  answer({.version = "6", .body = "sub a\nsub b\n", .epoch = "e"});
  pass(100);
  EXPECT_EQ((*store::read_revocation_copy(options.cache, feed_url))->text, "sub a\nsub b\n");
}

TEST_F(Feeds, whose_copy_cannot_be_written_count_all_the_same_and_try_again) {
  const TempFolder folder;
  options.cache = (folder.path() / "gone" / "copy").string();
  start_with("5", "sub a\n", "e");
  EXPECT_TRUE(revokes("a"));
  answer({.version = "6", .body = "sub b\n", .epoch = "e", .after = "5"});
  std::filesystem::create_directory(folder.path() / "gone");
  pass(9'000);
  EXPECT_FALSE(std::filesystem::exists(options.cache));
  pass(1'000);
  EXPECT_EQ((*store::read_revocation_copy(options.cache, feed_url))->text, "sub a\nsub b\n");
  EXPECT_EQ((*store::read_revocation_copy(options.cache, feed_url))->version, 6U);
}

TEST_F(Feeds, with_other_options_write_what_was_not_written_yet) {
  const TempFolder folder;
  options.cache = (folder.path() / "gone" / "copy").string();
  start_with("5", "sub a\n", "e");
  const auto before = feed;
  answer({.version = "6", .body = "sub b\n", .epoch = "e", .after = "5"});
  options.wait_s = 10;
  options.cache = (folder.path() / "copy").string();
  use(std::make_shared<RevocationFeed>(options, before.get()));
  EXPECT_TRUE(revokes("a") && revokes("b"));
  EXPECT_EQ(server.last.url, feed_url + "?after=0&wait=0");
  answer({.version = "6", .body = "sub a\nsub b\n", .epoch = "e"});
  pass(100);
  ASSERT_TRUE(std::filesystem::exists(options.cache));
  EXPECT_EQ((*store::read_revocation_copy(options.cache, feed_url))->text, "sub a\nsub b\n");
  EXPECT_EQ(server.last.url, feed_url + "?after=6&wait=10&epoch=e") << "and it goes on as before";
}

TEST_F(Feeds, whose_copy_is_broken_know_nothing) {
  const TempFolder folder;
  options.cache = (folder.path() / "copy").string();
  ASSERT_TRUE(store::write_revocation_copy(options.cache, {5, "", feed_url, "sub a\nnonsense\n"}).has_value());
  feed = std::make_shared<RevocationFeed>(options);
  feed->restore();
  EXPECT_NE(feed->restore_fault().find("line 2"), std::string::npos) << feed->restore_fault();
  EXPECT_EQ(feed->list().current(), nullptr);
  options.cache += "2";
  feed = std::make_shared<RevocationFeed>(options);
  feed->restore();
  EXPECT_EQ(feed->restore_fault(), "") << "there is none";
  EXPECT_EQ(feed->list().current(), nullptr);
}

}  // namespace
}  // namespace keepgate::issuer
