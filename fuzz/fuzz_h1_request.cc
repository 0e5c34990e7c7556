// rooms: http base
// Request heads: in one piece, in pieces and written again, all give the same head or the same refusal.
#include "base/bytes.h"
#include "fuzz_h1.h"

namespace {

using namespace keepgate;
using http::ParseStatus;
using http::RequestHead;
using http::RequestParser;

bool same_but_lines(const RequestHead& a, const RequestHead& b) {
  return a.method == b.method && a.method_text == b.method_text && a.target == b.target && a.raw_path == b.raw_path &&
         a.query == b.query && a.has_query == b.has_query && a.authority == b.authority && a.host == b.host &&
         a.version_minor == b.version_minor && a.framing == b.framing && a.content_length == b.content_length &&
         a.keep_alive == b.keep_alive && a.expect_continue == b.expect_continue && a.upgrade == b.upgrade &&
         a.names_hop_fields == b.names_hop_fields;
}

void check_head(const fuzz::Buffer& buffer, const RequestHead& head) {
  for (const std::string_view part :
       {head.method_text, head.target, head.raw_path, head.query, head.authority, head.host}) {
    KG_ASSERT(buffer.holds(part));
  }
  KG_ASSERT(http::is_token(head.method_text) && head.method_text.size() <= 32);
  for (const char c : head.target) KG_ASSERT(c > 0x20 && c < 0x7f && c != '#');
  KG_ASSERT(head.raw_path.starts_with('/') || (head.raw_path == "*" && head.method == http::Method::options) ||
            (head.raw_path.empty() && head.method == http::Method::connect));
  KG_ASSERT(head.raw_path.find('?') == std::string_view::npos);
  KG_ASSERT(!head.host.empty() || head.version_minor == 0);
  KG_ASSERT(head.host.find_first_of("@/\\?#, %") == std::string_view::npos);
  int lengths = 0, codings = 0, hosts = 0;
  for (const http::HeaderLine& line : head.headers) {
    lengths += line.field == http::Field::content_length;
    codings += line.field == http::Field::transfer_encoding;
    hosts += line.field == http::Field::host;
  }
  KG_ASSERT(lengths + codings <= 1 && hosts <= 1);
  KG_ASSERT((head.framing == http::BodyFraming::chunked) == (codings == 1));
  KG_ASSERT((head.framing == http::BodyFraming::content_length) == (lengths == 1));
  KG_ASSERT(head.framing != http::BodyFraming::until_close);
  fuzz::check_lines(buffer, head.headers);
}

void check_written_again(const RequestHead& head) {
  http::HeadLimits limits;
  limits.underscores_allowed = true;
  limits.line_bytes_max = limits.head_bytes_max = 1 << 20;
  RequestParser again(limits);
  const std::string start = cat(head.method_text, ' ', head.target, " HTTP/1.", head.version_minor, "\r\n");
  const fuzz::Buffer buffer(fuzz::serialize(start, head.headers));
  KG_ASSERT(again.parse(buffer.view()) == ParseStatus::complete);
  KG_ASSERT(again.head_bytes() == buffer.view().size());
  KG_ASSERT(same_but_lines(head, again.head()) && fuzz::same_meaning(head.headers, again.head().headers));
}

void check(std::string_view text, const http::HeadLimits& limits, std::size_t stride) {
  const fuzz::Buffer buffer(text);
  RequestParser whole(limits);
  const ParseStatus status = whole.parse(buffer.view());
  RequestParser pieces(limits);
  ParseStatus piece_status = ParseStatus::need_more;
  fuzz::Buffer last("");
  for (std::size_t end = 0; piece_status == ParseStatus::need_more && end < text.size();) {
    end = std::min(end + stride, text.size());
    last = fuzz::Buffer(text.substr(0, end));
    piece_status = pieces.parse(last.view());
  }
  KG_ASSERT(piece_status == status);
  if (status == ParseStatus::refused) {
    KG_ASSERT(whole.refusal().status == pieces.refusal().status && whole.refusal().reason == pieces.refusal().reason);
    KG_ASSERT(whole.refusal().status >= 400 && !whole.refusal().reason.empty());
  }
  if (status != ParseStatus::complete) return;
  KG_ASSERT(whole.head_bytes() == pieces.head_bytes() && whole.head_bytes() <= text.size());
  KG_ASSERT(whole.head_bytes() <= limits.head_bytes_max && whole.head().headers.size() <= limits.headers_max);
  KG_ASSERT(same_but_lines(whole.head(), pieces.head()) && fuzz::same(whole.head().headers, pieces.head().headers));
  check_head(buffer, whole.head());
  check_head(last, pieces.head());
  check_written_again(whole.head());
}

}  // namespace

// The first two bytes choose limits and the size of the pieces.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2 || size > 16'384) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  check(text, fuzz::limits_from(data[0]), std::max<std::size_t>(1 + data[1] % 64U, text.size() / 512));
  return 0;
}
