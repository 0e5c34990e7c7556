#include "http/chunked.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>

#include "base/bytes.h"
#include "http/chars.h"

namespace keepgate::http {

namespace {

constexpr std::uint32_t extension_bytes_max = 4 * 1024;
constexpr std::uint32_t trailer_bytes_max = 8 * 1024;
constexpr std::uint8_t size_digits_max = 16;

}  // namespace

// What may stand at each place is spelled out; any other byte ends the body as malformed. Accepted by others and
// refused here: a bare LF as line end, white space around the size ("5 ;x"), "0x5", signs, folded trailers.
std::string_view ChunkedDecoder::step(char byte) {
  switch (state_) {
    case State::size_first:
    case State::size:
      return step_size(byte);
    case State::extension:
      if (++extension_bytes_ > extension_bytes_max) return "chunk extensions too long";
      if (byte == '\r') {
        state_ = State::size_lf;
      } else if (!is_char(byte, char_value)) {
        return "control byte in a chunk extension";
      }
      return {};
    case State::size_lf:
      if (byte != '\n') return "bare CR after a chunk size";
      state_ = left_ == 0 ? State::trailer_start : State::data;
      return {};
    case State::data_cr:
      if (byte != '\r') return "no CRLF after chunk data";
      state_ = State::data_lf;
      return {};
    case State::data_lf:
      if (byte != '\n') return "no CRLF after chunk data";
      state_ = State::size_first;
      return {};
    case State::end_lf:
      if (byte != '\n') return "bare CR in the trailer section";
      state_ = State::done;
      return {};
    case State::trailer_start:
    case State::trailer_name:
    case State::trailer:
    case State::trailer_lf:
      return step_trailer(byte);
    case State::data:
    case State::done:
    case State::malformed:
      break;
  }
  return "malformed chunked body";
}

std::string_view ChunkedDecoder::step_size(char byte) {
  const int digit = hex_value(byte);
  if (digit >= 0) {
    if (state_ == State::size_first) {
      state_ = State::size;
      size_digits_ = 0;
      left_ = 0;
    }
    if (++size_digits_ > size_digits_max) return "chunk size with too many digits";
    left_ = left_ << 4 | static_cast<unsigned>(digit);
    if (left_ > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) return "chunk size too large";
    return {};
  }
  if (state_ == State::size_first) return "chunk without a size";
  if (byte == '\r') {
    state_ = State::size_lf;
  } else if (byte == ';') {
    state_ = State::extension;
  } else {
    return "invalid chunk size";
  }
  return {};
}

// RFC 9112 §7.1.2. The lines are checked like header lines, then forgotten.
std::string_view ChunkedDecoder::step_trailer(char byte) {
  if (state_ == State::trailer_start && byte == '\r') {
    state_ = State::end_lf;
    return {};
  }
  if (++trailer_bytes_ > trailer_bytes_max) return "trailer section too long";
  if (trailers_) trailers_->push_back(byte);
  switch (state_) {
    case State::trailer_start:
      if (!is_char(byte, char_token)) return "invalid trailer name";
      state_ = State::trailer_name;
      return {};
    case State::trailer_name:
      if (byte == ':') {
        state_ = State::trailer;
      } else if (!is_char(byte, char_token)) {
        return "invalid trailer name";
      }
      return {};
    case State::trailer:
      if (byte == '\r') {
        state_ = State::trailer_lf;
      } else if (!is_char(byte, char_value)) {
        return "control byte in a trailer";
      }
      return {};
    default:  // trailer_lf
      if (byte != '\n') return "bare CR in the trailer section";
      state_ = State::trailer_start;
      return {};
  }
}

ChunkedDecoder::Step ChunkedDecoder::decode(char* bytes, std::size_t size) {
  Step result;
  std::size_t at = 0;
  while (at < size && state_ != State::done) {
    if (state_ == State::data) {
      const std::size_t run = left_ < size - at ? static_cast<std::size_t>(left_) : size - at;
      if (result.data_bytes != at) std::memmove(bytes + result.data_bytes, bytes + at, run);
      result.data_bytes += run;
      extension_bytes_ -= static_cast<std::uint32_t>(std::min<std::uint64_t>(extension_bytes_, run));
      at += run;
      left_ -= run;
      if (left_ == 0) state_ = State::data_cr;
      continue;
    }
    if (const std::string_view fault = step(bytes[at]); !fault.empty()) {
      state_ = State::malformed;
      result.malformed = true;
      result.reason = fault;
      break;
    }
    ++at;
  }
  result.consumed_bytes = at;
  result.done = state_ == State::done;
  return result;
}

std::size_t write_chunk_head(char* out, std::uint64_t data_bytes) {
  char* end = std::to_chars(out, out + size_digits_max, data_bytes, 16).ptr;
  *end++ = '\r';
  *end++ = '\n';
  return static_cast<std::size_t>(end - out);
}

}  // namespace keepgate::http
