// ServerStore: the authorization server of a configuration and its store, for the verbs that change what is in it.
//
// Thread rule: main thread. Lifetime: owns the configuration that its references point into. A running server sees what
// changes within a moment; several may work with one store.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "cli/arguments.h"
#include "oauth/settings.h"
#include "pipeline/snapshot.h"
#include "store/transactor.h"

namespace keepgate::cli {

class ServerStore {
 public:
  // `verb`: for what is said to people.
  explicit ServerStore(std::string_view verb) : verb_(verb) {}

  void declare(Arguments& arguments);  // -c and -p.
  // exit_ok; or the exit code, after saying why.
  int open();
  const oauth::Settings& settings() const { return *snapshot_->authorization_settings; }
  // The key that wraps what only the server may read; made for a store that has none yet.
  Result<crypto::SecretText> wrapping_key() const;

  // In one transaction. exit_ok, or the exit code after saying why.
  int run(const store::Transactor::Job& job);

 private:
  std::string_view verb_;
  std::string configuration_, prefix_;
  std::shared_ptr<const pipeline::Snapshot> snapshot_;
  std::unique_ptr<store::Transactor> store_;
};

// A secret, handed out this once: into a new file (mode 0600), or on standard output for "-".
// false: it was said why not.
[[nodiscard]] bool show_secret(std::string_view verb, const std::string& file, std::string_view text);

}  // namespace keepgate::cli
