// Revocations: what is taken back before it expires, by name: a subject, one token, a grant, a client, a key.
//
// One entry a line of a file, as a JSON object or in words:
//   {"sub":"alice","iss":"https://id.example","before":1767225600,"until":1798761600}
//   sub alice iss=https://id.example before=1767225600 until=1798761600
// Exactly one of `sub`, `jti`, `client`, `kid` (the key that a token was signed with), `key` (the id of an API key) and
// `grant` (claim `grant_id`: what all tokens of one consent or one family of refresh tokens share).
// `iss`: only credentials of this issuer. `before`: only tokens that were issued earlier; a credential that does not
// say when it was issued counts as earlier. `until`: the entry ends then. Times are seconds since 1970. Lines that
// begin with
// '#' and empty ones say nothing; a last line without its newline is not there yet. Anything else is an error: half a
// list would let in whom it was written against.
// Thread rule: immutable after it was built; callable from any thread. Bounds: those named below.
// Memory: about 70 bytes an entry and its texts. Cost of find(): one look-up a kind of name and layer that the list
// has.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "auth/principal.h"
#include "base/clock.h"
#include "base/error.h"
#include "crypto/digest.h"
#include "crypto/json.h"

namespace keepgate::auth {

enum class RevocationKind : std::uint8_t { subject = 0, token, client, token_key, api_key, grant };
inline constexpr std::size_t revocation_kinds = 6;
std::string_view name_of(RevocationKind kind);  // As in the file: "sub", "jti", "client", "kid", "key", "grant".

struct Revocation {
  RevocationKind kind = RevocationKind::subject;
  std::string value, issuer;  // issuer "": of any, and of credentials without one.
  std::optional<std::int64_t> before_s;
  std::optional<std::int64_t> until_s;  // The first second in which it no longer counts.
  std::size_t line = 0;
  std::string_view source;  // Which list it is in, where there are several; "": the file's.

  std::string describe() const;  // `sub "alice" (line 7, iss https://id.example, before 1767225600)`: for logs.
};

// A grant, in the words of the token: its claim `grant_id`, and who issued it. Points into the token.
struct Grant {
  std::string_view id, issuer;
};
Grant grant_of(const crypto::Json& payload);
// What stands for that of the token which a transaction token was minted for, in its tctx. An id or an issuer that no
// list could name is not carried.
inline constexpr std::string_view carried_grant_id = "grant_id", carried_grant_issuer = "grant_iss";

// What a credential that is good otherwise may be taken back by. "" or nothing: it has none. Points into the
// credential.
struct RevocableNames {
  const Principal* principal = nullptr;  // Client, service and user.
  std::string_view issuer, subject, token, token_key, api_key;
  Grant grant, carried_grant;  // Its own, and that of the token which it was minted for.
  std::optional<std::int64_t> issued_s;

  // Of the claims of a token: iss, sub, jti, grant_id and iat.
  void take_claims(const crypto::Json& payload);
  void take_transaction(const crypto::Json& payload);  // And of a transaction token's tctx.
};

class RevocationLayer;

class RevocationList {
 public:
  static constexpr std::size_t file_bytes_max = std::size_t{64} << 20;
  static constexpr std::size_t line_bytes_max = 4096;
  static constexpr std::size_t value_bytes_max = 1024;
  static constexpr std::size_t entries_max = 1'000'000;
  // A list that grows: so many entries in a layer before they go into the next.
  static constexpr std::size_t small_layer_max = 1'024, middle_layer_max = 32'768;

  // The whole text of a file. Error{…, "bad_revocations"}: "line 7: …"; quotes nothing.
  static Result<std::shared_ptr<const RevocationList>> parse(std::string_view text);

  // All entries of `newer`, and those of `older` that it has not. Error: they are too many together.
  static Result<std::shared_ptr<const RevocationList>> joined(const RevocationList& newer, const RevocationList& older);

  // All entries of `before`, and those of `text`, whose lines are counted on. Now and then those that ended before
  // `ended_s` are left out; 0: none. Cost: that of the text and of small_layer_max entries; each middle_layer_max
  // entries the whole list is copied. Error: as parse(), or they are too many together.
  static Result<std::shared_ptr<const RevocationList>> extended(const RevocationList& before, std::string_view text,
                                                                std::int64_t ended_s = 0);

  // The entry that takes the credential back, if any does. A client is looked for as client and as workload; a subject
  // as the token's `sub`, the same without "user:" or "client:", and the user that it was read as.
  std::optional<Revocation> find(const RevocableNames& names, Now now) const;
  std::size_t size() const;
  std::size_t memory_bytes() const;

 private:
  using Layer = std::shared_ptr<const RevocationLayer>;

  RevocationList() = default;
  // Line numbers go on from lines_.
  Result<std::shared_ptr<RevocationLayer>> read(std::string_view text);
  // Calls `take` with each entry of this value, and its layer.
  template <typename Take>
  void each(RevocationKind kind, std::string_view value, Take take) const;
  bool has(const Revocation& entry) const;
  std::optional<Revocation> find(RevocationKind kind, std::string_view value, std::string_view issuer,
                                 std::optional<std::int64_t> issued_s, Now now) const;

  crypto::SipKey key_ = crypto::SipKey::random();
  std::array<Layer, 3> layers_;  // The big one, a middle one and a small one, where there are any; none is empty.
  std::size_t lines_ = 0;
};

}  // namespace keepgate::auth
