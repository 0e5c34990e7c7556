// rooms: http base
// Response heads: in one piece, in pieces and written again, all give the same head or the same refusal.
#include "base/bytes.h"
#include "fuzz_h1.h"

namespace {

using namespace keepgate;
using http::BodyFraming;
using http::ParseStatus;
using http::ResponseHead;
using http::ResponseParser;

bool same_but_lines(const ResponseHead& a, const ResponseHead& b) {
  return a.status == b.status && a.reason == b.reason && a.version_minor == b.version_minor && a.framing == b.framing &&
         a.content_length == b.content_length && a.has_content_length == b.has_content_length &&
         a.keep_alive == b.keep_alive && a.names_hop_fields == b.names_hop_fields;
}

void check_head(const fuzz::Buffer& buffer, const ResponseHead& head, http::Method method) {
  KG_ASSERT(head.status >= 100 && head.status <= 999 && head.version_minor <= 1);
  KG_ASSERT(buffer.holds(head.reason) && http::is_field_value(head.reason));
  const bool bodyless = method == http::Method::head || head.status < 200 || head.status == 204 || head.status == 304;
  KG_ASSERT(!bodyless || head.framing == BodyFraming::none);
  KG_ASSERT(head.framing != BodyFraming::until_close || !head.keep_alive);
  KG_ASSERT(head.framing != BodyFraming::content_length || head.has_content_length);
  KG_ASSERT(head.framing != BodyFraming::chunked || (!head.has_content_length && head.version_minor == 1));
  int framings = 0;
  for (const http::HeaderLine& line : head.headers) {
    framings += line.field == http::Field::content_length || line.field == http::Field::transfer_encoding;
  }
  KG_ASSERT(framings <= 1);
  fuzz::check_lines(buffer, head.headers);
}

void check_written_again(const ResponseHead& head, http::Method method) {
  http::HeadLimits limits;
  limits.line_bytes_max = limits.head_bytes_max = 1 << 20;
  ResponseParser again(limits);
  const std::string start = cat("HTTP/1.", head.version_minor, ' ', head.status, ' ', head.reason, "\r\n");
  const fuzz::Buffer buffer(fuzz::serialize(start, head.headers));
  KG_ASSERT(again.parse(buffer.view(), method) == ParseStatus::complete);
  KG_ASSERT(again.head_bytes() == buffer.view().size());
  KG_ASSERT(same_but_lines(head, again.head()) && fuzz::same_meaning(head.headers, again.head().headers));
}

void check(std::string_view text, const http::HeadLimits& limits, std::size_t stride, http::Method method) {
  const fuzz::Buffer buffer(text);
  ResponseParser whole(limits);
  const ParseStatus status = whole.parse(buffer.view(), method);
  ResponseParser pieces(limits);
  ParseStatus piece_status = ParseStatus::need_more;
  fuzz::Buffer last("");
  for (std::size_t end = 0; piece_status == ParseStatus::need_more && end < text.size();) {
    end = std::min(end + stride, text.size());
    last = fuzz::Buffer(text.substr(0, end));
    piece_status = pieces.parse(last.view(), method);
  }
  KG_ASSERT(piece_status == status);
  if (status == ParseStatus::refused) {
    KG_ASSERT(whole.refusal().status == 502 && pieces.refusal().status == 502);
    KG_ASSERT(!whole.refusal().reason.empty() && whole.refusal().reason == pieces.refusal().reason);
  }
  if (status != ParseStatus::complete) return;
  KG_ASSERT(whole.head_bytes() == pieces.head_bytes() && whole.head_bytes() <= text.size());
  KG_ASSERT(whole.head_bytes() <= limits.head_bytes_max && whole.head().headers.size() <= limits.headers_max);
  KG_ASSERT(same_but_lines(whole.head(), pieces.head()) && fuzz::same(whole.head().headers, pieces.head().headers));
  check_head(buffer, whole.head(), method);
  check_head(last, pieces.head(), method);
  check_written_again(whole.head(), method);
}

}  // namespace

// The first two bytes choose limits, method and the size of the pieces.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2 || size > 16'384) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  const http::Method method = (data[0] & 16) != 0 ? http::Method::head : http::Method::get;
  check(text, fuzz::limits_from(data[0]), std::max<std::size_t>(1 + data[1] % 64U, text.size() / 512), method);
  return 0;
}
