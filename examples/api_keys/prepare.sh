#!/bin/sh
# Makes the keys of this example, where missing: keys/api_keys and one file a client. Safe to run again.
set -eu
cd "$(dirname "$0")"
umask 077

keepgate=${KEEPGATE_BIN:-../../build/release/keepgate}
[ -x "$keepgate" ] || keepgate=$(command -v keepgate) || {
    echo "prepare.sh: no keepgate program: build it with ./dev build, or set KEEPGATE_BIN" >&2
    exit 1
}
mkdir -p keys logs

make() { # CLIENT OPTION…
    client=$1
    shift
    [ -s "keys/$client" ] ||
        "$keepgate" key create --file keys/api_keys --out "keys/$client" --client "$client" --expires 30d "$@" \
            2>/dev/null
}
make orders-app --scope orders:read --scope orders:write --owner team-orders
make console --scope orders:read --owner operations
make newsreader --note "reads the feed by its URL"
