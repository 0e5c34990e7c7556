#!/bin/sh
# Makes the shared secret of this example and two tokens, where missing. Safe to run again.
set -eu
cd "$(dirname "$0")"
umask 077

keepgate=${KEEPGATE_BIN:-../../build/release/keepgate}
[ -x "$keepgate" ] || keepgate=$(command -v keepgate) || {
    echo "prepare.sh: no keepgate program: build it with ./dev build, or set KEEPGATE_BIN" >&2
    exit 1
}
mkdir -p keys tokens logs

[ -s keys/signing.jwk ] || "$keepgate" key create jwk --alg HS256 --kid 0001 --out keys/signing.jwk >/dev/null
if [ ! -s keys/api_secret.jwk ] || [ keys/signing.jwk -nt keys/api_secret.jwk ]; then
    { printf '{"keys":['; cat keys/signing.jwk; printf ']}\n'; } >keys/api_secret.jwk
fi
for client in client1 client2; do
    [ -s "tokens/$client" ] && "$keepgate" token verify --jwks keys/api_secret.jwk <"tokens/$client" >/dev/null 2>&1 ||
        "$keepgate" token mint --key keys/signing.jwk --sub "$client" --expires-in 30d >"tokens/$client"
done
