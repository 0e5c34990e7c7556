// `tests:` of a policy file: who may ask what, each request one TestCase.
#include <array>
#include <utility>

#include "base/bytes.h"
#include "policy/codes.h"
#include "policy/paths.h"
#include "policy/yaml_front_end.h"

namespace keepgate::policy {

namespace {

constexpr std::array<std::string_view, 7> test_keys{"as",           "may",    "may-not", "service",
                                                    "on_behalf_of", "scopes", "roles"};

class TestReader {
 public:
  TestReader(const YamlNode& node, YamlValues& values, Reading& reading)
      : node_(node), values_(values), reading_(reading) {}

  void read() {
    if (!values_.expect_map(node_, "a test")) return;
    values_.check_keys(node_, test_keys, "a test");
    read_identity();
    if (const YamlNode* customer = node_.find("on_behalf_of")) read_customer(*customer);
    read_names("scopes", principal_.scopes);
    read_names("roles", principal_.roles);
    if (const YamlNode* service = node_.find("service")) read_service(*service);
    const YamlNode* may = node_.find("may");
    const YamlNode* may_not = node_.find("may-not");
    if (!may && !may_not) {
      values_.complain(code::test_asks_nothing, "a test asks nothing", node_, "add may: [GET /path] or may-not:");
    }
    common_.principal = std::make_shared<const auth::Principal>(std::move(principal_));
    if (may) read_requests(*may, true);
    if (may_not) read_requests(*may_not, false);
  }

 private:
  void read_identity() {
    const YamlNode* as = node_.find("as");
    if (!as) {
      return values_.complain(code::test_without_identity, "a test does not say who asks", node_,
                              "add as: client:NAME");
    }
    if (!values_.expect_text(*as, "as")) return;
    auto principal = parse_identity(as->text);
    if (!principal) return values_.complain(principal.error(), *as);
    principal_ = *std::move(principal);
  }

  void read_customer(const YamlNode& node) {
    if (!values_.expect_text(node, "on_behalf_of")) return;
    const auto name = parse_name(node.text);
    if (!name) return values_.complain(name.error(), node);
    const bool requester = !principal_.client.empty() || !principal_.service.empty();
    if (name->kind != NameKind::user || name->any_of_kind() || !requester || !principal_.user.empty()) {
      return values_.complain(code::bad_test_identity, "a client or a service asks on behalf of one user", node,
                              "write { as: client:NAME, on_behalf_of: user:NAME, … }");
    }
    principal_.user = name->text;
  }

  void read_names(std::string_view key, std::vector<std::string>& into) {
    const YamlNode* node = node_.find(key);
    if (!node) return;
    if (node_.find("as") && !principal_.identified()) {
      return values_.complain(code::bad_test_identity, cat("who is not identified has no ", key), *node, "");
    }
    for (const YamlNode* text : values_.texts(*node, key, true)) {
      if (const auto fine = check_plain_name(text->text, key); !fine) values_.complain(fine.error(), *text);
      into.push_back(text->text);
    }
  }

  void read_service(const YamlNode& node) {
    if (!values_.expect_text(node, "the service")) return;
    if (const auto fine = check_plain_name(node.text, "the service"); !fine) values_.complain(fine.error(), node);
    common_.service = node.text;
    common_.service_given = true;
  }

  void read_requests(const YamlNode& list, bool may) {
    for (const YamlNode* text : values_.texts(list, may ? "may" : "may-not")) {
      TestCase one = common_;
      one.may = may;
      one.place = values_.short_place(*text);
      if (read_request(*text, one)) reading_.book.tests.push_back(std::move(one));
    }
  }

  // "GET /orders/7" or "GET orders:/orders/7".
  bool read_request(const YamlNode& node, TestCase& out) {
    const std::string_view text = node.text;
    const std::size_t space = text.find(' ');
    const std::string_view method = text.substr(0, space);
    std::string_view path = space == text.npos ? std::string_view() : trim(text.substr(space));
    if (const auto fine = check_method(method); !fine) return refuse(fine.error(), node);
    if (path.empty()) {
      return refuse({code::bad_test_request, cat("'", printable(text, 80), "' is not a method and a path"),
                     "write GET /orders/7, or GET orders:/orders/7"},
                    node);
    }
    if (const std::size_t colon = path.find(":/"); !path.starts_with('/') && colon != path.npos) {
      out.service = path.substr(0, colon);
      out.service_given = true;
      path.remove_prefix(colon + 1);
      if (const auto fine = check_plain_name(out.service, "the service"); !fine) return refuse(fine.error(), node);
    }
    if (const auto fine = check_concrete_path(path); !fine) return refuse(fine.error(), node);
    out.method = method;
    out.path = path;
    return true;
  }

  bool refuse(const Complaint& complaint, const YamlNode& node) {
    values_.complain(complaint, node);
    return false;
  }

  const YamlNode& node_;
  YamlValues& values_;
  Reading& reading_;
  auth::Principal principal_;
  TestCase common_;
};

}  // namespace

void read_tests(const YamlNode& list, YamlValues& values, Reading& reading) {
  if (!values.expect_list(list, "tests")) return;
  for (const YamlNode& node : list.items) {
    if (values.too_many_complaints()) return;
    TestReader(node, values, reading).read();
  }
}

}  // namespace keepgate::policy
