#include "auth/signature_base.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "base/bytes.h"
#include "base/percent.h"
#include "crypto/base64.h"

namespace keepgate::auth {

namespace {

using http::BareItem;
using http::BareKind;
using http::StructuredItem;

std::unexpected<Error> bad_component(const StructuredItem& component, std::string_view why) {
  return fail(ErrorKind::refused, Blame::client, "invalid_signature",
              cat("component ", printable(component.value.text, 80), ": ", why));
}

bool is_field_name_character(char c) {
  return (c >= 'a' && c <= 'z') || is_digit(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

// §2.2.8: the percent-encode set of forms, and a space as %20.
std::string percent_encoded(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (is_alpha(c) || is_digit(c) || c == '*' || c == '-' || c == '.' || c == '_') {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      append(out, '%', digits[byte >> 4], digits[byte & 15]);
    }
  }
  return out;
}

Result<std::string> query_parameter(const StructuredItem& component, std::string_view query) {
  const BareItem* name = component.find("name");
  if (name == nullptr || name->kind != BareKind::string || component.parameters.size() != 1) {
    return bad_component(component, "it needs a parameter 'name' and no other one");
  }
  const std::string wanted = percent_decoded(name->text, '+');
  std::optional<std::string> found;
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
    const std::size_t equals = pair.find('=');
    if (pair.empty() || percent_decoded(pair.substr(0, equals), '+') != wanted) continue;
    // MUST NOT be covered: which of them would a reader take?
    if (found) return bad_component(component, "the query has this parameter more than once");
    found = equals == std::string_view::npos ? "" : percent_encoded(percent_decoded(pair.substr(equals + 1), '+'));
  }
  if (!found) return bad_component(component, "the query has no such parameter");
  return *found;
}

Result<std::string> derived(const StructuredItem& component, const SignedRequest& request) {
  const http::RequestHead& head = request.head;
  const std::string_view name = component.value.text;
  if (name == "@query-param") return query_parameter(component, head.query);
  if (!component.parameters.empty()) return bad_component(component, "a parameter that it cannot have");
  if (name == "@method") return std::string(head.method_text);
  if (name == "@authority") return normal_authority(head.authority, request.tls);
  if (name == "@scheme") return std::string(request.tls ? "https" : "http");
  if (name == "@request-target") return std::string(head.target);
  if (name == "@path") return std::string(head.raw_path.empty() ? "/" : head.raw_path);
  if (name == "@query") return cat('?', head.query);
  if (name == "@target-uri") {
    return cat(request.tls ? "https" : "http", "://", normal_authority(head.authority, request.tls),
               head.raw_path.empty() ? "/" : head.raw_path, head.has_query ? "?" : "", head.query);
  }
  return bad_component(component, "no component of a request");
}

// §2.1.3: each line a byte sequence of its own, so that it does not matter how they would be joined.
std::string wrapped_lines(const http::RequestHead& head, std::string_view name) {
  std::string out;
  for (const http::HeaderLine& line : head.headers) {
    if (!equals_ignoring_case(line.name, name)) continue;
    append(out, out.empty() ? ":" : ", :", crypto::base64_encode(line.value), ':');
  }
  return out;
}

// Fields that are dictionaries: RFC 9421, 9530, 9218, 9211.
bool is_dictionary(std::string_view name) {
  constexpr std::string_view dictionaries[] = {"signature",        "signature-input", "accept-signature",
                                               "content-digest",   "repr-digest",     "want-content-digest",
                                               "want-repr-digest", "priority"};
  return std::ranges::find(dictionaries, name) != std::end(dictionaries);
}

Result<std::string> field_value(const StructuredItem& component, const http::RequestHead& head) {
  const std::string_view name = component.value.text;
  if (name.empty() || !std::ranges::all_of(name, is_field_name_character)) {
    return bad_component(component, "a field's name in lower case is expected");
  }
  bool is_wrapped = false, is_strict = false;
  const BareItem* key = nullptr;
  for (const http::StructuredParameter& parameter : component.parameters) {
    const bool is_flag = parameter.value.kind == BareKind::boolean && parameter.value.boolean;
    if (parameter.key == "bs" && is_flag) {
      is_wrapped = true;
    } else if (parameter.key == "sf" && is_flag) {
      is_strict = true;
    } else if (parameter.key == "key" && parameter.value.kind == BareKind::string) {
      key = &parameter.value;
    } else {
      return bad_component(component,
                           cat("parameter '", printable(parameter.key, 40), "' is not for requests' fields"));
    }
  }
  std::string value;
  if (!joined_field(head, name, value)) return bad_component(component, "the request has no such field");
  // §2.1: bs cannot be combined with sf or key.
  if (is_wrapped && (is_strict || key)) return bad_component(component, "bs with sf or key");
  if (is_wrapped) return wrapped_lines(head, name);
  if (!is_strict && !key) return value;
  if (!key && !is_dictionary(name)) return bad_component(component, "sf of a field whose structure is not known here");
  const auto dictionary = http::parse_dictionary(value);
  if (!dictionary) return bad_component(component, "the field is no dictionary that could be read");
  if (!key) return http::write_dictionary(*dictionary);
  const auto member = std::ranges::find_if(*dictionary, [&](const auto& one) { return one.key == key->text; });
  if (member == dictionary->end()) return bad_component(component, "the field has no such key");
  return http::write_member(*member);
}

// §1.1: the name and its parameters, whose order does not matter.
std::string identity_of(const StructuredItem& component) {
  StructuredItem sorted = component;
  std::ranges::sort(sorted.parameters, {}, &http::StructuredParameter::key);
  return http::write_item(sorted);
}

}  // namespace

bool joined_field(const http::RequestHead& head, std::string_view name, std::string& out) {
  bool found = false;
  for (const http::HeaderLine& line : head.headers) {
    if (!equals_ignoring_case(line.name, name)) continue;
    append(out, found ? ", " : "", line.value);
    found = true;
  }
  return found;
}

std::string normal_authority(std::string_view authority, bool tls) {
  const std::string_view port = tls ? ":443" : ":80";
  if (authority.ends_with(port)) authority.remove_suffix(port.size());
  return to_lower(authority);
}

Result<std::string> component_value(const StructuredItem& component, const SignedRequest& request) {
  const bool is_derived = component.value.text.starts_with('@');
  return is_derived ? derived(component, request) : field_value(component, request.head);
}

Result<std::string> signature_base(const http::StructuredMember& input, const SignedRequest& request) {
  if (!input.is_list) return fail(ErrorKind::refused, Blame::client, "invalid_signature", "no list of components");
  if (input.items.size() > components_max) {
    return fail(ErrorKind::refused, Blame::client, "invalid_signature", "too many components");
  }
  std::string out;
  std::set<std::string> seen;
  for (const StructuredItem& component : input.items) {
    if (component.value.kind != BareKind::string) return bad_component(component, "no string");
    if (!seen.insert(identity_of(component)).second) return bad_component(component, "it is covered twice");
    const Result<std::string> value = component_value(component, request);
    if (!value) return value;
    append(out, http::write_item(component), ": ", *value, '\n');
  }
  append(out, "\"@signature-params\": ", http::write_list(input));
  return out;
}

}  // namespace keepgate::auth
