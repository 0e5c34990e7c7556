// Chunked transfer coding (RFC 9112 §7.1), strict, in place.
//
// decode() squeezes the data of all complete and partial chunks in `bytes` to the front of the same memory, so that a
// relay reads into one buffer and writes one run. Extensions are skipped and bounded, trailers are checked and dropped
// (or kept apart): they never become header fields (design: security checklist A7). How the input was cut into pieces
// never changes the result. Bounds: extensions 4 KiB more than there was data before them, trailers 8 KiB per body, a
// chunk at most 2^63 - 1 bytes.
// Thread rule: one owner.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace keepgate::http {

class ChunkedDecoder {
 public:
  struct Step {
    std::size_t data_bytes = 0;      // Now at the front of the buffer.
    std::size_t consumed_bytes = 0;  // Of the input; less than given only when `done`: the rest is the next message's.
    bool done = false;               // Last chunk and trailer section were read.
    bool malformed = false;          // The body cannot be trusted from here on: close the connection.
    std::string_view reason;         // A literal, when malformed.
  };
  Step decode(char* bytes, std::size_t size);
  bool done() const { return state_ == State::done; }
  // The trailer section, checked, as received (with the CRLF of each line), goes to `out` too. `out` outlives the
  // decoding.
  void keep_trailers(std::string& out) { trailers_ = &out; }
  void reset() { *this = ChunkedDecoder(); }

 private:
  enum class State : std::uint8_t {
    malformed = 0,
    size_first,
    size,
    extension,
    size_lf,
    data,
    data_cr,
    data_lf,
    trailer_start,
    trailer_name,
    trailer,
    trailer_lf,
    end_lf,
    done
  };
  // Take one byte that is not data; the fault, or "" if it may stand there.
  std::string_view step(char byte);
  std::string_view step_size(char byte);
  std::string_view step_trailer(char byte);

  State state_ = State::size_first;
  std::uint8_t size_digits_ = 0;
  std::uint32_t extension_bytes_ = 0;  // Of all chunks together, less the data so far; bounded.
  std::uint32_t trailer_bytes_ = 0;    // Bounded.
  std::string* trailers_ = nullptr;
  std::uint64_t left_ = 0;  // Data bytes left in this chunk.
};

// Writes "1f4\r\n" into `out` (at least 18 bytes); returns its length. After the data the caller writes "\r\n".
std::size_t write_chunk_head(char* out, std::uint64_t data_bytes);
inline constexpr std::string_view last_chunk = "0\r\n\r\n";

}  // namespace keepgate::http
