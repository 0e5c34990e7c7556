// The backend: answers every request on every connection with the same prepared response.
// Thread rule: one thread. Lifetime: borrows poller and buffer.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "wire.h"

namespace keepgate::bench {

class Backend final : public Handler {
 public:
  Backend(Poller& poller, ReadBuffer& buffer, std::size_t body_bytes);
  ~Backend() override;
  bool listen(std::uint16_t port);
  void on_ready(std::uint32_t events) override;
  std::uint64_t error_count() const { return error_count_; }

 private:
  class Connection;
  Poller& poller_;
  ReadBuffer& buffer_;
  std::string response_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::uint64_t error_count_ = 0;
  int listener_ = -1;
};

}  // namespace keepgate::bench
