#include "policy/paths.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/bytes.h"
#include "policy/codes.h"
#include "policy/yaml_document.h"

namespace keepgate::policy {

namespace {

// The IANA registry of HTTP methods, and PURGE, which caches use.
constexpr std::array<std::string_view, 42> registered_methods{"GET",
                                                              "HEAD",
                                                              "POST",
                                                              "PUT",
                                                              "DELETE",
                                                              "PATCH",
                                                              "OPTIONS",
                                                              "CONNECT",
                                                              "TRACE",
                                                              "ACL",
                                                              "BIND",
                                                              "CHECKIN",
                                                              "CHECKOUT",
                                                              "COPY",
                                                              "LABEL",
                                                              "LINK",
                                                              "LOCK",
                                                              "MERGE",
                                                              "MKCOL",
                                                              "MOVE",
                                                              "ORDERPATCH",
                                                              "PRI",
                                                              "PROPFIND",
                                                              "PROPPATCH",
                                                              "PURGE",
                                                              "QUERY",
                                                              "REBIND",
                                                              "REPORT",
                                                              "SEARCH",
                                                              "UNBIND",
                                                              "UNCHECKOUT",
                                                              "UNLINK",
                                                              "UNLOCK",
                                                              "UPDATE",
                                                              "MKACTIVITY",
                                                              "MKCALENDAR",
                                                              "MKREDIRECTREF",
                                                              "MKWORKSPACE",
                                                              "UPDATEREDIRECTREF",
                                                              "VERSION-CONTROL",
                                                              "BASELINE-CONTROL",
                                                              "NOTIFY"};

std::unexpected<Complaint> path_complaint(std::string_view code, std::string message, std::string help) {
  return std::unexpected(Complaint{code, std::move(message), std::move(help)});
}

std::unexpected<Complaint> never_canonical(std::string_view path, std::string_view what, std::string_view help) {
  return path_complaint(code::path_never_canonical, cat("no request has the path '", printable(path, 80), "': ", what),
                        std::string(help));
}

std::expected<void, Complaint> check_canonical(std::string_view path) {
  if (path.size() > path_bytes_max)
    return path_complaint(code::path_never_canonical, "the path is too long", "4096 bytes");
  if (path.find("//") != path.npos) return never_canonical(path, "double slashes are merged", "write one '/'");
  if (path.find('?') != path.npos) return never_canonical(path, "the query is not part of it", "leave the query out");
  if (path.find('#') != path.npos) return never_canonical(path, "a fragment is never sent", "leave the '#' out");
  if (path.find('\\') != path.npos) return never_canonical(path, "a backslash is ambiguous", "write '/'");
  if (path.find('%') != path.npos) {
    return never_canonical(path, "paths are compared after percent-decoding", "write the decoded character");
  }
  if (find_hidden_character(path) != path.npos || path.find_first_of("\t\n\r") != path.npos) {
    return never_canonical(path, "it holds an invisible character", "");
  }
  std::size_t segments = 0;
  for (std::string_view rest = path; !rest.empty(); ++segments) {
    rest.remove_prefix(1);
    const std::string_view segment = rest.substr(0, rest.find('/'));
    if (segment == "." || segment == "..") return never_canonical(path, "dot segments are resolved", "");
    rest.remove_prefix(segment.size());
  }
  if (segments > path_segments_max) return path_complaint(code::path_never_canonical, "more than 64 segments", "");
  return {};
}

std::expected<void, Complaint> check_start(std::string_view path) {
  if (path.starts_with('/')) return {};
  if (path == "*" || path == "**") {
    return path_complaint(code::path_without_slash, cat("'", path, "' is not a path"), "every path is written: /**");
  }
  const bool plain = !path.empty() && path.find(':') == path.npos;
  return path_complaint(
      code::path_without_slash, cat("the path '", printable(path, 80), "' does not begin with '/'"),
      plain ? cat("did you mean '/", printable(path, 80), "'?") : "a path alone, without scheme or host");
}

}  // namespace

std::expected<std::string, Complaint> parse_path_pattern(std::string_view text) {
  if (const auto fine = check_start(text); !fine) return std::unexpected(fine.error());
  if (const auto fine = check_canonical(text); !fine) return std::unexpected(fine.error());
  for (std::string_view rest = text; !rest.empty();) {
    rest.remove_prefix(1);
    const std::string_view segment = rest.substr(0, rest.find('/'));
    rest.remove_prefix(segment.size());
    if (segment == "*" || segment.find('*') == segment.npos) continue;
    if (segment != "**") {
      return path_complaint(code::partial_path_wildcard,
                            cat("'", printable(segment, 60), "' mixes text and a wildcard"),
                            "* stands for one whole segment, ** for any rest");
    }
    if (!rest.empty()) {
      return path_complaint(code::rest_not_last, "** is not the last segment",
                            "* stands for one segment in the middle");
    }
    return std::string(text.substr(0, text.size() - 2));
  }
  return std::string(text);
}

std::string_view foreign_placeholder(std::string_view pattern) {
  for (std::string_view rest = pattern; !rest.empty();) {
    rest.remove_prefix(1);
    const std::string_view segment = rest.substr(0, rest.find('/'));
    rest.remove_prefix(segment.size());
    if (segment.size() > 1 && (segment.front() == ':' || segment.front() == '{' || segment.front() == '<')) {
      return segment;
    }
  }
  return {};
}

std::expected<void, Complaint> check_concrete_path(std::string_view path) {
  if (const auto fine = check_start(path); !fine) return fine;
  if (path.find('*') != path.npos) {
    return path_complaint(code::bad_test_request, cat("'", printable(path, 80), "' is a pattern"),
                          "ask about one path");
  }
  return check_canonical(path);
}

bool is_registered_method(std::string_view method) {
  return std::find(registered_methods.begin(), registered_methods.end(), method) != registered_methods.end();
}

std::string_view closest_method(std::string_view method) { return closest_match(method, registered_methods); }

std::expected<void, Complaint> check_method(std::string_view method) {
  // Methods are case-sensitive tokens (RFC 9110 §9.1): a rule for 'get' would never match a GET.
  std::string upper;
  bool token = !method.empty() && is_alpha(method.front()) && method.size() <= 64;
  bool lower_case = false;
  for (const char c : method) {
    lower_case = lower_case || (c >= 'a' && c <= 'z');
    upper.push_back(c >= 'a' && c <= 'z' ? static_cast<char>(c - 0x20) : c);
    token = token && (is_alpha(c) || is_digit(c) || c == '-' || c == '_');
  }
  if (method.empty())
    return path_complaint(code::bad_method, "an empty method", "write GET, PUT/GET, [PUT, GET] or \"*\"");
  if (!token) {
    return path_complaint(code::bad_method, cat("'", printable(method, 60), "' is not a method"),
                          "write GET, PUT/GET, [PUT, GET] or \"*\"");
  }
  if (!lower_case) return {};
  const std::string_view close = closest_method(upper);
  return path_complaint(code::bad_method, cat("methods are written in capitals: '", method, "'"),
                        cat("did you mean '", close.empty() ? std::string_view(upper) : close, "'?"));
}

std::expected<std::vector<std::string>, Complaint> parse_methods(std::string_view text) {
  std::vector<std::string> methods;
  for (bool more = true; more;) {
    const std::size_t end = text.find_first_of("/,");
    more = end != text.npos;
    const std::string_view method = trim(text.substr(0, end));
    if (more) text.remove_prefix(end + 1);
    if (method != "*") {
      if (const auto fine = check_method(method); !fine) return std::unexpected(fine.error());
    }
    methods.emplace_back(method);
  }
  if (std::find(methods.begin(), methods.end(), "*") != methods.end()) methods.clear();
  return methods;
}

}  // namespace keepgate::policy
