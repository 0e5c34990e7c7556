#include "store/database.h"

#include <gtest/gtest.h>

#include "store/store_for_tests.h"

namespace keepgate::store::test {
namespace {

TEST(StoreAddresses, name_a_file_or_a_server) {
  const auto file = parse_store_address("sqlite:/var/lib/keepgate/store.db");
  ASSERT_TRUE(file.has_value());
  EXPECT_EQ(file->kind, StoreKind::sqlite);
  EXPECT_EQ(file->file, "/var/lib/keepgate/store.db");
  for (const std::string_view text :
       {"postgres://kg@db.example:5432/kg", "postgresql://kg@db.example:5432/kg",
        "postgres:postgres://kg@db.example:5432/kg", "postgres:postgresql://kg@db.example:5432/kg",
        "postgresql:postgresql://kg@db.example:5432/kg"}) {
    const auto server = parse_store_address(text);
    ASSERT_TRUE(server.has_value()) << text;
    EXPECT_EQ(server->kind, StoreKind::postgres);
    EXPECT_TRUE(server->uri.starts_with("postgres")) << server->uri;
    EXPECT_TRUE(server->uri.ends_with("://kg@db.example:5432/kg")) << server->uri;
    EXPECT_EQ(server->shown, "postgres://db.example:5432/kg");
  }
}

TEST(StoreAddresses, show_no_secret) {
  for (const std::string_view text :
       {"postgres://kg:hunter2@db/kg", "postgres://kg:hun@ter2@db/kg?sslmode=require",
        "postgres://db/kg?password=hunter2", "postgres://kg:hun?ter2@db/kg", "postgres://kg:hun/ter2@db/kg",
        "postgres://kg:hunter2/kg", "postgres://kg:hun#ter2@db/kg", "postgres:hunter2",
        "postgres:user=kg password=hunter2", "mysql://kg:hunter2@db/kg", "postgresql:http://hunter2"}) {
    const auto address = parse_store_address(text);
    const std::string shown = address ? address->shown : address.error().detail;
    EXPECT_EQ(shown.find("ter2"), std::string::npos) << shown;
    EXPECT_EQ(shown.find("kg:"), std::string::npos) << shown;
  }
}

TEST(StoreAddresses, that_name_nothing_lasting_are_refused) {
  for (const std::string_view text : {"", "sqlite:", "sqlite::memory:", "sqlite:file:x?mode=memory", "sqlite:folder/",
                                      "store.db", "postgres:", "postgres:db", "SQLITE:x", "sqlite:a\nb", "redis:x"}) {
    EXPECT_EQ(code_of(parse_store_address(text)), "store_address") << text;
  }
}

TEST(StoreValues, are_read_as_what_they_are_or_as_nothing) {
  EXPECT_EQ(text_of(Value("a")), "a");
  EXPECT_EQ(text_of(Value()), "");
  EXPECT_EQ(text_of(Value(7)), "");
  EXPECT_EQ(number_of(Value(7)), 7);
  EXPECT_EQ(number_of(Value("7")), 0);
  EXPECT_EQ(number_of(Value()), 0);
  EXPECT_TRUE(is_null(Value()));
  EXPECT_FALSE(is_null(Value("")));
  EXPECT_TRUE(is_null(text_or_null("")));
  EXPECT_EQ(text_of(text_or_null("x")), "x");
}

}  // namespace
}  // namespace keepgate::store::test
