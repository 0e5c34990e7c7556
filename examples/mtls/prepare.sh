#!/bin/sh
# Makes the authority, certificates and keys of this example where they are missing. Safe to run again.
# KEEPGATE_BIN names the program; default: build/release/keepgate of this tree, else the one on PATH.
set -eu
cd "$(dirname "$0")"
umask 077

keepgate=${KEEPGATE_BIN:-../../build/release/keepgate}
[ -x "$keepgate" ] || keepgate=$(command -v keepgate) || {
    echo "prepare.sh: no keepgate program: build it with ./dev build, or set KEEPGATE_BIN" >&2
    exit 1
}
mkdir -p keys

authority() {  # NAME
    [ -s "keys/$1.crt" ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
        -subj "/O=Shop/CN=$1" -addext "keyUsage=critical,keyCertSign,cRLSign" \
        -keyout "keys/$1.key" -out "keys/$1.crt" 2>/dev/null
}
certificate() {  # NAME AUTHORITY SUBJECTALTNAME
    [ -s "keys/$1.crt" ] && return
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/O=Shop/CN=$1" \
        -keyout "keys/$1.key" -out "keys/$1.csr" 2>/dev/null
    {
        echo basicConstraints=critical,CA:FALSE
        echo extendedKeyUsage=clientAuth,serverAuth
        echo "subjectAltName=$3"
    } >"keys/$1.ext"
    openssl x509 -req -in "keys/$1.csr" -CA "keys/$2.crt" -CAkey "keys/$2.key" -CAcreateserial -days 30 \
        -extfile "keys/$1.ext" -out "keys/$1.crt" 2>/dev/null
    rm "keys/$1.csr" "keys/$1.ext"
}

authority authority
authority stranger                                           # Somebody whom nobody here trusts.
certificate gateway authority DNS:gateway.shop.internal
certificate orders authority DNS:orders.shop.internal
certificate partner authority DNS:partner.example            # May read orders.
certificate billing authority DNS:billing.shop.internal      # Known, and may do nothing here.
certificate impostor stranger DNS:partner.example            # Claims to be the partner.

[ -s keys/gateway.jwk ] || "$keepgate" key create jwk --alg EdDSA --kid gateway-1 --out keys/gateway.jwk >/dev/null
[ -s keys/gateway.jwks.json ] || "$keepgate" key public keys/gateway.jwk --out keys/gateway.jwks.json >/dev/null
