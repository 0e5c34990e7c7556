#!/bin/sh
# Makes the keys, secrets and people of this example where they are missing. Safe to run again.
# KEEPGATE_BIN names the program; default: build/release/keepgate of this tree, else the one on PATH.
set -eu
cd "$(dirname "$0")"
umask 077

keepgate=${KEEPGATE_BIN:-../../build/release/keepgate}
[ -x "$keepgate" ] || keepgate=$(command -v keepgate) || {
    echo "prepare.sh: no keepgate program: build it with ./dev build, or set KEEPGATE_BIN" >&2
    exit 1
}
mkdir -p keys tokens run store

key() {  # FILE ALGORITHM KID
    [ -s "$1" ] || "$keepgate" jwk create --alg "$2" --kid "$3" --out "$1" >/dev/null
}
public() {  # FILE PRIVATE…
    out=$1
    shift
    [ -s "$out" ] && [ "$out" -nt "$1" ] || { rm -f "$out"; "$keepgate" jwk public "$@" --out "$out" >/dev/null; }
}
secret() {  # FILE: 256 random bits
    [ -s "$1" ] || od -An -v -tx1 -N32 /dev/urandom | tr -d ' \n' >"$1"
}
person() {  # NAME OPTION…: somebody in the store, with a password of their own
    name=$1
    shift
    if [ -s store/keepgate.db ] && [ -s "keys/$name.password" ]; then
        "$keepgate" user list -c authorization_server.conf | grep -q "^$name " && return
    fi
    secret "keys/$name.password"
    "$keepgate" user create "$name" "$@" --password-stdin -c authorization_server.conf <"keys/$name.password" >/dev/null
}

key keys/gateway.jwk EdDSA gateway-1       # signs transaction tokens; only the gateway has it
key keys/stranger.jwk EdDSA gateway-1      # somebody who claims to be the gateway
public keys/gateway.jwks.json keys/gateway.jwk

for client in client1 reports shipping gateway; do secret "keys/$client.secret"; done
person ivo --role intern
person grace --role commander
person alice --role customer
