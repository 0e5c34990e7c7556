#include "oauth/context.h"

#include "base/log.h"

namespace keepgate::oauth {

std::shared_ptr<const Client> Context::find_client(std::string_view id) const {
  const std::string key(id.substr(0, Client::id_bytes_max + 1));
  if (const auto found = settings.clients.find(key); found != settings.clients.end()) return found->second;
  return state.clients ? state.clients->find(key) : nullptr;
}

std::unexpected<Failure> store_failure(const Context& context, const Error& error) {
  context.exchange.refusal.reason = error.detail;
  if (store::is_unavailable(error)) return unavailable();
  log(LogLevel::error, "authorization server: ", error.code, ": ", error.detail);
  return refuse(500, "server_error", "");
}

}  // namespace keepgate::oauth
