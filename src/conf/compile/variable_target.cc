// proxy_pass with variables: where its URI begins, what a client may choose by it, and what it needs at run time.
#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "conf/codes.h"
#include "conf/compile/compiler.h"
#include "proxy/target.h"

namespace keepgate::conf {

namespace {

using proxy::OwnUri;
using proxy::VariableTarget;
using route::Template;
using route::Variable;

bool is_name_character(char c) { return is_alpha(c) || is_digit(c) || c == '_'; }

// "$name" or "${name}" at the start of `text`: its length; `name` without case.
std::size_t variable_length(std::string_view text, std::string& name) {
  std::size_t at = 1;
  const bool braced = at < text.size() && text[at] == '{';
  if (braced) ++at;
  const std::size_t begin = at;
  while (at < text.size() && is_name_character(text[at])) ++at;
  name = to_lower(text.substr(begin, at - begin));
  return braced && at < text.size() ? at + 1 : at;
}

// These begin with '/': what stands before them is the whole authority.
bool begins_with_slash(std::string_view name) {
  return name == "request_uri" || name == "uri" || name == "document_uri";
}

std::size_t uri_begin(std::string_view text) {
  const std::size_t scheme_end = text.find("://");
  std::size_t at = scheme_end == std::string_view::npos ? 0 : scheme_end + 3;
  std::string name;
  while (at < text.size() && text[at] != '/' && text[at] != '?') {
    if (text[at] != '$') {
      ++at;
      continue;
    }
    const std::size_t length = variable_length(text.substr(at), name);
    if (begins_with_slash(name)) return at;
    at += length;
  }
  return at;
}

OwnUri own_uri_of(const Template& uri) {
  std::array<Variable, 3> seen{};
  if (uri.parts().empty() || uri.parts().size() > seen.size()) return OwnUri::none;
  for (std::size_t i = 0; i < uri.parts().size(); ++i) seen[i] = uri.parts()[i].reference.variable;
  if (seen[0] == Variable::request_uri && uri.parts().size() == 1) return OwnUri::request_uri;
  if (seen[0] != Variable::uri && seen[0] != Variable::document_uri) return OwnUri::none;
  if (uri.parts().size() == 1) return OwnUri::path;
  const bool has_query =
      seen[1] == Variable::is_args && (seen[2] == Variable::args || seen[2] == Variable::query_string);
  return has_query ? OwnUri::path_and_query : OwnUri::none;
}

}  // namespace

// Behind maps only their values count: a client that may choose among the operator's own values chooses nothing.
std::string Compiler::find_chosen_by_client(const route::VariableRef& reference, std::set<std::uint32_t>& seen) const {
  if (reference.variable == Variable::geo_ || reference.variable == Variable::split_clients_) return {};
  if (reference.variable == Variable::slot_) {
    constexpr std::uint32_t behind_maps = 1U << 31;
    if (!seen.insert(reference.index | behind_maps).second) return {};
    const SlotFacts& facts = slot_facts_[reference.index];
    if (facts.is_chosen_by_client) return cat("$", out_->slots[reference.index].name);
    for (const route::VariableRef& value : facts.values) {
      if (std::string found = find_chosen_by_client(value, seen); !found.empty()) return found;
    }
    return {};
  }
  if (reference.variable != Variable::map_) return find_unverified(reference, false);
  if (!seen.insert(reference.index).second) return {};
  for (const route::VariableRef& value : map_facts_[reference.index].values) {
    if (std::string found = find_chosen_by_client(value, seen); !found.empty()) return found;
  }
  return {};
}

std::string Compiler::find_chosen_by_client(const Template& value) const {
  std::set<std::uint32_t> seen;
  for (const Template::Part& part : value.parts()) {
    if (!part.is_variable()) continue;
    if (std::string found = find_chosen_by_client(part.reference, seen); !found.empty()) return found;
  }
  return {};
}

// A host that does not change is judged now; names that only differ at run time are judged then.
bool Compiler::check_fixed_authority(const VariableTarget& target, const Word& word) {
  std::string why;
  const auto parts = proxy::split_target(target.authority.text(), why);
  if (!parts) {
    error(code::bad_value, std::move(why), word.at, "http://HOST[:PORT] or https://HOST[:PORT]");
    return false;
  }
  const std::string host(parts->host);
  const bool is_block = upstream_blocks_.contains(to_lower(host));
  if (is_block && parts->port) {
    error(code::bad_value, cat("upstream '", printable(host), "' may not have port ", *parts->port), word.at);
    return false;
  }
  if (!is_block && !target.resolver && !net::Address::ip(host, 0)) {
    warning(code::unknown_host, cat("no resolver defined to resolve '", printable(host), "': the answer will be 502"),
            word.at, "a proxy_pass with variables asks for names while running: resolver ADDRESS;");
  }
  return true;
}

bool Compiler::check_target_uri(const Location& out, const VariableTarget& target, const Word& word) {
  const bool decides = out.refuse_ambiguous_paths || out.transaction.mode == identity::TransactionMode::issue;
  if (!decides || target.uri.empty() || target.own_uri != OwnUri::none) return true;
  error(code::undecided_path,
        cat("'proxy_pass' sends the URI '", printable(target.uri.text(), 80), "', on which nobody decides"), word.at,
        "leave the URI out, or end it with $request_uri or $uri$is_args$args: what was decided is what is sent");
  return false;
}

std::shared_ptr<const VariableTarget> Compiler::variable_target(Location& out, const Level& level) {
  const Word& word = *level.location->proxy_pass;
  const LevelOptions& options = level.options;
  const std::string_view written = word.text;
  const std::size_t begin = uri_begin(written);
  auto target = std::make_shared<VariableTarget>();
  target->authority = text(Word{std::string(written.substr(0, begin)), word.at, true});
  target->uri = text(Word{std::string(written.substr(begin)), word.at, true});
  if (target->authority.empty()) return nullptr;  // Told already.
  target->own_uri = own_uri_of(target->uri);
  target->resolver = resolver(options.resolver);
  target->resolver_timeout_ms = options.resolver_timeout_ms.value_or(30'000);
  target->groups = upstream_names();
  const std::string lower = to_lower(written.substr(0, begin));
  if (lower.starts_with("http://unix:") || lower.starts_with("https://unix:")) {
    error(code::not_built, "'proxy_pass' with variables to a socket is not built yet", word.at,
          "name the socket in an upstream");
    return nullptr;
  }
  if (target->authority.is_literal() && !check_fixed_authority(*target, word)) return nullptr;
  if (!check_target_uri(out, *target, word)) return nullptr;
  if (const std::string chosen = find_chosen_by_client(target->authority); !chosen.empty()) {
    unsafe(code::client_chosen_target, cat("a client chooses by ", chosen, " where its request goes"), word.at,
           "map it to names of your own: map $x $backend { default …; }");
  }
  if (!lower.starts_with("http://")) {
    target->tls = client_tls(options, word);
    if (!target->tls) return nullptr;
    if (options.proxy_ssl_name) target->tls_name = options.proxy_ssl_name->text;
  }
  const bool decides = out.refuse_ambiguous_paths || out.transaction.mode == identity::TransactionMode::issue;
  if (out.service.empty() && decides) {
    error(code::missing_section, "a 'proxy_pass' with variables has no name that a policy could know", word.at,
          "service NAME;");
    return nullptr;
  }
  return target;
}

std::shared_ptr<const proxy::UpstreamNames> Compiler::upstream_names() {
  if (upstream_names_) return upstream_names_;
  auto names = std::make_shared<proxy::UpstreamNames>();
  for (const std::string& name : upstream_blocks_) {
    if (const auto found = groups_.find(name); found != groups_.end()) names->emplace(name, found->second);
  }
  return upstream_names_ = std::move(names);
}

}  // namespace keepgate::conf
