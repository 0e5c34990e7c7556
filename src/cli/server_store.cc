#include "cli/server_store.h"

#include <signal.h>
#include <unistd.h>

#include "base/bytes.h"
#include "cli/command.h"
#include "cli/files.h"
#include "cli/lookup.h"
#include "cli/output.h"
#include "oauth/key_ring.h"
#include "oauth/schema.h"
#include "oauth/service.h"

namespace keepgate::cli {

namespace {

// The longest that `access_token_lifetime` can say, and room for clocks that differ.

}  // namespace

void ServerStore::declare(Arguments& arguments) {
  arguments.option("-c,--config", "FILE", configuration_,
                   cat("configuration with the authorization_server (default: ", default_configuration, ")"));
  arguments.option("-p,--prefix", "FOLDER", prefix_, "where relative paths start (default: the file's folder)");
}

int ServerStore::open() {
  Where where;
  where.configuration = configuration_;
  where.prefix = prefix_;
  snapshot_ = load_configuration(where);
  if (!snapshot_) return exit_failure;
  if (!snapshot_->authorization_service || !snapshot_->authorization_settings) {
    return failed(verb_, "the configuration has no authorization_server");
  }
  // What it makes must be the server's to read and write.
  if (snapshot_->user && ::geteuid() != snapshot_->user->user_id) {
    return failed(verb_, cat("the server runs as ", snapshot_->user->name, ", and the store is that user's: sudo -u ",
                             snapshot_->user->name, " keepgate ", verb_, " …"));
  }
  auto opened = store::Transactor::open(
      {.address = snapshot_->authorization_service->options().store, .migrations = oauth::schema()});
  if (!opened) return failed(verb_, opened.error().detail);
  store_ = std::move(*opened);
  return exit_ok;
}

Result<crypto::SecretText> ServerStore::wrapping_key() const {
  auto key = oauth::wrapping_key_of(*store_, snapshot_->authorization_service->options().key_file);
  if (!key) return key;
  // What it opens is the proof that it is this store's.
  const Result<void> fits = store_->run([&](store::Database& database) -> Result<void> {
    const auto keys = oauth::load_keys(database, *snapshot_->authorization_settings, *key);
    if (!keys) return std::unexpected(keys.error());
    return {};
  });
  if (!fits) return std::unexpected(fits.error());
  return key;
}

int ServerStore::run(const store::Transactor::Job& job) {
  const Result<void> done = store_->run(job);
  return done ? exit_ok : failed(verb_, done.error().detail);
}

bool show_secret(std::string_view verb, const std::string& file, std::string_view text) {
  ::signal(SIGPIPE, SIG_IGN);  // A reader that has gone is a failure to be told, not the end in the middle.
  const Result<void> shown = write_file(file, text, 0600, Existing::refuse);
  if (!shown) complain(verb, shown.error().detail);
  return shown.has_value();
}

}  // namespace keepgate::cli
