// Directives of the main and events levels, and the blocks that the rest stands in.
#include <sched.h>
#include <unistd.h>

#include <thread>

#include "base/bytes.h"
#include "conf/directives/row.h"

namespace keepgate::conf {

namespace {

constexpr std::uint64_t workers_max = 512;

unsigned usable_processors() {
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof set, &set) == 0) return static_cast<unsigned>(std::max(1, CPU_COUNT(&set)));
  return std::max(1U, std::thread::hardware_concurrency());
}

void set_worker_processes(Reader& reader, const Scope& scope, const Directive& directive) {
  const Word& word = directive.arguments[0];
  std::optional<std::uint64_t> count;
  if (word.text == "auto") {
    count = usable_processors();
  } else {
    count = reader.number(directive, word, word.text, 1, workers_max);
  }
  detail::set_once<&MainModel::worker_processes>(reader, scope, directive, count);
}

void read_events(Reader& reader, const Scope&, const Directive& directive) {
  if (std::exchange(reader.model().main.has_events, true)) return reader.duplicate(directive);
  Scope inner;
  inner.context = in_events;
  reader.read(directive.block, inner);
}

void read_http(Reader& reader, const Scope&, const Directive& directive) {
  if (std::exchange(reader.model().main.has_http, true)) return reader.duplicate(directive);
  Scope inner;
  inner.context = in_http;
  inner.level = &reader.model().http;
  reader.read(directive.block, inner);
}

void set_user(Reader& reader, const Scope&, const Directive& directive) {
  if (!reader.model().main.user.empty()) return reader.duplicate(directive);
  reader.model().main.user = directive.arguments;
  if (::geteuid() == 0) return;
  reader.warning(code::no_effect,
                 "the 'user' directive makes sense only if the program runs with super-user privileges",
                 directive.name.at);
}

// As nginx: from -20 to 20.
void set_worker_priority(Reader& reader, const Scope& scope, const Directive& directive) {
  const Word& word = directive.arguments[0];
  const bool negative = word.text.starts_with('-');
  const std::string_view digits = std::string_view(word.text).substr(negative ? 1 : 0);
  std::optional<int> priority;
  if (const auto number = reader.number(directive, word, digits, 0, 20)) {
    priority = negative ? -static_cast<int>(*number) : static_cast<int>(*number);
  }
  detail::set_once<&MainModel::worker_priority>(reader, scope, directive, priority);
}

void set_worker_cpu_affinity(Reader& reader, const Scope&, const Directive& directive) {
  std::vector<Word>& masks = reader.model().main.worker_cpu_affinity;
  if (!masks.empty()) return reader.duplicate(directive);
  const bool automatic = directive.arguments[0].text == "auto";
  for (const Word& word : directive.arguments) {
    if (automatic && &word == directive.arguments.data()) continue;
    if (word.text.find_first_not_of("01") != std::string::npos || word.text.find('1') == std::string::npos) {
      return reader.invalid_value(directive, word, "one digit for each processor, the first at the right: 0101");
    }
    if (word.text.size() > CPU_SETSIZE) {
      return reader.invalid_value(directive, word, cat("at most ", CPU_SETSIZE, " processors"));
    }
  }
  if (automatic && directive.arguments.size() > 2) return reader.invalid_value(directive, directive.arguments[2]);
  masks = directive.arguments;
}

void remark_module(Reader& reader, const Scope&, const Directive& directive) {
  reader.warning(
      code::no_effect,
      cat("module '", printable(directive.arguments[0].text), "' is not loaded: Keepgate has no dynamic modules"),
      directive.name.at, "directives of the module that are not built are refused one by one");
}

void check_connections(Reader& reader, const Scope& scope, const Directive& directive) {
  set_number<&MainModel::worker_connections, 1, 1'000'000>(reader, scope, directive);
}

constexpr DirectiveRow main_table[] = {
    {"strict",
     in_main,
     {1, 1},
     Support::built,
     set_flag<&MainModel::strict>,
     "off",
     "Default deny: every location asks for an identity and a policy's consent unless it says `authorize off`, and "
     "what would be a warning about safety is an error."},
    {"events", in_main, {0, 0, true}, Support::built, read_events, "", "Settings of connection handling."},
    {"http", in_main, {0, 0, true}, Support::built, read_http, "", "Everything about HTTP."},
    {"worker_processes",
     in_main,
     {1, 1},
     Support::built,
     set_worker_processes,
     "1",
     "How many worker threads serve requests; auto: one for each processor."},
    {"worker_shutdown_timeout",
     in_main,
     {1, 1},
     Support::built,
     set_time_ms<&MainModel::worker_shutdown_timeout_ms>,
     "",
     "How long a shutdown waits for requests under way before it closes their connections; without it, as long as they "
     "take."},
    {"worker_connections",
     in_events,
     {1, 1},
     Support::built,
     check_connections,
     "512",
     "How many connections a worker has at most, to clients and to upstreams, with its listeners."},
    {"worker_rlimit_nofile",
     in_main,
     {1, 1},
     Support::built,
     set_number<&MainModel::worker_rlimit_nofile, 1, 1'000'000'000>,
     "",
     "The limit on open files of the process (RLIMIT_NOFILE); its workers are threads and share it."},
    {"daemon", in_main, {1, 1}, Support::built, set_flag<&MainModel::daemon>, "on", "Whether to go to the background."},
    {"master_process",
     in_main,
     {1, 1},
     Support::built,
     set_flag<&MainModel::master_process>,
     "on",
     "Accepted for compatibility: workers are threads of one process."},
    {"pid", in_main, {1, 1}, Support::built, set_text<&MainModel::pid>, "", "The file that holds the process id."},
    {"user",
     in_main,
     {1, 2},
     Support::built,
     set_user,
     "",
     "Whom root becomes, for good, when everything is bound and opened; default group: of the same name. Without it, "
     "the "
     "user that started the program stays."},
    {"worker_cpu_affinity",
     in_main,
     {1, many},
     Support::built,
     set_worker_cpu_affinity,
     "",
     "Which processors each worker runs on: a mask for each, or auto [MASK]: one processor for each."},
    {"worker_priority",
     in_main,
     {1, 1},
     Support::built,
     set_worker_priority,
     "0",
     "The nice value of the workers, from -20 to 20."},
    {"load_module",
     in_main,
     {1, 1},
     Support::ignored,
     remark_module,
     "",
     "No effect, with a warning: there are no dynamic modules."},
};

}  // namespace

std::span<const DirectiveRow> main_rows() { return main_table; }

}  // namespace keepgate::conf
