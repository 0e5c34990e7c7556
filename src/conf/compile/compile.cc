// The order of the steps, files, the digest of the configuration.
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "auth/password_check.h"
#include "base/bytes.h"
#include "conf/codes.h"
#include "conf/compile/compiler.h"
#include "conf/parser.h"
#include "crypto/digest.h"
#include "logs/access_format.h"
#include "logs/log_file.h"

namespace keepgate::conf {

namespace {

bool exists(const std::string& path) {
  struct stat facts{};
  return ::stat(path.c_str(), &facts) == 0;
}

bool is_standard_stream(std::string_view path) { return path == "stderr" || path == "stdout"; }

}  // namespace

Compiler::Compiler(const LoadOptions& options, const Folders& folders, const Sources& sources, Diagnostics& diagnostics,
                   Model& model)
    : options_(options),
      folders_(folders),
      sources_(sources),
      diagnostics_(diagnostics),
      model_(model),
      strict_(model.main.strict.value_or(false)),
      out_(std::make_shared<pipeline::Snapshot>()) {}

// What an outer level says is compiled once for each level that inherits it; a complaint about it is made once. There
// are never more than a reader can use.
bool Compiler::is_news(std::string_view code, std::string_view message, const Position& at) {
  return complaints_.insert(cat(code, ' ', at.file, ' ', at.offset, ' ', message)).second;
}

void Compiler::error(std::string_view code, std::string message, const Position& at, std::string help) {
  const bool enough = diagnostics_.has_errors() && diagnostics_.all().size() >= Parser::complaints_max;
  if (enough || !is_news(code, message, at)) return;
  diagnostics_.error(code, std::move(message), sources_.place(at), std::move(help));
}

void Compiler::warning(std::string_view code, std::string message, const Position& at, std::string help) {
  if (diagnostics_.all().size() >= Parser::complaints_max || !is_news(code, message, at)) return;
  diagnostics_.warning(code, std::move(message), sources_.place(at), std::move(help));
}

void Compiler::unsafe(std::string_view code, std::string message, const Position& at, std::string help) {
  strict_ ? error(code, std::move(message), at, std::move(help))
          : warning(code, std::move(message), at, std::move(help));
}

std::string Compiler::configuration_path(const std::string& path) const {
  std::string usual = join_path(folders_.configuration, path);
  if (path.starts_with('/') || folders_.prefix == folders_.configuration || exists(usual)) return usual;
  std::string other = join_path(folders_.prefix, path);
  return exists(other) ? other : usual;
}

std::string Compiler::prefix_path(const std::string& path) const {
  return is_standard_stream(path) ? path : join_path(folders_.prefix, path);
}

bool Compiler::read_text(const std::string& path, std::size_t bytes_max, std::string& text, std::string& why) {
  return read_file(path, bytes_max, text, why);
}

std::shared_ptr<const pipeline::Snapshot> Compiler::compile() {
  compile_process();
  compile_revocations();
  compile_maps();
  compile_geos();
  note_slots();
  compile_formats();
  compile_zones();
  compile_upstreams();
  // Also where no server inherits it: a policy that cannot be read is never passed over.
  if (model_.http.policies) policy(*model_.http.policies);
  for (const auto& server : model_.servers) compile_server(*server);
  if (model_.authorization_server) compile_authorization_server(*model_.authorization_server);
  compile_listeners();
  report_unused_issuers();
  finish_hash();
  if (options_.looks_around) check_log_folders();
  // Last: nothing is written or created for a configuration that is refused.
  if (!diagnostics_.has_errors() && !options_.check_only) {
    open_logs();
    make_temp_folders();
  }
  if (diagnostics_.has_errors()) return nullptr;
  return std::move(out_);
}

void Compiler::compile_process() {
  const MainModel& main = model_.main;
  out_->strict = strict_;
  out_->worker_count = main.worker_processes.value_or(1);
  out_->worker_connections = main.worker_connections.value_or(512);
  out_->shutdown_timeout_ms = main.worker_shutdown_timeout_ms.value_or(-1);
  out_->open_files_max = main.worker_rlimit_nofile.value_or(0);
  out_->daemon = main.daemon.value_or(true);
  if (main.pid) out_->pid_file = prefix_path(*main.pid);
  if (main.error_log) out_->error_log_path = prefix_path(*main.error_log);
  out_->error_log_level = main.error_log_level;
  if (model_.token_cache_entries) out_->token_cache_entries = static_cast<std::size_t>(*model_.token_cache_entries);
  out_->worker_priority = main.worker_priority;
  compile_user();
  compile_affinity();
  if (options_.previous) out_->replay = options_.previous->replay;
  out_->proofs = options_.previous ? options_.previous->proofs : std::make_shared<identity::ReplayStore>();
  out_->signatures = options_.previous ? options_.previous->signatures : std::make_shared<identity::ReplayStore>();
  out_->passwords = options_.previous ? options_.previous->passwords : std::make_shared<auth::VerifiedPasswords>();
}

void Compiler::compile_user() {
  const std::vector<Word>& words = model_.main.user;
  if (words.empty() || ::geteuid() != 0) return;
  const passwd* user = ::getpwnam(words[0].text.c_str());
  if (!user) return error(code::bad_value, cat("there is no user '", printable(words[0].text), "'"), words[0].at);
  const unsigned user_id = user->pw_uid;
  const Word& group_word = words.back();
  const ::group* group = ::getgrnam(group_word.text.c_str());
  if (!group) {
    return error(code::bad_value, cat("there is no group '", printable(group_word.text), "'"), group_word.at,
                 words.size() == 1 ? "user NAME GROUP;" : "");
  }
  out_->user = pipeline::ProcessUser{words[0].text, user_id, group->gr_gid};
}

// "0101": the first processor is the last digit.
void Compiler::compile_affinity() {
  const std::vector<Word>& words = model_.main.worker_cpu_affinity;
  if (words.empty()) return;
  const auto processors_of = [](std::string_view mask) {
    std::vector<unsigned> out;
    for (std::size_t i = 0; i < mask.size(); ++i) {
      if (mask[mask.size() - 1 - i] == '1') out.push_back(static_cast<unsigned>(i));
    }
    return out;
  };
  auto& processors = out_->worker_processors;
  if (words[0].text != "auto") {
    for (const Word& word : words) processors.push_back(processors_of(word.text));
    if (words.size() != out_->worker_count) {
      warning(
          code::no_effect,
          "the number of 'worker_processes' is not equal to the number of 'worker_cpu_affinity' masks, the last mask "
          "is used for the rest",
          words[0].at);
    }
    return;
  }
  cpu_set_t usable;
  CPU_ZERO(&usable);
  ::sched_getaffinity(0, sizeof usable, &usable);
  std::vector<unsigned> chosen = processors_of(words.size() > 1 ? words[1].text : std::string(CPU_SETSIZE, '1'));
  std::erase_if(chosen, [&](unsigned one) { return !CPU_ISSET(one, &usable); });
  if (chosen.empty()) {
    return error(code::bad_value, "the mask of 'worker_cpu_affinity' has none of the processors that may be used",
                 words.back().at);
  }
  for (unsigned i = 0; i < out_->worker_count; ++i) processors.push_back({chosen[i % chosen.size()]});
}

// Logs are written when the heads are gone: those of answers are kept where a log, or a map that it may use, asks.
bool Compiler::logs_name_response_fields() const {
  const auto is_field = [](const route::VariableRef& one) {
    return one.variable == route::Variable::sent_http_ || one.variable == route::Variable::upstream_http_;
  };
  const auto maps = [&](const MapFacts& map) {
    return std::ranges::any_of(map.source, is_field) || std::ranges::any_of(map.values, is_field);
  };
  const auto logs = [&](const PendingLog& log) {
    const auto names_one = [&](const route::Template& text) {
      return std::ranges::any_of(text.parts(), [&](const auto& part) { return is_field(part.reference); });
    };
    return (log.format && names_one(log.format->line)) || (log.condition && names_one(*log.condition));
  };
  return std::ranges::any_of(map_facts_, maps) || std::ranges::any_of(pending_logs_, logs);
}

// `-t` opens no log, but says where one could not be made.
void Compiler::check_log_folders() {
  const auto check = [this](const std::string& path, const Position& at) {
    if (is_standard_stream(path) || exists(path) || exists(folder_of(path))) return;
    error(code::unusable_log, cat("open() \"", printable(path, 400), "\" failed (2: No such file or directory)"), at,
          cat("mkdir -p ", printable(folder_of(path), 400)));
  };
  for (const PendingLog& log : pending_logs_) check(log.path, log.at);
}

void Compiler::open_logs() {
  out_->logs_response_fields = logs_name_response_fields();
  for (const PendingLog& log : pending_logs_) {
    std::string why;
    std::shared_ptr<logs::LogFile> file = logs::LogFile::open(log.path, why);
    if (!file) {
      error(code::unusable_log, cat("cannot open '", printable(log.path, 400), "': ", why), log.at);
      continue;
    }
    Location& location = out_->locations[log.location];
    if (log.format) {
      location.access_logs.push_back({std::move(file), log.format, log.condition});
    } else {
      location.decision_log = std::move(file);
    }
  }
}

// Where bodies spill; made when everything else is known to be good.
std::string Compiler::temp_folder(const Word& path) {
  std::string folder = prefix_path(path.text);
  temp_folders_.emplace_back(folder, path.at);
  return folder;
}

void Compiler::make_temp_folders() {
  for (const auto& [folder, at] : temp_folders_) {
    if (::mkdir(folder.c_str(), 0700) == 0 || errno == EEXIST) {
      if (::access(folder.c_str(), W_OK | X_OK) == 0) continue;
    }
    error(code::unusable_folder, cat("cannot use '", printable(folder, 400), "': ", std::strerror(errno)), at,
          "temporary files are kept there");
  }
}

void Compiler::finish_hash() {
  std::string all;
  for (std::uint32_t i = 0; i < sources_.count(); ++i) {
    const std::string_view file = sources_.text(i);
    append(all, sources_.name(i), '\n', file.size(), '\n', file);
    out_->configuration_files.push_back(sources_.name(i));
  }
  out_->hash = crypto::sha256_hex(cat(all, hashed_));
}

}  // namespace keepgate::conf
