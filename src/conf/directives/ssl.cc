// TLS towards clients.
#include <limits>

#include "base/bytes.h"
#include "conf/directives/row.h"

namespace keepgate::conf {

namespace {

using O = LevelOptions;

template <auto Member>
void add_file(Reader& reader, const Scope& scope, const Directive& directive) {
  const Word& word = directive.arguments[0];
  if (has_variable(word) || word.text.starts_with("data:") || word.text.starts_with("engine:") ||
      word.text.starts_with("store:")) {
    return reader.not_built(word, cat("'", directive.name.text, "' from other than a file"), "name a PEM file");
  }
  add_word<Member>(reader, scope, directive);
}

void set_protocols(Reader& reader, const Scope& scope, const Directive& directive) {
  auto& place = scope.level->ssl_protocols;
  if (place) return reader.duplicate(directive);
  place.emplace();
  for (const Word& word : directive.arguments) {
    const bool old = word.text == "SSLv2" || word.text == "SSLv3" || word.text == "TLSv1" || word.text == "TLSv1.1";
    if (word.text == "TLSv1.2" || word.text == "TLSv1.3") {
      place->push_back(word.text);
    } else if (old) {
      reader.warning(code::no_effect, cat("protocol '", word.text, "' is broken and not spoken"), word.at,
                     "ssl_protocols TLSv1.2 TLSv1.3;");
    } else {
      return reader.invalid_value(directive, word, "TLSv1.2 or TLSv1.3");
    }
  }
  if (place->empty()) {
    reader.not_built(directive.name, "'ssl_protocols' without TLSv1.2 and TLSv1.3", "ssl_protocols TLSv1.2 TLSv1.3;");
  }
}

void remark_tickets(Reader& reader, const Scope&, const Directive& directive) {
  const auto value = reader.flag(directive);
  if (value && !*value) {
    reader.warning(code::no_effect, "'ssl_session_tickets off' has no effect", directive.name.at,
                   "tickets are sealed with keys that rotate; ssl_session_timeout 0 turns resumption off");
  }
}

constexpr DirectiveRow ssl_table[] = {
    {"ssl_certificate",
     in_http | in_server,
     {1, 1},
     Support::built,
     add_file<&O::ssl_certificates>,
     "",
     "PEM file with the server's certificate and its chain; several for several key types."},
    {"ssl_certificate_key",
     in_http | in_server,
     {1, 1},
     Support::built,
     add_file<&O::ssl_certificate_keys>,
     "",
     "PEM file with the key of the certificate, in the order of the certificates."},
    {"ssl_protocols",
     in_http | in_server,
     {1, many},
     Support::built,
     set_protocols,
     "TLSv1.2 TLSv1.3",
     "TLS versions that clients may speak."},
    {"ssl_ciphers",
     in_http | in_server,
     {1, 1},
     Support::built,
     set_text<&O::ssl_ciphers>,
     "HIGH:!aNULL:!MD5",
     "Ciphers of TLS 1.2, as OpenSSL writes them."},
    {"ssl_prefer_server_ciphers",
     in_http | in_server,
     {1, 1},
     Support::built,
     set_flag<&O::ssl_prefer_server_ciphers>,
     "off",
     "Whether the server's order of ciphers counts."},
    {"ssl_session_timeout",
     in_http | in_server,
     {1, 1},
     Support::built,
     set_time_s<&O::ssl_session_timeout_s>,
     "5m",
     "How long a TLS session may be resumed."},
    {"ssl_session_cache",
     in_http | in_server,
     {1, 2},
     Support::ignored,
     nullptr,
     "none",
     "No effect: sessions are resumed by tickets."},
    {"ssl_session_tickets",
     in_http | in_server,
     {1, 1},
     Support::ignored,
     remark_tickets,
     "on",
     "No effect: tickets are sealed with keys that only this program has and that rotate."},
    {"ssl_buffer_size",
     in_http | in_server,
     {1, 1},
     Support::ignored,
     nullptr,
     "",
     "No effect: buffers size themselves."},
};

}  // namespace

std::span<const DirectiveRow> ssl_rows() { return ssl_table; }

}  // namespace keepgate::conf
