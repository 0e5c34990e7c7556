// Pushed authorization requests (RFC 9126): checked as if they came to /authorize, by an authenticated client; what
// comes out is a name for them that is good for a minute and for one code.
#include "base/bytes.h"
#include "oauth/authorization_request.h"
#include "oauth/client_authentication.h"
#include "oauth/endpoints.h"
#include "oauth/flow.h"
#include "oauth/grant_records.h"
#include "oauth/proof_of_possession.h"
#include "oauth/public_entries.h"

namespace keepgate::oauth {

namespace {

constexpr std::string_view credentials[] = {"client_secret", "client_assertion", "client_assertion_type"};

bool is_credential(std::string_view name) {
  return std::find(std::begin(credentials), std::end(credentials), name) != std::end(credentials);
}

net::Task<Checked<Answer>> answer_pushed_request(Context& context) {
  auto who = co_await authenticate_client(context, PublicClients::accepted);
  if (!who) co_return std::unexpected(std::move(who.error()));
  if (const auto good = check_entry(context, *who); !good) co_return std::unexpected(good.error());
  const Client& client = *who->client;
  // RFC 9126 §2.1: a request_uri in a pushed request is refused.
  if (context.request.form.has("request_uri")) co_return refuse("invalid_request", "request_uri has no place here");
  auto key = proven_key(context, {});
  if (!key) co_return std::unexpected(std::move(key.error()));
  Params parameters;
  bool has_id = false;
  for (const auto& [name, value] : context.request.form.pairs()) {
    if (is_credential(name)) continue;
    has_id = has_id || name == "client_id";
    parameters.add(name, value);
  }
  if (!has_id) parameters.add("client_id", client.id);
  // RFC 9449 §10.1: a proof that comes with the push stands for dpop_jkt.
  const std::string said_key(parameters.get("dpop_jkt"));
  if (!key->empty() && !said_key.empty() && said_key != *key) {
    co_return refuse("invalid_dpop_proof", "dpop_jkt is another key than the proof's");
  }
  if (!key->empty() && said_key.empty()) parameters.add("dpop_jkt", *key);
  const auto checked = check_authorization_request(context, parameters, "pushed");
  if (!checked) co_return std::unexpected(checked.error().failure);
  const std::string text = parameters.write();
  if (text.size() > flow_parameters_bytes_max) co_return refuse(413, "invalid_request", "the request is too long");
  const std::string reference = make_token("");
  const std::int64_t expires_s = context.now().wall_s() + context.settings.pushed_request_lifetime_s;
  const std::function<Result<bool>(store::Database&)> job = [hash = hash_of_token(reference), id = client.id, text,
                                                             bound = *key,
                                                             expires_s](store::Database& database) -> Result<bool> {
    const auto done = database.run(
        "INSERT INTO pushed_requests (hash, client, parameters, bound_key, expires_s) VALUES ($1, $2, $3, $4, $5)",
        {hash, id, text, bound, expires_s});
    if (!done) return std::unexpected(done.error());
    return true;
  };
  const auto done = co_await context.record<bool>(job);
  if (!done) co_return store_failure(context, done.error());
  Answer answer = json_answer(cat(R"({"request_uri":")", request_uri_prefix, reference, R"(","expires_in":)",
                                  context.settings.pushed_request_lifetime_s, '}'),
                              201);
  if (!key->empty()) answer.fields += nonce_field(context);
  co_return answer;
}

}  // namespace

net::Task<Answer> serve_pushed_request(Context& context) {
  auto answer = co_await answer_pushed_request(context);
  if (!answer) co_return answer_of(answer.error());
  co_return std::move(*answer);
}

}  // namespace keepgate::oauth
