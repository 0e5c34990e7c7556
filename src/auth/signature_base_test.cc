#include "auth/signature_base.h"

#include "auth/signed_request_for_tests.h"

namespace keepgate::auth {
namespace {

using test::input_of;
using test::ParsedRequest;

constexpr std::string_view digest =
    "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:";

std::string value_of(std::string_view component, std::string_view lines, bool tls = false) {
  const ParsedRequest request(cat(lines, "\r\n"), tls);
  const auto item = http::parse_item(component);
  EXPECT_TRUE(item) << component;
  const auto value = component_value(*item, request.signed_request());
  return value ? *value : cat("refused: ", value.error().detail);
}

bool is_refused(std::string_view component, std::string_view lines) {
  return value_of(component, lines).starts_with("refused: ");
}

TEST(SignatureBase, is_that_of_rfc_9421_b_2_3) {
  const ParsedRequest request(
      cat("POST /foo?param=Value&Pet=dog HTTP/1.1\r\nHost: example.com\r\nDate: Tue, 20 Apr 2021 02:07:55 GMT\r\n"
          "Content-Type: application/json\r\nContent-Digest: ",
          digest, "\r\nContent-Length: 18\r\n\r\n"));
  const auto base = signature_base(
      input_of(R"(("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" "content-length"))"
               R"(;created=1618884473;keyid="test-key-rsa-pss")"),
      request.signed_request());
  ASSERT_TRUE(base) << base.error().detail;
  EXPECT_EQ(*base, cat("\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n"
                       "\"@method\": POST\n"
                       "\"@path\": /foo\n"
                       "\"@query\": ?param=Value&Pet=dog\n"
                       "\"@authority\": example.com\n"
                       "\"content-type\": application/json\n"
                       "\"content-digest\": ",
                       digest,
                       "\n\"content-length\": 18\n"
                       "\"@signature-params\": (\"date\" \"@method\" \"@path\" \"@query\" \"@authority\" "
                       "\"content-type\" \"content-digest\" \"content-length\");created=1618884473;"
                       "keyid=\"test-key-rsa-pss\""));
}

TEST(SignatureBase, derives_components_as_section_2_2_says) {
  constexpr std::string_view get = "GET /path/%7Ea?param=value HTTP/1.1\r\nHost: www.Example.com:80\r\n";
  EXPECT_EQ(value_of(R"("@method")", get), "GET");
  EXPECT_EQ(value_of(R"("@authority")", get), "www.example.com");
  EXPECT_EQ(value_of(R"("@authority")", get, true), "www.example.com:80");
  EXPECT_EQ(value_of(R"("@scheme")", get), "http");
  EXPECT_EQ(value_of(R"("@scheme")", get, true), "https");
  EXPECT_EQ(value_of(R"("@request-target")", get), "/path/%7Ea?param=value");
  EXPECT_EQ(value_of(R"("@path")", get), "/path/%7Ea");
  EXPECT_EQ(value_of(R"("@query")", get), "?param=value");
  EXPECT_EQ(value_of(R"("@target-uri")", get), "http://www.example.com/path/%7Ea?param=value");
  constexpr std::string_view absolute = "GET http://www.example.com HTTP/1.1\r\nHost: www.example.com\r\n";
  EXPECT_EQ(value_of(R"("@path")", absolute), "/");
  EXPECT_EQ(value_of(R"("@query")", absolute), "?");
  EXPECT_EQ(value_of(R"("@request-target")", absolute), "http://www.example.com");
  EXPECT_EQ(value_of(R"("@query")", "GET /path? HTTP/1.1\r\nHost: a\r\n"), "?");
  EXPECT_EQ(value_of(R"("@target-uri")", "GET /path? HTTP/1.1\r\nHost: a\r\n"), "http://a/path?");
  for (const char* component : {R"("@status")", R"("@unknown")", R"("@")", R"("@Method")", R"("@method";req)",
                                R"("@path";name="x")", R"("@signature-params")"}) {
    EXPECT_TRUE(is_refused(component, get)) << component;
  }
}

// §2.2.8.
TEST(SignatureBase, takes_query_parameters_one_by_one) {
  constexpr std::string_view get =
      "GET "
      "/parameters?var=this%20is%20a%20big%0Amultiline%20value&bar=with+plus+whitespace&fa%C3%A7ade%22%3A%20=something&"
      "qux=&a=1&a=2 "
      "HTTP/1.1\r\nHost: a\r\n";
  EXPECT_EQ(value_of(R"("@query-param";name="var")", get), "this%20is%20a%20big%0Amultiline%20value");
  EXPECT_EQ(value_of(R"("@query-param";name="bar")", get), "with%20plus%20whitespace");
  EXPECT_EQ(value_of(R"("@query-param";name="fa%C3%A7ade%22%3A%20")", get), "something");
  EXPECT_EQ(value_of(R"("@query-param";name="qux")", get), "");
  for (const char* component : {R"("@query-param";name="a")", R"("@query-param";name="b")", R"("@query-param")",
                                R"("@query-param";name=var)", R"("@query-param";name="var";req)"}) {
    EXPECT_TRUE(is_refused(component, get)) << component;
  }
}

TEST(SignatureBase, takes_fields_whole_in_bytes_and_by_key) {
  constexpr std::string_view lines =
      "GET / HTTP/1.1\r\nHost: a\r\nX-Empty:\r\nX-Two: one\r\nx-two:   two ,three  \r\nContent-Digest:  a=1,   "
      "b=2;x=1;y=2, c=(a   b c), d\r\n";
  EXPECT_EQ(value_of(R"("x-empty")", lines), "");
  EXPECT_EQ(value_of(R"("x-two")", lines), "one, two ,three");
  EXPECT_EQ(value_of(R"("x-two";bs)", lines), ":b25l:, :dHdvICx0aHJlZQ==:");
  EXPECT_EQ(value_of(R"("x-empty";bs)", lines), "::");
  EXPECT_EQ(value_of(R"("content-digest";sf)", lines), "a=1, b=2;x=1;y=2, c=(a b c), d");
  EXPECT_EQ(value_of(R"("content-digest";key="b")", lines), "2;x=1;y=2");
  EXPECT_EQ(value_of(R"("content-digest";key="c")", lines), "(a b c)");
  EXPECT_EQ(value_of(R"("content-digest";key="d")", lines), "?1");
  for (const char* component :
       {R"("x-none")", R"("X-Two")", R"("")", R"("x two")", R"("x-two";sf)", R"("x-two";req)", R"("x-two";tr)",
        R"("x-two";bs;sf)", R"("content-digest";bs;key="a")", R"("content-digest";key="z")",
        R"("content-digest";key=a)", R"("x-two";bs=?0)", R"("x-two";other)"}) {
    EXPECT_TRUE(is_refused(component, lines)) << component;
  }
}

TEST(SignatureBase, refuses_a_component_twice_whatever_the_order_of_its_parameters) {
  const ParsedRequest request("GET /?a=1 HTTP/1.1\r\nHost: a\r\nPriority: u=1\r\n\r\n");
  for (const char* input : {R"(("@method" "@method"))", R"(("priority";sf;key="u" "priority";key="u";sf))",
                            R"((method))", R"((1))", R"("@method")"}) {
    EXPECT_FALSE(signature_base(input_of(input), request.signed_request())) << input;
  }
  EXPECT_TRUE(signature_base(input_of(R"(("priority" "priority";sf "priority";key="u"))"), request.signed_request()));
  EXPECT_TRUE(signature_base(input_of("()"), request.signed_request()));
}

TEST(SignatureBase, has_a_bound_on_components) {
  std::string lines = "GET /?";
  std::string fits = "(";
  for (std::size_t i = 0; i <= components_max; ++i) append(lines, i == 0 ? "" : "&", "a", i, "=1");
  for (std::size_t i = 0; i < components_max; ++i) append(fits, "\"@query-param\";name=\"a", i, "\" ");
  const ParsedRequest request(cat(lines, " HTTP/1.1\r\nHost: a\r\n\r\n"));
  EXPECT_TRUE(signature_base(input_of(cat(fits, ")")), request.signed_request()));
  EXPECT_FALSE(signature_base(input_of(cat(fits, "\"@method\")")), request.signed_request()));
}

}  // namespace
}  // namespace keepgate::auth
