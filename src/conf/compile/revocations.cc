// revocations: the file and the servers of what is taken back, followed over reloads.
#include <algorithm>

#include "auth/revocation_sources.h"
#include "base/clock.h"
#include "conf/codes.h"
#include "conf/compile/compiler.h"
#include "conf/source.h"
#include "issuer/revocation_feed.h"
#include "store/revocation_file.h"

namespace keepgate::conf {

void Compiler::compile_revocations() {
  auto sources = std::make_shared<auth::RevocationSources>();
  compile_revocation_file(*sources);
  for (const RevocationFeedModel& model : model_.revocation_feeds) {
    const auto feed = revocation_feed(model);
    out_->revocation_feeds.push_back(feed);
    sources->push_back({{feed, &feed->list()}, feed->options().url, !feed->options().is_optional});
  }
  KG_ASSERT(sources->size() <= auth::revocation_sources_max);
  if (!sources->empty()) out_->revocations = std::move(sources);
}

// Without its list a gateway would let in whom it was written against: a file that cannot be used is an error, at the
// start and at a reload. Only when it breaks later does the last good list go on.
void Compiler::compile_revocation_file(std::vector<auth::RevocationSource>& sources) {
  if (!model_.revocations) return;
  const std::string path = configuration_path(model_.revocations->text);
  const auto& before = options_.previous ? options_.previous->revocation_file : nullptr;
  const auto file = before && before->path() == path ? before : std::make_shared<store::RevocationFile>(path);
  file->refresh(Now::read());
  if (const std::string failure = file->failure(); !failure.empty()) {
    return error(code::unusable_revocations, failure, model_.revocations->at,
                 "a line each: sub|jti|client|kid|key|grant NAME [iss=ISSUER] [before=TIME] [until=TIME]");
  }
  out_->revocation_file = file;
  sources.push_back({{file, &file->list()}, "", true});
}

// The same object while nothing of it changes. Another one of the same URL goes on with the list that is known.
std::shared_ptr<issuer::RevocationFeed> Compiler::revocation_feed(const RevocationFeedModel& model) {
  issuer::FeedOptions options;
  options.url = model.url.text;
  options.allow_private = model.allow_private;
  options.allow_plain = model.allow_plain;
  options.is_optional = model.is_optional;
  options.wait_s = model.wait_s;
  if (model.client_id) options.client_id = model.client_id->text;
  if (model.secret_file) options.client_secret = client_secret(*model.secret_file);
  if (model.secret_file && !options.client_secret) options.client_id.clear();  // An error was reported.
  if (model.authorities) options.authorities = authorities(*model.authorities);
  if (model.cache) options.cache = join_path(folders_.prefix, model.cache->text);
  const issuer::RevocationFeed* before = nullptr;
  if (options_.previous) {
    const auto& feeds = options_.previous->revocation_feeds;
    const auto found = std::ranges::find_if(feeds, [&](const auto& one) { return one->options().url == options.url; });
    if (found != feeds.end() && (*found)->options().same_as(options)) return *found;
    if (found != feeds.end()) before = found->get();
  }
  auto made = std::make_shared<issuer::RevocationFeed>(std::move(options), before);
  if (!options_.check_only) made->restore();
  return made;
}

}  // namespace keepgate::conf
