// One feed is a loop: ask → take → ask. At most one question is under way; the next follows its answer, after failures
// ever more slowly.
#include "issuer/feed_keeper.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/log.h"
#include "issuer/client_secret.h"
#include "store/revocation_copy.h"

namespace keepgate::issuer {

namespace {

constexpr unsigned list_status = 200, unchanged_status = 304;
constexpr std::string_view version_field = "revocation-version", epoch_field = "revocation-epoch",
                           after_field = "revocation-after";

bool is_epoch(std::string_view text) {
  return text.size() <= RevocationFeed::epoch_bytes_max &&
         std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; });
}

// As it stands in a query. One that would have to be encoded is not said: then lists are whole.
bool is_plain_epoch(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return is_alpha(c) || is_digit(c) || c == '-' || c == '_' || c == '.';
  });
}

std::string fault_of_feed_status(unsigned status) {
  if (status == 401 || status == 403) return cat("it answers ", status, ": it does not take our credentials");
  if (status >= 300 && status < 400) return cat("it answers ", status, ": redirects are not followed");
  return cat("it answers ", status);
}

// What a cut off list could not be told from one that is whole by: then it would let in whom its end was written
// against.
std::string fault_of_form(const fetch::Response& response) {
  const std::string_view type = response.find("content-type");
  if (!equals_ignoring_case(trim(type.substr(0, type.find(';'))), "text/plain")) {
    return cat("its answer is of type '", printable(type, 60), "', not text/plain");
  }
  if (response.find("content-length").empty() && response.find("transfer-encoding").empty()) {
    return "its answer does not say where it ends";
  }
  if (!response.body.empty() && response.body.back() != '\n') return "the last line of its list has no end";
  return {};
}

std::string name_of_feed(const RevocationFeed& feed) { return cat("revocations of ", printable(feed.options().url)); }

}  // namespace

FeedKeeper::FeedKeeper(fetch::Fetcher& fetcher, Post post, Chance chance, const FeedBounds& bounds)
    : fetcher_(fetcher), post_(std::move(post)), chance_(std::move(chance)), bounds_(bounds) {}

void FeedKeeper::use(const std::vector<std::shared_ptr<RevocationFeed>>& feeds, Now now) {
  std::vector<WatchPointer> kept, ended;
  for (const WatchPointer& watch : watches_) {
    watch->ended = std::ranges::find(feeds, watch->feed) == feeds.end();
    (watch->ended ? ended : kept).push_back(watch);
  }
  watches_ = std::move(kept);
  for (const auto& feed : feeds) {
    if (std::ranges::any_of(watches_, [&](const auto& one) { return one->feed == feed; })) continue;
    auto watch = std::make_shared<Watch>();
    watch->feed = feed;
    watch->due_ms = now.monotonic_ms;
    if (const auto list = feed->list().current()) watch->whole_count = list->size();
    // The copy that it is to keep may lack what is in force, or lie elsewhere: all of the list is asked for and
    // written.
    watch->wants_whole =
        std::ranges::any_of(ended, [&](const auto& one) { return one->feed->options().url == feed->options().url; });
    if (!feed->restore_fault().empty()) {
      log(LogLevel::error, name_of_feed(*feed), ": the copy on disk is not used: ", feed->restore_fault());
    }
    watches_.push_back(std::move(watch));
  }
}

std::int64_t FeedKeeper::advance(Now now) {
  std::int64_t next_ms = INT64_MAX;
  for (const WatchPointer& watch : std::vector<WatchPointer>(watches_)) {
    if (watch->has_unsaved && watch->save_ms <= now.monotonic_ms) save(*watch, now);
    if (watch->has_unsaved) next_ms = std::min(next_ms, watch->save_ms);
    if (!watch->is_asking && watch->due_ms <= now.monotonic_ms) ask(watch, now);
    if (!watch->is_asking) next_ms = std::min(next_ms, watch->due_ms);
  }
  return next_ms;
}

void FeedKeeper::stop() {
  for (const WatchPointer& watch : std::exchange(watches_, {})) watch->ended = true;
}

fetch::Request FeedKeeper::request_for(const Watch& watch, const RevocationFeed::Known& known) const {
  const FeedOptions& options = watch.feed->options();
  // Who knows nothing, or only what was on the disk, does not wait for something to happen.
  const bool goes_on = known.version && !watch.wants_whole;
  const std::int64_t wait_s = goes_on && watch.feed->was_asked() ? options.wait_s : 0;
  fetch::Request request;
  request.url = cat(options.url, options.url.find('?') == std::string::npos ? '?' : '&',
                    "after=", goes_on ? *known.version : 0, "&wait=", wait_s);
  if (goes_on && is_plain_epoch(known.epoch)) append(request.url, "&epoch=", known.epoch);
  request.is_secret = true;
  request.headers.push_back({"Accept", "text/plain"});
  if (!options.client_id.empty()) {
    request.headers.push_back(client_secret_basic(options.client_id, *options.client_secret));
  }
  request.reach = options.allow_private ? fetch::Reach::with_private : fetch::Reach::global;
  if (options.allow_plain) request.plain = fetch::Plain::to_loopback;
  request.authorities = options.authorities;
  request.body_bytes_max = auth::RevocationList::file_bytes_max;
  request.connect_timeout_ms = bounds_.connect_timeout_ms;
  request.silence_s_max = wait_s + bounds_.silence_s;
  request.timeout_ms = wait_s * 1000 + bounds_.transfer_ms_max;
  return request;
}

void FeedKeeper::ask(const WatchPointer& watch, Now now) {
  const RevocationFeed::Known known = watch->feed->known();
  watch->is_asking = true;
  watch->asked_ms = now.monotonic_ms;
  // `post` may outlive this keeper's use of the answer, not the keeper: the composition stops fetching first.
  fetcher_.fetch(request_for(*watch, known), [this, watch, post = post_](Result<fetch::Response> response) {
    auto kept = std::make_shared<Result<fetch::Response>>(std::move(response));
    post([this, watch, kept](Now at) {
      if (!watch->ended) take(watch, std::move(*kept), at);
    });
  });
}

void FeedKeeper::take(const WatchPointer& watch, Result<fetch::Response> response, Now now) {
  watch->is_asking = false;
  std::string fault;
  if (!response) {
    fault = response.error().detail;
  } else if (response->status != list_status && response->status != unchanged_status) {
    fault = fault_of_feed_status(response->status);
  } else {
    const auto version = parse_unsigned<std::uint64_t>(response->find(version_field));
    const std::string_view epoch = response->find(epoch_field);
    if (!version) {
      fault = "its answer has no Revocation-Version";
    } else if (!is_epoch(epoch)) {
      fault = "its Revocation-Epoch is none";
    } else if (response->status == list_status) {
      fault = fault_of_form(*response);
      if (fault.empty()) {
        fault = response->find(after_field).empty() ? take_list(*watch, response->body, *version, epoch, now)
                                                    : take_additions(*watch, *response, *version, epoch, now);
      }
    } else {
      const RevocationFeed::Known known = watch->feed->known();
      const bool began_anew = known.version && !epoch.empty() && epoch != known.epoch;
      fault = take_unchanged(*watch, *version, began_anew, now);
    }
  }
  fault.empty() ? succeed(*watch) : fail(*watch, fault, now);
  watch->feed->note_asked();
}

std::string FeedKeeper::take_list(Watch& watch, std::string& body, std::uint64_t version, std::string_view epoch,
                                  Now now) {
  const RevocationFeed::Known known = watch.feed->known();
  const bool began_anew = known.version && !epoch.empty() && epoch != known.epoch;
  if (known.version && !began_anew) {
    // INVARIANT: nothing that was taken back comes back because an answer was late, or a copy of the server lags.
    if (version < *known.version) return cat("it offers version ", version, ", and ", *known.version, " is in force");
    if (version == *known.version && !watch.wants_whole) {
      be_unchanged(watch, now);
      return {};
    }
  }
  auto list = auth::RevocationList::parse(body);
  if (!list) return cat("its list cannot be read: ", list.error().detail);
  const std::size_t count = (*list)->size();
  const std::string_view kept_epoch = epoch.empty() ? std::string_view(known.epoch) : epoch;
  watch.feed->take(std::move(*list), version, kept_epoch);
  watch.whole_count = count;
  watch.wants_whole = false;
  log(known.version && !began_anew ? LogLevel::info : LogLevel::notice, name_of_feed(*watch.feed), ": version ",
      version, began_anew ? " of a server that began anew" : "", " revokes ", count, count == 1 ? " name" : " names");
  note_unsaved(watch, std::move(body), std::nullopt, now);
  watch.due_ms = now.monotonic_ms + bounds_.pause_ms;
  return {};
}

// Additions to another list than ours, or such as cannot be read, leave ours in force and make us ask for all of it.
// INVARIANT: our version stays known meanwhile, so that an older list is still refused.
std::string FeedKeeper::take_additions(Watch& watch, const fetch::Response& response, std::uint64_t version,
                                       std::string_view epoch, Now now) {
  const RevocationFeed::Known known = watch.feed->known();
  const auto before = watch.feed->list().current();
  const auto after = parse_unsigned<std::uint64_t>(response.find(after_field));
  const bool asked_for_all = std::exchange(watch.wants_whole, true);
  if (!after || !known.version || !before || asked_for_all || *after != *known.version || epoch.empty() ||
      epoch != known.epoch || version < *after) {
    return "it tells what was added to another list than the one in force";
  }
  auto list = auth::RevocationList::extended(*before, response.body);
  if (!list) return cat("what it adds cannot be read: ", list.error().detail);
  const std::size_t count = (*list)->size();
  // What has ended is gone from the server's list, and is not from ours.
  watch.wants_whole = count > 2 * watch.whole_count + bounds_.added_max;
  watch.feed->take(std::move(*list), version, epoch);
  log(LogLevel::info, name_of_feed(*watch.feed), ": version ", version, " adds ", count - before->size(), " to ",
      before->size());
  note_unsaved(watch, response.body, *after, now);
  watch.due_ms = now.monotonic_ms + bounds_.pause_ms;
  return {};
}

// RFC 9110 §15.4.5: what is known is still true.
std::string FeedKeeper::take_unchanged(Watch& watch, std::uint64_t version, bool began_anew, Now now) {
  const RevocationFeed::Known known = watch.feed->known();
  if (began_anew) {
    watch.feed->forget_version();  // The next question is for all of it; until then the old list is in force.
    watch.due_ms = now.monotonic_ms + bounds_.pause_ms;
    return {};
  }
  if (!known.version && version == 0) {  // "Nothing since the beginning": there is nothing on the list.
    auto empty = auth::RevocationList::parse("");
    watch.feed->take(std::move(*empty), 0, known.epoch);
    log(LogLevel::notice, name_of_feed(*watch.feed), ": nothing was ever revoked");
    be_unchanged(watch, now);
    return {};
  }
  if (!known.version) return "it says that nothing changed to one who knows nothing";
  if (version != *known.version) {
    return cat("it says that nothing changed since ", version, ", and ", *known.version, " is in force");
  }
  be_unchanged(watch, now);
  return {};
}

void FeedKeeper::be_unchanged(Watch& watch, Now now) const {
  watch.wants_whole = false;
  watch.due_ms = std::max(now.monotonic_ms, watch.asked_ms + bounds_.again_ms);
}

void FeedKeeper::succeed(Watch& watch) {
  if (watch.failures > 0 && !watch.complaint.empty()) {
    log(LogLevel::notice, name_of_feed(*watch.feed), ": it answers again");
  }
  watch.failures = 0;
  watch.complaint.clear();
  watch.quiet_until_ms = INT64_MIN;
}

void FeedKeeper::fail(Watch& watch, const std::string& why, Now now) {
  const bool has_list = watch.feed->known().has_list;
  if (why != watch.complaint || now.monotonic_ms >= watch.quiet_until_ms) {
    log(LogLevel::error, name_of_feed(*watch.feed), ": ", why,
        has_list                            ? "; the last list stays in force"
        : watch.feed->options().is_optional ? "; nothing of it is known, and nothing of it counts (optional)"
                                            : "; nothing of it is known: credentials are answered 503");
    watch.complaint = why;
    watch.quiet_until_ms = now.monotonic_ms + bounds_.log_pause_ms;
  }
  const unsigned doublings = std::min(watch.failures, 10U);
  const std::int64_t pause_ms = std::min(bounds_.retry_ms_min << doublings, bounds_.retry_ms_max);
  ++watch.failures;
  // Between half of it and all of it.
  const std::int64_t at_least_ms = pause_ms / 2, at_random_ms = pause_ms - at_least_ms;
  watch.due_ms =
      now.monotonic_ms + at_least_ms + static_cast<std::int64_t>(static_cast<double>(at_random_ms) * chance_());
}

// Behind what is still to be written stands what comes later: of a list or of additions, in the same form.
void FeedKeeper::note_unsaved(Watch& watch, std::string text, std::optional<std::uint64_t> after, Now now) const {
  if (watch.feed->options().cache.empty()) return;
  if (after && watch.has_unsaved) {
    watch.unsaved += text;
    return;
  }
  watch.unsaved = std::move(text);
  watch.unsaved_after = after;
  watch.has_unsaved = true;
  watch.save_ms = now.monotonic_ms;
}

void FeedKeeper::save(Watch& watch, Now now) const {
  const RevocationFeed::Known known = watch.feed->known();
  const FeedOptions& options = watch.feed->options();
  // A version that was forgotten meanwhile is asked for anew.
  if (!known.version) {
    watch.has_unsaved = false;
    watch.unsaved.clear();
    return;
  }
  store::RevocationCopy copy{*known.version, known.epoch, options.url, std::move(watch.unsaved)};
  watch.unsaved.clear();
  const bool is_whole = !watch.unsaved_after;
  const Result<void> written =
      is_whole ? store::write_revocation_copy(options.cache, copy)
               : store::append_revocation_copy(options.cache, copy, *watch.unsaved_after, watch.copy_state);
  if (is_whole || !written) watch.copy_state = {};
  if (written) {
    if (watch.save_failed) log(LogLevel::notice, name_of_feed(*watch.feed), ": the copy on disk is written again");
    watch.save_failed = watch.has_unsaved = false;
    return;
  }
  if (!is_whole) {
    // All of the list is written instead, as soon as we have it.
    watch.has_unsaved = false;
    watch.wants_whole = true;
    return;
  }
  if (!watch.save_failed) {
    log(LogLevel::error, name_of_feed(*watch.feed), ": the copy on disk cannot be written: ", written.error().detail);
  }
  watch.save_failed = true;
  watch.unsaved = std::move(copy.text);
  watch.save_ms = now.monotonic_ms + bounds_.save_again_ms;
}

}  // namespace keepgate::issuer
