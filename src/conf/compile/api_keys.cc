// auth_api_key: where keys are looked for, and the file that holds them.
#include <algorithm>

#include "base/bytes.h"
#include "base/clock.h"
#include "conf/codes.h"
#include "conf/compile/compiler.h"
#include "store/api_key_editor.h"
#include "store/api_key_file.h"

namespace keepgate::conf {

// A reload goes on with what is being followed already: nothing is read twice, and no change is lost between the two.
std::shared_ptr<store::ApiKeyFile> Compiler::api_key_file(const ApiKeyFileModel& model) {
  const std::string path = configuration_path(model.path.text);
  const std::string secret_path = model.secret ? configuration_path(*model.secret) : store::secret_path_of(path);
  const auto is_same = [&](const auto& file) { return file->path() == path && file->secret_path() == secret_path; };
  auto& files = out_->api_key_files;
  if (const auto found = std::ranges::find_if(files, is_same); found != files.end()) return *found;
  std::shared_ptr<store::ApiKeyFile> file;
  if (options_.previous) {
    const auto& before = options_.previous->api_key_files;
    if (const auto found = std::ranges::find_if(before, is_same); found != before.end()) file = *found;
  }
  if (!file) file = std::make_shared<store::ApiKeyFile>(path, secret_path);
  const store::ApiKeyFile::Refreshed news = file->refresh(Now::read());
  if (news.change == store::ApiKeyFile::Change::failed) {
    warning(code::unusable_keys, news.message, model.path.at,
            cat("keepgate key create --file ", printable(path, 400), " …"));
  }
  return files.emplace_back(std::move(file));
}

void Compiler::compile_api_key(Location& out, const Level& level) {
  const LevelOptions& options = level.options;
  if (!options.auth_api_key || options.auth_api_key->off) return;
  auth::ApiKeyOptions& api_key = out.auth.api_key;
  api_key.enabled = true;
  api_key.realm = text(options.auth_api_key->realm);
  api_key.places = options.auth_api_key->places;
  api_key.forwards = options.api_key_forward.value_or(false);
  if (options.api_key_file) {
    const std::shared_ptr<store::ApiKeyFile> file = api_key_file(*options.api_key_file);
    api_key.keys = std::shared_ptr<const Published<auth::ApiKeySet>>(file, &file->keys());
  } else if (level.location || level.server.locations.empty()) {
    warning(code::missing_keys, cat("auth_api_key without auth_api_key_file: ", level.described(), " answers 503"),
            options.auth_api_key->at, "auth_api_key_file FILE;");
  }
}

}  // namespace keepgate::conf
