// `keepgate key`: API keys from their making to their end. One file per group of verbs: api_key_*.cc.
#include "base/bytes.h"
#include "cli/api_key.h"
#include "cli/files.h"
#include "cli/output.h"
#include "cli/verbs.h"

namespace keepgate::cli {

namespace {

bool is_option(std::string_view word) { return word.starts_with('-') && word != "-"; }

// Before there were API keys, `keepgate key` made JWKs. Those commands go on working.
int run_create(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "jwk") return run_jwk_create(argc - 1, argv + 1);
  return run_api_key_create(argc, argv);
}

int run_list(int argc, char** argv) {
  if (argc > 1 && !is_option(argv[1])) return run_jwk_list(argc, argv);
  return run_api_key_list(argc, argv);
}

constexpr Command key_verbs[] = {
    {"create", "make an API key and show it this once", run_create},
    {"list", "the keys of a file: whose, for what, until when", run_list},
    {"show", "one key, by its id", run_api_key_show},
    {"verify", "whose key is this? reads it from standard input", run_api_key_verify},
    {"rotate", "a new key for an old one, which stays valid for a while", run_api_key_rotate},
    {"revoke", "make a key invalid at once", run_api_key_revoke},
    {"compact", "take what is out of date out of a file of keys", run_api_key_compact},
    {"public", "the same as `keepgate jwk public`", run_jwk_public},
};
constexpr Example key_examples[] = {
    {"keepgate key create --file api_keys --client orders-app --scope orders:read --expires 90d", ""},
    {"keepgate key list --file api_keys", ""},
    {"keepgate key rotate 4tXqk2mJw0Za --file api_keys --overlap 24h", "both are valid for a day"},
    {"keepgate key revoke 4tXqk2mJw0Za --file api_keys", "within a second, without a reload"},
};

}  // namespace

int run_key(int argc, char** argv) { return run_noun({"key", key_verbs, key_examples}, argc, argv); }

}  // namespace keepgate::cli
