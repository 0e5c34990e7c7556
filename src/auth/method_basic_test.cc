#include <gtest/gtest.h>

#include "auth/authenticate.h"
#include "auth/password_check.h"
#include "base/bytes.h"
#include "http/h1_parser.h"

namespace keepgate::auth {
namespace {

constexpr std::int64_t basic_now_s = 1'900'000'000;
constexpr std::string_view hunter2 = "$apr1$abcdefgh$ckT15POyCRlen.h6XtGAZ1";
// alice:hunter2, alice:hunter3, nobody:hunter2, fast:p
constexpr std::string_view alice = "Authorization: Basic YWxpY2U6aHVudGVyMg==\r\n";
constexpr std::string_view alice_wrong = "Authorization: Basic YWxpY2U6aHVudGVyMw==\r\n";
constexpr std::string_view nobody = "Authorization: Basic bm9ib2R5Omh1bnRlcjI=\r\n";
constexpr std::string_view fast = "Authorization: Basic ZmFzdDpw\r\n";
constexpr std::string_view fast_wrong = "Authorization: Basic ZmFzdDpx\r\n";

class OneRealm final : public route::VariableSource {
 public:
  std::string_view variable(const route::VariableRef&) override { return value; }
  std::string_view value;
};

class NoMaps final : public route::VariableNames {
 public:
  std::optional<std::uint32_t> map_index(std::string_view) const override { return std::nullopt; }
  std::optional<route::VariableRef> jwt_path(std::string_view) const override { return std::nullopt; }
};

struct BasicCase {
  BasicCase() {
    options.basic.enabled = true;
    options.basic.realm = route::Template::literal("closed \"site\"");
    options.basic.users = published;
    publish(cat("alice:", hunter2, "\n"));
  }
  BasicCase(const BasicCase&) = delete;
  BasicCase& operator=(const BasicCase&) = delete;

  void publish(std::string_view users) { published->publish(*UserSet::parse(crypto::SecretText(users))); }

  AccessResult once(std::string_view fields, bool policy_decides = false) {
    text = cat("GET / HTTP/1.1\r\nHost: x\r\n", fields, "\r\n");
    parser = std::make_unique<http::RequestParser>();
    EXPECT_EQ(parser->parse(text), http::ParseStatus::complete);
    return authenticate({.options = options,
                         .head = parser->head(),
                         .channel = {},
                         .variables = variables,
                         .arena = arena,
                         .now = now,
                         .answers = &answers,
                         .method = "GET",
                         .passwords = passwords},
                        policy_decides);
  }
  // Meets needs as the loop would, until there is none.
  AccessResult run(std::string_view fields) {
    answers.clear();
    while (true) {
      AccessResult result = once(fields);
      if (result.access != Access::need) return result;
      ++needs;
      const auto* need = dynamic_cast<const PasswordNeed*>(result.need->detail.get());
      EXPECT_EQ(result.need->kind, NeedKind::password);
      if (!need) return {};
      checked = need->stored.view();
      Answer answer;
      answer.kind = result.need->kind;
      answer.key = result.need->key;
      answer.is_good = true;
      answer.value =
          std::make_shared<const PasswordAnswer>(crypto::matches_password(need->password.view(), need->stored.view()));
      answers.add(std::move(answer));
    }
  }

  AuthOptions options;
  std::shared_ptr<Published<UserSet>> published = std::make_shared<Published<UserSet>>();
  VerifiedPasswords memory;
  VerifiedPasswords* passwords = &memory;
  OneRealm variables;
  Arena arena;
  Answers answers;
  Now now{1'000, basic_now_s * 1000};
  int needs = 0;
  std::string checked;
  std::string text;
  std::unique_ptr<http::RequestParser> parser;
};

TEST(MethodBasic, accepts_the_right_password_and_names_its_user) {
  BasicCase one;
  const AccessResult result = one.run(alice);
  ASSERT_EQ(result.access, Access::accepted);
  EXPECT_EQ(result.principal->method, AuthMethod::basic);
  EXPECT_EQ(result.principal->client, "alice");
  EXPECT_EQ(result.principal->user, "");
}

TEST(MethodBasic, refuses_a_wrong_password_and_an_unknown_user_alike) {
  BasicCase one;
  for (const std::string_view fields : {alice_wrong, nobody}) {
    const AccessResult result = one.run(fields);
    EXPECT_EQ(result.access, Access::refused);
    EXPECT_EQ(result.status, 401);
    EXPECT_EQ(result.challenge, "Basic realm=\"closed \\\"site\\\"\", charset=\"UTF-8\"");
    EXPECT_EQ(result.reason.find("hunter"), std::string::npos);
    EXPECT_EQ(one.checked, hunter2);
  }
  EXPECT_EQ(one.needs, 2) << "an unknown user costs a hash too";
  EXPECT_EQ(one.memory.size(), 0U);
}

TEST(MethodBasic, without_a_credential_asks_for_one) {
  BasicCase one;
  for (const std::string_view fields : {"", "Authorization: Bearer x\r\n", "Authorization: \r\n"}) {
    const AccessResult result = one.run(fields);
    EXPECT_EQ(result.status, 401) << fields;
    EXPECT_EQ(result.code, "credentials_required");
    EXPECT_EQ(result.challenge, "Basic realm=\"closed \\\"site\\\"\", charset=\"UTF-8\"");
  }
  EXPECT_EQ(one.needs, 0);
}

TEST(MethodBasic, what_is_malformed_is_refused_unhashed) {
  BasicCase one;
  for (const std::string_view fields :
       {"Authorization: Basic\r\n", "Authorization: Basic !\r\n", "Authorization: Basic YWxpY2U=\r\n",
        "Authorization: Basic OnA=\r\n", "Authorization: Basic YWxpY2UAOng=\r\n"}) {
    const AccessResult result = one.run(fields);
    EXPECT_EQ(result.status, 401) << fields;
    EXPECT_EQ(result.code, "invalid_credentials") << fields;
  }
  EXPECT_EQ(one.run(cat(alice, alice)).status, 401);
  EXPECT_EQ(one.needs, 0);
}

TEST(MethodBasic, a_right_password_is_hashed_once_until_it_is_forgotten) {
  BasicCase one;
  EXPECT_EQ(one.run(alice).access, Access::accepted);
  EXPECT_EQ(one.run(alice).access, Access::accepted);
  EXPECT_EQ(one.needs, 1);
  EXPECT_EQ(one.run(alice_wrong).access, Access::refused);
  EXPECT_EQ(one.needs, 2);
  one.now.monotonic_ms += VerifiedPasswords::lifetime_ms - 1;
  EXPECT_EQ(one.run(alice).access, Access::accepted);
  EXPECT_EQ(one.needs, 2);
  one.now.monotonic_ms += 1;
  EXPECT_EQ(one.run(alice).access, Access::accepted);
  EXPECT_EQ(one.needs, 3);
}

TEST(MethodBasic, a_changed_file_counts_at_once_whatever_is_remembered) {
  BasicCase one;
  EXPECT_EQ(one.run(alice).access, Access::accepted);
  one.publish("alice:$apr1$abcdefgh$7zflXf3dc6rFhPhJ8gTFa0\n");
  EXPECT_EQ(one.run(alice).access, Access::refused);
  one.publish(cat("bob:", hunter2, "\n"));
  EXPECT_EQ(one.run(alice).access, Access::refused);
  one.publish("");
  EXPECT_EQ(one.run(alice).access, Access::refused);
  one.published->publish(nullptr);
  EXPECT_EQ(one.run(alice).status, 503);
  EXPECT_EQ(one.run("").status, 503);
  one.options.basic.users = nullptr;
  EXPECT_EQ(one.run(alice).status, 503);
}

TEST(MethodBasic, an_answer_that_is_not_good_is_no_verdict_on_the_caller) {
  BasicCase one;
  const AccessResult first = one.once(alice);
  ASSERT_EQ(first.access, Access::need);
  Answer answer;
  answer.kind = NeedKind::password;
  answer.key = first.need->key;
  answer.reason = "the line is full";
  one.answers.add(answer);
  const AccessResult result = one.once(alice);
  EXPECT_EQ(result.access, Access::refused);
  EXPECT_EQ(result.status, 503);
  EXPECT_EQ(result.reason, "the line is full");
}

TEST(MethodBasic, an_answer_for_one_password_counts_for_no_other) {
  BasicCase one;
  EXPECT_EQ(one.run(alice).access, Access::accepted);  // Its answer stays with the request.
  one.passwords = nullptr;
  EXPECT_EQ(one.once(alice).access, Access::accepted);
  EXPECT_EQ(one.once(alice_wrong).access, Access::need);
  EXPECT_EQ(one.once(nobody).access, Access::need);
}

TEST(MethodBasic, fast_forms_are_checked_in_place) {
  BasicCase one;
  one.publish("fast:{PLAIN}p\n");
  EXPECT_EQ(one.run(fast).access, Access::accepted);
  EXPECT_EQ(one.run(fast_wrong).access, Access::refused);
  EXPECT_EQ(one.run(nobody).access, Access::refused);
  EXPECT_EQ(one.needs, 0);
}

TEST(MethodBasic, a_realm_that_becomes_off_asks_for_nothing_and_no_other_word_does) {
  BasicCase one;
  std::string error;
  one.options.basic.realm = *route::Template::compile("$host", NoMaps(), error);
  one.variables.value = "off";
  EXPECT_EQ(one.run("").access, Access::accepted);
  EXPECT_EQ(one.run("").principal, nullptr);
  for (const std::string_view realm : {"", "OFF", "off ", "of", "on"}) {
    one.variables.value = realm;
    EXPECT_EQ(one.run("").status, 401) << realm;
  }
  one.options.basic.realm = route::Template::literal("off");  // Never compiled that way; then it asks.
  EXPECT_EQ(one.run("").status, 401);
}

TEST(MethodBasic, any_takes_an_address_or_a_password) {
  BasicCase one;
  one.options.satisfy = Satisfy::any;
  one.options.addresses.add(false, AddressRules::Who::everybody);
  EXPECT_EQ(one.run("").status, 401);
  EXPECT_EQ(one.run(alice_wrong).status, 401);
  EXPECT_EQ(one.run(alice).access, Access::accepted);
  one.options.satisfy = Satisfy::all;
  EXPECT_EQ(one.run(alice).status, 403);
}

TEST(VerifiedPasswords, are_bounded_and_the_oldest_goes_first) {
  VerifiedPasswords memory;
  const auto id = [](std::size_t number) { return password_check_id("u", cat(number), "h"); };
  const std::string last = id(999'999);
  for (std::size_t i = 0; i < 2 * VerifiedPasswords::entries_max; ++i) {
    memory.remember(id(i), {static_cast<std::int64_t>(i), 0});
  }
  EXPECT_EQ(memory.size(), VerifiedPasswords::entries_max);
  EXPECT_FALSE(memory.knows(id(0), {0, 0}));
  EXPECT_TRUE(memory.knows(id(2 * VerifiedPasswords::entries_max - 1), {0, 0}));
  EXPECT_FALSE(memory.knows(last, {0, 0}));
}

TEST(VerifiedPasswords, ids_tell_apart_what_reads_alike) {
  EXPECT_EQ(password_check_id("a", "b", "c"), password_check_id("a", "b", "c"));
  EXPECT_EQ(password_check_id("a", "b", "c").size(), 32U);
  EXPECT_NE(password_check_id("ab", "", "c"), password_check_id("a", "b", "c"));
  EXPECT_NE(password_check_id("a", "bc", ""), password_check_id("a", "b", "c"));
  EXPECT_NE(password_check_id("a", "b", "d"), password_check_id("a", "b", "c"));
}

}  // namespace
}  // namespace keepgate::auth
