"""Tokens bound to a key (RFC 9449) through the whole program: each needs a fresh proof of that key, and a proof passes once.

Everything else is 401 with a DPoP challenge and reaches no backend.
"""
import hashlib
import json
import threading
import time
import uuid

import pytest

from harness.jose import b64, claims
from harness.ports import free_port

HOST = "test"  # What the harness puts into Host.
CONF = """
auth_jwt_key_file keys.json;
server {
    listen 127.0.0.1:@gate@;
    auth_jwt "the API";
    proxy_set_header X-Sub $jwt_claim_sub;
    location / { proxy_pass http://@origin@; }
    location /tls { auth_dpop_scheme https; proxy_pass http://@origin@; }
    location /cookie { auth_jwt "c" token=$cookie_session; proxy_pass http://@origin@; }
    location /page { error_page 502 = @again; proxy_pass http://127.0.0.1:@dead@; }
    location @again { proxy_pass http://@origin@; }
}
"""


@pytest.fixture(scope="module")
def pair(module_keepgate, module_origin, jose):
    backend = module_origin()
    files = {"keys.json": jose.set_of(jose.key("RS256"))}
    gate = module_keepgate(CONF, files=files, values={"origin": backend.address, "dead": free_port()})
    return gate, backend


def public(jwk):
    return {name: value for name, value in jwk.items() if name in ("kty", "crv", "x", "y", "n", "e")}


class Client:
    """Somebody with a key and a token that is bound to it."""

    def __init__(self, pair, jose, algorithm="ES256", name="dpop", **more):
        self.gate, self.backend = pair
        self.jose, self.algorithm = jose, algorithm
        self.jwk = jose.key(algorithm, name)["private"]
        self.thumbprint = jose.ask("thumbprint", jwk=public(self.jwk))
        self.token = jose.sign("RS256", claims(cnf={"jkt": self.thumbprint}, **more))

    def proof(self, path="/x", method="GET", scheme="http", header=None, token=None, jwk=None, **more):
        digest = hashlib.sha256((token or self.token).encode()).digest()
        payload = {"jti": str(uuid.uuid4()), "htm": method, "htu": f"{scheme}://{HOST}{path}",
                   "iat": int(time.time()), "ath": b64(digest), **more}
        payload = {name: value for name, value in payload.items() if value is not None}
        jwk = jwk or self.jwk
        full = {"typ": "dpop+jwt", "jwk": public(jwk), "kid": None, **(header or {})}
        return self.jose.sign(self.algorithm, payload, header=full, jwk=jwk)

    def get(self, path="/x", scheme="DPoP", proof=True, method="GET", **fields):
        fields = {"Authorization": f"{scheme} {self.token}", **fields}
        if proof is True:
            proof = self.proof(path, method)
        if proof:
            fields["DPoP"] = proof
        self.backend.forget()
        return self.gate.request(method, path, fields)

    def refused(self, error="invalid_dpop_proof", **options):
        answer = self.get(**options)
        assert answer.status == 401, answer.status
        challenge = answer.get("WWW-Authenticate")
        assert challenge.startswith("DPoP ") and f'error="{error}"' in challenge and 'algs="ES256' in challenge, challenge
        assert not self.backend.requests


@pytest.fixture
def client(pair, jose):
    return Client(pair, jose)


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "ES512", "EdDSA", "RS256", "PS256"])
def test_a_bound_token_passes_with_a_proof_by_its_key(pair, jose, algorithm):
    client = Client(pair, jose, algorithm)
    for _ in range(2):  # The token from the cache, with another proof.
        assert client.get().status == 200
        assert client.backend.last.get("X-Sub") == "client1"
    assert client.get(method="POST").status == 200
    client.refused(proof=None)


def test_a_bound_token_is_no_bearer_token(client):
    client.refused(error="invalid_token", scheme="Bearer", proof=None)
    client.refused(error="invalid_token", scheme="Bearer")
    assert client.get(scheme="dpop").status == 200


def test_a_token_that_is_not_bound_is_no_dpop_token(pair, jose, client):
    client.token = jose.sign("RS256")
    client.refused(error="invalid_token")
    assert client.get(scheme="Bearer", proof=None).status == 200
    assert client.get(scheme="Bearer").status == 200  # A proof that nobody asked for.


def test_a_proof_passes_once_over_reloads_too(client):
    proof = client.proof()
    assert client.get(proof=proof).status == 200
    client.refused(proof=proof)
    client.gate.reload()
    client.refused(proof=proof)
    assert client.get().status == 200


def test_of_many_who_send_one_proof_at_once_one_passes(client):
    proof = client.proof()
    seen = []
    threads = [threading.Thread(target=lambda: seen.append(client.get(proof=proof).status)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == [200] + [401] * 7


def test_a_refused_request_uses_no_proof_up(client):
    proof = client.proof()
    client.refused(proof=proof, path="/y")
    assert client.get(proof=proof).status == 200


def test_an_error_page_asks_for_no_second_proof(client):
    assert client.get("/page").status == 200


@pytest.mark.parametrize("wrong", [
    {"method": "POST"}, {"path": "/other"}, {"scheme": "https"}, {"token": "another"}, {"jti": None}, {"jti": ""}, {"jti": "x" * 300},
    {"htm": None}, {"htu": None}, {"iat": None}, {"iat": "now"}, {"ath": None}, {"htu": "http://other/x"}, {"htm": "get"},
    {"header": {"typ": "JWT"}}, {"header": {"typ": None}}, {"header": {"jwk": None}}, {"header": {"jwk": {}}},
    {"header": {"kid": 5}}, {"header": {"jku": "http://127.0.0.1:1/"}},
])
def test_a_proof_for_something_else_is_refused(client, wrong):
    client.refused(proof=client.proof(**wrong))


def test_a_proof_has_its_time(client):
    now = int(time.time())
    client.refused(proof=client.proof(iat=now - 90))
    client.refused(proof=client.proof(iat=now + 60))
    assert client.get(proof=client.proof(iat=now - 30)).status == 200


def test_a_proof_by_another_key_is_refused(pair, jose, client):
    other = Client(pair, jose, name="thief")
    client.refused(error="invalid_token", proof=client.proof(jwk=other.jwk))
    # The right key in the header, another one's signature.
    client.refused(proof=client.proof(jwk=other.jwk, header={"jwk": public(client.jwk)}))


def test_a_private_or_shared_key_in_a_proof_is_refused(client):
    client.refused(proof=client.proof(header={"jwk": {name: client.jwk[name] for name in ("kty", "crv", "x", "y", "d")}}))
    parts = client.proof().split(".")
    secret = {"kty": "oct", "k": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}
    for header in ({"typ": "dpop+jwt", "alg": "HS256", "jwk": secret}, {"typ": "dpop+jwt", "alg": "none", "jwk": public(client.jwk)}):
        client.refused(proof=".".join([b64(json.dumps(header)), parts[1], parts[2]]))


def test_two_proofs_or_none_that_is_one_are_refused(client):
    client.refused(proof="x")
    client.refused(proof="a.b.c")
    client.refused(proof="A" * 5000)
    client.backend.forget()
    fields = [("Authorization", f"DPoP {client.token}"), ("DPoP", client.proof()), ("DPoP", client.proof())]
    assert client.gate.request("GET", "/x", fields).status == 401
    assert not client.backend.requests


def test_where_tls_ends_in_front_of_us_the_url_is_https(client):
    assert client.get("/tls", proof=client.proof("/tls", scheme="https")).status == 200
    client.refused(path="/tls", proof=client.proof("/tls"))


def test_a_bound_token_from_a_cookie_needs_a_proof_too(client):
    client.backend.forget()
    cookie = {"Cookie": f"session={client.token}"}
    assert client.gate.get("/cookie", cookie).status == 401
    assert not client.backend.requests
    assert client.gate.get("/cookie", {**cookie, "DPoP": client.proof("/cookie")}).status == 200


@pytest.mark.parametrize("cnf", [5, "jkt", [], {"jkt": 5}, {"jkt": ""}, {"jkt": "short"}, {"jkt": "!" * 43}])
def test_a_binding_that_cannot_be_read_refuses(pair, jose, cnf):
    gate, backend = pair
    backend.forget()
    token = jose.sign("RS256", claims(cnf=cnf))
    assert gate.get("/x", {"Authorization": f"Bearer {token}"}).status == 401
    assert not backend.requests
