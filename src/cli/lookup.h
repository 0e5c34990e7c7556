// Lookup: from what an operator asks (METHOD PATH and a configuration, or a service and policy files) to the place that
// answers: server, location, the path that the service receives, the policy in effect.
//
// The same steps in the same order as a request's (pipeline/phases.cc, pipeline/decide.cc). Thread rule: main thread.
// Lifetime: a Place owns the snapshot or policy that its pointers point into.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostics.h"
#include "cli/arguments.h"
#include "pipeline/snapshot.h"
#include "policy/policy.h"

namespace keepgate::cli {

inline constexpr std::string_view default_configuration = "/etc/keepgate/keepgate.conf";

// The options that say what is asked about.
struct Where {
  std::string configuration, prefix;  // -c, -p
  std::string service;                // --service
  std::vector<std::string> policies;  // --policy
  std::string host, listen;           // Which server.
  std::string output = "table";

  bool policy_only() const { return !service.empty() || !policies.empty(); }
};
void add_where(Arguments& arguments, Where& where);
// "" or what is wrong with the combination.
std::string check_where(const Where& where);
// "" or, for `get`, that it is not `GET`.
std::string check_method(std::string_view method);

void say_diagnostics(const Diagnostics& diagnostics);  // On standard error; nothing if there are none.

// The configuration, checked; nullptr after its errors were said.
std::shared_ptr<const pipeline::Snapshot> load_configuration(const Where& where);
// Policy files together; nullptr after their errors were said.
std::shared_ptr<const policy::Policy> load_policy(const std::vector<std::string>& files);

// What answers before any credential is looked at.
struct EarlyAnswer {
  std::uint16_t status = 0;
  std::string why;
};

struct Place {
  std::shared_ptr<const pipeline::Snapshot> snapshot;
  std::shared_ptr<const policy::Policy> policy;        // In effect; may be nullptr.
  const pipeline::ServerConfig* server = nullptr;      // nullptr: asked with --service.
  const pipeline::LocationConfig* location = nullptr;  // nullptr: none was reached, or asked with --service.
  std::vector<std::string> addresses;                  // Where the server listens.
  std::vector<route::LocationStep> steps;
  std::string method, host;
  std::string path;          // Canonical.
  std::string service_path;  // After proxy_pass replaced its part.
  std::string service;
  std::string ambiguities;  // "encoded slash, backslash"; "" if none.
  std::optional<EarlyAnswer> early;
};

// `path` as a client sends it (with -c) or as the service sees it. Else the exit code, after saying why: files cannot
// be read, or there is no such server.
std::expected<Place, int> find_place(const Where& where, std::string_view method, std::string_view path);

// On standard error: which of several servers was taken, when nothing chose among them.
void say_choice(const Where& where, const Place& place);

// "keepgate.conf:32"; "" if unknown.
std::string source_of(const pipeline::LocationConfig& location);

}  // namespace keepgate::cli
