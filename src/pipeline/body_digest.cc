#include "pipeline/body_digest.h"

#include "auth/content_digest.h"
#include "base/bytes.h"
#include "base/log.h"
#include "crypto/running_digest.h"
#include "pipeline/exchange.h"

namespace keepgate::pipeline {

namespace {

using crypto::DigestKind;
using crypto::RunningDigest;

// Whoever asked is not asked again: the request ends with this.
void end_with(Exchange& x, std::uint16_t status, std::string_view code, std::string reason) {
  x.stored_body.reset();  // A part is never sent on as if it were the whole.
  x.refusal = {};
  x.refusal.status = status;
  x.refusal.code = code;
  x.refusal.reason = std::move(reason);
  x.refusal.close = true;
}

void end_with(Exchange& x, const Error& error) {
  const std::uint16_t status = error.kind == ErrorKind::timeout ? 408
                               : error.kind == ErrorKind::limit ? 413
                               : error.kind == ErrorKind::io    ? 500
                                                                : 400;
  if (error.kind == ErrorKind::io) log(LogLevel::crit, error.detail);
  end_with(x, status, error.code, cat("the body that is to be verified: ", error.detail));
}

}  // namespace

net::Task<auth::Answer> BodyDigestSupplier::supply(Exchange& x, const auth::Need&) {
  auth::Answer out;
  const LocationConfig& location = x.location();
  const std::uint64_t bytes_max = location.client_body_bytes_max;
  if (bytes_max != 0 && x.body.framing() == http::BodyFraming::content_length && x.body.content_length() > bytes_max) {
    end_with(x, 413, "body_too_large", "the body is larger than client_max_body_size");
    co_return out;
  }
  RunningDigest sha256(DigestKind::sha256), sha512(DigestKind::sha512);
  if (x.stored_body) {
    std::uint64_t offset = 0;
    while (true) {
      const auto piece = x.stored_body->piece(offset);
      if (!piece || piece->empty()) break;
      sha256.add(*piece);
      sha512.add(*piece);
      offset += piece->size();
    }
    if (offset != x.stored_body->size()) {
      out.reason = "the stored body cannot be read";
      co_return out;
    }
  } else if (!x.body.untouched()) {
    out.reason = "the body is not there any more";
    co_return out;
  } else {
    x.body.set_bytes_max(bytes_max);
    x.stored_body.emplace(x.worker().buffers, location.client_body_buffer_bytes, location.client_body_temp_path);
    while (!x.body.finished()) {
      const auto piece = co_await x.body.next(location.client_body_timeout_ms);
      if (!piece) {
        end_with(x, piece.error());
        co_return out;
      }
      sha256.add(*piece);
      sha512.add(*piece);
      if (const auto kept = x.stored_body->append(*piece); !kept) {
        end_with(x, kept.error());
        co_return out;
      }
    }
  }
  auto digests = std::make_shared<auth::BodyDigests>();
  digests->sha256 = sha256.finish();
  digests->sha512 = sha512.finish();
  out.value = std::move(digests);
  out.is_good = true;
  co_return out;
}

}  // namespace keepgate::pipeline
