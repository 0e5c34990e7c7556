// auth_basic: the realm, and the file of users that is followed.
#include <algorithm>

#include "base/bytes.h"
#include "base/clock.h"
#include "conf/codes.h"
#include "conf/compile/compiler.h"
#include "store/user_file.h"

namespace keepgate::conf {

namespace {

bool may_become_off(const route::Template& realm) {
  constexpr std::string_view off = "off";
  return !realm.is_literal() && std::ranges::all_of(realm.parts(), [&](const route::Template::Part& part) {
    return part.is_variable() || off.find(part.literal) != std::string_view::npos;
  });
}

}  // namespace

// A reload goes on with what is being followed already, as with API keys.
std::shared_ptr<store::UserFile> Compiler::user_file(const Word& word) {
  const std::string path = configuration_path(word.text);
  const auto is_same = [&](const auto& file) { return file->path() == path; };
  auto& files = out_->user_files;
  if (const auto found = std::ranges::find_if(files, is_same); found != files.end()) return *found;
  std::shared_ptr<store::UserFile> file;
  if (options_.previous) {
    const auto& before = options_.previous->user_files;
    if (const auto found = std::ranges::find_if(before, is_same); found != before.end()) file = *found;
  }
  if (!file) file = std::make_shared<store::UserFile>(path);
  file->refresh(Now::read());
  const std::shared_ptr<const auth::UserSet> users = file->users().current();
  if (const std::string failure = file->failure(); !failure.empty()) {
    warning(code::unusable_keys, cat(failure, ": locations that need its users answer 503"), word.at,
            "lines NAME:HASH, made by htpasswd or openssl passwd -6");
  } else if (users && users->unusable() > 0) {
    warning(code::unusable_keys, cat(printable(path, 400), ' ', users->first_unusable()), word.at,
            "this line lets nobody in");
  }
  return files.emplace_back(std::move(file));
}

void Compiler::compile_basic(Location& out, const Level& level) {
  const LevelOptions& options = level.options;
  if (!options.auth_basic || options.auth_basic->off) return;
  auth::BasicOptions& basic = out.auth.basic;
  basic.enabled = true;
  basic.realm = text(options.auth_basic->realm);
  basic.forwards = options.basic_forward.value_or(false);
  if (may_become_off(basic.realm) && (level.location || level.server.locations.empty())) {
    const std::string source = find_unverified(basic.realm, false);
    if (!source.empty()) {
      unsafe(code::open_by_variable,
             cat("the realm comes from ", source, ": who makes it \"off\" is asked for no password"),
             options.auth_basic->realm.at, "name the realm, or take it from a map whose source no client chooses");
    }
  }
  user_verified_ = out.auth.satisfy == auth::Satisfy::all && !may_become_off(basic.realm);
  if (options.basic_user_file) {
    const std::shared_ptr<store::UserFile> file = user_file(*options.basic_user_file);
    basic.users = std::shared_ptr<const Published<auth::UserSet>>(file, &file->users());
  } else if (level.location || level.server.locations.empty()) {
    warning(code::missing_keys, cat("auth_basic without auth_basic_user_file: ", level.described(), " answers 503"),
            options.auth_basic->at, "auth_basic_user_file FILE;");
  }
}

}  // namespace keepgate::conf
