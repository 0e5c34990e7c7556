// rooms: http base
// Chunked bodies: in one piece and in pieces give the same data; what was decoded and is written again decodes to it.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "http/chunked.h"

namespace {

using namespace keepgate;
using http::ChunkedDecoder;

struct Decoded {
  std::string data;
  std::size_t consumed = 0;
  bool done = false;
  bool malformed = false;
  std::string_view reason;
  bool operator==(const Decoded&) const = default;
};

Decoded decode(std::string_view text, std::size_t piece) {
  ChunkedDecoder decoder;
  Decoded all;
  for (std::size_t at = 0; at < text.size() && !all.done && !all.malformed; at += piece) {
    std::string buffer(text.substr(at, piece));
    buffer.shrink_to_fit();
    const ChunkedDecoder::Step step = decoder.decode(buffer.data(), buffer.size());
    KG_ASSERT(step.data_bytes <= step.consumed_bytes && step.consumed_bytes <= buffer.size());
    KG_ASSERT(step.done || step.malformed || step.consumed_bytes == buffer.size());
    KG_ASSERT(step.done == decoder.done() && !(step.done && step.malformed));
    KG_ASSERT(step.malformed != step.reason.empty());
    all.data.append(buffer, 0, step.data_bytes);
    all.consumed += step.consumed_bytes;
    all.done = step.done;
    all.malformed = step.malformed;
    all.reason = step.reason;
  }
  return all;
}

void check_written_again(std::string_view data) {
  std::string text;
  for (std::size_t at = 0, size = 1; at < data.size(); at += size, size = size * 3 + 1) {
    size = std::min(size, data.size() - at);
    char head[18];
    text.append(head, http::write_chunk_head(head, size)).append(data.substr(at, size)).append("\r\n");
  }
  text += http::last_chunk;
  const Decoded again = decode(text, text.size());
  KG_ASSERT(again.done && again.data == data && again.consumed == text.size());
}

}  // namespace

// The first byte chooses the size of the pieces.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Decoded whole = decode(text, text.size());
  KG_ASSERT(whole == decode(text, 1));
  KG_ASSERT(whole == decode(text, 1U + data[0]));
  check_written_again(whole.data);
  return 0;
}
