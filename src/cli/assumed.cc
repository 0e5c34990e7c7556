#include "cli/assumed.h"

#include <algorithm>

#include "base/bytes.h"
#include "cli/output.h"

namespace keepgate::cli {

namespace {

using route::Variable;
using route::VariableRef;

bool is_first(const std::vector<std::string>& claims, std::string_view name) {
  return !claims.empty() && equals_ignoring_case(claims.front(), name);
}

}  // namespace

std::string_view AssumedRequest::not_known(const VariableRef& reference) {
  std::string name = "$";
  for (const route::VariableRow& row : route::variable_table()) {
    if (row.variable == reference.variable) append(name, row.name);
  }
  append(name, reference.argument);
  if (std::ranges::find(unknown_, name) == unknown_.end()) unknown_.push_back(std::move(name));
  return {};
}

// The token that the location's identity_claims would read as this principal, in its shortest form.
std::string_view AssumedRequest::claim(const VariableRef& reference) {
  if (!principal_ || !place_.location) return not_known(reference);
  const auth::IdentityClaims& claims = place_.location->auth.jwt.claims;
  const std::string_view name = reference.argument;
  if (is_first(claims.user, name) || name == "sub")
    return principal_->user.empty() ? principal_->client : principal_->user;
  if (is_first(claims.client, name)) return principal_->client;
  if (is_first(claims.roles, name)) return arena_.copy(joined(principal_->roles, ','));
  if (is_first(claims.scopes, name)) return arena_.copy(joined(principal_->scopes, ' '));
  return not_known(reference);
}

std::string_view AssumedRequest::map(const VariableRef& reference) {
  constexpr unsigned depth_max = 16;
  if (!place_.snapshot || reference.index >= place_.snapshot->maps.size() || depth_ >= depth_max) {
    return not_known(reference);
  }
  const route::Map& map = place_.snapshot->maps[reference.index];
  ++depth_;
  const std::string_view value = evaluate(map.lookup(evaluate(map.source)));
  --depth_;
  return value;
}

std::string_view AssumedRequest::variable(const VariableRef& reference) {
  switch (reference.variable) {
    case Variable::request_method:
      return place_.method;
    case Variable::uri:
    case Variable::document_uri:
      return place_.path;
    case Variable::host:
      return place_.host.empty() ? not_known(reference) : std::string_view(place_.host);
    case Variable::server_name:
      return place_.server ? std::string_view(place_.server->name) : not_known(reference);
    case Variable::client_id:
    case Variable::identity_client:
      if (!principal_) return {};
      return principal_->client.empty() ? principal_->service : principal_->client;
    case Variable::identity_assurance:
      return principal_ ? std::string_view(principal_->assurance) : std::string_view();
    case Variable::identity_user:
      return principal_ ? std::string_view(principal_->user) : std::string_view();
    case Variable::identity_roles:
      return principal_ ? arena_.copy(joined(principal_->roles, ',')) : std::string_view();
    case Variable::jwt_claim_:
      return claim(reference);
    case Variable::map_:
      return map(reference);
    default:
      return not_known(reference);
  }
}

}  // namespace keepgate::cli
