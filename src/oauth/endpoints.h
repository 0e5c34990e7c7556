// The endpoints: one row each, with all that holds for it before its handler runs. The list to read.
//
// Thread rule: constants.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "oauth/context.h"

namespace keepgate::oauth {

// Which pages of other origins may read the answers (Fetch standard; RFC 9700 §2.6, OAuth for browser-based apps).
enum class Cors : std::uint8_t {
  none = 0,    // Never: where people are shown pages, and where only servers ask.
  registered,  // Origins of redirect URIs of public clients.
  anybody,     // Public documents.
};

struct Endpoint {
  std::string_view path;  // Behind the issuer.
  bool get = false, post = false;
  Cors cors = Cors::none;
  std::string_view metadata;  // Its name in the metadata; "": not named there.
  Handler handler = nullptr;
};

std::span<const Endpoint> endpoints();
const Endpoint* endpoint_at(std::string_view path);  // nullptr: there is none.

// Their handlers, each in the file of its name.
net::Task<Answer> serve_metadata(Context& context);
net::Task<Answer> serve_jwks(Context& context);
net::Task<Answer> serve_authorize(Context& context);
net::Task<Answer> serve_pushed_request(Context& context);
net::Task<Answer> serve_token(Context& context);
net::Task<Answer> serve_introspection(Context& context);
net::Task<Answer> serve_revocation(Context& context);
net::Task<Answer> serve_userinfo(Context& context);
net::Task<Answer> serve_device_authorization(Context& context);
net::Task<Answer> serve_device_page(Context& context);
net::Task<Answer> serve_end_session(Context& context);
net::Task<Answer> serve_feed(Context& context);
net::Task<Answer> serve_style(Context& context);

}  // namespace keepgate::oauth
