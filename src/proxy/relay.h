// Relay: an upstream's answer, from its head to its last byte, on its way to the client.
//
// The upstream's part and the client's are two: begin() and pass_on() end when the upstream has said everything,
// flush() when the client has it. Between them the upstream's connection serves somebody else. Whatever breaks the
// framing cuts the client off visibly: a part never looks like the whole. Thread rule: its worker's. Lifetime: lives in
// the coroutine that forwards; `link`, `buffer` and the parsed head outlive it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http/chunked.h"
#include "http/head.h"
#include "pipeline/exchange.h"
#include "proxy/client_out.h"
#include "proxy/heads.h"
#include "proxy/plan.h"
#include "upstream/pools.h"

namespace keepgate::proxy {

class Relay {
 public:
  enum class Ended : std::uint8_t { cut = 0, client_gone, complete };

  // buffer[begin, filled): what came behind the head.
  Relay(pipeline::Exchange& exchange, const Plan& plan, net::Stream& upstream, const pipeline::Buffer& buffer,
        std::size_t begin, std::size_t filled, const http::ResponseHead& response);

  // Passes on what came with the head. True: that was all of it, and the client has it. False: pass_on() goes on.
  bool begin();
  net::Task<Ended> pass_on();
  bool flushed() const { return out_.idle(); }
  net::Task<Ended> flush();
  net::Task<void> stop() { return out_.stop(); }  // What the client has not got yet, it does not get.
  // The upstream's connection stands exactly behind its answer and may carry another request.
  bool upstream_reusable() const { return body_done_ && reusable_; }

 private:
  enum class More : std::uint8_t { cut = 0, client_gone, data, end };

  bool next_piece(std::string_view& piece);
  void pass_piece();
  ClientOut::Sent send(std::string_view piece);
  net::Task<More> read_more();
  net::Task<void> keep_pace();
  Ended cut_off(std::string_view why);
  Ended lost_client();
  std::string last_chunk_with_trailers() const;

  pipeline::Exchange& x_;
  const Plan& plan_;
  net::Stream& upstream_;
  const pipeline::Buffer& buffer_;
  std::size_t begin_, filled_;
  const http::ResponseHead& response_;
  ClientFraming framing_;
  http::ChunkedDecoder chunks_;
  std::string trailers_;  // As received; only with proxy_pass_trailers.
  std::uint64_t body_left_ = 0;
  bool body_done_ = false;
  bool reusable_ = false;
  bool head_pending_ = true;
  bool sound_ = false;                            // The last piece: its framing was good,
  ClientOut::Sent sent_ = ClientOut::Sent::gone;  // and what became of it.
  bool discarding_ = false;  // The client is gone and proxy_ignore_client_abort wants the rest read.
  std::uint64_t received_ = 0;
  std::int64_t began_ms_;
  ClientOut out_;
};

}  // namespace keepgate::proxy
