#include "pipeline/own_connection.h"

#include <utility>

#include "net/quiet_descriptor.h"
#include "pipeline/exchange.h"

namespace keepgate::pipeline {

std::unique_ptr<Connection> make_own_connection(const Exchange& because) {
  if (!because.worker().loop.admits()) return nullptr;
  const int descriptor = net::open_quiet_descriptor();
  if (descriptor < 0) return nullptr;
  net::Stream stream(because.worker().loop, descriptor);
  if (!stream.valid()) return nullptr;
  return std::make_unique<Connection>(because.worker(), std::move(stream), net::Address(),
                                      because.connection().snapshot, *because.connection().listener);
}

}  // namespace keepgate::pipeline
