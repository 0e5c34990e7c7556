#!/bin/sh
# Makes the keys and tokens of this example where they are missing or have expired. Safe to run again.
# KEEPGATE_BIN names the program; default: build/release/keepgate of this tree, else the one on PATH.
set -eu
cd "$(dirname "$0")"
umask 077

keepgate=${KEEPGATE_BIN:-../../build/release/keepgate}
[ -x "$keepgate" ] || keepgate=$(command -v keepgate) || {
    echo "prepare.sh: no keepgate program: build it with ./dev build, or set KEEPGATE_BIN" >&2
    exit 1
}
mkdir -p keys tokens run

key() {  # FILE ALGORITHM KID
    [ -s "$1" ] || "$keepgate" key create jwk --alg "$2" --kid "$3" --out "$1" >/dev/null
}
public() {  # FILE PRIVATE…
    out=$1
    shift
    [ -s "$out" ] && [ "$out" -nt "$1" ] || { rm -f "$out"; "$keepgate" key public "$@" --out "$out" >/dev/null; }
}
token() {  # NAME OPTION…
    out=tokens/$1
    shift
    [ -s "$out" ] && "$keepgate" token verify --jwks keys/jwks.json <"$out" >/dev/null 2>&1 && return
    rm -f "$out"
    "$keepgate" token mint --key keys/issuer.jwk --iss https://login.shop.internal --out "$out" "$@" >/dev/null
}

key keys/issuer.jwk ES256 issuer-1         # signs the tokens of clients; stands for your identity provider
key keys/gateway.jwk EdDSA gateway-1       # signs transaction tokens; only the gateway has it
key keys/stranger.jwk EdDSA gateway-1      # somebody who claims to be the gateway
public keys/jwks.json keys/issuer.jwk
public keys/gateway.jwks.json keys/gateway.jwk

token client1 --client client1 --sub client1 --expires-in 30d
token reports --client reports --sub reports --expires-in 30d
token intern --client console --sub ivo --issued-ago 14d --expires-in 30d
token commander --client console --sub grace --expires-in 30d
