// revocations: what is refused, and what is one object over reloads.
#include <gtest/gtest.h>

#include "auth/revocation_sources.h"
#include "conf/test_support.h"
#include "issuer/revocation_feed.h"
#include "store/revocation_copy.h"

namespace keepgate::conf {
namespace {

using test::check;
using test::check_http;
using test::load_file;
using test::Loaded;
using test::TempFolder;

constexpr const char* server_block = " server { listen 127.0.0.1:8080; location / { return 204; } }";
const std::string feed_of_a = "revocations https://a/r client_id=g client_secret_file=s";

TEST(RevocationsDirective, refuses_what_cannot_be_meant) {
  const std::pair<const char*, const char*> cases[] = {
      {"revocations;", "KG015"},
      {"revocations '';", "KG020"},
      {"revocations $host;", "KG020"},
      {"revocations file odd;", "KG021"},
      {"revocations gone;", "KG048"},
      {"revocations http://a/r;", "KG020"},
      {"revocations ftp://a/r;", "KG020"},
      {"revocations https://u:p@a/r;", "KG020"},
      {"revocations https://a/r#x;", "KG020"},
      {"revocations https://$host/r;", "KG020"},
      {"revocations https://a/r odd;", "KG021"},
      {"revocations https://a/r client_id=g;", "KG021"},
      {"revocations https://a/r client_secret_file=s;", "KG021"},
      {"revocations https://a/r client_id= client_secret_file=s;", "KG021"},
      {"revocations https://a/r client_id=g client_id=h client_secret_file=s;", "KG021"},
      {"revocations https://a/r client_id=g client_secret_file=gone;", "KG040"},
      {"revocations https://a/r ca=gone.pem;", "KG046"},
      {"revocations https://a/r wait=0s;", "KG021"},
      {"revocations https://a/r wait=301s;", "KG021"},
      {"revocations https://a/r wait=x;", "KG020"},
      {"revocations https://a/r cache=;", "KG021"},
      {"revocations https://a/r; revocations https://a/r wait=1s;", "KG016"},
      {"revocations https://a/r cache=c; revocations https://b/r cache=c;", "KG016"},
  };
  for (const auto& [text, complaint] : cases) {
    const Loaded loaded = check_http(cat(text, server_block));
    EXPECT_EQ(loaded.snapshot, nullptr) << text;
    EXPECT_TRUE(loaded.says(cat("error ", complaint))) << text << "\n" << loaded.complaints();
  }
}

TEST(RevocationsDirective, takes_so_many_servers) {
  const auto servers = [](int count) {
    std::string text;
    for (int i = 0; i < count; ++i) append(text, "revocations https://a/", i, " wait=300s; ");
    return check_http(text + server_block);
  };
  const Loaded most = servers(8);
  ASSERT_NE(most.snapshot, nullptr) << most.complaints();
  EXPECT_EQ(most.snapshot->revocations->size(), 8U);
  EXPECT_EQ(servers(9).snapshot, nullptr);
}

TEST(RevocationsDirective, is_required_unless_it_says_otherwise) {
  const TempFolder folder;
  folder.write("s", "secret\n");
  folder.write("f", "sub a\n");
  const Loaded loaded = check(folder, cat("http { revocations f; ", feed_of_a,
                                          "; revocations https://b/r optional cache=c;", server_block, " }"));
  ASSERT_NE(loaded.snapshot, nullptr) << loaded.complaints();
  const auth::RevocationSources& sources = *loaded.snapshot->revocations;
  ASSERT_EQ(sources.size(), 3U);
  EXPECT_TRUE(sources[0].is_required && sources[1].is_required);
  EXPECT_FALSE(sources[2].is_required);
  EXPECT_EQ(sources[0].name, "");
  EXPECT_EQ(sources[1].name, "https://a/r");
  EXPECT_NE(sources[0].list->current(), nullptr);
  EXPECT_EQ(sources[1].list->current(), nullptr);
  const issuer::FeedOptions& options = loaded.snapshot->revocation_feeds[0]->options();
  EXPECT_EQ(options.client_id, "g");
  EXPECT_EQ(*options.client_secret, "secret");
  EXPECT_EQ(options.wait_s, 30);
  EXPECT_FALSE(options.allow_private || options.allow_plain || options.is_optional);
  EXPECT_EQ(loaded.snapshot->revocation_feeds[1]->options().cache, folder.path("c"));
  EXPECT_EQ(check_http(server_block).snapshot->revocations, nullptr);
}

TEST(RevocationsDirective, keeps_its_object_over_reloads_while_nothing_of_it_changes) {
  const TempFolder folder;
  folder.write("s", "secret\n");
  const auto load_after = [&](std::shared_ptr<const pipeline::Snapshot> before, std::string_view parameters) {
    LoadOptions options;
    options.check_only = true;
    options.previous = std::move(before);
    return load_file(
               folder.write("keepgate.conf", cat("http { ", feed_of_a, " ", parameters, "; ", server_block, " }")),
               options)
        .snapshot;
  };
  const auto first = load_after(nullptr, "wait=5s");
  ASSERT_NE(first, nullptr);
  const auto feed = first->revocation_feeds.at(0);
  feed->take(*auth::RevocationList::parse("sub a\n"), 4, "e");
  EXPECT_EQ(load_after(first, "wait=5s")->revocation_feeds.at(0), feed);
  folder.write("s", "another\n");
  const auto second = load_after(first, "wait=5s");
  EXPECT_NE(second->revocation_feeds.at(0), feed);
  ASSERT_NE(second->revocation_feeds.at(0)->list().current(), nullptr) << "the list stays in force";
  EXPECT_EQ(second->revocation_feeds.at(0)->known().version, 4U);
}

TEST(RevocationsDirective, reads_the_copy_on_disk_at_a_start) {
  const TempFolder folder;
  const std::string text = cat("http { revocations https://a/r cache=copy; ", server_block, " }");
  const std::string file = folder.write("keepgate.conf", text);
  ASSERT_TRUE(store::write_revocation_copy(folder.path("copy"), {3, "", "https://a/r", "sub a\n"}).has_value());
  const auto start = [&] { return load_file(file); };
  const Loaded good = start();
  ASSERT_NE(good.snapshot, nullptr) << good.complaints();
  EXPECT_EQ(good.snapshot->revocation_feeds[0]->known().version, 3U);
  EXPECT_EQ(good.snapshot->revocation_feeds[0]->restore_fault(), "");
  folder.write("copy", "nonsense\n");
  const Loaded broken = start();
  ASSERT_NE(broken.snapshot, nullptr);
  EXPECT_FALSE(broken.snapshot->revocation_feeds[0]->known().has_list);
  EXPECT_NE(broken.snapshot->revocation_feeds[0]->restore_fault(), "");
}

}  // namespace
}  // namespace keepgate::conf
