// bench_loader: load generator and backend in one process on one thread, so that both fit on one core.
//
// bench/run.py starts it beside a proxy. It prints one line of JSON: completed requests, CPU time of the measured
// processes, foreign load, latencies. With --hold it keeps its connections open until standard input ends; with
// --requests it sends so many and ends.
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "backend.h"
#include "clients.h"
#include "cpu_time.h"
#include "wire.h"

namespace keepgate::bench {
namespace {

struct Options {
  ClientOptions clients;
  std::uint16_t backend_port = 0;
  std::size_t response_bytes = 100;
  std::size_t request_bytes = 0;
  std::string method = "GET", path = "/", headers_file, body_file;
  std::uint64_t warmup_ms = 300, window_ms = 1000;
  std::vector<pid_t> measured;
  bool hold = false;
  bool linger = false;
  std::uint64_t requests = 0;  // On each connection; 0: as many as fit into the window.
};

constexpr const char* usage =
    "bench_loader --backend-port 9001 --port 8080 --connections 64 --window-ms 1000 --pid 1234\n"
    "  --backend-port N  listen there and answer    --port N         send requests there\n"
    "  --connections N   keep-alive connections     --rate N         requests per second (default: saturated)\n"
    "  --size N          bytes of an answer         --body N         bytes of a request's body\n"
    "  --method GET      --path /                   --headers FILE   lines to add to each request\n"
    "  --body-file FILE  the body itself\n"
    "  --warmup-ms N     --window-ms N              --pid N          process to measure; may be repeated\n"
    "  --requests N      on each connection, then end; no window\n"
    "  --linger          after the window go on as before, until standard input ends\n"
    "  --hold            one request on each connection, then keep them open until standard input ends\n";

bool to_number(std::string_view text, std::uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

bool set_option(Options& options, std::string_view name, std::string_view value) {
  if (name == "--method") return options.method = value, true;
  if (name == "--path") return options.path = value, true;
  if (name == "--headers") return options.headers_file = value, true;
  if (name == "--body-file") return options.body_file = value, true;
  std::uint64_t number = 0;
  if (!to_number(value, number)) return false;
  if (name == "--backend-port") return options.backend_port = static_cast<std::uint16_t>(number), true;
  if (name == "--port") return options.clients.port = static_cast<std::uint16_t>(number), true;
  if (name == "--connections") return options.clients.connections = number, true;
  if (name == "--rate") return options.clients.rate = number, true;
  if (name == "--size") return options.response_bytes = number, true;
  if (name == "--body") return options.request_bytes = number, true;
  if (name == "--warmup-ms") return options.warmup_ms = number, true;
  if (name == "--window-ms") return options.window_ms = number, true;
  if (name == "--requests") return options.requests = options.clients.requests_max = number, true;
  if (name == "--pid") return options.measured.push_back(static_cast<pid_t>(number)), true;
  return false;
}

bool read_options(int count, char** arguments, Options& options) {
  for (int i = 1; i < count; ++i) {
    const std::string_view name = arguments[i];
    if (name == "--hold") {
      options.hold = true;
      options.clients.requests_max = 1;
    } else if (name == "--linger") {
      options.linger = true;
    } else if (i + 1 >= count || !set_option(options, name, arguments[++i])) {
      return false;
    }
  }
  return options.clients.port != 0;
}

std::string build_request(const Options& options) {
  std::string request = options.method + " " + options.path + " HTTP/1.1\r\n";
  if (!options.headers_file.empty()) {
    std::ifstream file(options.headers_file);
    for (std::string line; std::getline(file, line);) request += line + "\r\n";
  } else {
    request += "Host: bench.local\r\n";
  }
  std::string body(options.request_bytes, 'y');
  if (!options.body_file.empty()) {
    std::ifstream file(options.body_file, std::ios::binary);
    body.assign(std::istreambuf_iterator<char>(file), {});
  }
  if (!body.empty()) request += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  return request + "\r\n" + body;
}

struct Bench {
  explicit Bench(const Options& options)
      : backend(poller, *buffer, options.response_bytes), clients(poller, *buffer, options.clients) {}

  void run_until(std::uint64_t end_ns) {
    for (std::uint64_t now_ns = monotonic_ns(); now_ns < end_ns; now_ns = monotonic_ns()) {
      clients.send_due(now_ns);
      poller.run_once(std::min(clients.time_to_next_ns(now_ns), end_ns - now_ns));
    }
  }

  std::unique_ptr<ReadBuffer> buffer = std::make_unique<ReadBuffer>();
  Poller poller;
  Backend backend;
  Clients clients;
};

void measure(Bench& bench, const Options& options) {
  constexpr std::uint64_t ms = 1'000'000;
  bench.clients.open(options.clients.connections);
  bench.run_until(monotonic_ns() + options.warmup_ms * ms);
  const CpuTime before = read_cpu_time(options.measured);
  bench.clients.begin_window();
  const std::uint64_t begin_ns = monotonic_ns();
  bench.run_until(begin_ns + options.window_ms * ms);
  const std::uint64_t window_ns = monotonic_ns() - begin_ns;
  const std::uint64_t completed = bench.clients.completed();
  const CpuTime after = read_cpu_time(options.measured);

  const auto difference = [](std::uint64_t a, std::uint64_t b) {
    return static_cast<double>(a) - static_cast<double>(b);
  };
  const double measured_ns = difference(after.measured_ns, before.measured_ns);
  const double own_ns = difference(after.own_ns, before.own_ns);
  const double foreign_ns = difference(after.machine_ns, before.machine_ns) - measured_ns - own_ns;
  const auto per_window = [&](double value) { return value / static_cast<double>(window_ns); };
  const Histogram& latencies = bench.clients.latencies();
  const auto microseconds = [](std::uint64_t ns) { return static_cast<double>(ns) / 1000.0; };
  std::printf(
      "{\"completed\": %llu, \"window_s\": %.6f, \"cpu_us\": %.3f, \"busy\": %.4f, \"own_busy\": %.4f, "
      "\"foreign\": %.4f, \"errors\": %llu, \"backend_errors\": %llu, \"bad_status\": %d, "
      "\"p50_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f}\n",
      static_cast<unsigned long long>(completed), static_cast<double>(window_ns) / 1e9,
      completed ? measured_ns / 1000.0 / static_cast<double>(completed) : 0.0, per_window(measured_ns),
      per_window(own_ns), per_window(std::max(foreign_ns, 0.0)),
      static_cast<unsigned long long>(bench.clients.error_count()),
      static_cast<unsigned long long>(bench.backend.error_count()), bench.clients.last_bad_status(),
      microseconds(latencies.percentile(0.5)), microseconds(latencies.percentile(0.99)), microseconds(latencies.max()));
  std::fflush(stdout);
}

// Opens the connections in portions, so that no listen queue overflows, and waits for all their requests.
void run_all(Bench& bench, const Options& options, std::uint64_t requests) {
  constexpr std::size_t portion = 32;
  const std::uint64_t give_up_ns = monotonic_ns() + 300'000'000'000U;
  while (monotonic_ns() < give_up_ns) {
    const std::uint64_t finished = bench.clients.completed() + bench.clients.error_count();
    if (finished >= requests * options.clients.connections) break;
    if (bench.clients.opened() < options.clients.connections && finished >= bench.clients.opened()) {
      bench.clients.open(std::min(portion, options.clients.connections - bench.clients.opened()));
    }
    bench.run_until(monotonic_ns() + 1'000'000);
  }
  std::printf("{\"open\": %llu, \"completed\": %llu, \"errors\": %llu}\n",
              static_cast<unsigned long long>(bench.clients.opened()),
              static_cast<unsigned long long>(bench.clients.completed()),
              static_cast<unsigned long long>(bench.clients.error_count()));
  std::fflush(stdout);
}

// The backend goes on answering: another load generator may use it meanwhile.
void hold_until_input_ends(Bench& bench) {
  while (true) {
    pollfd input{STDIN_FILENO, POLLIN, 0};
    char byte = 0;
    if (poll(&input, 1, 0) > 0 && read(STDIN_FILENO, &byte, 1) <= 0) return;
    bench.run_until(monotonic_ns() + 10'000'000);
  }
}

int run(int count, char** arguments) {
  Options options;
  if (!read_options(count, arguments, options)) {
    std::fputs(usage, stderr);
    return 2;
  }
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);

  options.clients.request = build_request(options);
  Bench bench(options);
  if (options.backend_port != 0 && !bench.backend.listen(options.backend_port)) {
    std::fprintf(stderr, "bench_loader: cannot listen on port %u: %s\n", options.backend_port, std::strerror(errno));
    return 1;
  }
  if (options.hold) {
    run_all(bench, options, 1);
    hold_until_input_ends(bench);
    return 0;
  }
  if (options.requests == 0) {
    measure(bench, options);
    if (options.linger) hold_until_input_ends(bench);
    return 0;
  }
  run_all(bench, options, options.requests);
  return bench.clients.error_count() == 0 ? 0 : 1;
}

}  // namespace
}  // namespace keepgate::bench

int main(int count, char** arguments) { return keepgate::bench::run(count, arguments); }
