#include "auth/revocations.h"

#include <gtest/gtest.h>

#include "base/bytes.h"

namespace keepgate::auth {
namespace {

constexpr std::int64_t revoked_now_s = 1'900'000'000;
constexpr Now now{0, revoked_now_s * 1000};

std::shared_ptr<const RevocationList> list(std::string_view text) {
  auto out = RevocationList::parse(text);
  EXPECT_TRUE(out.has_value()) << out.error().detail;
  return out ? *out : nullptr;
}

std::string failure(std::string_view text) {
  const auto out = RevocationList::parse(text);
  return out ? "none" : out.error().detail;
}

// A token's names. `principal` is what it was read as.
struct Token {
  Token() {
    principal.client = "web";
    principal.user = "alice";
    names.principal = &principal;
    names.issuer = "https://id.example";
    names.subject = "user:alice";
    names.token = "t-1";
    names.token_key = "k-1";
    names.issued_s = revoked_now_s - 100;
    names.grant = {"g-1", "https://id.example"};
  }
  Principal principal;
  RevocableNames names;
};

// What is told of it; "" where nothing is.
std::string told(std::string_view text, const RevocableNames& names, Now at = now) {
  const auto revocations = list(text);
  const std::optional<Revocation> found = revocations ? revocations->find(names, at) : std::nullopt;
  return found ? found->describe() : "";
}

TEST(Revocations, match_by_each_kind_of_name_and_by_no_other) {
  const Token token;
  for (const std::string_view line :
       {"sub alice", "sub user:alice", "jti t-1", "client web", "kid k-1", "grant g-1", R"({"sub":"alice"})",
        R"({"jti":"t-1"})", R"({"client":"web"})", R"({"kid":"k-1"})", R"({"grant":"g-1"})"}) {
    EXPECT_NE(told(cat(line, "\n"), token.names), "") << line;
  }
  for (const std::string_view line :
       {"sub alic", "sub alicee", "sub Alice", "sub web", "client alice", "jti k-1", "kid t-1", "jti alice",
        "client t-1", "grant t-1", "grant G-1", "grant g-11", "jti g-1", "sub g-1", "key t-1", "key k-1", "key web",
        "sub t-1", R"({"sub":" alice"})"}) {
    EXPECT_EQ(told(cat(line, "\n"), token.names), "") << line;
  }
}

TEST(Revocations, a_subject_is_known_with_its_namespace_and_without) {
  RevocableNames names;
  for (const std::string_view subject : {"web", "client:web", "user:web"}) {
    names.subject = subject;
    EXPECT_NE(told("sub web\n", names), "") << subject;
    EXPECT_NE(told(cat("sub ", subject, "\n"), names), "") << subject;
    EXPECT_EQ(told("sub other:web\nsub eb\nsub :web\nsub client:user:web\n", names), "") << subject;
  }
  names.subject = "other:web";
  EXPECT_EQ(told("sub web\n", names), "");
  names.subject = "user:";
  EXPECT_EQ(told("sub user\nsub web\n", names), "");
}

TEST(Revocations, know_workloads_and_api_keys) {
  Principal principal;
  principal.service = "spiffe://shop.internal/orders";
  RevocableNames names;
  names.principal = &principal;
  names.api_key = "4tXqk2mJw0Za";
  EXPECT_NE(told("client spiffe://shop.internal/orders\n", names), "");
  EXPECT_NE(told("key 4tXqk2mJw0Za\n", names), "");
  EXPECT_EQ(told("key 4tXqk2mJw0Zb\n", names), "");
  EXPECT_EQ(told("kid 4tXqk2mJw0Za\n", names), "");
}

TEST(Revocations, names_that_are_not_there_match_nothing) {
  EXPECT_EQ(told("sub alice\njti t\nclient c\nkid k\nkey a\ngrant g\n", RevocableNames{}), "");
  const Principal nobody;
  RevocableNames names;
  names.principal = &nobody;
  EXPECT_EQ(told("sub alice\nclient c\n", names), "");
}

TEST(Revocations, of_an_issuer_leave_others_alone) {
  Token token;
  EXPECT_NE(told("sub alice iss=https://id.example\n", token.names), "");
  for (const std::string_view issuer :
       {"https://id.example/", "https://id.exampl", "http://id.example", "HTTPS://id.example"}) {
    EXPECT_EQ(told(cat("sub alice iss=", issuer, "\n"), token.names), "") << issuer;
  }
  token.names.issuer = "";
  EXPECT_EQ(told("sub alice iss=https://id.example\n", token.names), "");
  EXPECT_NE(told("sub alice\n", token.names), "");
}

TEST(Revocations, of_a_grant_reach_what_was_minted_for_its_tokens) {
  const auto payload = crypto::parse_json(
      R"({"iss":"https://us","iat":1899999900,"grant_id":"own","tctx":{"grant_id":"g-1","grant_iss":"https://as"}})");
  RevocableNames names;
  names.take_transaction(*payload);
  for (const std::string_view line : {"grant own", "grant own iss=https://us", "grant g-1", "grant g-1 iss=https://as",
                                      "grant g-1 before=1899999901"}) {
    EXPECT_NE(told(cat(line, "\n"), names), "") << line;
  }
  for (const std::string_view line : {"grant g-1 iss=https://us", "grant own iss=https://as",
                                      "grant g-1 before=1899999900", "grant other", "jti g-1"}) {
    EXPECT_EQ(told(cat(line, "\n"), names), "") << line;
  }
  names.take_claims(*payload);
  RevocableNames of_claims;
  of_claims.take_claims(*payload);
  EXPECT_EQ(told("grant g-1\n", of_claims), "") << "tctx is a transaction token's";
  for (const std::string_view odd :
       {R"({"grant_id":1})", R"({"grant_id":null,"tctx":[]})", R"({"tctx":{"grant_id":["g-1"]}})"}) {
    const auto document = crypto::parse_json(odd);
    RevocableNames none;
    none.take_transaction(*document);
    EXPECT_EQ(told("grant g-1\ngrant 1\n", none), "") << odd;
  }
}

TEST(Revocations, before_a_time_leave_later_tokens_alone) {
  Token token;
  EXPECT_NE(told(cat("sub alice before=", revoked_now_s - 99, "\n"), token.names), "");
  EXPECT_EQ(told(cat("sub alice before=", revoked_now_s - 100, "\n"), token.names), "") << "issued in that very second";
  EXPECT_EQ(told(cat("sub alice before=", revoked_now_s - 101, "\n"), token.names), "");
  token.names.issued_s = std::nullopt;
  EXPECT_NE(told(cat("sub alice before=", revoked_now_s - 101, "\n"), token.names), "")
      << "who knows when it was issued?";
}

TEST(Revocations, end_when_they_say_so) {
  const Token token;
  EXPECT_NE(told(cat("sub alice until=", revoked_now_s + 1, "\n"), token.names), "");
  EXPECT_EQ(told(cat("sub alice until=", revoked_now_s, "\n"), token.names), "");
  EXPECT_NE(told(cat("sub alice until=", revoked_now_s, "\n"), token.names, {0, revoked_now_s * 1000 - 1}), "");
}

TEST(Revocations, one_entry_that_matches_is_enough) {
  const Token token;
  const std::string text = cat("sub alice iss=https://other.example\nsub alice until=", revoked_now_s - 1,
                               "\n# one\n\nsub alice before=", revoked_now_s, "\nsub alice\n");
  EXPECT_EQ(told(text, token.names), cat("sub \"alice\" (line 5, before ", revoked_now_s, ")"));
}

TEST(Revocations, say_which_line_matched) {
  const Token token;
  EXPECT_EQ(told("# x\njti t-1 iss=https://id.example until=1999999999\n", token.names),
            "jti \"t-1\" (line 2, iss https://id.example, until 1999999999)");
}

TEST(Revocations, both_forms_say_the_same) {
  const Token token;
  EXPECT_EQ(told(R"({"until":1999999999,"iss":"https://id.example","before":1900000000,"sub":"alice"})"
                 "\n",
                 token.names),
            told("sub alice before=1900000000 iss=https://id.example until=1999999999\n", token.names));
  EXPECT_EQ(list("  sub\talice \t iss=x  \r\n\r\n\t\n #no\n")->size(), 1U);
}

TEST(Revocations, a_last_line_without_its_newline_is_not_there_yet) {
  EXPECT_EQ(list("sub alice\nsub bo")->size(), 1U);
  EXPECT_EQ(list("{\"sub\":")->size(), 0U);
  EXPECT_EQ(list("")->size(), 0U);
}

TEST(Revocations, what_cannot_be_read_is_an_error_and_never_half_a_list) {
  for (const std::string_view line : {"alice",
                                      "sub",
                                      "sub ",
                                      "user alice",
                                      "Sub alice",
                                      "sub alice bob",
                                      "sub alice before",
                                      "sub alice before=",
                                      "sub alice before=x",
                                      "sub alice before=-1",
                                      "sub alice before=0",
                                      "sub alice before=1e9",
                                      "sub alice before=1767225600000",
                                      "sub alice until=253402300800",
                                      "sub alice until=99999999999999999999",
                                      "sub alice before=1 before=2",
                                      "sub alice iss=",
                                      "sub alice iss=a iss=b",
                                      "sub alice x=1",
                                      "sub alice sub=bob",
                                      "[]",
                                      "\"sub\"",
                                      "{}",
                                      "{",
                                      R"({"sub":"a"} x)",
                                      R"({"sub":"a","sub":"b"})",
                                      R"({"sub":"a","jti":"b"})",
                                      R"({"sub":1})",
                                      R"({"sub":""})",
                                      R"({"sub":null})",
                                      R"({"sub":["a"]})",
                                      R"({"sub":"a","before":"1"})",
                                      R"({"sub":"a","before":1.5})",
                                      R"({"sub":"a","until":true})",
                                      R"({"sub":"a","before":-1})",
                                      R"({"sub":"a","extra":1})",
                                      R"({"iss":"a"})",
                                      R"({"sub":"a\u0000"})",
                                      R"({"sub":"a","iss":"\n"})",
                                      "sub \xff",
                                      "\xef\xbb\xbfsub alice"}) {
    EXPECT_TRUE(failure(cat("sub good\n", line, "\n")).starts_with("line 2: "))
        << line << ": " << failure(cat("sub good\n", line, "\n"));
    EXPECT_EQ(failure(cat("sub good\n", line, "\n")).find("alice"), std::string::npos) << line;
  }
  EXPECT_NE(failure(std::string_view("sub a\0b\n", 8)), "none");
}

TEST(Revocations, have_bounds) {
  const std::string value(RevocationList::value_bytes_max, 'v');
  EXPECT_EQ(failure(cat("sub ", value, "\n")), "none");
  EXPECT_NE(failure(cat("sub ", value, "v\n")), "none");
  const std::string comment = cat("#", std::string(RevocationList::line_bytes_max - 1, 'c'));
  EXPECT_EQ(failure(comment + "\n"), "none");
  EXPECT_NE(failure(comment + "c\n"), "none");
  EXPECT_NE(failure(comment + "c"), "none") << "also without a newline";
  std::string text;
  for (std::size_t i = 0; i < RevocationList::entries_max; ++i) append(text, "jti ", i, '\n');
  EXPECT_EQ(failure(text), "none");
  EXPECT_NE(failure(text + "jti x\n"), "none");
  EXPECT_NE(failure(std::string(RevocationList::file_bytes_max + 1, '\n')), "none");
}

TEST(Revocations, joined_have_all_of_both_and_each_once) {
  const auto newer = list("sub a\nclient c before=5\n"),
             older = list("sub b\nsub a\nclient c before=6\nclient c before=5 iss=i\nkid k\n");
  const auto both = RevocationList::joined(*newer, *older);
  ASSERT_TRUE(both.has_value());
  EXPECT_EQ((*both)->size(), 6U);
  for (const std::string_view name : {"a", "b"}) {
    RevocableNames names;
    names.subject = name;
    EXPECT_TRUE((*both)->find(names, now).has_value()) << name;
  }
  RevocableNames names;
  names.subject = "k";
  EXPECT_FALSE((*both)->find(names, now).has_value());
  names.token_key = "k";
  EXPECT_TRUE((*both)->find(names, now).has_value());
  EXPECT_EQ((*RevocationList::joined(*newer, *newer))->size(), 2U);
  EXPECT_EQ((*RevocationList::joined(*list(""), *newer))->size(), 2U);
}

bool takes_back(const RevocationList& revocations, std::string_view subject, Now at = now) {
  RevocableNames names;
  names.subject = subject;
  return revocations.find(names, at).has_value();
}

TEST(Revocations, that_grow_have_all_they_had_and_what_is_added) {
  auto all = list("# head\nsub a\n");
  const auto first = all;
  all = *RevocationList::extended(*all, "sub b until=1999999999\n\nclient c\n");
  EXPECT_EQ(all->size(), 3U);
  EXPECT_TRUE(takes_back(*all, "a") && takes_back(*all, "b"));
  EXPECT_FALSE(takes_back(*all, "c") || takes_back(*first, "b")) << "another kind; and the list before is as it was";
  RevocableNames names;
  names.subject = "b";
  EXPECT_EQ(all->find(names, now)->line, 3U) << "lines are counted on";
  EXPECT_EQ((*RevocationList::extended(*all, ""))->size(), 3U);
  EXPECT_EQ((*RevocationList::extended(*all, "sub half"))->size(), 3U) << "a line without its end is not there yet";
  const auto bad = RevocationList::extended(*all, "sub d\nnonsense\n");
  ASSERT_FALSE(bad.has_value());
  EXPECT_TRUE(bad.error().detail.starts_with("line 7: ")) << bad.error().detail;
}

// An entry that is there grows wider when it is added again, never narrower.
TEST(Revocations, that_are_added_again_count_in_their_widest_form) {
  Token token;
  auto all = list(cat("sub alice before=", revoked_now_s - 200, "\n"));
  EXPECT_FALSE(all->find(token.names, now).has_value());
  all = *RevocationList::extended(*all, cat("sub alice before=", revoked_now_s, "\n"));
  EXPECT_TRUE(all->find(token.names, now).has_value());
  all = *RevocationList::extended(*all, cat("sub alice before=", revoked_now_s - 300, "\n"));
  EXPECT_TRUE(all->find(token.names, now).has_value());
}

TEST(Revocations, that_grow_beyond_every_layer_lose_nothing_and_stay_few_layers) {
  auto all = list("sub s-0\n");
  std::size_t count = 1;
  while (count < 2 * RevocationList::middle_layer_max) {
    std::string text;
    for (int i = 0; i < 97; ++i) append(text, i % 3 == 0 ? "jti s-" : "sub s-", count++, '\n');
    all = *RevocationList::extended(*all, text);
  }
  EXPECT_EQ(all->size(), count);
  for (std::size_t i = 1; i < count; ++i) {
    const std::string name = cat("s-", i);
    RevocableNames names;
    names.subject = names.token = name;
    const auto found = all->find(names, now);
    ASSERT_TRUE(found.has_value()) << i;
    ASSERT_EQ(found->value, names.subject);
  }
  EXPECT_FALSE(takes_back(*all, cat("s-", count)));
}

TEST(Revocations, that_grow_leave_out_what_ended_before_the_time_they_are_told) {
  auto all = list(cat("sub old until=", revoked_now_s - 10, "\nsub new until=", revoked_now_s, "\nsub forever\n"));
  std::string text;
  for (std::size_t i = 0; i <= RevocationList::middle_layer_max; ++i) append(text, "jti t-", i, '\n');
  const auto kept = *RevocationList::extended(*all, text), less = *RevocationList::extended(*all, text, revoked_now_s);
  const Now before{0, (revoked_now_s - 100) * 1000};
  EXPECT_TRUE(takes_back(*kept, "old", before));
  EXPECT_FALSE(takes_back(*less, "old", before));
  EXPECT_TRUE(takes_back(*less, "new", before) && takes_back(*less, "forever", before));
  EXPECT_EQ(less->size() + 1, kept->size());
}

TEST(Revocations, that_grow_have_a_bound) {
  std::string text;
  for (std::size_t i = 0; i < RevocationList::entries_max; ++i) append(text, "{\"jti\":\"", i, "\"}\n");
  const auto half = list(text);
  const auto most = RevocationList::extended(*half, text);
  ASSERT_TRUE(most.has_value());
  EXPECT_FALSE(RevocationList::extended(**most, "jti x\n").has_value());
}

// What our server writes is read by a shorter way.
TEST(Revocations, of_our_server_are_read_as_any_others) {
  for (const std::string_view rest :
       {"", R"(,"before":1900000000)", R"(,"until":1999999999)", R"(,"before":1900000000,"until":1999999999)"}) {
    const Token token;
    const std::string plain = cat(R"({"sub":"alice")", rest, "}\n"), spaced = cat(R"({ "sub":"alice")", rest, "}\n");
    EXPECT_NE(told(plain, token.names), "");
    EXPECT_EQ(told(plain, token.names), told(spaced, token.names));
  }
  for (const std::string_view line :
       {R"({"sub":"a","until":01})", R"({"sub":"a","until":0})", R"({"sub":"a","until":})", R"({"sub":"a","until":-1})",
        R"({"sub":"a","until":1.0})", R"({"sub":"a","before":1,"before":2})", R"({"sub":"a"}})", R"({"sub":"a")",
        R"({"sub":"a)", R"({"sub":")", R"({"sub":""})", R"({"sub)", R"({")", R"({"":"a"})", R"({"sub":"a",})",
        R"({"sub":"a","until":1767225600000})", R"({"sub":"a","until":9999999999999999999999})"}) {
    EXPECT_NE(failure(cat(line, "\n")), "none") << line;
  }
  RevocableNames names;
  names.subject = "a\"b";
  EXPECT_NE(told(R"({"sub":"a\"b","until":1999999999})"
                 "\n",
                 names),
            "");
  names.subject = "a\\";
  EXPECT_EQ(told(R"({"sub":"a\"b","until":1999999999})"
                 "\n",
                 names),
            "");
  EXPECT_NE(told(R"({"sub":"a\\"})"
                 "\n",
                 names),
            "");
}

TEST(RevocableNames, are_read_of_claims) {
  const auto claims = crypto::parse_json(R"({"iss":"i","sub":"s","jti":"j","iat":1900000000.9})");
  RevocableNames names;
  names.take_claims(*claims);
  EXPECT_EQ(names.issuer, "i");
  EXPECT_EQ(names.subject, "s");
  EXPECT_EQ(names.token, "j");
  EXPECT_EQ(names.issued_s, 1'900'000'000);
  const auto odd = crypto::parse_json(R"({"iss":1,"sub":["s"],"jti":null,"iat":"1"})");
  names.take_claims(*odd);
  EXPECT_EQ(names.issuer, "");
  EXPECT_EQ(names.subject, "");
  EXPECT_EQ(names.token, "");
  EXPECT_EQ(names.issued_s, std::nullopt);
}

}  // namespace
}  // namespace keepgate::auth
