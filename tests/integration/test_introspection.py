"""Opaque tokens (RFC 7662): a token passes when the endpoint calls it active, and nothing else lets it pass.

The endpoint is npm oidc-provider once, and a scripted one behind TLS otherwise.
"""
import base64
import hashlib
import json
import os
import subprocess
import threading
import time
import urllib.parse
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.certificates import Authority, server_context
from harness.gate import run_cli
from harness.jose import b64, claims
from harness.origin import Close, answer_bytes
from harness.ports import free_port, wait_until

OIDC = os.path.join(os.path.dirname(__file__), "harness", "oidc_helper.mjs")
SECRET = "s+cr:t 1"
CONF = """
server {
    listen 127.0.0.1:@gate@;
    auth_introspect @endpoint@ @options@ audience=orders realm=shop client_id=gateway client_secret_file=secret ca=ca.pem
        allow_private;
    location / { proxy_set_header X-Sub $jwt_claim_sub; proxy_pass http://@origin@; }
    location /scoped/ { auth_jwt_require $jwt_claim_scope error=403; proxy_pass http://@origin@; }
    location /open/ { auth_introspect off; proxy_pass http://@origin@; }
}
"""


def document(value, status=200, kind="application/json", **fields):
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return answer_bytes(status, body, {"Content-Type": kind, **fields})


class Endpoint:
    """A scripted endpoint: `tokens` are the active ones and what is said of them; `behave` answers everything else."""

    def __init__(self, origin, authority):
        self.tokens = {}
        self.behave = None
        self.origin = origin(answer=self.answer, tls=server_context(*authority.issue("127.0.0.1", label="endpoint")))
        self.url = f"https://{self.origin.address}/introspect"

    def answer(self, request):
        if self.behave is not None:
            return self.behave
        token = urllib.parse.parse_qs(request.body.decode(), strict_parsing=True)["token"][0]
        said = self.tokens.get(token)
        return document({"active": False} if said is None else {"active": True, **said})

    def add(self, token, **more):
        said = {"client_id": "web", "sub": "alice", "aud": "orders", "exp": int(time.time()) + 600, **more}
        self.tokens[token] = {name: value for name, value in said.items() if value is not None}
        return token

    @property
    def calls(self):
        return len(self.origin.requests)


@pytest.fixture
def setup(keepgate, origin, authority):
    backend = origin()

    def build(options="", conf=CONF, files=None, values=None, **more):
        endpoint = Endpoint(origin, authority)
        with open(authority.file, "rb") as file:
            pem = file.read()
        values = {"origin": backend.address, "endpoint": endpoint.url, "options": options, **(values or {})}
        gate = keepgate(conf, files={"ca.pem": pem, "secret": SECRET + "\n", **(files or {})}, values=values, **more)
        return gate, endpoint, backend

    return build


def ask(gate, token, path="/x", scheme="Bearer"):
    return gate.get(path, {"Authorization": f"{scheme} {token}"})


def get(gate, token, path="/x"):
    return ask(gate, token, path).status


def log_says(gate, text):
    wait_until(lambda: text in gate.read("error.log"), 5, lambda: f"{text} is not said: " + gate.read("error.log"))


def test_an_active_token_passes_and_the_endpoint_is_asked_as_the_rfc_says(setup):
    gate, endpoint, backend = setup()
    token = endpoint.add("opaque/1+2~=", scope="read")
    assert get(gate, token) == 200
    assert backend.last.get("X-Sub") == "alice"
    call = endpoint.origin.last
    assert (call.method, call.target) == ("POST", "/introspect")
    assert call.body == b"token=opaque%2F1%2B2%7E%3D&token_type_hint=access_token"
    assert call.get("Content-Type") == "application/x-www-form-urlencoded"
    assert call.get("Accept") == "application/json"
    assert base64.b64decode(call.get("Authorization").removeprefix("Basic ")) == b"gateway:s%2Bcr%3At+1"
    assert get(gate, token, "/scoped/") == 200
    assert get(gate, endpoint.add("without-scope"), "/scoped/") == 403


def test_every_other_token_is_refused_with_a_challenge(setup):
    gate, endpoint, backend = setup()
    answer = ask(gate, "unknown")
    assert answer.status == 401
    assert answer.get("WWW-Authenticate") == 'Bearer realm="shop", error="invalid_token"'
    assert gate.get("/x").get("WWW-Authenticate") == 'Bearer realm="shop"'
    past = int(time.time()) - 5
    for token in (
        endpoint.add("for-others", aud="web"),
        endpoint.add("for-nobody", aud=None),
        endpoint.add("expired", exp=past),
        endpoint.add("not-yet", nbf=past + 600),
        endpoint.add("refresh", token_use="refresh"),
        endpoint.add("bound", cnf={"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}),
        endpoint.add("certified", cnf={"x5t#S256": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}),
    ):
        assert get(gate, token) == 401, token
    calls = endpoint.calls
    assert gate.get("/x", {"Authorization": "Basic YTpi"}).status == 401
    assert get(gate, "one, Bearer two") == 401
    assert endpoint.calls == calls
    assert not backend.requests
    assert gate.get("/open/").status == 200


@pytest.mark.parametrize("name", [
    "text true", "number", "missing", "twice", "array", "not json", "empty", "huge", "html", "signed", "plain type", "gzip",
    "204", "400", "401", "500", "redirect", "cut",
])
def test_an_answer_that_cannot_be_used_is_503_and_never_a_pass(setup, name):
    gate, endpoint, backend = setup(options="cache=1h")
    good = {"active": True, "client_id": "web", "sub": "alice", "aud": "orders"}
    elsewhere = endpoint.url.replace("/introspect", "/other")
    endpoint.behave = {
        "text true": document({**good, "active": "true"}),
        "number": document({**good, "active": 1}),
        "missing": document({"client_id": "web"}),
        "twice": document(b'{"active":false,"aud":"orders","sub":"a","active":true}'),
        "array": document([good]),
        "not json": document(b"active: true"),
        "empty": document(b""),
        "huge": document({**good, "x": "x" * 70_000}),
        "html": document(b"<html>login</html>", kind="text/html"),
        "signed": document(b"eyJ.eyJ.x", kind="application/token-introspection+jwt"),
        "plain type": document(good, kind="text/plain"),
        "gzip": document(b"\x1f\x8b\x08", **{"Content-Encoding": "gzip"}),
        "204": answer_bytes(204, b"", length=False),
        "400": document({"error": "invalid_request"}, 400),
        "401": document({"error": "invalid_client"}, 401),
        "500": document(good, 500),
        "redirect": document(good, 307, Location=elsewhere),
        "cut": Close(document(good).replace(b"Content-Length: ", b"Content-Length: 9")),
    }[name]
    secret = "a-token-that-no-log-may-show"
    for _ in range(2):
        answer = ask(gate, secret)
        assert answer.status == 503
        assert answer.get("WWW-Authenticate") is None
    assert not backend.requests
    assert all(request.target == "/introspect" for request in endpoint.origin.requests)
    log_says(gate, "its tokens are answered 503")
    log_says(gate, "introspection_unavailable")
    assert secret not in gate.read("error.log")
    endpoint.behave = None
    assert get(gate, endpoint.add(secret)) == 200
    log_says(gate, "it answers again")


def test_an_endpoint_that_is_down_slow_or_somebody_else_is_503(setup, tmp_path):
    gate, endpoint, backend = setup(values={"endpoint": f"https://127.0.0.1:{free_port()}/introspect"})
    assert get(gate, "t") == 503
    assert gate.get("/open/").status == 200
    backend.forget()

    release = threading.Event()
    gate, endpoint, _ = setup(options="timeout=300ms")
    endpoint.behave = lambda connection: release.wait(20) and False
    try:
        began = time.monotonic()
        assert get(gate, "t") == 503
        assert time.monotonic() - began < 15
    finally:
        release.set()

    other = Authority(tmp_path, "Other CA")
    for conf in (CONF.replace("ca.pem", other.file), CONF.replace("ca=ca.pem", ""), CONF.replace("allow_private", "")):
        gate, endpoint, _ = setup(conf=conf)
        assert get(gate, endpoint.add("t")) == 503
        assert not endpoint.origin.requests
    assert not backend.requests


def test_a_silent_endpoint_is_not_asked_for_each_token_and_recovers(setup):
    gate, endpoint, _ = setup(options="timeout=200ms")
    release = threading.Event()
    endpoint.behave = lambda connection: release.wait(20) and False
    try:
        for number in range(3):
            assert get(gate, f"t{number}") == 503
        calls = endpoint.calls
        began = time.monotonic()
        for number in range(100):
            assert get(gate, f"u{number}") == 503
        assert endpoint.calls - calls <= 1 + int((time.monotonic() - began) / 0.9)
    finally:
        release.set()
    endpoint.behave = None
    token = endpoint.add("good")
    wait_until(lambda: get(gate, token) == 200, 10, "it does not recover")


def test_two_hundred_requests_with_one_token_are_one_call(setup):
    gate, endpoint, _ = setup(workers=2)
    token = endpoint.add("popular")
    gathered = threading.Event()
    said = document({"active": True, **endpoint.tokens[token]})

    def late(connection):
        gathered.wait(10)
        connection.socket.sendall(said)
        return True

    endpoint.behave = late
    clients = [gate.connect(timeout=30) for _ in range(200)]
    try:
        for client in clients:
            client.send(f"GET /x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n".encode())
        wait_until(lambda: endpoint.calls > 0, 10, "nobody is asked")
        time.sleep(0.5)  # All of them are to wait for the one call: nothing shows from outside that they do.
        gathered.set()
        assert {client.read_response("GET").status for client in clients} == {200}
    finally:
        gathered.set()
        for client in clients:
            client.close()
    assert endpoint.calls == 1


def test_answers_are_remembered_for_cache_and_not_without(setup):
    gate, endpoint, _ = setup()
    token = endpoint.add("t")
    for number in range(3):
        assert get(gate, token) == 200
        assert endpoint.calls == number + 1
    del endpoint.tokens[token]
    assert get(gate, token) == 401  # At once: nothing was remembered.
    gate, endpoint, _ = setup(options="cache=2s")
    token = endpoint.add("t")
    for _ in range(5):
        assert get(gate, token) == 200
    assert endpoint.calls <= 2
    del endpoint.tokens[token]
    wait_until(lambda: get(gate, token) == 401, 10, "a revoked token is believed for ever")
    calls = endpoint.calls
    for _ in range(3):
        assert get(gate, token) == 401
    assert endpoint.calls <= calls + 1
    gate.reload()
    assert get(gate, endpoint.add("another")) == 200


def test_what_is_remembered_outlives_a_reload_and_no_other_endpoint(setup):
    gate, endpoint, _ = setup(options="cache=1h", workers=2)
    token = endpoint.add("t")
    assert get(gate, token) == 200
    gate.reload()
    wait_until(lambda: "reconfigured" in gate.read("error.log"), 10)
    assert get(gate, token) == 200
    assert endpoint.calls == 1
    gate.reload(gate.text.replace("cache=1h", "cache=1h timeout=2s"))
    wait_until(lambda: get(gate, token) == 200 and endpoint.calls == 2, 10, "another endpoint is taken for this one")


def test_a_token_that_is_bound_to_a_key_passes_with_its_proof_only(setup, jose):
    gate, endpoint, backend = setup()
    key = jose.key("ES256", "dpop")["private"]
    public = {name: key[name] for name in ("kty", "crv", "x", "y")}
    token = endpoint.add("bound", token_type="DPoP", cnf={"jkt": jose.ask("thumbprint", jwk=public)})

    def proof(of, path="/x"):
        payload = {"jti": str(uuid.uuid4()), "htm": "GET", "htu": f"http://test{path}", "iat": int(time.time()),
                   "ath": b64(hashlib.sha256(of.encode()).digest())}
        return jose.sign("ES256", payload, header={"typ": "dpop+jwt", "jwk": public, "kid": None}, jwk=key)

    def status(scheme, dpop):
        return gate.get("/x", {"Authorization": f"{scheme} {token}", **({"DPoP": dpop} if dpop else {})}).status

    once = proof(token)
    assert status("DPoP", once) == 200
    assert len(backend.requests) == 1
    for scheme, dpop in (("DPoP", once), ("DPoP", None), ("Bearer", proof(token)), ("DPoP", proof("other")), ("DPoP", proof(token, "/y"))):
        assert status(scheme, dpop) == 401
    unbound = endpoint.add("unbound", token_type="DPoP")
    assert ask(gate, unbound).status == 401
    assert len(backend.requests) == 1


def test_nothing_is_remembered_beyond_exp(setup):
    gate, endpoint, _ = setup(options="cache=1h")
    token = endpoint.add("t", exp=int(time.time()) + 3)
    assert get(gate, token) == 200
    wait_until(lambda: get(gate, token) == 401, 10, "it is believed beyond its exp")


def test_a_flood_of_made_up_tokens_takes_nothing_from_good_ones(setup):
    gate, endpoint, backend = setup(options="cache=1h", workers=2)
    token = endpoint.add("good")
    assert get(gate, token) == 200
    backend.forget()
    with ThreadPoolExecutor(8) as pool:
        statuses = set(pool.map(lambda number: get(gate, f"made-up-{number}"), range(600)))
    assert statuses == {401}
    assert not backend.requests
    endpoint.behave = document(b"", 500)
    assert get(gate, token) == 200


def test_a_client_that_goes_away_leaves_nothing_behind(setup):
    gate, endpoint, _ = setup()
    release = threading.Event()
    endpoint.behave = lambda connection: release.wait(20) and False
    for number in range(20):
        client = gate.connect()
        client.send(f"GET /x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer gone{number}\r\n\r\n".encode())
        client.close()
    wait_until(lambda: endpoint.calls >= 20, 10, "nobody is asked")
    release.set()
    endpoint.behave = None
    wait_until(lambda: get(gate, endpoint.add("good")) == 200, 10, "it does not go on")


def test_the_program_ends_while_it_waits_for_an_answer(setup):
    gate, endpoint, _ = setup(options="timeout=30s")
    release = threading.Event()
    endpoint.behave = lambda connection: release.wait(40) and False
    clients = [gate.connect() for _ in range(5)]
    try:
        for number, client in enumerate(clients):
            client.send(f"GET /x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer t{number}\r\n\r\n".encode())
        wait_until(lambda: endpoint.calls == 5, 10, "nobody is asked")
        began = time.monotonic()
        gate.stop()
        assert time.monotonic() - began < 10
        assert "the program ends" not in gate.read("error.log")
    finally:
        release.set()
        for client in clients:
            client.close()


def test_jwts_are_verified_and_other_tokens_asked_about_where_both_are_said(setup, jose):
    conf = CONF.replace("location / {", 'auth_jwt "both"; auth_jwt_key_file keys.json; location / {')
    gate, endpoint, _ = setup(conf=conf, files={"keys.json": jose.set_of(jose.key("RS256"))})
    assert get(gate, jose.sign("RS256", claims())) == 200
    stranger = jose.sign("RS256", claims(), "k2")
    endpoint.add(stranger)
    assert get(gate, stranger) == 401
    assert endpoint.calls == 0
    assert get(gate, endpoint.add("opaque")) == 200
    assert get(gate, "unknown") == 401
    assert gate.get("/x").get("WWW-Authenticate") == 'Bearer realm="both"'


def test_the_secret_has_to_be_its_owners_alone(setup):
    gate, _, _ = setup()
    for mode in (0o640, 0o604):
        os.chmod(gate.path("secret"), mode)
        checked = run_cli("check", "-c", gate.path("keepgate.conf"))
        assert checked.returncode == 1
        assert "KG040" in checked.stdout + checked.stderr
        assert SECRET not in checked.stdout + checked.stderr


@pytest.fixture(scope="module")
def oidc():
    process = subprocess.Popen(["node", OIDC], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    port = process.stdout.readline().strip()
    assert port, "npm oidc-provider does not start: npm ci --prefix tests"
    yield f"http://127.0.0.1:{port}"
    process.kill()
    process.wait(10)


def form(url, client, secret, **values):
    request = urllib.request.Request(url, urllib.parse.urlencode(values).encode())
    request.add_header("Authorization", "Basic " + base64.b64encode(f"{client}:{secret}".encode()).decode())
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.read()


def test_opaque_tokens_of_oidc_provider_pass_until_they_are_revoked(keepgate, origin, oidc):
    backend = origin()
    conf = CONF.replace("ca=ca.pem", "allow_http").replace("audience=orders", "audience=urn:opaque:orders")
    gate = keepgate(conf, files={"secret": "another secret: of the+tests"},
                    values={"origin": backend.address, "endpoint": f"{oidc}/token/introspection", "options": f"cache=2s issuer={oidc}"})
    token_of = lambda resource: json.loads(form(f"{oidc}/token", "web", "a-secret-of-the-tests", grant_type="client_credentials",
                                                scope="read", resource=resource))["access_token"]
    token = token_of("urn:opaque:orders")
    assert "." not in token
    assert get(gate, token) == 200
    assert get(gate, token, "/scoped/") == 200
    assert get(gate, token_of("urn:opaque:others")) == 401
    assert get(gate, token[:-1] + ("A" if token[-1] != "A" else "B")) == 401
    form(f"{oidc}/token/revocation", "web", "a-secret-of-the-tests", token=token)
    wait_until(lambda: get(gate, token) == 401, 30, "a revoked token passes for ever")
