// Files that a configuration names: key sets, signing keys, policies.
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "conf/codes.h"
#include "conf/compile/compiler.h"
#include "crypto/digest.h"

namespace keepgate::conf {

namespace {

constexpr std::size_t key_bytes_max = 1 << 20;
constexpr std::size_t policy_bytes_max = 16 << 20;

// A private key's text, wiped when done with.
struct SecretText {
  std::string text;
  ~SecretText() {
    volatile char* at = text.data();
    for (std::size_t i = 0; i < text.size(); ++i) at[i] = 0;
  }
};

std::string joined(const std::vector<std::string>& paths) {
  std::string out;
  for (const std::string& path : paths) append(out, path, '\n');
  return out;
}

}  // namespace

// All files together. nullptr if any cannot be used: with `errors` the configuration is refused, else the location
// that wants the keys is (503), and the rest runs on.
std::shared_ptr<const crypto::KeySet> Compiler::key_set(const std::vector<Word>& files, bool errors) {
  std::vector<std::string> paths;
  for (const Word& file : files) paths.push_back(configuration_path(file.text));
  const std::string cache_key = joined(paths);
  if (const auto found = key_sets_.find(cache_key); found != key_sets_.end()) return found->second;
  auto merged = std::make_shared<crypto::KeySet>();
  bool usable = true;
  for (std::size_t i = 0; i < files.size(); ++i) {
    std::string text, why;
    Diagnostics found;
    std::shared_ptr<const crypto::KeySet> set;
    if (!read_text(paths[i], key_bytes_max, text, why)) {
      found.error(code::unusable_keys, cat("cannot read '", printable(paths[i], 400), "': ", why),
                  sources_.place(files[i].at));
    } else {
      SourcePlace place;
      place.file = paths[i];
      set = crypto::KeySet::parse(text, place, found);
    }
    for (const Diagnostic& one : found.all()) {
      const bool is_error = one.severity == Severity::error && errors;
      const std::string help = one.severity == Severity::error && !errors && one.help.empty()
                                   ? "locations that need these keys answer 503"
                                   : one.help;
      is_error ? diagnostics_.error(one.code, one.message, one.place, help)
               : diagnostics_.warning(one.code, one.message, one.place, help);
    }
    if (!set) {
      usable = false;
      if (!found.has_errors()) error(code::unusable_keys, "the key set cannot be used", files[i].at);
      continue;
    }
    merged->keys.insert(merged->keys.end(), set->keys.begin(), set->keys.end());
    merged->decryption_keys.insert(merged->decryption_keys.end(), set->decryption_keys.begin(),
                                   set->decryption_keys.end());
  }
  return key_sets_.emplace(cache_key, usable ? merged : nullptr).first->second;
}

std::shared_ptr<const crypto::Key> Compiler::signing_key(const Word& file) {
  const std::string path = configuration_path(file.text);
  if (const auto found = signing_keys_.find(path); found != signing_keys_.end()) return found->second;
  SecretText secret;
  std::string why;
  std::shared_ptr<const crypto::Key> key;
  if (read_text(path, key_bytes_max, secret.text, why)) {
    auto parsed = crypto::parse_jwk(secret.text);
    if (!parsed) {
      why = parsed.error().detail;
    } else if (!(*parsed)->is_private()) {
      why = "it has no private part";
    } else if (!(*parsed)->secret().empty()) {
      why = "a shared secret lets everybody who verifies mint tokens too: make a key pair";
    } else {
      key = *parsed;
    }
  }
  if (key) {
    check_exposure(path, file);
  } else {
    error(code::unusable_signing_key, cat("cannot use '", printable(path, 400), "' as a signing key: ", why), file.at);
  }
  return signing_keys_.emplace(path, std::move(key)).first->second;
}

void Compiler::check_exposure(const std::string& path, const Word& word) {
  struct stat facts{};
  if (!exposure_checked_.insert(path).second || ::stat(path.c_str(), &facts) != 0) return;
  if ((facts.st_mode & S_IROTH) == 0) return;
  warning(code::exposed_key, cat("everybody on this machine can read the private key '", printable(path, 400), "'"),
          word.at, cat("chmod 600 ", printable(path, 400)));
}

std::shared_ptr<const policy::Policy> Compiler::policy(const std::vector<Word>& files) {
  std::vector<std::string> paths;
  for (const Word& file : files) paths.push_back(configuration_path(file.text));
  const std::string cache_key = joined(paths);
  if (const auto found = policies_.find(cache_key); found != policies_.end()) return found->second;
  std::vector<policy::Source> sources;
  bool readable = true;
  for (std::size_t i = 0; i < files.size(); ++i) {
    policy::Source source{paths[i], {}};
    std::string why;
    if (!read_text(paths[i], policy_bytes_max, source.text, why)) {
      error(code::unusable_policy, cat("cannot read the policy '", printable(paths[i], 400), "': ", why), files[i].at);
      readable = false;
      continue;
    }
    if (policies_read_.insert(paths[i]).second) {
      append(hashed_, paths[i], '\n', source.text.size(), '\n', source.text);
      out_->policy_files.push_back(paths[i]);
    }
    sources.push_back(std::move(source));
  }
  auto policy = readable ? policy::Policy::load(sources, diagnostics_) : nullptr;
  return policies_.emplace(cache_key, std::move(policy)).first->second;
}

}  // namespace keepgate::conf
