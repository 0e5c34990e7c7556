#include "pipeline/snapshot.h"

namespace keepgate::pipeline {

const ListenerConfig* Snapshot::find_listener(const net::Address& address) const {
  const ListenerConfig* wildcard = nullptr;
  for (const ListenerConfig& one : listeners) {
    if (one.address == address) return &one;
    const bool covers = one.address.is_wildcard() && !address.is_unix() && one.address.family() == address.family() &&
                        one.address.port() == address.port();
    if (covers) wildcard = &one;
  }
  return wildcard;
}

}  // namespace keepgate::pipeline
