// The list of what was taken back, for gateways and guards: with a version, and by long-poll.
//
// GET /revocations?after=VERSION&wait=SECONDS[&epoch=EPOCH], with client authentication by Basic. 200 with the list, or
// 304 when nothing changed within `wait`; both say Revocation-Version and Revocation-Epoch. Who says the epoch whose
// VERSION it has is given only what was added behind that, and `Revocation-After: VERSION` says so; without that field
// the list is whole.
#include "base/bytes.h"
#include "oauth/client_authentication.h"
#include "oauth/endpoints.h"

namespace keepgate::oauth {

namespace {

constexpr std::int64_t wait_s_max = 60;
constexpr std::int64_t look_period_ms = 50;  // How soon a waiting gateway hears of a change.
constexpr std::uint16_t not_modified = 304;

// `from`: the version behind which the asker wants the additions; nothing: it wants all of it.
Answer feed_answer(const RevocationFeed& feed, bool is_new, std::optional<std::int64_t> from) {
  Answer out;
  out.status = is_new ? 200 : not_modified;
  if (is_new) {
    out.content_type = "text/plain; charset=utf-8";
    out.body = feed.log.behind(from.value_or(0));
  }
  out.fields = cat("Cache-Control: no-store\r\nRevocation-Version: ", feed.version,
                   "\r\nRevocation-Epoch: ", feed.epoch, "\r\n");
  if (is_new && from) append(out.fields, "Revocation-After: ", *from, "\r\n");
  return out;
}

net::Task<Checked<Answer>> answer_feed(Context& context) {
  auto who = co_await authenticate_client(context, PublicClients::refused);
  if (!who) co_return std::unexpected(std::move(who.error()));
  if (!who->client->reads_revocations) {
    co_return refuse(403, "access_denied", "this client may not read the list: say `revocations on` for it");
  }
  const Params& query = context.request.query;
  const auto number = parse_unsigned<std::uint64_t>(query.get("after"));
  const auto after = number && *number <= INT64_MAX ? std::optional(static_cast<std::int64_t>(*number)) : std::nullopt;
  const auto wait_s = parse_unsigned<std::uint16_t>(query.find("wait").value_or("0"));
  if ((query.has("after") && !after) || !wait_s)
    co_return refuse("invalid_request", "after and wait are whole numbers");
  pipeline::Exchange& x = context.exchange;
  const std::int64_t until_ms = context.now().monotonic_ms + std::min<std::int64_t>(*wait_s, wait_s_max) * 1000;
  while (true) {
    const auto state = context.service.state().current();
    const RevocationFeed& feed = *state->revocations;
    if (!feed.list) co_return unavailable();
    const bool is_new = !after || feed.version != *after;
    // A version that is not of our past says nothing of what the asker has.
    const bool goes_on = after && *after <= feed.version && query.find("epoch") == std::string_view(feed.epoch);
    if (is_new || context.now().monotonic_ms >= until_ms || x.worker().draining) {
      co_return feed_answer(feed, is_new, goes_on ? after : std::nullopt);
    }
    const net::Wake wake =
        co_await x.client().wait_hangup(std::min(context.now().monotonic_ms + look_period_ms, until_ms));
    if (wake != net::Wake::timeout) {
      x.aborted = true;
      co_return Answer{};
    }
  }
}

}  // namespace

net::Task<Answer> serve_feed(Context& context) {
  auto answer = co_await answer_feed(context);
  if (!answer) co_return answer_of(answer.error());
  co_return std::move(*answer);
}

}  // namespace keepgate::oauth
