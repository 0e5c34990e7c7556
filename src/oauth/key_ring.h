// KeyRing: the keys that sign tokens. Made by the server, wrapped in its store, replaced by the clock.
//
// Each key signs from one time to another; the next one is published as long before it signs as the rotation lasts, and
// an old one stays published until the last token that it signed has expired. So no verifier ever meets a key that it
// could not have seen. Thread rule: immutable once shared. Private keys live in memory only while the server runs.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "crypto/jwk.h"
#include "crypto/secret.h"
#include "store/transactor.h"

namespace keepgate::oauth {

struct Settings;

struct SigningKey {
  std::shared_ptr<const crypto::Key> key;
  std::string public_jwk;
  std::int64_t signs_from_s = 0, signs_until_s = 0;
  // Encoded headers of what it signs (crypto::encode_jws_header); made by the ring.
  std::string access_token_header{}, id_token_header{};
};

// `typ` of our tokens: RFC 9068 §2.1, RFC 7519 §5.1.
inline constexpr std::string_view access_token_type = "at+jwt", id_token_type = "JWT";

class KeyRing {
 public:
  KeyRing(std::vector<SigningKey> keys, crypto::Algorithm algorithm);

  // The one that signs at `now`: of those of the algorithm that have begun, the one that began last; if the clock was
  // set back behind all of them, the first. nullptr: there is none.
  const SigningKey* current(Now now) const;
  const crypto::KeySet& for_verification() const { return *verification_; }
  const std::string& jwks() const { return jwks_; }  // The document of /jwks.
  std::size_t size() const { return keys_.size(); }

 private:
  std::vector<SigningKey> keys_;  // By signs_from_s.
  crypto::Algorithm algorithm_;
  std::shared_ptr<const crypto::KeySet> verification_;
  std::string jwks_;
};

// The key that wraps what only the server may read, of the file at `path`: made for a store that has nothing wrapped
// yet, and for no other. Waits for the store: at the start and for the command line.
Result<crypto::SecretText> wrapping_key_of(store::Transactor& store, const std::string& path);

// Makes the current and the next key where they are missing, and forgets those whose tokens had all expired at
// `forget_s` (0: none). In one transaction of the caller.
Result<void> maintain_keys(store::Database& database, const Settings& settings, const crypto::SecretText& wrapping_key,
                           Now now, std::int64_t forget_s);
// Takes a key back at once, as where somebody else may have it. The next one, which verifiers know already, takes its
// place; it is on the list of revocations for stolen_key_s, since its thief writes what times he likes. false: it is
// not in the store, and is on the list all the same: transaction tokens may be signed by a key of a file.
inline constexpr std::int64_t stolen_key_s = std::int64_t{10} * 365 * 86'400;
Result<bool> retire_key(store::Database& database, const Settings& settings, const crypto::SecretText& wrapping_key,
                        std::string_view key_id, Now now);
// Error{configuration, "bad_keys"}: a key cannot be unwrapped. That is the wrong key file, and never a reason to make
// new ones.
Result<std::shared_ptr<const KeyRing>> load_keys(store::Database& database, const Settings& settings,
                                                 const crypto::SecretText& wrapping_key);

}  // namespace keepgate::oauth
