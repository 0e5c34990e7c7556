// Refresh tokens name their family, and nobody but us can write one: a token that was used is known as such without
// being kept, so that a family is a few rows however often it rotates.
//
//   kgr_GRANT.SECRET.TAG   SECRET: 256 bits; TAG: 128 bits of an HMAC over what stands before it.
// Those without a tag were given by versions before this one; their families stay as they are and are kept whole.
// Thread rule: pure functions.
#pragma once

#include <string>
#include <string_view>

namespace keepgate::oauth {

class Service;

// `grant`: its id; `secret`: 256 bits in base64url.
std::string make_refresh_token(const Service& service, std::string_view grant, std::string_view secret);
// The id of the grant that we have given the token for, used or not; "": it is none of these.
std::string_view family_of_token(const Service& service, std::string_view token);
// The one that takes its place follows from it, so that within the grace it is the same one again and nothing that can
// be used has to be stored.
std::string successor_of_token(const Service& service, std::string_view token);

}  // namespace keepgate::oauth
