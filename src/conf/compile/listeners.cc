// Addresses that are listened on, the servers behind each, their names and certificates.
#include <unistd.h>

#include <algorithm>

#include "base/bytes.h"
#include "conf/codes.h"
#include "conf/compile/compiler.h"

namespace keepgate::conf {

namespace {

std::string own_host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? to_lower(name) : std::string();
}

void set_tuning(net::SocketTuning& tuning, const ListenModel& model) {
  if (model.receive_buffer_bytes) tuning.receive_buffer_bytes = *model.receive_buffer_bytes;
  if (model.send_buffer_bytes) tuning.send_buffer_bytes = *model.send_buffer_bytes;
  if (model.fast_open_queue) tuning.fast_open_queue = *model.fast_open_queue;
  if (!model.keep_alive) return;
  using State = net::KeepAlive::State;
  tuning.keep_alive = {model.keep_alive->on ? State::on : State::off, model.keep_alive->idle_s,
                       model.keep_alive->interval_s, model.keep_alive->count};
}

}  // namespace

// "8080", "*:8080", "127.0.0.1", "127.0.0.1:8080", "[::1]:8080", "localhost:8080", "unix:PATH".
std::vector<net::Address> Compiler::listen_addresses(const Word& word) {
  const std::string_view written = word.text;
  const auto bad = [&](std::string help) {
    error(code::bad_value, cat("invalid address '", printable(written), "' of 'listen'"), word.at, std::move(help));
    return std::vector<net::Address>();
  };
  if (written.starts_with("unix:")) {
    const auto address = net::Address::unix_path(prefix_path(std::string(written.substr(5))));
    return written.size() > 5 && address ? std::vector{*address} : bad("unix:PATH, at most 107 bytes");
  }
  if (!written.empty() && std::ranges::all_of(written, is_digit)) {
    const auto port = parse_unsigned<std::uint16_t>(written);
    return port && *port > 0 ? std::vector{*net::Address::ip("0.0.0.0", *port)} : bad("a port is from 1 to 65535");
  }
  std::string_view host = written;
  std::uint16_t port = 80;
  const std::size_t bracket = written.rfind(']');
  const std::size_t colon = written.rfind(':');
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    const auto number = parse_unsigned<std::uint16_t>(written.substr(colon + 1));
    if (!number || *number == 0) return bad("a port is from 1 to 65535");
    port = *number;
    host = written.substr(0, colon);
  }
  if (host == "*") host = "0.0.0.0";
  if (host.empty() || (host.find(':') != std::string_view::npos && !host.starts_with('['))) {
    return bad("ADDRESS:PORT, PORT, [IPv6]:PORT or unix:PATH");
  }
  if (const auto address = net::Address::ip(host, port)) return {*address};
  const bool looks_numeric = host.find_first_not_of("0123456789.") == std::string_view::npos;
  if (looks_numeric || host.starts_with('[') || host.find_first_of("/ @$") != std::string_view::npos) return bad({});
  if (options_.check_only && !equals_ignoring_case(host, "localhost")) return {};
  std::string why;
  std::vector<net::Address> found = net::Address::resolve(host, port, why);
  if (found.empty()) error(code::unknown_host, cat("host not found in '", printable(written), "': ", why), word.at);
  return found;
}

void Compiler::add_to_listener(Listener& listener, std::uint32_t server, const ListenModel& model, bool first) {
  const Position& at = model.address.at;
  if (!listener.servers.empty() && listener.servers.back() == server) {
    return error(code::duplicate, cat("a duplicate listen ", listener.config.address.text()), at);
  }
  if (!first && (listener.config.tls != model.ssl || listener.config.proxy_protocol != model.proxy_protocol)) {
    warning(code::bad_listener, cat("protocol options redefined for ", listener.config.address.text()), at,
            "every server on the address has the options of all of them");
  }
  listener.config.tls = listener.config.tls || model.ssl;
  listener.config.proxy_protocol = listener.config.proxy_protocol || model.proxy_protocol;
  if (model.has_socket_options && std::exchange(listener.has_options, true)) {
    error(code::bad_listener, cat("duplicate listen options for ", listener.config.address.text()), at,
          "socket options stand in one place per address");
  }
  if (model.backlog) listener.config.backlog = *model.backlog;
  if (model.ipv6_only) listener.config.ipv6_only = *model.ipv6_only;
  set_tuning(listener.config.tuning, model);
  listener.deferred = listener.deferred || model.deferred;
  if (model.default_server) {
    if (listener.default_server) {
      return error(code::bad_listener, cat("a duplicate default server for ", listener.config.address.text()), at);
    }
    listener.default_server = server;
  }
  listener.servers.push_back(server);
  listener.says_ssl.push_back(model.ssl);
}

void Compiler::add_listen(std::uint32_t server, const ListenModel& model) {
  for (const net::Address& address : listen_addresses(model.address)) {
    Listener*& listener = listener_by_address_[address.text()];
    const bool first = listener == nullptr;
    if (first) {
      listener = listeners_.emplace_back(std::make_unique<Listener>()).get();
      listener->config.address = address;
      listener->at = model.address.at;
    }
    add_to_listener(*listener, server, model, first);
  }
}

void Compiler::add_names(Listener& listener) {
  const Word nameless{"", listener.at, true};
  for (const std::uint32_t server : listener.servers) {
    const ServerModel& model = *model_.servers[server];
    const std::vector<Word> none = {Word{"", model.at, true}};
    for (const Word& name : model.names.empty() ? none : model.names) {
      std::string why;
      const std::string text = name.text == "$hostname"     ? own_host_name()
                               : name.text.starts_with('~') ? name.text
                                                            : to_lower(name.text);
      if (listener.config.names.add(text, server, why)) continue;
      if (!why.empty()) {
        error(text.starts_with('~') ? code::bad_regex : code::bad_value, std::move(why), name.at);
        continue;
      }
      warning(
          code::server_name_taken,
          cat("conflicting server name '", printable(name.text), "' on ", listener.config.address.text(), ", ignored"),
          name.at, "another server on the address has this name");
    }
  }
}

void Compiler::compile_tls(const Listener& listener) {
  for (std::size_t i = 0; i < listener.servers.size(); ++i) {
    pipeline::ServerConfig& server = out_->servers[listener.servers[i]];
    const ServerModel& model = *model_.servers[listener.servers[i]];
    const LevelOptions& options = model.options;
    if (server.tls) continue;
    const std::vector<Word> certificates = options.ssl_certificates.value_or(std::vector<Word>{});
    const std::vector<Word> keys = options.ssl_certificate_keys.value_or(std::vector<Word>{});
    const bool needed = listener.says_ssl[i] || listener.default_server.value_or(listener.servers[0]) == server.index;
    if (certificates.empty() && keys.empty()) {
      const std::string message =
          cat("no 'ssl_certificate' is defined for the 'listen … ssl' of ", listener.config.address.text());
      needed
          ? error(code::missing_certificate, message, model.at, "ssl_certificate FILE; and ssl_certificate_key FILE;")
          : warning(code::missing_certificate, message, model.at, "handshakes for this server's names are refused");
      continue;
    }
    if (certificates.size() != keys.size()) {
      error(code::missing_certificate, "every 'ssl_certificate' needs its 'ssl_certificate_key'",
            (certificates.size() > keys.size() ? certificates : keys).back().at);
      continue;
    }
    tls::ServerOptions tls;
    for (std::size_t k = 0; k < keys.size(); ++k) {
      tls.certificates.emplace_back(configuration_path(certificates[k].text), configuration_path(keys[k].text));
      check_exposure(tls.certificates.back().second, keys[k]);
    }
    if (options.ssl_protocols) tls.protocols = *options.ssl_protocols;
    if (options.ssl_ciphers) tls.ciphers = *options.ssl_ciphers;
    tls.prefer_server_ciphers = options.ssl_prefer_server_ciphers.value_or(false);
    tls.session_timeout_s = options.ssl_session_timeout_s.value_or(300);
    tls.clients = client_verification(options);
    if (chain_servers_.contains(&model)) tls.session_timeout_s = 0;  // A resumed session knows no chain.
    server.tls = tls::ServerContext::build(tls, sources_.place(certificates[0].at), diagnostics_);
  }
}

void Compiler::finish_listener(Listener& listener) {
  const std::uint32_t main_server = listener.default_server.value_or(listener.servers[0]);
  listener.config.names.set_default(main_server);
  listener.config.no_delay = model_.servers[main_server]->options.tcp_nodelay.value_or(true);
  if (listener.deferred) {  // nginx: as long as a client may take for its first request.
    const std::int64_t seconds = out_->servers[main_server].client_header_timeout_ms / 1000;
    listener.config.tuning.defer_accept_s = static_cast<int>(std::clamp<std::int64_t>(seconds, 1, 3600));
  }
  add_names(listener);
  if (!listener.config.names.bind_groups([this](std::string_view group) { return names_.slot(group); })) {
    report_groups(listener.at);
  }
  if (listener.config.tls) compile_tls(listener);
  out_->listeners.push_back(std::move(listener.config));
}

void Compiler::compile_listeners() {
  for (std::uint32_t i = 0; i < model_.servers.size(); ++i) {
    const ServerModel& model = *model_.servers[i];
    for (const ListenModel& listen : model.listens) add_listen(i, listen);
    if (!model.listens.empty()) continue;
    ListenModel usual;
    usual.address = {::geteuid() == 0 ? "*:80" : "*:8000", model.at, false};
    add_listen(i, usual);
  }
  for (const auto& listener : listeners_) {
    if (!listener->servers.empty()) finish_listener(*listener);
  }
}

}  // namespace keepgate::conf
