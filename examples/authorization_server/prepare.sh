#!/bin/sh
# Makes the secrets and keys of this example where they are missing. Safe to run again.
# KEEPGATE_BIN names the program; default: build/release/keepgate of this tree, else the one on PATH.
set -eu
cd "$(dirname "$0")"
umask 077

keepgate=${KEEPGATE_BIN:-../../build/release/keepgate}
[ -x "$keepgate" ] || keepgate=$(command -v keepgate) || {
    echo "prepare.sh: no keepgate program: build it with ./dev build, or set KEEPGATE_BIN" >&2
    exit 1
}
mkdir -p keys run store

secret() {  # NAME: 256 random bits
    [ -s "keys/$1.secret" ] || od -An -v -tx1 -N32 /dev/urandom | tr -d ' \n' >"keys/$1.secret"
}
key() {  # NAME: a private key, and its public half as a set
    [ -s "keys/$1.jwk" ] || "$keepgate" jwk create --alg ES256 --kid "$1-1" --out "keys/$1.jwk" 2>/dev/null
    [ -s "keys/$1.jwks.json" ] || "$keepgate" jwk public "keys/$1.jwk" --out "keys/$1.jwks.json" >/dev/null
}
secret client1
secret gateway
key shipping
key transactions
