#include "pipeline/exchange.h"

#include <algorithm>

#include "base/bytes.h"
#include "crypto/random.h"
#include "pipeline/content.h"
#include "pipeline/subrequest.h"

namespace keepgate::pipeline {

void Exchange::begin(Connection& connection) {
  connection_ = &connection;
  started_ms = now().monotonic_ms;
  pipelined = connection.request_count > 0 && connection.in_begin < connection.in_end;
}

namespace {

constexpr std::size_t head_slack = 128;  // What is written in the place of lines that were as long.

// Fields that say something about the body or the connection of the main request: a subrequest has its own.
bool belongs_to_main(http::Field field) {
  return field == http::Field::host || field == http::Field::content_length ||
         field == http::Field::transfer_encoding || field == http::Field::expect || field == http::Field::upgrade ||
         field == http::Field::te || field == http::Field::trailer;
}

void append_fields(const http::RequestHead& head, std::string& out) {
  for (const http::HeaderLine& line : head.headers) {
    if (!belongs_to_main(line.field)) out += line.raw;
  }
}

// As a client would send it, and parsed like a client's: there is no other way to a head.
std::string question_head(const Exchange* main, const ServerConfig& server, std::string_view uri, Arena& arena) {
  const std::string_view path = http::encode_path(uri, arena);
  const std::string_view own_name = server.name.empty() ? std::string_view("localhost") : server.name;
  const std::string_view host = main ? main->head().authority : own_name;
  std::string out = cat("GET ", path, host.empty() ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n");
  if (!host.empty()) append(out, "Host: ", host, "\r\n");
  if (main) append_fields(main->head(), out);
  return out += "\r\n";
}

}  // namespace

void RequestCopy::fill(Exchange& x) {
  const http::RequestHead& from = x.head();
  head = cat(from.method_text, ' ', from.target, from.authority.empty() ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n");
  if (!from.authority.empty()) append(head, "Host: ", from.authority, "\r\n");
  append_fields(from, head);
  if (!body.empty()) append(head, "Content-Length: ", body.size(), "\r\n");
  head += "\r\n";
  query = x.query;
  withheld = x.withheld_api_key();
  password_withheld = x.withholds_password();
}

bool Exchange::begin_own(Connection& connection, const ServerConfig& server, Subrequest& subrequest,
                         std::string_view uri, std::string_view text) {
  connection_ = &connection;
  subrequest_ = &subrequest;
  started_ms = now().monotonic_ms;
  set_server(server);
  http::HeadLimits limits = server.head_limits;
  limits.line_bytes_max = limits.head_bytes_max += static_cast<std::uint32_t>(3 * uri.size() + head_slack);
  parser.set_limits(limits);
  if (parser.parse(arena.copy(text)) != http::ParseStatus::complete) return false;
  body.begin(connection, head());
  path = {arena.copy(uri)};
  uri_changed = internal = true;
  limits_checked = connections_counted = identity_connections_counted = true;
  return true;
}

bool Exchange::begin_subrequest(Connection& connection, const ServerConfig& server, Subrequest& subrequest,
                                std::string_view uri) {
  const Exchange* const main = subrequest.main();
  if (!begin_own(connection, server, subrequest, uri, question_head(main, server, uri, arena))) return false;
  method_is_get = true;
  if (!main) return true;
  limits_checked = main->limits_checked;
  connections_counted = main->connections_counted;
  const auth::ApiKeyOptions& api_key = main->location().auth.api_key;
  withheld_ = main->withheld_ ? main->withheld_ : api_key.enabled && !api_key.forwards ? &api_key : nullptr;
  const auth::BasicOptions& basic = main->location().auth.basic;
  password_withheld_ = main->password_withheld_ || (basic.enabled && !basic.forwards);
  return true;
}

bool Exchange::begin_copy(Connection& connection, const ServerConfig& server, Subrequest& subrequest,
                          std::string_view uri, const RequestCopy& copy) {
  if (!begin_own(connection, server, subrequest, uri, copy.head)) return false;
  query = arena.copy(copy.query);
  withheld_ = copy.withheld;
  password_withheld_ = copy.password_withheld;
  return true;
}

Exchange* Exchange::main_exchange() const { return subrequest_ ? subrequest_->main() : nullptr; }

void Exchange::end() {
  parser.reset();
  arena.reset();
  path = {};
  ambiguities = 0;
  query = {};
  uri_changed = internal = path_is_whole = method_is_get = body_given_up = in_error_page = limits_checked = false;
  refused_line = sent_head = upstream_head = {};
  connections_counted = identity_connections_counted = false;
  conn_status = limit::ConnStatus::none;
  conn_hold.clear();
  redirect_count = 0;
  error_status = 0;
  limit = {};
  if (decided) facts = {};
  answers.clear();
  used_proof.clear();
  used_signature.clear();
  need = {};
  decided = permitted = false;
  mirrored_by = nullptr;
  permit.reset();
  minted_transaction.clear();
  decision_location = nullptr;
  refusal = {};
  response_started = keep_alive = aborted = reset_connection = false;
  status = 0;
  bytes_sent = head_bytes_sent = request_bytes = 0;
  stored_body.reset();
  upstream = {};
  server_ = nullptr;
  location_ = nullptr;
  if (connection_ && !subrequest_) connection_->restore_peer();
  subrequest_ = nullptr;
  connection_ = nullptr;
  target_uri = proxy_host = {};
  proxy_port = 0;
  withheld_ = nullptr;
  password_withheld_ = false;
  decision_id_ = request_id_ = {};
  map_values_.clear();
  slots_.clear();
  group_count_ = 0;
  map_depth_ = 0;
  peeked_.reset();
}

void Exchange::set_server(const ServerConfig& server) {
  server_ = &server;
  location_ = &snapshot().locations[server.own_location];
}

void Exchange::set_location(const LocationConfig& location) {
  location_ = &location;
  target_uri = proxy_host = {};  // What an earlier location's content made of its variables.
}

void Exchange::begin_decision() {
  facts = {};
  permit.reset();
  permitted = false;
  decided = true;
  decision_location = location_;
  decision_id_ = {};
  forget_map_values();  // What depends on the identity is worked out anew.
}

void Exchange::withhold_api_key(const auth::ApiKeyOptions& options) {
  withheld_ = &options;
  query = auth::without_api_key_arguments(options, query, arena);
  forget_map_values();
  // Copies that `set` and groups made of it before it was known to be a key go with it.
  const auto found = auth::find_api_key(options, head());
  if (!found || found->text.empty()) return;
  const auto holds_it = [&](std::string_view text) { return text.find(found->text) != std::string_view::npos; };
  for (auto& slot : slots_) {
    if (slot && holds_it(*slot)) slot = std::string_view();
  }
  for (std::uint32_t i = 0; i < group_count_; ++i) {
    if (holds_it(groups_[i])) groups_[i] = {};
  }
}

void Exchange::forget_map_values() {
  for (MapValue& one : map_values_) one.fresh = false;
}

void Exchange::set_slot(std::uint32_t slot, std::string_view value) {
  if (slots_.size() <= slot) slots_.resize(snapshot().slots.size());
  slots_[slot] = value;
}

// As nginx: $1 to $9 are the groups of the expression that matched last; named groups keep what they took.
void Exchange::keep_groups(const route::Regex& regex, const route::Captures* groups) {
  group_count_ = 0;
  if (!groups) return;
  group_count_ = std::min(numbered_groups, regex.group_count() + 1);
  for (std::uint32_t i = 0; i < group_count_; ++i) groups_[i] = groups->at(i);
  for (const route::Regex::Bound& bound : regex.bound()) set_slot(bound.slot, groups->at(bound.group));
}

void Exchange::withhold_password() {
  password_withheld_ = true;
  forget_map_values();
}

// A request that was refused before its location was looked up stands at the server's own, which has no content.
bool hides_arguments(const Exchange& exchange) {
  const Content* content = exchange.location().content.get();
  const auto& locations = exchange.snapshot().locations;
  if (!content && &exchange.location() == &locations[exchange.server().own_location]) {
    const auto whole = exchange.server().locations.find("/").location;
    if (whole) content = locations[*whole].content.get();
  }
  return content && content->hides_arguments();
}

std::string_view Exchange::shown_value(const http::HeaderLine& line) {
  if (!withheld_ || line.field != http::Field::cookie) return line.value;
  return auth::without_api_key_cookies(*withheld_, line.value, arena);
}

std::optional<std::string_view> Exchange::shown_query() {
  if (!head().has_query || hides_arguments(*this)) return std::nullopt;
  if (!withheld_) return head().query;
  const std::string_view shown = auth::without_api_key_arguments(*withheld_, head().query, arena);
  if (shown.empty() && !head().query.empty()) return std::nullopt;
  return shown;
}

std::string_view Exchange::shown_target() {
  const std::string_view target = head().target;
  const std::string_view before = target.substr(0, target.find('?'));
  // Of a head that was refused nothing else says that there is a query.
  if (before.size() != target.size() && hides_arguments(*this)) return before;
  if (!withheld_ || !head().has_query) return target;
  const std::optional<std::string_view> shown = shown_query();
  return shown ? arena.join(before, std::string_view("?"), *shown) : before;
}

void Exchange::keep_sent_head(std::string_view head) {
  if (snapshot().logs_response_fields) sent_head = arena.copy(head);
}

void Exchange::keep_upstream_head(const http::ResponseHead& head) {
  std::string lines;
  for (const http::HeaderLine& line : head.headers) append(lines, line.name, ": ", line.value, "\r\n");
  upstream_head = arena.copy(lines);
}

std::string_view Exchange::decision_id() {
  if (decision_id_.empty()) {
    char bytes[16];
    for (unsigned i = 0; i < 8; ++i) bytes[i] = static_cast<char>(worker().id_prefix() >> (56 - 8 * i));
    const std::uint64_t number = worker().next_number();
    for (unsigned i = 0; i < 8; ++i) bytes[8 + i] = static_cast<char>(number >> (56 - 8 * i));
    decision_id_ = arena.copy(to_hex({bytes, sizeof bytes}));
  }
  return decision_id_;
}

std::string_view Exchange::request_id() {
  if (request_id_.empty()) {
    unsigned char bytes[16];
    crypto::random_bytes(bytes);
    request_id_ = arena.copy(to_hex({reinterpret_cast<const char*>(bytes), sizeof bytes}));
  }
  return request_id_;
}

}  // namespace keepgate::pipeline
