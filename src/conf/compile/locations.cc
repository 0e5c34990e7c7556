// Servers and their locations: inheritance downwards, numbers, the tree that finds them.
#include <algorithm>

#include "base/bytes.h"
#include "conf/codes.h"
#include "conf/compile/compiler.h"

namespace keepgate::conf {

namespace {

using route::LocationMatch;

bool is_regex(LocationMatch match) { return match == LocationMatch::regex || match == LocationMatch::regex_no_case; }

// The first location whose pattern a complaint of the tree quotes.
const LocationModel* mentioned(const std::vector<std::unique_ptr<LocationModel>>& models, std::string_view message) {
  for (auto model = models.rbegin(); model != models.rend(); ++model) {
    if (const LocationModel* inner = mentioned((*model)->nested, message)) return inner;
    if (message.find(cat('"', printable((*model)->pattern), '"')) != std::string_view::npos) return model->get();
  }
  return nullptr;
}

}  // namespace

void Compiler::set_server_options(const ServerModel& model, pipeline::ServerConfig& server) {
  const LevelOptions& options = model.options;
  const auto [buffers, bytes] =
      options.large_client_header_buffers.value_or(std::pair<std::uint64_t, std::uint64_t>(4, 8192));
  const std::uint64_t line = std::max(bytes, options.client_header_buffer_size.value_or(1024));
  server.head_limits.line_bytes_max = static_cast<std::uint32_t>(line);
  server.head_limits.head_bytes_max = static_cast<std::uint32_t>(std::max(line, buffers * bytes));
  server.head_limits.underscores_allowed = options.underscores_in_headers.value_or(false);
  server.client_header_timeout_ms = options.client_header_timeout_ms.value_or(60'000);
  server.merge_slashes = options.merge_slashes.value_or(true);
  for (const Word& name : options.identity_headers.value_or(std::vector<Word>{})) server.airlock.add(name.text);
  if (!model.names.empty()) {
    const std::string_view first = model.names[0].text;
    server.name = to_lower(first.starts_with('.') ? first.substr(1) : first);
  }
}

void Compiler::compile_server(ServerModel& model) {
  if (!model.issues_tokens) inherit(model.options, model_.http);
  const tls::VerifyClient asked = verify_client(model.options);
  clients_verified_ = asked == tls::VerifyClient::on || asked == tls::VerifyClient::optional;
  const auto index = static_cast<std::uint32_t>(out_->servers.size());
  pipeline::ServerConfig server;
  server.index = index;
  set_server_options(model, server);

  server.own_location = static_cast<LocationNumber>(out_->locations.size());
  Location own;
  own.index = server.own_location;
  own.pattern = "server";
  const Level level{model.options, model, nullptr, model.at};
  own.return_action = lone_return(model.steps);
  compile_level(own, level);
  server.return_action = own.return_action;
  server.program = program(model.steps, own, level);
  out_->locations.push_back(std::move(own));

  std::vector<route::LocationRule> rules;
  compile_locations(model.locations, model.options, model, rules);
  build_tree(model, std::move(rules), server);
  check_error_pages(model, server);
  check_subrequests(model, server);
  out_->servers.push_back(std::move(server));
}

void Compiler::compile_locations(std::vector<std::unique_ptr<LocationModel>>& models, const LevelOptions& outer,
                                 const ServerModel& server, std::vector<route::LocationRule>& rules) {
  for (const auto& model : models) {
    inherit(model->options, outer);
    model->index = static_cast<LocationNumber>(out_->locations.size());
    Location location;
    location.index = model->index;
    location.pattern = model->written;
    location.internal = model->internal;
    location.return_action = lone_return(model->steps);
    const Level level{model->options, server, model.get(), model->at};
    compile_level(location, level);
    out_->locations.push_back(std::move(location));
    compile_inner(*model, level);

    std::string why;
    if (is_regex(model->match) &&
        !route::Regex::compile(model->pattern, model->match == LocationMatch::regex_no_case, why)) {
      error(code::bad_regex, std::move(why), model->at);
      continue;
    }
    route::LocationRule rule{model->match, model->pattern, model->index, {}};
    compile_locations(model->nested, model->options, server, rule.nested);
    rules.push_back(std::move(rule));
  }
}

void Compiler::build_tree(const ServerModel& model, std::vector<route::LocationRule> rules,
                          pipeline::ServerConfig& server) {
  std::string why;
  if (!server.locations.build(std::move(rules), why)) {
    const LocationModel* at = mentioned(model.locations, why);
    return error(code::bad_location, std::move(why), at ? at->at : model.at);
  }
  if (!server.locations.bind_groups([this](std::string_view group) { return names_.slot(group); })) {
    report_groups(model.at);
  }
  set_redirects(model.locations, server);
}

// nginx: `location /x/ { proxy_pass … }` sends /x to /x/.
void Compiler::set_redirects(const std::vector<std::unique_ptr<LocationModel>>& models,
                             pipeline::ServerConfig& server) {
  for (const auto& model : models) {
    const bool fixed = !is_regex(model->match) && model->match != LocationMatch::named;
    if (fixed && model->proxy_pass && model->pattern.ends_with('/')) server.locations.set_auto_redirect(model->index);
    set_redirects(model->nested, server);
  }
}

void Compiler::check_error_pages(const ServerModel& model, const pipeline::ServerConfig& server) {
  std::set<std::string> seen;
  const auto check = [&](const LevelOptions& options) {
    for (const ErrorPageModel& page : options.error_pages.value_or(std::vector<ErrorPageModel>{})) {
      const std::string& target = page.target.text;
      if (!target.starts_with('@') || !seen.insert(target).second || server.locations.find_named(target)) continue;
      warning(code::error_page_target,
              cat("error_page leads to '", printable(target), "', which this server does not have"), page.target.at,
              "the answer will be 500");
    }
  };
  check(model.options);
  const std::function<void(const std::vector<std::unique_ptr<LocationModel>>&)> descend = [&](const auto& models) {
    for (const auto& one : models) {
      check(one->options);
      descend(one->nested);
    }
  };
  descend(model.locations);
}

}  // namespace keepgate::conf
