// bench_policy: what one decision of a policy costs, over many different questions, allowed and denied.
//
// bench/run.py writes the policy file and starts it: bench_policy FILE CLIENTS. The file's rules speak of client0 to
// clientN, methods GET and PUT, and paths /api/vX/thingsY/**; each question is made from a number, so that no two in a
// row meet the same rule. Prints one line of JSON. Unlike the load generator it links the room that it measures.
#include <charconv>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "policy/policy.h"

namespace keepgate::bench {
namespace {

constexpr std::size_t questions = 4096;
constexpr std::size_t rounds = 50;

struct Question {
  const auth::Principal* principal;
  std::string path;
  std::string_view method;
};

double now_ns() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}

int run(const char* file, std::size_t clients) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  const policy::Source source{file, text.str()};
  Diagnostics diagnostics;
  const double began_ns = now_ns();
  const auto loaded = policy::Policy::load({&source, 1}, diagnostics);
  const double load_ms = (now_ns() - began_ns) / 1e6;
  if (!loaded) {
    std::fprintf(stderr, "bench_policy: %s cannot be used\n", file);
    return 1;
  }

  std::vector<auth::Principal> principals(clients);
  for (std::size_t i = 0; i < clients; ++i) {
    principals[i].method = auth::AuthMethod::jwt;
    principals[i].client = "client" + std::to_string(i);
  }
  std::vector<Question> asked;
  for (std::size_t i = 0; i < questions; ++i) {
    const std::size_t rule = i * 7919 % loaded->rule_count();
    const std::size_t client = i % 2 == 0 ? rule % clients : i % clients;  // Every second one is the rule's own client.
    asked.push_back({&principals[client],
                     "/api/v" + std::to_string(rule % 10) + "/things" + std::to_string(rule) + "/4711/lines",
                     i % 3 == 0 ? "PUT" : "GET"});
  }

  std::size_t allowed = 0;
  double best_ns = 0;
  for (std::size_t round = 0; round < rounds; ++round) {
    allowed = 0;
    const double round_began_ns = now_ns();
    for (const Question& one : asked) {
      const policy::Decision decision = loaded->authorize({one.principal, "bench", one.method, one.path});
      if (decision.verdict == policy::Verdict::allow) ++allowed;
    }
    const double each_ns = (now_ns() - round_began_ns) / static_cast<double>(questions);
    if (round == 0 || each_ns < best_ns) best_ns = each_ns;
  }
  std::printf("{\"rules\": %zu, \"load_ms\": %.1f, \"questions\": %zu, \"allowed\": %zu, \"ns\": %.0f}\n",
              loaded->rule_count(), load_ms, questions, allowed, best_ns);
  return 0;
}

}  // namespace
}  // namespace keepgate::bench

int main(int count, char** arguments) {
  std::size_t clients = 0;
  if (count == 3) std::from_chars(arguments[2], arguments[2] + std::strlen(arguments[2]), clients);
  if (clients == 0) {
    std::fputs("bench_policy FILE CLIENTS\n", stderr);
    return 2;
  }
  return keepgate::bench::run(arguments[1], clients);
}
