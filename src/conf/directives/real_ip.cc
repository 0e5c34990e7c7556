// set_real_ip_from, real_ip_header, real_ip_recursive.
#include "base/bytes.h"
#include "conf/directives/row.h"

namespace keepgate::conf {

namespace {

using O = LevelOptions;

bool looks_like_an_address(std::string_view text) {
  return text.find_first_not_of("0123456789abcdefABCDEF.:/") == std::string_view::npos;
}

void trust_peer(Reader& reader, const Scope& scope, const Directive& directive) {
  const Word& word = directive.arguments[0];
  TrustedPeerModel peer;
  peer.at = word.at;
  if (word.text == "unix:") {
    peer.is_unix = true;
  } else if (const auto network = Cidr::parse(word.text)) {
    peer.network = *network;
    if (network->has_host_bits) {
      reader.warning(code::bad_value, cat("low address bits of ", printable(word.text), " are meaningless"), word.at);
    }
  } else if (looks_like_an_address(word.text)) {
    return reader.invalid_value(directive, word, "an address, a network like 10.0.0.0/8 or unix:");
  } else {
    return reader.not_built(word, cat("the host name '", printable(word.text), "' in 'set_real_ip_from'"),
                            "name addresses or networks");
  }
  auto& peers = scope.level->real_ip_from;
  if (!peers) peers.emplace();
  peers->push_back(peer);
}

void set_field(Reader& reader, const Scope& scope, const Directive& directive) {
  const Word& word = directive.arguments[0];
  if (!is_field_name(word.text)) {
    return reader.invalid_value(directive, word, "a header field name or proxy_protocol");
  }
  set_text<&O::real_ip_header>(reader, scope, directive);
}

constexpr DirectiveRow real_ip_table[] = {
    {"set_real_ip_from",
     in_levels,
     {1, 1},
     Support::built,
     trust_peer,
     "",
     "A peer whose word on the client's address is taken: ADDRESS, NETWORK/BITS or unix:; host names are refused."},
    {"real_ip_header",
     in_levels,
     {1, 1},
     Support::built,
     set_field,
     "X-Real-IP",
     "Where such a peer tells the client's address: FIELD, X-Forwarded-For or proxy_protocol."},
    {"real_ip_recursive",
     in_levels,
     {1, 1},
     Support::built,
     set_flag<&O::real_ip_recursive>,
     "off",
     "off: the last address of the field; on: the last one that is not itself trusted."},
};

}  // namespace

std::span<const DirectiveRow> real_ip_rows() { return real_ip_table; }

}  // namespace keepgate::conf
