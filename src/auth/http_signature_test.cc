// Signatures of requests: each algorithm, what has to be covered, and what is refused.
#include "auth/http_signature.h"

#include "auth/authenticate.h"
#include "auth/content_digest.h"
#include "auth/signed_request_for_tests.h"
#include "crypto/running_digest.h"

namespace keepgate::auth {
namespace {

using crypto::Algorithm;
using test::ParsedRequest;
using test::signature_fields;

constexpr std::int64_t created_s = 1'618'884'473;
constexpr Now at_creation{0, created_s * 1000};
SignatureOptions options_for(std::shared_ptr<const crypto::KeySet> keys, std::vector<std::string> components = {}) {
  SignatureOptions out;
  out.keys = std::move(keys);
  out.covers_body = false;
  out.components = std::move(components);
  return out;
}

constexpr std::string_view lines = "GET /a?b=c HTTP/1.1\r\nHost: example.com\r\nX-Note: one\r\n";
constexpr std::string_view parameters = R"(("@method" "@authority" "@path" "@query");created=1618884473;keyid="k1")";

struct Shop {
  explicit Shop(Algorithm algorithm = Algorithm::es256)
      : key(crypto::test::signing_key(algorithm)),
        options(options_for(crypto::test::verifying_set(algorithm),
                            parse_components("@method,@authority,@path,@query").value())) {
    options.covers_body = true;
  }
  Result<VerifiedSignature> verify(std::string_view fields, std::string_view other_lines = lines,
                                   std::int64_t late_s = 0, bool tls = false) const {
    const ParsedRequest request(cat(other_lines, fields, "\r\n"), tls);
    return verify_signature(request.signed_request(), options, {0, (created_s + late_s) * 1000});
  }
  bool passes(std::string_view input) const { return verify(signature_fields(lines, input, *key)).has_value(); }
  std::shared_ptr<const crypto::Key> key;
  SignatureOptions options;
};

TEST(HttpSignature, knows_six_algorithms_and_each_only_by_its_own_key) {
  const std::pair<Algorithm, std::string_view> algorithms[] = {
      {Algorithm::ps512, "rsa-pss-sha512"},    {Algorithm::rs256, "rsa-v1_5-sha256"},
      {Algorithm::hs256, "hmac-sha256"},       {Algorithm::es256, "ecdsa-p256-sha256"},
      {Algorithm::es384, "ecdsa-p384-sha384"}, {Algorithm::eddsa, "ed25519"}};
  for (const auto& [algorithm, name] : algorithms) {
    const Shop shop(algorithm);
    const auto verified = shop.verify(signature_fields(lines, parameters, *shop.key));
    ASSERT_TRUE(verified) << name << ": " << verified.error().detail;
    EXPECT_EQ(verified->key_id, "k1");
    EXPECT_TRUE(shop.passes(cat(parameters, ";alg=\"", name, '"')));
    for (const auto& [other, other_name] : algorithms) {
      if (other == algorithm) continue;
      EXPECT_FALSE(shop.passes(cat(parameters, ";alg=\"", other_name, '"'))) << name << other_name;
      const Shop stranger(other);
      EXPECT_FALSE(shop.verify(signature_fields(lines, parameters, *stranger.key))) << name << other_name;
    }
    const auto second = crypto::test::signing_key(algorithm, "k2");
    EXPECT_FALSE(shop.verify(signature_fields(lines, parameters, *second))) << name;
  }
  for (const Algorithm algorithm : {Algorithm::ps256, Algorithm::es512, Algorithm::rs512, Algorithm::hs512}) {
    EXPECT_EQ(signature_algorithm(*crypto::test::signing_key(algorithm)), "");
    const Shop shop(algorithm);
    EXPECT_FALSE(shop.verify(signature_fields(lines, parameters, *shop.key)));
  }
}

TEST(HttpSignature, is_about_this_request_and_no_other_one) {
  const Shop shop;
  const std::string fields = signature_fields(lines, parameters, *shop.key);
  EXPECT_TRUE(shop.verify(fields));
  EXPECT_TRUE(shop.verify(fields, "GET /a?b=c HTTP/1.1\r\nHost: EXAMPLE.com:80\r\n"));
  for (const char* other :
       {"POST /a?b=c HTTP/1.1\r\nHost: example.com\r\n", "GET /b?b=c HTTP/1.1\r\nHost: example.com\r\n",
        "GET /a?b=d HTTP/1.1\r\nHost: example.com\r\n", "GET /a HTTP/1.1\r\nHost: example.com\r\n",
        "GET /a?b=c HTTP/1.1\r\nHost: example.org\r\n", "GET /a?b=c HTTP/1.1\r\nHost: example.com:8080\r\n",
        "GET /%61?b=c HTTP/1.1\r\nHost: example.com\r\n"}) {
    EXPECT_FALSE(shop.verify(fields, other)) << other;
  }
  // A field that is covered and sent twice is another value.
  const std::string noted =
      signature_fields(lines, R"(("@method" "@target-uri" "x-note");created=1618884473;keyid="k1")", *shop.key);
  EXPECT_TRUE(shop.verify(noted));
  EXPECT_FALSE(shop.verify(cat(noted, "X-Note: two\r\n")));
  EXPECT_FALSE(shop.verify(noted, "GET /a?b=c HTTP/1.1\r\nHost: example.com\r\n"));
  EXPECT_FALSE(shop.verify(noted, lines, 0, true));
}

TEST(HttpSignature, has_to_cover_what_is_demanded) {
  const Shop shop;
  for (const char* components :
       {"", R"("@method" "@authority" "@path")", R"("@authority" "@path" "@query")", R"("@method" "@path" "@query")",
        R"("@method" "@request-target")", R"("@method" "@authority" "@path" "@query-param";name="b")"}) {
    EXPECT_FALSE(shop.passes(cat("(", components, R"();created=1618884473;keyid="k1")"))) << components;
  }
  for (const char* components :
       {R"("@query" "@path" "@authority" "@method")", R"("@method" "@target-uri")",
        R"("@method" "@authority" "@request-target")", R"("x-note";bs "@method" "@target-uri")"}) {
    EXPECT_TRUE(shop.passes(cat("(", components, R"();created=1618884473;keyid="k1")"))) << components;
  }
  constexpr std::string_view post =
      "POST /a?b=c HTTP/1.1\r\nHost: example.com\r\nContent-Length: 2\r\nContent-Digest: sha-256=:x:\r\n";
  EXPECT_FALSE(shop.verify(signature_fields(post, parameters, *shop.key), post));
  const auto covered = shop.verify(
      signature_fields(post, R"(("@method" "@target-uri" "content-digest");created=1618884473;keyid="k1")", *shop.key),
      post);
  ASSERT_TRUE(covered);
  EXPECT_EQ(covered->content_digest, "sha-256=:x:");
  EXPECT_FALSE(shop.verify(
      signature_fields(
          post,
          R"(("@method" "@target-uri" "content-digest" "content-digest";key="sha-256");created=1618884473;keyid="k1")",
          *shop.key),
      post));
  constexpr std::string_view chunked = "POST /a?b=c HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n";
  EXPECT_FALSE(shop.verify(signature_fields(chunked, parameters, *shop.key), chunked));
  constexpr std::string_view empty = "POST /a?b=c HTTP/1.1\r\nHost: example.com\r\nContent-Length: 0\r\n";
  EXPECT_TRUE(shop.verify(signature_fields(empty, parameters, *shop.key), empty));
}

TEST(HttpSignature, holds_from_its_creation_for_its_age) {
  const Shop shop;
  const std::string fields = signature_fields(lines, parameters, *shop.key);
  EXPECT_TRUE(shop.verify(fields, lines, -5));
  EXPECT_FALSE(shop.verify(fields, lines, -6));
  EXPECT_TRUE(shop.verify(fields, lines, 304));
  EXPECT_FALSE(shop.verify(fields, lines, 305));
  EXPECT_EQ(shop.verify(fields)->expires_s, created_s + 305);
  const std::string brief = signature_fields(lines, cat(parameters, ";expires=1618884483"), *shop.key);
  EXPECT_TRUE(shop.verify(brief, lines, 14));
  EXPECT_FALSE(shop.verify(brief, lines, 15));
  for (const char* bad :
       {R"(("@method" "@target-uri");keyid="k1")", R"(("@method" "@target-uri");created="1618884473";keyid="k1")",
        R"(("@method" "@target-uri");created=-1;keyid="k1")", R"(("@method" "@target-uri");created;keyid="k1")",
        R"(("@method" "@target-uri");created=1618884473;expires=1618884473;keyid="k1")",
        R"(("@method" "@target-uri");created=1618884473;expires="x";keyid="k1")"}) {
    EXPECT_FALSE(shop.passes(bad)) << bad;
  }
}

TEST(HttpSignature, needs_one_known_key_and_texts_where_texts_belong) {
  const Shop shop;
  for (const char* bad :
       {R"(("@method" "@target-uri");created=1618884473)", R"(("@method" "@target-uri");created=1618884473;keyid="")",
        R"(("@method" "@target-uri");created=1618884473;keyid="k2")",
        R"(("@method" "@target-uri");created=1618884473;keyid=k1)",
        R"(("@method" "@target-uri");created=1618884473;keyid="k1";alg=7)",
        R"(("@method" "@target-uri");created=1618884473;keyid="k1";alg="none")",
        R"(("@method" "@target-uri");created=1618884473;keyid="k1";nonce=7)",
        R"(("@method" "@target-uri");created=1618884473;keyid="k1";tag=7)"}) {
    EXPECT_FALSE(shop.passes(bad)) << bad;
  }
  Shop two;
  two.options.keys = crypto::test::set_of(
      cat(crypto::test::public_half(Algorithm::es256), ",", crypto::test::public_half(Algorithm::eddsa)));
  EXPECT_FALSE(two.passes(parameters));
  EXPECT_TRUE(two.passes(cat(parameters, R"(;alg="ecdsa-p256-sha256")")));
  EXPECT_FALSE(two.passes(cat(parameters, R"(;alg="ed25519")")));
}

TEST(HttpSignature, refuses_fields_that_two_readers_could_read_differently) {
  const Shop shop;
  const std::string good = signature_fields(lines, parameters, *shop.key);
  const std::string input = good.substr(0, good.find("\r\n") + 2), signature = good.substr(input.size());
  EXPECT_TRUE(shop.verify(cat(signature, input)));
  const std::string bytes = signature.substr(signature.find(":", 12), std::string::npos);
  const std::string refused[] = {
      input,
      signature,
      cat(input, input, signature),
      cat(input, signature, signature),
      cat(input, "Signature: other=", bytes),
      cat(good, "Signature: other=:AAAA:\r\n"),
      cat(good, "Signature-Input: other=();created=1618884473;keyid=\"k9\"\r\n"),
      cat(input, "Signature: sig=\"AAAA\"\r\n"),
      cat(input, "Signature: sig=()\r\n"),
      cat(input, "Signature: sig=::\r\n"),
      cat(input, "Signature: sig=:AA:\r\n"),
      cat(input, "Signature: sig=:AAAA:\r\n"),
      cat(input, "Signature:\r\n"),
      cat("Signature-Input: sig=\"x\"\r\n", signature),
      cat("Signature-Input: sig\r\n", signature),
      cat("Signature-Input: \r\n", signature),
      cat("Signature-Input: sig=(\"@method\" \"@method\");created=1618884473;keyid=\"k1\"\r\n", signature),
      cat("Signature-Input: sig=(\"@method\"\r\n", signature),
      cat("Signature-Input: sig=", parameters, ";created=1618884473\r\n", signature),
      // The same parameters in another order are other bytes.
      cat("Signature-Input: sig=(\"@method\" \"@authority\" \"@path\" \"@query\");keyid=\"k1\";created=1618884473\r\n",
          signature),
      cat("Signature-Input: sig=(\"@authority\" \"@method\" \"@path\" \"@query\");created=1618884473;keyid=\"k1\"\r\n",
          signature),
      cat("Signature-Input: sig=", parameters, ";x=\"", std::string(16'000, 'x'), "\"\r\n", signature),
  };
  for (const std::string& fields : refused) EXPECT_FALSE(shop.verify(fields)) << fields;
}

TEST(HttpSignature, chooses_among_several_only_where_one_is_meant) {
  const Shop shop;
  const auto stranger = crypto::test::signing_key(Algorithm::es256, "proxy");
  const std::string ours = signature_fields(lines, parameters, *shop.key, "a");
  const std::string theirs =
      signature_fields(lines, R"(("@method");created=1618884473;keyid="proxy";tag="hop")", *stranger, "b");
  EXPECT_TRUE(shop.verify(cat(ours, theirs)));
  EXPECT_FALSE(shop.verify(theirs));
  const std::string again = signature_fields(lines, cat(parameters, ";tag=\"app\""), *shop.key, "c");
  EXPECT_FALSE(shop.verify(cat(ours, again)));
  Shop labelled;
  labelled.options.label = "c";
  EXPECT_TRUE(labelled.verify(cat(ours, again)));
  EXPECT_FALSE(labelled.verify(ours));
  Shop tagged;
  tagged.options.tag = "app";
  EXPECT_TRUE(tagged.verify(cat(ours, again)));
  EXPECT_FALSE(tagged.verify(ours));
  std::string many;
  for (std::size_t i = 0; i + 1 < signatures_max; ++i)
    many += signature_fields(lines, R"(();created=1618884473;keyid="x")", *stranger, cat("m", i));
  EXPECT_TRUE(shop.verify(cat(ours, many)));
  many += signature_fields(lines, R"(();created=1618884473;keyid="x")", *stranger, "last");
  EXPECT_FALSE(shop.verify(cat(ours, many)));
}

TEST(HttpSignature, asks_for_a_nonce_where_each_passes_once) {
  Shop shop;
  shop.options.once = true;
  EXPECT_FALSE(shop.passes(parameters));
  EXPECT_FALSE(shop.passes(cat(parameters, ";nonce=\"\"")));
  const auto verified = shop.verify(signature_fields(lines, cat(parameters, ";nonce=\"n1\""), *shop.key));
  ASSERT_TRUE(verified);
  EXPECT_EQ(verified->nonce, "n1");
}

TEST(HttpSignature, reads_components_of_a_directive) {
  EXPECT_EQ(parse_components("@method,date").value(), (std::vector<std::string>{"\"@method\"", "\"date\""}));
  EXPECT_EQ(parse_components("@query-param;name=\"x\"").value(),
            (std::vector<std::string>{"\"@query-param\";name=\"x\""}));
  for (const char* bad : {"", ",", "@method,", "Date", "a\"b", "a;", "a;B"}) EXPECT_FALSE(parse_components(bad)) << bad;
}

class NoNames final : public route::VariableSource {
 public:
  std::string_view variable(const route::VariableRef&) override { return {}; }
};

struct Counter {
  explicit Counter(bool once = false) {
    auto made = std::make_shared<SignatureOptions>(shop.options);
    made->once = once;
    made->realm = "shop";
    options.signature = made;
  }
  AccessResult run(std::string_view text) {
    request = std::make_unique<ParsedRequest>(std::string(text));
    return authenticate({.options = options,
                         .head = request->parser.head(),
                         .channel = {},
                         .variables = variables,
                         .arena = arena,
                         .now = at_creation,
                         .answers = &answers,
                         .method = "GET"},
                        false);
  }
  Shop shop;
  AuthOptions options;
  Answers answers;
  NoNames variables;
  Arena arena;
  std::unique_ptr<ParsedRequest> request;
};

TEST(HttpSignature, names_the_client_and_what_may_come_once) {
  Counter counter(true);
  const std::string fields = signature_fields(lines, cat(parameters, ";nonce=\"n1\""), *counter.shop.key);
  const AccessResult good = counter.run(cat(lines, fields, "\r\n"));
  ASSERT_EQ(good.access, Access::accepted) << good.reason;
  EXPECT_EQ(good.principal->describe(), "client:k1");
  EXPECT_EQ(good.principal->method, AuthMethod::signature);
  EXPECT_TRUE(good.signature.id.starts_with("k1\n"));
  EXPECT_EQ(good.signature.expires_s, created_s + 305);
  const AccessResult none = counter.run(cat(lines, "\r\n"));
  EXPECT_EQ(none.status, 401);
  EXPECT_TRUE(none.challenge.starts_with("Signature realm=\"shop\", components=")) << none.challenge;
  const AccessResult half = counter.run(cat(lines, fields.substr(0, fields.find("\r\n") + 2), "\r\n"));
  EXPECT_EQ(half.status, 401);
  EXPECT_NE(half.challenge.find("error=\"invalid_signature\""), std::string::npos);
}

TEST(HttpSignature, of_a_body_waits_for_the_body_and_only_when_it_has_held) {
  Counter counter;
  const std::string sha256 = crypto::digest_of("hi", crypto::DigestKind::sha256);
  const std::string post =
      cat("POST /a HTTP/1.1\r\nHost: example.com\r\nContent-Length: 2\r\nContent-Digest: sha-256=:",
          crypto::base64_encode(sha256), ":\r\n");
  const std::string input = R"(("@method" "@target-uri" "content-digest");created=1618884473;keyid="k1")";
  const std::string fields = signature_fields(post, input, *counter.shop.key);
  std::string forged = fields;
  forged[forged.rfind("=:") - 20] ^= 1;
  EXPECT_EQ(counter.run(cat(post, forged, "\r\n")).status, 401);
  const AccessResult asked = counter.run(cat(post, fields, "\r\n"));
  ASSERT_EQ(asked.access, Access::need);
  EXPECT_EQ(asked.need->kind, NeedKind::body_digest);
  const auto answer_with = [&](std::string_view body, bool is_good) {
    counter.answers.clear();
    auto digests = std::make_shared<BodyDigests>();
    digests->sha256 = crypto::digest_of(body, crypto::DigestKind::sha256);
    digests->sha512 = crypto::digest_of(body, crypto::DigestKind::sha512);
    Answer answer;
    answer.kind = NeedKind::body_digest;
    answer.key = asked.need->key;
    answer.is_good = is_good;
    answer.value = std::move(digests);
    counter.answers.add(std::move(answer));
    return counter.run(cat(post, fields, "\r\n"));
  };
  EXPECT_EQ(answer_with("hi", true).access, Access::accepted);
  EXPECT_EQ(answer_with("ho", true).status, 401);
  EXPECT_EQ(answer_with("hi", false).status, 503);
}

}  // namespace
}  // namespace keepgate::auth
