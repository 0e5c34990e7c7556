#include "proxy/plan.h"

#include <algorithm>

#include "base/bytes.h"

namespace keepgate::proxy {

void NameSet::add(std::string_view name) {
  const http::Field field = http::field_of(name);
  if (field != http::Field::other) {
    fields_ |= std::uint64_t{1} << static_cast<unsigned>(field);
    return;
  }
  lengths_ |= std::uint64_t{1} << std::min<std::size_t>(name.size(), 63);
  others_.push_back(to_lower(name));
}

bool NameSet::has_other(std::string_view name) const {
  return std::any_of(others_.begin(), others_.end(),
                     [&](const std::string& one) { return equals_ignoring_case(one, name); });
}

Plan::Plan(ProxyOptions its_options) : options(std::move(its_options)) {
  // Each of these belongs to one connection or is written anew (RFC 9110 §7.6.1; nginx drops the same).
  for (const std::string_view name :
       {"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authentication-Info",
        "Proxy-Authorization", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "HTTP2-Settings", "Content-Length"}) {
    request_dropped.add(name);
    if (name != "Content-Length") response_dropped.add(name);
  }
  request_dropped.add("Host");
  request_dropped.add("Expect");
  for (const auto& [name, value] : options.set_headers) {
    request_dropped.add(name);
    const http::Field field = http::field_of(name);
    if (field == http::Field::host) sets_host = true;
    if (field == http::Field::connection || field == http::Field::upgrade) sets_connection = true;
    if (field == http::Field::upgrade) sets_upgrade = &value;
  }
  const auto passed = [&](std::string_view name) {
    return std::any_of(options.pass_headers.begin(), options.pass_headers.end(),
                       [&](const std::string& one) { return equals_ignoring_case(one, name); });
  };
  for (const std::string_view name : {"Date", "Server", "X-Pad", "X-Accel-Redirect"}) {
    if (!passed(name)) response_dropped.add(name);
  }
  for (const std::string& name : options.hide_headers) response_dropped.add(name);
  rewrites = options.rewrites.get();
}

bool Plan::ignores(std::string_view name) const {
  return std::ranges::any_of(options.ignore_headers,
                             [&](const std::string& one) { return equals_ignoring_case(one, name); });
}

}  // namespace keepgate::proxy
