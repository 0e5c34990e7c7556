#include "route/template.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/bytes.h"

namespace keepgate::route {
namespace {

// The maps of a configuration: "tier" and "jwt_role" and, as nginx allows, one named like a request field.
struct FakeNames : VariableNames {
  std::optional<std::uint32_t> map_index(std::string_view name) const override {
    if (name == "tier") return 0;
    if (name == "http_override") return 1;
    if (name == "uri") return 2;  // A configuration reader refuses this; resolving must not let it win.
    return std::nullopt;
  }
};

struct FakeSource : VariableSource {
  std::map<std::string, std::string> values;  // "number:argument:index"
  int asked = 0;
  static std::string key(const VariableRef& reference) {
    return cat(static_cast<int>(reference.variable), ":", reference.argument, ":", reference.index);
  }
  std::string_view variable(const VariableRef& reference) override {
    ++asked;
    const auto found = values.find(key(reference));
    return found == values.end() ? std::string_view() : std::string_view(found->second);
  }
};

Template compiled_template(std::string_view text) {
  std::string error;
  auto result = Template::compile(text, FakeNames(), error);
  EXPECT_TRUE(result) << text << ": " << error;
  return result ? *std::move(result) : Template();
}

std::string refusal(std::string_view text) {
  std::string error;
  return Template::compile(text, FakeNames(), error) ? "accepted" : error;
}

TEST(VariableTable, has_one_row_for_every_variable_but_maps) {
  std::set<Variable> seen;
  std::set<std::string_view> names;
  for (const VariableRow& row : variable_table()) {
    EXPECT_TRUE(seen.insert(row.variable).second) << row.name;
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_TRUE(row.summary.ends_with('.')) << row.name;
  }
  for (auto number = static_cast<int>(Variable::none) + 1; number < static_cast<int>(Variable::map_); ++number) {
    EXPECT_TRUE(seen.contains(static_cast<Variable>(number))) << "number " << number;
  }
  EXPECT_FALSE(seen.contains(Variable::none));
  EXPECT_FALSE(seen.contains(Variable::map_));
}

TEST(VariableTable, trusts_nothing_that_a_client_writes) {
  for (const VariableRow& row : variable_table()) {
    for (const std::string_view from_client :
         {"arg", "cookie_", "http_", "jwt_", "host", "uri", "request_uri", "request", "content_", "query_string",
          "remote_user", "ssl_server_name", "request_method", "document_uri", "proxy_add_x_forwarded_for"}) {
      const bool is_prefix = from_client.ends_with('_') || from_client == "arg";
      if (is_prefix ? row.name.starts_with(from_client) : row.name == from_client) {
        EXPECT_FALSE(row.verified) << row.name;
      }
    }
    for (const std::string_view ours : {"identity_", "decision_", "client_id", "policy_hash", "transaction_id",
                                        "remote_addr", "binary_remote_addr", "server_name"}) {
      if (row.name.starts_with(ours)) {
        EXPECT_TRUE(row.verified) << row.name;
      }
    }
  }
}

TEST(VariableTable, every_row_is_found_by_its_name) {
  for (const VariableRow& row : variable_table()) {
    const bool is_family = row.name.ends_with('_');
    const auto reference = resolve_variable(is_family ? cat(row.name, "X_y") : std::string(row.name), FakeNames());
    ASSERT_TRUE(reference) << row.name;
    EXPECT_EQ(reference->variable, row.variable) << row.name;
    EXPECT_EQ(reference->argument, is_family ? "x_y" : "") << row.name;
  }
}

TEST(ResolveVariable, lower_cases_the_names_of_families) {
  const auto reference = resolve_variable("http_X_Api_Key", FakeNames());
  ASSERT_TRUE(reference);
  EXPECT_EQ(reference->variable, Variable::http_);
  EXPECT_EQ(reference->argument, "x_api_key");
}

TEST(ResolveVariable, prefers_built_in_names_then_maps_then_families) {
  EXPECT_EQ(resolve_variable("uri", FakeNames())->variable, Variable::uri);
  EXPECT_EQ(resolve_variable("tier", FakeNames())->variable, Variable::map_);
  EXPECT_EQ(resolve_variable("TIER", FakeNames())->index, 0u);
  const auto map = resolve_variable("http_override", FakeNames());
  EXPECT_EQ(map->variable, Variable::map_);
  EXPECT_EQ(map->index, 1u);
  EXPECT_EQ(resolve_variable("http_override2", FakeNames())->variable, Variable::http_);
}

TEST(ResolveVariable, knows_no_family_without_a_name) {
  for (const std::string_view name : {"http_", "arg_", "cookie_", "jwt_claim_", "sent_http_", "map_", "none", "", "_",
                                      "jwt_", "jwt_claims", "upstream", "0"}) {
    EXPECT_FALSE(resolve_variable(name, FakeNames())) << name;
  }
}

TEST(Template, evaluates_literals_and_variables) {
  FakeSource source;
  source.values[FakeSource::key({Variable::host, 0, {}})] = "example.com";
  source.values[FakeSource::key({Variable::arg_, 0, "x"})] = "42";
  source.values[FakeSource::key({Variable::map_, 0, {}})] = "gold";
  Arena arena;
  constexpr std::pair<std::string_view, std::string_view> rows[] = {
      {"", ""},
      {"plain", "plain"},
      {"$host", "example.com"},
      {"${host}", "example.com"},
      {"$host:$arg_x", "example.com:42"},
      {"$host$arg_x", "example.com42"},
      {"a${host}b", "aexample.comb"},
      {"$tier/$Host", "gold/example.com"},
      {"$http_absent", ""},
      {"$http_absent$http_other", ""},
      {"<$http_absent>", "<>"},
      {"{$arg_x}", "{42}"},
      {"$arg_x-1", "42-1"},
  };
  for (const auto& [text, expected] : rows) {
    const Template compiled_text = compiled_template(text);
    EXPECT_EQ(compiled_text.evaluate(source, arena), expected) << text;
    EXPECT_EQ(compiled_text.text(), text);
  }
}

TEST(Template, refuses_what_is_no_variable) {
  EXPECT_EQ(refusal("$"), "invalid variable name");
  EXPECT_EQ(refusal("a$"), "invalid variable name");
  EXPECT_EQ(refusal("$$host"), "invalid variable name");
  EXPECT_EQ(refusal("$-"), "invalid variable name");
  EXPECT_EQ(refusal("${}"), "invalid variable name");
  EXPECT_EQ(refusal("costs 5$ or so"), "invalid variable name");
  EXPECT_EQ(refusal("${host"), "the closing bracket in \"host\" variable is missing");
  EXPECT_EQ(refusal("${host-x}"), "the closing bracket in \"host\" variable is missing");
  EXPECT_EQ(refusal("$remote_adr"), "unknown \"remote_adr\" variable, did you mean \"remote_addr\"?");
  EXPECT_EQ(refusal("$zzzzzzzzzzzzzzzz"), "unknown \"zzzzzzzzzzzzzzzz\" variable");
  EXPECT_NE(refusal("$http_"), "accepted");
}

TEST(Template, refuses_captures_where_there_is_no_regular_expression) {
  for (const std::string_view text : {"$1", "/a/$9", "${1}", "$12"}) {
    EXPECT_NE(refusal(text).find("there is no regular expression before it"), std::string::npos) << text;
  }
}

TEST(Template, reads_captures_by_number_and_name) {
  struct Groups final : VariableNames {
    std::optional<std::uint32_t> map_index(std::string_view) const override { return std::nullopt; }
    std::optional<std::uint32_t> capture(std::string_view name) const override {
      if (name == "rest") return 3;
      return name == "1" || name == "2" ? std::optional<std::uint32_t>(name[0] - '0') : std::nullopt;
    }
  };
  std::string error;
  const auto made = Template::compile("/$10/${2}$rest", Groups(), error);
  ASSERT_TRUE(made) << error;
  ASSERT_EQ(made->parts().size(), 5U);  // "$10" is the first group and a zero, as in nginx.
  EXPECT_EQ(made->parts()[1].reference, (VariableRef{Variable::capture_, 1, {}}));
  EXPECT_EQ(made->parts()[2].literal, "0/");
  EXPECT_EQ(made->parts()[3].reference, (VariableRef{Variable::capture_, 2, {}}));
  EXPECT_EQ(made->parts()[4].reference, (VariableRef{Variable::capture_, 3, {}}));
  EXPECT_FALSE(Template::compile("$other", Groups(), error));
}

TEST(Template, returns_single_values_without_copying) {
  FakeSource source;
  const std::string& value = source.values[FakeSource::key({Variable::host, 0, {}})] = "example.com";
  Arena arena;
  EXPECT_EQ(compiled_template("$host").evaluate(source, arena).data(), value.data());
  const Template literal = compiled_template("a literal that is longer than a short string");
  EXPECT_EQ(literal.evaluate(source, arena).data(), literal.parts()[0].literal.data());
}

TEST(Template, asks_for_every_value_once) {
  FakeSource source;
  Arena arena;
  compiled_template("$host-$uri-$host").evaluate(source, arena);
  EXPECT_EQ(source.asked, 3);
}

TEST(Template, joins_more_parts_than_fit_on_the_stack) {
  FakeSource source;
  source.values[FakeSource::key({Variable::host, 0, {}})] = "h";
  std::string text, expected;
  for (int i = 0; i < 40; ++i) {
    text += "$host/";
    expected += "h/";
  }
  Arena arena;
  EXPECT_EQ(compiled_template(text).evaluate(source, arena), expected);
}

TEST(Template, a_literal_is_never_parsed) {
  FakeSource source;
  Arena arena;
  const Template literal = Template::literal("$host costs 5$");
  EXPECT_TRUE(literal.is_literal());
  EXPECT_EQ(literal.evaluate(source, arena), "$host costs 5$");
  EXPECT_TRUE(Template::literal("").empty());
  EXPECT_FALSE(compiled_template("$host").is_literal());
  EXPECT_TRUE(compiled_template("").empty());
}

TEST(Template, says_whether_it_uses_a_claim) {
  EXPECT_TRUE(compiled_template("a$jwt_claim_sub").uses_unverified_jwt_claim());
  EXPECT_TRUE(compiled_template("$jwt_header_kid").uses_unverified_jwt_claim());
  EXPECT_TRUE(compiled_template("$jwt_payload").uses_unverified_jwt_claim());
  EXPECT_FALSE(compiled_template("$identity_user$http_jwt").uses_unverified_jwt_claim());
}

}  // namespace
}  // namespace keepgate::route
