"""The whole way: tokens of our authorization server at a gateway that trusts it; forged ones; and what was taken back.

Tokens are forged with npm jose. Each has a sibling that is accepted: it differs in one thing.
"""
import base64
import json
import urllib.error
import urllib.parse
import urllib.request

import pytest

from harness.jose import assemble, hmac_token, payload_of
from harness.oauth import make_world, sign_in, start_server
from harness.ports import wait_until

GATEWAY = """
revocations http://127.0.0.1:@as@/revocations client_id=gateway client_secret_file=gateway.secret allow_private allow_http wait=10s;
server {
    listen 127.0.0.1:@gate@;
    auth_jwt "the API";
    auth_jwt_issuer http://127.0.0.1:@as@ audience=https://orders.example typ=at+jwt allow_private allow_http;
    location / { proxy_set_header X-Sub $jwt_claim_sub; proxy_pass http://@origin@; }
}
"""


class Server:
    """Our authorization server and a gateway of another process."""

    def __init__(self, keepgate, backend):
        self.world = make_world()
        self.process, self.url = start_server(keepgate, self.world)
        self.meta = self.get("/.well-known/openid-configuration")
        values = {"as": self.process.port("as"), "origin": backend.address}
        self.gate = keepgate(GATEWAY, files={"gateway.secret": self.world["clients"]["gateway"]["secret"] + "\n"}, values=values)

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=20) as answer:
            return json.load(answer)

    def post(self, endpoint, client, **fields):
        request = urllib.request.Request(self.meta[f"{endpoint}_endpoint"], urllib.parse.urlencode(fields).encode())
        part = urllib.parse.quote_plus
        credentials = f"{part(client)}:{part(self.world['clients'][client]['secret'])}"
        request.add_header("Authorization", "Basic " + base64.b64encode(credentials.encode()).decode())
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.read().decode()

    def token(self, client="service", **fields):
        return json.loads(self.post("token", client, grant_type="client_credentials", **fields))["access_token"]

    def status(self, token):
        return self.gate.get("/x", {"Authorization": f"Bearer {token}"}).status

    def accepts(self, token):
        """The first request may come before keys and list are there."""
        wait_until(lambda: self.status(token) == 200, 15, lambda: f"not accepted: {self.gate.read('error.log')[-2000:]}")


@pytest.fixture
def server(keepgate, origin):
    backend = origin()
    made = Server(keepgate, backend)
    made.backend = backend
    return made


def test_a_token_of_ours_opens_the_gateway_and_says_who_it_is(server):
    server.accepts(server.token())
    assert server.backend.last.get("X-Sub") == "client:service"
    assert server.gate.get("/x").status == 401


def test_a_token_for_another_audience_does_not(server):
    server.accepts(server.token("reader", resource="https://orders.example"))
    assert server.status(server.token("reader", resource="https://invoices.example")) == 401


def test_forged_tokens_are_refused(server, jose):
    good = server.token()
    server.accepts(good)
    claims = payload_of(good)
    keys = server.get(urllib.parse.urlsplit(server.meta["jwks_uri"]).path)["keys"]
    key = keys[0]
    mine = jose.key("ES256", "mine")["private"]
    signature = good.rsplit(".", 1)[1]
    header = {"alg": "ES256", "typ": "at+jwt", "kid": key["kid"]}
    forged = {
        "another key of the same kid": jose.sign("ES256", claims, jwk={**mine, "kid": key["kid"]}, header={"typ": "at+jwt", "kid": key["kid"]}),
        "a key of its own in the header": jose.sign("ES256", claims, jwk=mine, header={"typ": "at+jwt", "kid": None, "jwk": jose.key("ES256", "mine")["public"]}),
        "an address of keys": jose.sign("ES256", claims, jwk=mine, header={"typ": "at+jwt", "jku": "http://127.0.0.1:9/jwks"}),
        "none": assemble({"alg": "none", "typ": "at+jwt"}, claims),
        "none, with the old signature": assemble({"alg": "none", "typ": "at+jwt", "kid": key["kid"]}, claims) + signature,
        "HS256 with the public key": hmac_token({**header, "alg": "HS256"}, claims, json.dumps(key).encode()),
        "HS256 with its x coordinate": hmac_token({**header, "alg": "HS256"}, claims, base64.urlsafe_b64decode(key["x"] + "=")),
        "other claims under the old signature": ".".join([good.split(".")[0], assemble({}, {**claims, "sub": "user:root"}).split(".")[1], signature]),
        "another header over the old signature": ".".join([assemble({**header, "typ": "JWT"}, {}).split(".")[0], *good.split(".")[1:]]),
        "a signature of zeros": good.rsplit(".", 1)[0] + "." + "A" * 86,
        "no signature": good.rsplit(".", 1)[0] + ".",
        "a signature twice": good + "." + signature,
        "a padded signature": good + "=",
        "a token in quotes": f'"{good}"',
    }
    accepted = [name for name, token in forged.items() if server.status(token) != 401]
    assert not accepted
    assert server.status(good) == 200


def test_what_is_taken_back_at_the_server_is_refused_at_the_gateway_within_a_second_or_so(server):
    one, two = server.token(), server.token()
    server.accepts(one)
    server.accepts(two)
    assert server.post("revocation", "service", token=one) in ("", "{}")
    wait_until(lambda: server.status(one) == 401, 5, "the gateway has not heard of it")
    assert server.status(two) == 200


def test_a_stolen_refresh_token_takes_the_tokens_of_its_family_along_at_the_gateway_too(server):
    first, other = sign_in(server.url, server.world, "web", "openid orders:read", "openid orders:read")
    refresh = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    second = json.loads(server.post("token", "web", **refresh))
    for tokens in (first, second, other):
        server.accepts(tokens["access_token"])
    assert server.backend.last.get("X-Sub") == "user:alice"
    with pytest.raises(urllib.error.HTTPError, match="400"):
        server.post("token", "web", **refresh)
    for tokens in (first, second):
        wait_until(lambda one=tokens["access_token"]: server.status(one) == 401, 5, "the gateway has not heard of it")
    assert server.status(other["access_token"]) == 200


def test_an_id_token_and_a_refresh_token_of_a_person_open_nothing(server):
    (tokens,) = sign_in(server.url, server.world, "web", "openid orders:read")
    server.accepts(tokens["access_token"])
    assert [server.status(tokens[name]) for name in ("id_token", "refresh_token")] == [401, 401]


def test_a_client_takes_back_nothing_of_another(server):
    token = server.token()
    server.accepts(token)
    with pytest.raises(urllib.error.HTTPError, match="400"):  # RFC 7009 2.1: it is told that it may not.
        server.post("revocation", "reader", token=token)
    own = server.token("reader", resource="https://orders.example")
    server.accepts(own)
    server.post("revocation", "reader", token=own)
    wait_until(lambda: server.status(own) == 401, 5, "the gateway has not heard of it")
    assert server.status(token) == 200


def test_what_was_taken_back_stays_so_when_both_were_started_anew(server):
    token, other = server.token(), server.token()
    server.accepts(token)
    server.post("revocation", "service", token=token)
    wait_until(lambda: server.status(token) == 401, 5, "the gateway has not heard of it")
    for process in (server.process, server.gate):
        process.stop()
        process.start()
    server.accepts(other)
    assert server.status(token) == 401
    assert json.loads(server.post("introspection", "gateway", token=token)) == {"active": False}


def test_tokens_are_good_after_a_restart_of_the_server(server):
    token = server.token()
    server.process.stop()
    server.process.start()
    assert json.loads(server.post("introspection", "gateway", token=token))["active"]
    server.accepts(token)
