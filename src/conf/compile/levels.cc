// One level as a LocationConfig: the values, with nginx's defaults.
#include <algorithm>

#include "base/bytes.h"
#include "conf/codes.h"
#include "conf/compile/compiler.h"
#include "logs/access_format.h"
#include "pipeline/real_ip.h"
#include "pipeline/stub_status.h"

namespace keepgate::conf {

pipeline::ReturnAction Compiler::return_action(const ReturnModel& model) {
  pipeline::ReturnAction action;
  action.status = model.status;
  action.has_text = model.text.has_value();
  if (model.text) action.text = text(*model.text);
  return action;
}

// Who asks for transaction tokens: the gateway itself. (`service` names the API that it serves, not the gateway.)
std::string Compiler::workload_of(const ServerModel& server) const {
  if (!server.names.empty() && !server.names[0].text.empty()) return server.names[0].text;
  return "gateway";
}

void Compiler::compile_level(Location& out, const Level& level) {
  out.source_file = sources_.name(level.at.file);
  out.source_line = level.at.line;
  out.strict = strict_;
  user_verified_ = false;  // Until compile_basic says otherwise.
  compile_core(out, level);
  compile_real_ip(out, level);
  compile_error_pages(out, level);
  compile_limits(out, level);
  compile_conn_limits(out, level);
  compile_addresses(out, level);
  compile_auth_request(out, level);
  compile_api_key(out, level);
  compile_http_signature(out, level);
  compile_basic(out, level);
  compile_jwt(out, level);
  compile_certificate_identity(out, level);
  compile_identity(out, level);
  compile_transaction(out, level);
  compile_authorize(out, level);
  // Also where nothing is forwarded: a misspelt variable is told wherever it stands.
  for (const ProxyHeaderModel& header : level.options.proxy_set_headers.value_or(std::vector<ProxyHeaderModel>{})) {
    (void)text(header.value);
  }
  (void)resolver(level.options.resolver);
  if (level.location && level.location->proxy_pass) compile_proxy(out, level);
  if (level.location && level.location->stub_status) set_stub_status(out, level);
  if (level.location && level.location->health_check && !level.location->proxy_pass) {
    error(code::missing_section, "'health_check' needs 'proxy_pass' in its location", level.location->health_check->at);
  }
  compile_logs(out, level);
  check_access(out, level);
}

void Compiler::set_stub_status(Location& out, const Level& level) {
  if (level.location->proxy_pass) {
    return error(code::bad_value, "'stub_status' and 'proxy_pass' in one location", *level.location->stub_status);
  }
  out.content = pipeline::make_stub_status();
}

void Compiler::compile_core(Location& out, const Level& level) {
  const LevelOptions& options = level.options;
  if (options.service) out.service = options.service->text;
  out.absolute_redirect = options.absolute_redirect.value_or(true);
  if (options.default_type) out.default_type = *options.default_type;
  if (options.types) out.types = std::make_shared<const pipeline::ContentTypes>(*options.types);
  out.charset = options.charset.value_or("");
  if (options.client_max_body_size) out.client_body_bytes_max = *options.client_max_body_size;
  if (options.client_body_timeout_ms) out.client_body_timeout_ms = *options.client_body_timeout_ms;
  if (options.send_timeout_ms) out.send_timeout_ms = *options.send_timeout_ms;
  if (options.keepalive_timeout_ms) out.keepalive_timeout_ms = *options.keepalive_timeout_ms;
  if (options.keepalive_min_timeout_ms) out.keepalive_min_timeout_ms = *options.keepalive_min_timeout_ms;
  if (options.keepalive_time_ms) out.keepalive_time_ms = *options.keepalive_time_ms;
  if (options.keepalive_header_s.value_or(0) > 0) {
    out.keepalive_lines = cat("Connection: keep-alive\r\nKeep-Alive: timeout=", *options.keepalive_header_s, "\r\n");
  }
  if (options.lingering) {
    constexpr pipeline::Lingering values[] = {pipeline::Lingering::on, pipeline::Lingering::always,
                                              pipeline::Lingering::off};
    out.lingering = values[static_cast<std::size_t>(*options.lingering)];
  }
  if (options.lingering_time_ms) out.lingering_time_ms = *options.lingering_time_ms;
  if (options.lingering_timeout_ms) out.lingering_timeout_ms = *options.lingering_timeout_ms;
  out.reset_timedout = options.reset_timedout.value_or(false);
  if (options.keepalive_requests) out.keepalive_requests = *options.keepalive_requests;
  if (options.client_body_buffer_size) out.client_body_buffer_bytes = *options.client_body_buffer_size;
  if (options.client_body_temp_path) out.client_body_temp_path = temp_folder(*options.client_body_temp_path);
  if (options.limit_rate) out.limit_rate = text(*options.limit_rate);
  if (options.limit_rate_after) out.limit_rate_after = text(*options.limit_rate_after);
  for (const AddHeaderModel& model : options.add_headers.value_or(std::vector<AddHeaderModel>{})) {
    out.add_headers.push_back({model.name, text(model.value), model.always});
  }
}

void Compiler::compile_real_ip(Location& out, const Level& level) {
  const LevelOptions& options = level.options;
  if (!options.real_ip_from) return;
  auto real_ip = std::make_shared<pipeline::RealIpOptions>();
  for (const TrustedPeerModel& peer : *options.real_ip_from) {
    if (peer.is_unix) {
      real_ip->trusts_unix = true;
      continue;
    }
    real_ip->trusted.add(peer.network);
    if (peer.network.prefix_bits == 0) {
      unsafe(code::trusts_everybody, "'set_real_ip_from' trusts everybody", peer.at,
             "any client can claim any address: name the proxies in front of this server");
    }
  }
  if (options.real_ip_header) real_ip->field = *options.real_ip_header;
  real_ip->from_proxy_protocol = real_ip->field == "proxy_protocol";
  real_ip->recursive = options.real_ip_recursive.value_or(false);
  out.real_ip = std::move(real_ip);
}

void Compiler::compile_error_pages(Location& out, const Level& level) {
  for (const ErrorPageModel& model : level.options.error_pages.value_or(std::vector<ErrorPageModel>{})) {
    pipeline::ErrorPage page;
    page.status = model.status;
    page.target = text(model.target);
    page.named = model.target.text.starts_with('@');
    page.take_status_of_target = model.take_status_of_target;
    page.new_status = model.new_status;
    out.error_pages.push_back(std::move(page));
  }
}

void Compiler::compile_formats() {
  const auto add = [this](const std::string& name, std::string_view escape, const Word& line) {
    auto format = std::make_shared<logs::AccessFormat>();
    format->name = name;
    format->escape = escape == "json"   ? logs::Escape::json
                     : escape == "none" ? logs::Escape::none
                                        : logs::Escape::standard;
    format->line = text(line);
    formats_.emplace(name, std::move(format));
  };
  names_.numbered = false;  // As in nginx: a log line knows no numbers of groups.
  add("combined", "", Word{std::string(logs::combined_format), {}, true});
  for (const LogFormatModel& model : model_.formats) {
    add(model.name.text, model.escape, Word{model.text, model.at, true});
  }
  names_.numbered = true;
}

std::shared_ptr<const logs::AccessFormat> Compiler::log_format(const std::optional<Word>& name) {
  const auto found = formats_.find(name ? std::string_view(name->text) : "combined");
  if (found != formats_.end()) return found->second;
  error(code::unknown_name, cat("unknown log format '", printable(name->text), "'"), name->at,
        cat("log_format ", printable(name->text, 40), " '…'; in http"));
  return nullptr;
}

// Which files; they are opened when everything else is known to be good.
void Compiler::compile_logs(const Location& out, const Level& level) {
  const LevelOptions& options = level.options;
  if (options.access_logs && !options.access_logs->off) {
    for (const AccessLogModel& model : options.access_logs->files) {
      auto format = log_format(model.format);
      if (!format) continue;
      pending_logs_.push_back({out.index, prefix_path(model.path.text), std::move(format), model.path.at, {}});
      if (model.condition) pending_logs_.back().condition = text(*model.condition);
    }
  }
  if (options.decision_log && !options.decision_log->off) {
    const Word& path = options.decision_log->path;
    pending_logs_.push_back({out.index, prefix_path(path.text), nullptr, path.at, {}});
  }
}

}  // namespace keepgate::conf
