#include "pipeline/subrequest.h"

#include "base/bytes.h"
#include "http/chunked.h"

namespace keepgate::pipeline {

namespace {

constexpr std::string_view head_end = "\r\n\r\n";

std::unexpected<Error> broken(std::string detail) {
  return fail(ErrorKind::malformed, Blame::upstream, "broken_answer", std::move(detail));
}

}  // namespace

net::IoResult Subrequest::take(const iovec* pieces, int count) {
  // Chunks are as small as they like: their framing may be as long as what it frames.
  const std::size_t bytes_max = head_bytes_max + 2 * body_bytes_max_;
  std::size_t taken = 0;
  for (int i = 0; i < count; ++i) {
    const std::string_view piece(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
    taken += piece.size();
    if (has_head_) continue;
    bytes_.append(piece);
    const std::size_t end = wants_head_only() ? bytes_.find(head_end) : std::string::npos;
    if (end != std::string::npos) {
      bytes_.resize(end + head_end.size());
      has_head_ = true;
    } else if (bytes_.size() > bytes_max) {
      overflowed_ = true;
      return {};
    }
  }
  return {net::Io::ok, taken};
}

const http::ResponseHead* Subrequest::keep_upstream_head(std::string_view bytes) {
  upstream_bytes_ = bytes;
  upstream_parser_.reset();
  has_upstream_head_ = upstream_parser_.parse(upstream_bytes_, http::Method::get) == http::ParseStatus::complete;
  return upstream_head();
}

bool Subrequest::read_head() {
  parser_.reset();
  return parser_.parse(bytes_, http::Method::get) == http::ParseStatus::complete;
}

Result<std::string> Subrequest::body(bool was_cut) {
  const http::ResponseHead& answer = head();
  std::string out = bytes_.substr(parser_.head_bytes());
  if (overflowed_) return broken(cat("it is larger than ", body_bytes_max_, " bytes"));
  switch (answer.framing) {
    case http::BodyFraming::none:
      out.clear();
      break;
    case http::BodyFraming::content_length:
      if (out.size() != answer.content_length) return broken("it breaks off");
      break;
    case http::BodyFraming::chunked: {
      http::ChunkedDecoder chunks;
      const http::ChunkedDecoder::Step step = chunks.decode(out.data(), out.size());
      if (step.malformed || !step.done) return broken("it breaks off");
      out.resize(step.data_bytes);
      break;
    }
    case http::BodyFraming::until_close:
      if (was_cut) return broken("it breaks off");
      break;
  }
  if (was_cut) return broken("it breaks off");
  if (out.size() > body_bytes_max_) return broken(cat("it is larger than ", body_bytes_max_, " bytes"));
  return out;
}

}  // namespace keepgate::pipeline
