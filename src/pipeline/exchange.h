// Exchange: one request and its answer: what is known, what was decided, what was sent.
//
// Thread rule: its worker's. Lifetime: from the first byte of the head to the access record; views in it point into the
// connection's buffer, the arena or the snapshot, all of which outlive the exchange.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/basic_credential.h"
#include "base/arena.h"
#include "http/h1_parser.h"
#include "http/uri.h"
#include "pipeline/connection.h"
#include "pipeline/decide.h"
#include "pipeline/location.h"
#include "pipeline/refusal.h"
#include "pipeline/request_body.h"
#include "pipeline/snapshot.h"
#include "pipeline/stored_body.h"
#include "pipeline/upstream_facts.h"
#include "pipeline/worker.h"

namespace keepgate::pipeline {

class Subrequest;
struct RequestCopy;

class Exchange final : public route::VariableSource, public route::CaptureSink {
 public:
  Exchange() = default;
  void begin(Connection& connection);
  // A request of our own for `uri`, a path as the configuration spells it; with the fields of subrequest.main(), if it
  // is asked because of one. The connection may be that one's: its bytes are not touched. False: it cannot be asked.
  bool begin_subrequest(Connection& connection, const ServerConfig& server, Subrequest& subrequest,
                        std::string_view uri);
  // Likewise, as a copy of another request: with its method, arguments and body. The body is in connection.in.
  bool begin_copy(Connection& connection, const ServerConfig& server, Subrequest& subrequest, std::string_view uri,
                  const RequestCopy& copy);
  // Whose answer goes to ourselves; nullptr, as nearly always: a client's request.
  Subrequest* subrequest() const { return subrequest_; }
  void end();  // Back to a fresh exchange; keeps memory.

  Connection& connection() const { return *connection_; }
  Worker& worker() const { return connection_->worker; }
  net::Stream& client() const { return connection_->stream; }
  const Snapshot& snapshot() const { return *connection_->snapshot; }
  const Now& now() const { return connection_->worker.loop.now(); }
  const http::RequestHead& head() const { return parser.head(); }
  const LocationConfig& location() const { return *location_; }
  const ServerConfig& server() const { return *server_; }
  void set_server(const ServerConfig& server);
  void set_location(const LocationConfig& location);

  std::string_view variable(const route::VariableRef& reference) override;
  std::string_view evaluate(const route::Template& value) { return value.evaluate(*this, arena); }
  // What `set` gives a variable. The text outlives the exchange or is in its arena.
  void set_slot(std::uint32_t slot, std::string_view value);
  void keep_groups(const route::Regex& regex, const route::Captures* groups) override;
  void forget_groups() { group_count_ = 0; }
  std::string_view group(std::uint32_t number) const {
    return number < group_count_ ? groups_[number] : std::string_view();
  }
  // The method as it goes on: an error page is asked for with GET.
  std::string_view method_text() const { return method_is_get ? std::string_view("GET") : head().method_text; }
  // Identity that an outsider claims does not exist (design: security checklist C). A guard reads the one Txn-Token.
  bool stripped_by_airlock(const http::HeaderLine& line) const {
    if (line.field == http::Field::txn_token) return location_->transaction.mode != identity::TransactionMode::require;
    return server_->airlock.strips(line.name);
  }
  // The API key that was checked is nobody's business any more (auth_api_key_forward): no variable and no upstream sees
  // it from now on, wherever the request goes.
  void withhold_api_key(const auth::ApiKeyOptions& options);
  // Likewise the credential of Basic authentication (auth_basic_forward); its user name stays known.
  void withhold_password();
  const auth::ApiKeyOptions* withheld_api_key() const { return withheld_; }
  bool withholds_password() const { return password_withheld_; }
  bool withholds_credential() const { return withheld_ != nullptr || password_withheld_; }
  bool is_withheld(const http::HeaderLine& line) const {
    return (withheld_ && auth::is_api_key_field(*withheld_, line)) ||
           (password_withheld_ && auth::is_basic_field(line));
  }
  std::string_view shown_value(const http::HeaderLine& line);  // Of a Cookie field what is not withheld.
  std::string_view shown_target();                             // The request target as sent, likewise.
  std::optional<std::string_view> shown_query();               // Of what was sent; nothing: there is none.
  std::string_view decision_id();                              // Made when first asked for.
  void begin_decision();  // decide() is about to run here: nothing of an earlier decision is left.
  std::string_view request_id();
  void keep_sent_head(std::string_view head);
  void keep_upstream_head(const http::ResponseHead& head);

  http::RequestParser parser;
  Arena arena;
  RequestBody body;
  std::optional<StoredBody> stored_body;  // The whole body, where it is read before it is sent on.

  // The URI as routing sees it now (an internal redirect changes it).
  http::CanonicalPath path;
  std::uint16_t ambiguities = 0;
  std::string_view query;
  bool uri_changed = false;       // No longer what the client sent.
  bool method_is_get = false;     // error_page to a URI: the request goes on as GET.
  bool body_given_up = false;     // It was too large, or its head was refused: nobody is asked with it any more.
  std::string_view refused_line;  // The request line as it came, where it was refused; "" for a good one.
  bool internal = false;          // A redirect of ours, not a client, leads here: internal locations may be entered.
  bool path_is_whole = false;     // `rewrite … break`: a URI in proxy_pass replaces nothing.
  unsigned redirect_count = 0;
  bool in_error_page = false;
  std::uint16_t error_status = 0;  // The status that error_page keeps, or 0.
  bool limits_checked = false;
  bool connections_counted = false;  // limit_conn: once a request, whatever it is redirected to.
  bool identity_connections_counted = false;

  limit::LimitOutcome limit;
  limit::ConnStatus conn_status = limit::ConnStatus::none;
  limit::ConnHold conn_hold;   // Given back when the exchange ends.
  std::string used_proof;      // The DPoP proof that was consumed for this request.
  std::string used_signature;  // The signature, likewise.
  auth::Answers answers;       // What needs of this request brought.
  auth::Need need;             // With Next::need.
  DecisionFacts facts;
  const LocationConfig* decision_location = nullptr;  // Where decide() ran last: an error page may be elsewhere.
  bool decided = false;                               // decide() ran: there will be a decision record.
  bool permitted = false;
  const LocationConfig* mirrored_by = nullptr;  // Where it was let pass and has mirrors.
  std::optional<Permit> permit;
  ReturnAction redirect;           // An answer that a phase made for this exchange.
  std::string minted_transaction;  // txn of the transaction token that was sent upstream.
  Refusal refusal;                 // The last one; its reason goes to the logs.

  // The answer.
  bool response_started = false;  // Bytes may be on the wire: no other answer is possible any more.
  bool keep_alive = false;        // The connection can take another request afterwards.
  bool aborted = false;           // The client went away, or the answer was cut: close (499 in the log).
  bool reset_connection = false;  // The cut must be visible: close with RST.
  std::uint16_t status = 0;
  std::uint64_t bytes_sent = 0, head_bytes_sent = 0;
  UpstreamFacts upstream;
  std::string_view target_uri;   // What a proxy_pass with variables made for the upstream; empty: nothing.
  std::string_view proxy_host;   // Likewise; empty: Content::upstream_name().
  std::uint16_t proxy_port = 0;  // With proxy_host: the port where it names none.
  // The heads that went out and that came from the upstream, for logs that tell of their fields
  // (Snapshot::logs_response_fields).
  std::string_view sent_head, upstream_head;
  std::int64_t started_ms = 0;  // Monotonic.
  std::uint64_t request_bytes = 0;
  bool pipelined = false;  // Its first bytes came while the request before it was served.

 private:
  Exchange* main_exchange() const;
  bool begin_own(Connection& connection, const ServerConfig& server, Subrequest& subrequest, std::string_view uri,
                 std::string_view head);
  std::string_view header_variable(std::string_view name);
  std::string_view response_variable(const route::VariableRef& reference);
  std::string_view proxy_port_variable();
  std::string_view jwt_variable(const route::VariableRef& reference);
  std::string_view map_variable(std::uint32_t index);
  std::string_view defined_variable(const route::VariableRef& reference);
  const crypto::Json* unverified(bool payload);
  std::string_view keep(std::string_view text) { return arena.copy(text); }

  Connection* connection_ = nullptr;
  const ServerConfig* server_ = nullptr;
  const LocationConfig* location_ = nullptr;
  const auth::ApiKeyOptions* withheld_ = nullptr;
  bool password_withheld_ = false;
  Subrequest* subrequest_ = nullptr;
  std::string_view decision_id_, request_id_;
  struct MapValue {
    std::uint32_t index;
    std::string_view value;
    bool fresh;  // false: to be worked out anew, without touching what groups took, since nginx would not.
  };
  void forget_map_values();
  std::vector<MapValue> map_values_;
  std::vector<std::optional<std::string_view>> slots_;  // Grows with the first that is set.
  static constexpr std::uint32_t numbered_groups = 10;  // $1 to $9; the first is the whole match.
  std::array<std::string_view, numbered_groups> groups_;
  std::uint32_t group_count_ = 0;
  unsigned map_depth_ = 0;
  struct Peeked;  // A token read without verification, for variables that nginx lets be read early.
  std::shared_ptr<Peeked> peeked_;
};

}  // namespace keepgate::pipeline
