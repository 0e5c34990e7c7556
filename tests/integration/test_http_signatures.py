"""HTTP Message Signatures (RFC 9421): a request passes when a known key signed what the location demands, body and all.

Signatures are made here with Python's `cryptography`, independently of the program.
"""
import base64
import hashlib
import hmac
import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from harness.jose import b64, claims
from harness.ports import wait_until

HOST = "test"  # What the harness puts into Host.
CONF = """
server {
    listen 127.0.0.1:@gate@;
    client_max_body_size 100k;
    client_body_buffer_size 4k;
    client_body_timeout 1s;
    auth_http_signature keys.json @options@;
    location / { proxy_set_header X-Client $identity_client; proxy_pass http://@origin@; }
    location /stream/ { proxy_request_buffering off; proxy_pass http://@origin@; }
    location /once/ { auth_http_signature keys.json nonce=once; proxy_pass http://@origin@; }
    location /date/ { auth_http_signature keys.json components=@method,@target-uri,x-note max_age=2s; proxy_pass http://@origin@; }
    location /both/ { auth_jwt x; auth_jwt_key_file tokens.json; proxy_set_header X-Client $identity_client; proxy_pass http://@origin@; }
    location /either/ { satisfy any; auth_jwt x; auth_jwt_key_file tokens.json; proxy_pass http://@origin@; }
    location /broken/ { auth_http_signature gone.json; proxy_pass http://@origin@; }
    location /open/ { auth_http_signature off; proxy_pass http://@origin@; }
}
"""


def number(value, size):
    return b64(value.to_bytes(size, "big"))


class Key:
    def __init__(self, kind, name):
        self.kind, self.name = kind, name
        if kind.startswith("ecdsa"):
            curve, self.hash, self.size = (ec.SECP256R1(), hashes.SHA256(), 32) if "256" in kind else (ec.SECP384R1(), hashes.SHA384(), 48)
            self.key = ec.generate_private_key(curve)
            point = self.key.public_key().public_numbers()
            self.jwk = {"kty": "EC", "crv": f"P-{8 * self.size}", "x": number(point.x, self.size), "y": number(point.y, self.size)}
        elif kind == "ed25519":
            self.key = ed25519.Ed25519PrivateKey.generate()
            self.jwk = {"kty": "OKP", "crv": "Ed25519", "x": b64(self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))}
        elif kind == "hmac-sha256":
            self.key = b"s" * 32
            self.jwk = {"kty": "oct", "alg": "HS256", "k": b64(self.key)}
        else:
            self.key = rsa.generate_private_key(65537, 2048)
            numbers = self.key.public_key().public_numbers()
            self.jwk = {"kty": "RSA", "alg": "PS512" if "pss" in kind else "RS256", "n": number(numbers.n, 256), "e": number(numbers.e, 3)}
        self.jwk["kid"] = name

    def sign(self, data):
        if self.kind.startswith("ecdsa"):
            r, s = decode_dss_signature(self.key.sign(data, ec.ECDSA(self.hash)))
            return r.to_bytes(self.size, "big") + s.to_bytes(self.size, "big")
        if self.kind == "ed25519":
            return self.key.sign(data)
        if self.kind == "hmac-sha256":
            return hmac.digest(self.key, data, "sha256")
        if self.kind == "rsa-pss-sha512":
            return self.key.sign(data, padding.PSS(padding.MGF1(hashes.SHA512()), 64), hashes.SHA512())
        return self.key.sign(data, padding.PKCS1v15(), hashes.SHA256())


KINDS = ["ecdsa-p256-sha256", "ecdsa-p384-sha384", "ed25519", "rsa-pss-sha512", "rsa-v1_5-sha256", "hmac-sha256"]
DEFAULT = ("@method", "@authority", "@path", "@query")


def digest_of(body):
    return "sha-256=:" + base64.b64encode(hashlib.sha256(body).digest()).decode() + ":"


def signed(key, method="GET", target="/x", components=DEFAULT, fields=(), body=None, more="", created=None, digest=None, label="sig", kid=None, host=HOST):
    """The fields of a signed request."""
    fields = dict(fields)
    if body is not None:
        fields["Content-Digest"] = digest or digest_of(body)
        components = (*components, "content-digest")
    path, _, query = target.partition("?")
    values = {"@method": method, "@authority": host, "@path": path, "@query": "?" + query, "@target-uri": f"http://{HOST}{target}"}
    values.update({name.lower(): value for name, value in fields.items()})
    listed = " ".join(f'"{name}"' for name in components)
    params = f'({listed});created={int(time.time()) if created is None else created};keyid="{key.name if kid is None else kid}"{more}'
    base = "".join(f'"{name}": {values[name]}\n' for name in components) + f'"@signature-params": {params}'
    signature = base64.b64encode(key.sign(base.encode())).decode()
    return {**fields, "Signature-Input": f"{label}={params}", "Signature": f"{label}=:{signature}:"}


@pytest.fixture(scope="module")
def keys():
    return {kind: Key(kind, f"client-{kind}") for kind in KINDS}


@pytest.fixture(scope="module")
def pair(module_keepgate, module_origin, keys, jose):
    backend = module_origin()
    files = {"keys.json": json.dumps({"keys": [key.jwk for key in keys.values()]}), "tokens.json": jose.set_of(jose.key("ES256"))}
    return module_keepgate(CONF, files=files, values={"origin": backend.address, "options": "realm=shop"}), backend


@pytest.fixture
def shop(pair, keys):
    gate, backend = pair
    backend.forget()
    return gate, backend, keys["ed25519"]


@pytest.mark.parametrize("kind", KINDS)
def test_each_algorithm_passes_with_its_key_and_with_no_other_one(pair, keys, kind):
    gate, backend = pair
    key = keys[kind]
    assert gate.request("GET", "/x?a=b", signed(key, target="/x?a=b")).status == 200
    assert backend.last.get("X-Client") == key.name
    assert gate.request("GET", "/x", signed(key, more=f';alg="{kind}"')).status == 200
    backend.forget()
    for other in KINDS:
        if other != kind:
            assert gate.request("GET", "/x", signed(keys[other], kid=key.name)).status == 401
            assert gate.request("GET", "/x", signed(key, more=f';alg="{other}"')).status == 401
    assert gate.request("GET", "/x", signed(Key(kind, key.name) if kind != "hmac-sha256" else keys["ed25519"], kid=key.name)).status == 401
    assert not backend.requests


def test_what_is_not_signed_or_not_so_is_refused(shop):
    gate, backend, key = shop
    answer = gate.request("GET", "/x")
    assert answer.status == 401
    assert answer.get("WWW-Authenticate").startswith('Signature realm="shop", components=')
    good = signed(key)
    now = int(time.time())
    refused = [
        ("GET", "/y", good),
        ("GET", "/x?a", good),
        ("DELETE", "/x", good),
        ("GET", "/x", signed(key, host="other.test")),
        ("GET", "/x", {name: value for name, value in good.items() if name != "Signature"}),
        ("GET", "/x", {name: value for name, value in good.items() if name != "Signature-Input"}),
        ("GET", "/x", {**good, "Signature": good["Signature"].replace("sig=", "sig2=")}),
        ("GET", "/x", {**good, "Signature-Input": good["Signature-Input"].replace('"@method" ', "")}),
        ("GET", "/x", {**good, "Signature-Input": good["Signature-Input"] + ", sig=()"}),
        ("GET", "/x", signed(key, components=("@method", "@authority", "@path"))),
        ("GET", "/x", signed(key, components=("@method", "@method", "@authority", "@path", "@query"))),
        ("GET", "/x", signed(key, created=now - 400)),
        ("GET", "/x", signed(key, created=now + 400)),
        ("GET", "/x", signed(key, more=f";expires={now - 60}")),
        ("GET", "/x", signed(key, kid="nobody")),
        ("GET", "/x", signed(key, kid="")),
        ("GET", "/x", {**good, "Signature-Input": good["Signature-Input"] + ';x="' + "x" * 7000 + '"'}),
    ]
    for method, target, fields in refused:
        answer = gate.request(method, target, fields)
        assert answer.status == 401, (method, target, fields)
        assert 'error="invalid_signature"' in answer.get("WWW-Authenticate")
    assert gate.request("GET", "/broken/", good).status == 503
    assert gate.request("GET", "/x", good).status == 200
    assert len(backend.requests) == 1
    assert gate.request("GET", "/open/").status == 200


def test_fields_that_are_sent_twice_are_another_value(shop):
    gate, backend, key = shop
    fields = signed(key, target="/date/", components=("@method", "@target-uri", "x-note"), fields={"X-Note": "one"})
    assert gate.request("GET", "/date/", fields).status == 200
    backend.forget()
    for more in ([("X-Note", "two")], [("x-note", "")]):
        assert gate.request("GET", "/date/", [*fields.items(), *more]).status == 401
    for twice in ("Signature", "Signature-Input"):
        assert gate.request("GET", "/date/", [*fields.items(), (twice, fields[twice])]).status == 401
    assert not backend.requests
    joined = signed(key, target="/date/", components=("@method", "@target-uri", "x-note"), fields={"X-Note": "one, two"})
    lines = [(name, value) for name, value in joined.items() if name != "X-Note"] + [("X-Note", "one"), ("X-NOTE", " two ")]
    assert gate.request("GET", "/date/", lines).status == 200
    wait_until(lambda: gate.request("GET", "/date/", fields).status == 401, 15, "max_age is not kept")


@pytest.mark.parametrize("prefix", ["/x", "/stream/x"])
@pytest.mark.parametrize("size", [1, 5_000, 90_000])
def test_a_body_passes_when_it_is_the_one_that_was_signed(shop, prefix, size):
    gate, backend, key = shop
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    assert gate.request("POST", prefix, signed(key, "POST", prefix, body=body), body).status == 200
    assert backend.last.body == body
    backend.forget()
    other = bytes([body[0] ^ 1]) + body[1:]
    answer = gate.request("POST", prefix, signed(key, "POST", prefix, body=body), other)
    assert answer.status == 401
    assert 'error="invalid_signature"' in answer.get("WWW-Authenticate")
    assert gate.request("POST", prefix, signed(key, "POST", prefix), body).status == 401
    assert gate.request("POST", prefix, signed(key, "POST", prefix, body=body, digest="md5=:AAAA:"), body).status == 401
    assert not backend.requests


def test_a_chunked_body_is_compared_too(shop):
    gate, backend, key = shop
    body = b"hello world"

    def send(digest_body):
        fields = signed(key, "POST", "/x", body=digest_body)
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        head = f"POST /x HTTP/1.1\r\nHost: {HOST}\r\n{lines}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        return gate.raw(head.encode() + b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", method="POST").status

    assert send(body) == 200
    assert backend.last.body == body
    backend.forget()
    assert send(b"hello") == 401
    assert not backend.requests


def test_a_body_over_the_bound_is_413_and_a_bad_signature_reads_none(shop):
    gate, backend, key = shop
    body = b"x" * 102_401
    assert gate.request("POST", "/x", signed(key, "POST", "/x", body=body), body).status == 413
    fields = {**signed(key, "POST", "/x", body=body, kid="nobody"), "Content-Length": "102401", "Expect": "100-continue"}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    answer = gate.raw(f"POST /x HTTP/1.1\r\nHost: {HOST}\r\n{lines}Connection: close\r\n\r\n".encode(), method="POST")
    assert answer.status == 401
    assert not backend.requests


def test_a_nonce_passes_once_and_is_demanded(shop):
    gate, backend, key = shop
    assert gate.request("GET", "/once/", signed(key, target="/once/")).status == 401
    fields = signed(key, target="/once/", more=';nonce="n1"')
    assert gate.request("GET", "/once/", fields).status == 200
    assert gate.request("GET", "/once/", fields).status == 401
    assert gate.request("GET", "/once/", signed(key, target="/once/", more=';nonce="n1"')).status == 401
    gate.reload()
    assert gate.request("GET", "/once/", fields).status == 401
    fields = signed(key, target="/once/", more=';nonce="n2"')
    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(lambda _: gate.request("GET", "/once/", fields).status, range(24)))
    assert statuses == [200] + [401] * 23
    assert len(backend.requests) == 2


def head_of(fields, framing):
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST /x HTTP/1.1\r\nHost: {HOST}\r\n{lines}{framing}\r\n\r\n".encode()


@pytest.mark.parametrize("body, status", [
    (b"zz\r\nhello\r\n0\r\n\r\n", 400),
    (b"19001\r\n" + b"x" * 102_401 + b"\r\n0\r\n\r\n", 413),
    (b"5\r\nhel", 408),
])
def test_a_body_that_cannot_be_read_ends_the_request_and_reaches_nobody(shop, body, status):
    gate, backend, key = shop
    answer = gate.raw(head_of(signed(key, "POST", "/x", body=b"hello"), "Transfer-Encoding: chunked") + body, method="POST")
    assert answer.status == status
    assert not backend.requests
    assert gate.request("GET", "/x", signed(key)).status == 200


def test_a_client_that_leaves_within_its_body_reaches_nobody(shop):
    gate, backend, key = shop
    for _ in range(10):
        client = gate.connect()
        client.send(head_of(signed(key, "POST", "/x", body=b"hello"), "Content-Length: 5") + b"hel")
        client.close()
    assert gate.request("GET", "/x", signed(key)).status == 200
    assert [request.method for request in backend.requests] == ["GET"]


def test_a_client_that_waits_is_told_to_go_on_only_when_its_signature_has_held(shop):
    gate, backend, key = shop
    client = gate.connect()
    client.send(head_of(signed(key, "POST", "/x", body=b"hello"), "Content-Length: 5\r\nExpect: 100-continue"))
    assert "100" in client.read_line()
    assert client.read_line() == ""
    client.send(b"hello")
    answer = client.read_response("POST")
    client.close()
    assert answer.status == 200
    assert backend.last.body == b"hello"
    client = gate.connect()
    client.send(head_of(signed(key, "POST", "/x", body=b"hello", kid="nobody"), "Content-Length: 5\r\nExpect: 100-continue"))
    answer = client.read_response("POST")
    client.close()
    assert (answer.status, answer.interim) == (401, [])


def test_a_token_beside_a_signature_counts_and_both_are_needed_unless_one_is_enough(shop, jose):
    gate, backend, key = shop
    token = {"Authorization": "Bearer " + jose.sign("ES256", claims(client_id="web"))}
    forged = {"Authorization": token["Authorization"][:-8] + "AAAAAAAA"}
    signature = signed(key, target="/both/")
    assert gate.request("GET", "/both/", {**signature, **token}).status == 200
    assert backend.last.get("X-Client") == "web"
    backend.forget()
    for fields in (signature, token, {**signature, **forged}, {**signed(key, target="/x"), **token}):
        assert gate.request("GET", "/both/", fields).status == 401
    for fields in ({}, forged, signed(key, target="/x"), {**signed(key, target="/x"), **token}):
        assert gate.request("GET", "/either/", fields).status == 401
    assert not backend.requests
    for fields in (token, signed(key, target="/either/")):
        assert gate.request("GET", "/either/", fields).status == 200
