#include "tls/layer.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/bytes.h"

namespace keepgate::tls {

using net::Io;
using net::IoResult;

std::string take_error() {
  const unsigned long error = ERR_get_error();
  if (error == 0) return {};
  ERR_clear_error();
  const char* const reason = ERR_reason_error_string(error);
  return reason ? reason : cat("error ", error);
}

void apply_common_settings(SSL_CTX* context) {
  // Partial writes and moving buffers: a stream may offer the same bytes from another place. Buffers are released while
  // a connection is idle.
  SSL_CTX_set_mode(context,
                   SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  // Even if openssl.cnf says otherwise: an end without close_notify is an error.
  SSL_CTX_clear_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION);
  // One system call reads a record's header and body, and whatever follows.
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_max_early_data(context, 0);
}

Layer::Layer(int descriptor, SSL_CTX* context) : ssl_(context ? SSL_new(context) : nullptr) {
  socket_.descriptor = descriptor;
  BioPtr bio = make_socket_bio(socket_);
  if (!ssl_ || !bio) {
    ERR_clear_error();
    refuse("out of memory");
    return;
  }
  BIO* const both = bio.release();
  SSL_set_bio(ssl_.get(), both, both);
}

void Layer::refuse(std::string why) {
  failure_ = std::move(why);
  state_ = State::failed;
}

// Entries that other code left in the thread's error queue would be mistaken for this session's.
void Layer::begin_call() {
  ERR_clear_error();
  socket_.begin_call();
}

std::string Layer::describe_failure() const {
  const long verified = SSL_get_verify_result(ssl_.get());
  std::string reason = take_error();
  if (state_ == State::handshaking && verified != X509_V_OK && SSL_get_verify_mode(ssl_.get()) != SSL_VERIFY_NONE) {
    return cat("certificate verify failed: ", X509_verify_cert_error_string(verified));
  }
  if (socket_.flooded) return "too many records without data";
  if (socket_.error_number != 0) return std::strerror(socket_.error_number);
  return reason.empty() ? "closed by the peer" : reason;
}

IoResult Layer::fail() {
  // A callback that refused has already said why.
  if (failure_.empty()) failure_ = describe_failure();
  ERR_clear_error();
  state_ = State::failed;
  return {Io::failed, 0, socket_.error_number};
}

IoResult Layer::explain(int result) {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      starved_ = true;
      return {Io::want_read};
    case SSL_ERROR_WANT_WRITE:
      return {Io::want_write};
    case SSL_ERROR_ZERO_RETURN:
      state_ = State::closed;
      return {Io::closed};
    default:
      return fail();
  }
}

IoResult Layer::not_open() const { return {state_ == State::closed ? Io::closed : Io::failed}; }

IoResult Layer::handshake() {
  if (state_ == State::open) return {Io::ok};
  if (state_ != State::handshaking) return {Io::failed};
  begin_call();
  starved_ = false;
  const int result = SSL_do_handshake(ssl_.get());
  if (state_ == State::failed) return fail();  // A callback refused.
  if (result != 1) {
    const IoResult why = explain(result);
    // A goodbye in the middle of a handshake is no orderly end of anything.
    return why.status == Io::closed ? fail() : why;
  }
  state_ = State::open;
  return {Io::ok};
}

IoResult Layer::read(char* out, std::size_t bytes_max) {
  if (state_ != State::open) return not_open();
  if (bytes_max == 0) return {Io::ok};
  begin_call();
  starved_ = false;
  std::size_t got = 0;
  const int result = SSL_read_ex(ssl_.get(), out, bytes_max, &got);
  return result == 1 ? IoResult{Io::ok, got} : explain(result);
}

namespace {

constexpr std::size_t record_bytes_max = SSL3_RT_MAX_PLAIN_LENGTH;

// The bytes of a write in pieces of one record each. Small ones are gathered, so that a head and its body become one
// record; a record's worth in one place is not copied.
//
// INVARIANT: a chunk holds min(record_bytes_max, rest) bytes, whatever the pieces are. OpenSSL wants a blocked record
// to be offered again at no less than its length, and refuses the write otherwise.
class Chunks {
 public:
  Chunks(const iovec* pieces, int count) : pieces_(pieces, static_cast<std::size_t>(count)) { skip_empty(); }

  std::string_view next() {
    if (pieces_.empty()) return {};
    const std::string_view first = rest_of_piece();
    if (first.size() >= record_bytes_max || pieces_.size() == 1) return take(std::min(first.size(), record_bytes_max));
    thread_local std::array<char, record_bytes_max> gathered;
    std::size_t bytes = 0;
    while (!pieces_.empty() && bytes < gathered.size()) {
      const std::string_view part = take(std::min(rest_of_piece().size(), gathered.size() - bytes));
      std::memcpy(gathered.data() + bytes, part.data(), part.size());
      bytes += part.size();
    }
    return {gathered.data(), bytes};
  }

 private:
  std::string_view rest_of_piece() const {
    const iovec& piece = pieces_.front();
    return std::string_view(static_cast<const char*>(piece.iov_base), piece.iov_len).substr(taken_);
  }
  std::string_view take(std::size_t bytes) {
    const std::string_view part = rest_of_piece().substr(0, bytes);
    taken_ += part.size();
    skip_empty();
    return part;
  }
  void skip_empty() {
    while (!pieces_.empty() && taken_ == pieces_.front().iov_len) {
      pieces_ = pieces_.subspan(1);
      taken_ = 0;
    }
  }

  std::span<const iovec> pieces_;
  std::size_t taken_ = 0;  // Of the first piece.
};

}  // namespace

IoResult Layer::write(const iovec* pieces, int count) {
  // The peer's goodbye ends only its own direction (RFC 8446 section 6.1).
  if ((state_ != State::open && state_ != State::closed) || said_goodbye_) return {Io::failed};
  Chunks chunks(pieces, count);
  std::size_t total = 0;
  for (std::string_view chunk = chunks.next(); !chunk.empty(); chunk = chunks.next()) {
    // A peer may have asked for short records (RFC 6066 section 4): then one chunk takes several calls.
    while (!chunk.empty()) {
      begin_call();
      std::size_t sent = 0;
      const int result = SSL_write_ex(ssl_.get(), chunk.data(), chunk.size(), &sent);
      if (result != 1) {
        const IoResult why = explain(result);
        const bool blocked = why.status == Io::want_read || why.status == Io::want_write;
        return blocked && total > 0 ? IoResult{Io::ok, total} : why;
      }
      total += sent;
      chunk.remove_prefix(sent);
    }
  }
  return {Io::ok, total};
}

bool Layer::has_pending() const { return !starved_ && ssl_ && SSL_has_pending(ssl_.get()) == 1; }

void Layer::shutdown() {
  if (said_goodbye_ || (state_ != State::open && state_ != State::closed)) return;
  said_goodbye_ = true;
  begin_call();
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

SessionFacts Layer::facts() const {
  if (state_ != State::open && state_ != State::closed) return {};
  SessionFacts out;
  out.protocol = SSL_get_version(ssl_.get());
  out.cipher = SSL_get_cipher_name(ssl_.get());
  out.server_name = server_name_;
  out.resumed = SSL_session_reused(ssl_.get()) == 1;
  return out;
}

SessionFacts session_facts(const net::StreamLayer& layer) {
  const auto* const ours = dynamic_cast<const Layer*>(&layer);
  return ours ? ours->facts() : SessionFacts{};
}

}  // namespace keepgate::tls
