"""Issuers: keys by discovery, kept fresh in the background; rotation, outages, hostile answers, floods of unknown keys.

The security checklist, part G. The issuer is npm oidc-provider once, and a scripted one behind TLS otherwise.
"""
import base64
import json
import os
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.certificates import Authority, server_context
from harness.gate import run_cli
from harness.jose import b64, claims
from harness.origin import answer_bytes
from harness.ports import wait_until

OIDC = os.path.join(os.path.dirname(__file__), "harness", "oidc_helper.mjs")
METADATA = "/.well-known/openid-configuration"
CONF = """
server {
    listen 127.0.0.1:@gate@;
    auth_jwt "the API";
    auth_jwt_issuer @issuer@ @options@ audience=orders ca=ca.pem allow_private;
    location / { proxy_set_header X-Sub $jwt_claim_sub; proxy_pass http://@origin@; }
    location /twice/ { proxy_pass http://@origin@; }
}
"""


class Idp:
    """A scripted issuer: `keys` is what it publishes; `behave` may answer a path otherwise."""

    def __init__(self, origin, authority, jose, *names, max_age=None):
        self.jose = jose
        self.keys = [jose.key("ES256", name) for name in names]
        self.max_age = max_age
        self.behave = {}
        self.origin = origin(answer=self.answer, tls=server_context(*authority.issue("127.0.0.1", label="idp")))
        self.url = f"https://{self.origin.address}"

    def answer(self, request):
        if request.target in self.behave:
            return self.behave[request.target]
        if request.target == METADATA:
            return answer_bytes(body=json.dumps({"issuer": self.url, "jwks_uri": self.url + "/jwks"}).encode())
        if request.target == "/jwks":
            fields = {"Cache-Control": f"max-age={self.max_age}"} if self.max_age is not None else {}
            return answer_bytes(body=self.jose.set_of(*self.keys).encode(), fields=fields)
        return answer_bytes(404, b"")

    def count(self, target="/jwks"):
        return sum(request.target == target for request in list(self.origin.requests))

    def token(self, name="k1", header=None, **more):
        return self.jose.sign("ES256", claims(iss=self.url, aud="orders", **more), name, header)


@pytest.fixture
def setup(keepgate, origin, authority, jose):
    backend = origin()

    def build(*names, options="", max_age=None, conf=CONF, behave=None, **more):
        idp = Idp(origin, authority, jose, *(names or ["k1"]), max_age=max_age)
        idp.behave.update(behave(idp) if behave else {})
        with open(authority.file, "rb") as file:
            pem = file.read()
        values = {"origin": backend.address, "issuer": idp.url, "options": options}
        gate = keepgate("" if "text" in more else conf, files={"ca.pem": pem}, values=values, **more)
        return gate, idp, backend

    return build


def get(gate, token, path="/x"):
    return gate.get(path, {"Authorization": f"Bearer {token}"}).status


def has_keys(gate):
    wait_until(lambda: "keys from" in gate.read("error.log"), 15, "no keys were fetched")


@pytest.fixture(scope="module")
def oidc():
    process = subprocess.Popen(["node", OIDC], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    port = process.stdout.readline().strip()
    assert port, "npm oidc-provider does not start: npm ci --prefix tests"
    yield f"http://127.0.0.1:{port}"
    process.kill()
    process.wait(10)


def test_an_access_token_of_oidc_provider_is_accepted_and_one_for_others_is_not(keepgate, origin, oidc):
    backend = origin()
    conf = CONF.replace("ca=ca.pem", "typ=at+jwt allow_http")
    gate = keepgate(conf, values={"origin": backend.address, "issuer": oidc, "options": ""})

    def token(audience):
        form = {"grant_type": "client_credentials", "scope": "read", "resource": audience}
        request = urllib.request.Request(f"{oidc}/token", urllib.parse.urlencode(form).encode())
        request.add_header("Authorization", "Basic " + base64.b64encode(b"web:a-secret-of-the-tests").decode())
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)["access_token"]

    assert get(gate, token("urn:other")) == 401
    gate.configure(gate.text.replace("audience=orders", "audience=urn:orders"))
    gate.reload()
    good = token("urn:orders")
    assert get(gate, good) == 200
    assert backend.last.get("X-Sub") == "web"
    assert get(gate, good[:-8] + "AAAAAAAA") == 401


def test_a_token_needs_the_right_issuer_audience_type_and_key(setup):
    gate, idp, backend = setup()
    assert get(gate, idp.token()) == 200
    backend.forget()
    for token in (
        idp.token("other"),
        idp.token(typ="ID"),
        idp.token(at_hash="x"),
        idp.token(header={"typ": "logout+jwt"}),
        idp.jose.sign("ES256", claims(iss=idp.url, aud="web")),
        idp.jose.sign("ES256", claims(iss=idp.url)),
        idp.jose.sign("ES256", claims(iss=idp.url + "/", aud="orders")),
        idp.jose.sign("ES256", claims(iss=[idp.url], aud="orders")),
        idp.jose.sign("ES256", claims(aud="orders")),
        idp.jose.sign("ES256", {"iss": idp.url, "aud": "orders", "sub": "a"}),
    ):
        assert get(gate, token) == 401
    assert gate.get("/x").status == 401
    assert not backend.requests


def test_keys_are_fetched_once_for_all_locations_and_a_reload_fetches_nothing(setup):
    gate, idp, _ = setup(workers=2)
    assert get(gate, idp.token()) == 200
    assert get(gate, idp.token(), "/twice/") == 200
    gate.reload()
    wait_until(lambda: "reconfigured" in gate.read("error.log"), 10)
    assert get(gate, idp.token()) == 200
    assert (idp.count(METADATA), idp.count()) == (1, 1)


def test_a_rotation_with_an_overlap_refuses_nobody_and_the_old_key_dies_in_time(setup):
    gate, idp, _ = setup(options="refresh=1s")
    old = idp.token("k1")
    assert get(gate, old) == 200
    idp.keys = [idp.jose.key("ES256", "k1"), idp.jose.key("ES256", "k2")]
    new = idp.token("k2")
    for _ in range(20):
        assert get(gate, new) == 200
        assert get(gate, old) == 200
    idp.keys = [idp.jose.key("ES256", "k2")]
    seen = idp.count()
    wait_until(lambda: idp.count() > seen + 1, 10, "the keys are not refreshed")
    wait_until(lambda: get(gate, old) == 401, 2, "a key that was withdrawn is still believed")
    assert get(gate, new) == 200


def test_down_at_the_start_is_503_until_the_first_keys_and_the_rest_runs(setup):
    down = lambda idp: {METADATA: answer_bytes(500, b"")}
    gate, idp, backend = setup(behave=down, conf=CONF.replace("location /twice/ {", "location /open/ { auth_jwt off;"))
    assert get(gate, idp.token()) == 503
    assert gate.get("/open/").status == 200
    backend.forget()
    assert get(gate, idp.token()) == 503
    assert not backend.requests
    idp.behave.clear()
    wait_until(lambda: get(gate, idp.token()) == 200, 15, "it does not recover")
    wait_until(lambda: "answer 503" in gate.read("error.log"), 5, "it is not said")


def test_an_outage_is_outlived_on_the_last_keys_for_as_long_as_stated(setup):
    gate, idp, _ = setup(options="refresh=1s keep=4s")
    token = idp.token()
    assert get(gate, token) == 200
    idp.behave["/jwks"] = answer_bytes(503, b"")
    began = time.monotonic()
    wait_until(lambda: "the last keys stay in use" in gate.read("error.log"), 10)
    if time.monotonic() - began < 2.5:
        assert get(gate, token) == 200
    wait_until(lambda: get(gate, token) == 503, 15, "keys are used for ever")
    wait_until(lambda: "too old to be used" in gate.read("error.log"), 5, "it is not said")
    idp.behave.clear()
    wait_until(lambda: get(gate, token) == 200, 20, "it does not recover")


def bad_answers(idp):
    redirect = lambda url: answer_bytes(302, b"", {"Location": url}, "Found")
    return {
        "html": answer_bytes(body=b"<html>login</html>", fields={"Content-Type": "text/html"}),
        "gzip": answer_bytes(body=b"\x1f\x8b\x08", fields={"Content-Encoding": "gzip"}),
        "big": answer_bytes(body=b" " * 10_000_000 + idp.jose.set_of(*idp.keys).encode()),
        "file": redirect("file:///etc/passwd"),
        "metadata service": redirect("https://169.254.169.254/latest/meta-data/"),
        "elsewhere": redirect(idp.url + "/other"),
        "wrong kty": answer_bytes(body=json.dumps({"keys": [{"kty": "PQC", "kid": "ES256-k1"}]}).encode()),
        "secret": answer_bytes(body=json.dumps({"keys": [{"kty": "oct", "kid": "ES256-k1", "k": b64(b"k" * 32)}]}).encode()),
        "none": answer_bytes(204, b"", length=False),
        "empty": answer_bytes(body=b""),
        "cut": answer_bytes(body=b"{}").replace(b"Content-Length: 2", b"Content-Length: 2000"),
    }


@pytest.mark.parametrize("name", ["html", "gzip", "big", "file", "metadata service", "elsewhere", "wrong kty", "secret", "none", "empty"])
@pytest.mark.parametrize("target", ["/jwks", METADATA])
def test_no_bad_answer_leads_anywhere(setup, name, target):
    gate, idp, backend = setup(behave=lambda idp: {target: bad_answers(idp)[name]})
    assert get(gate, idp.token()) == 503
    assert get(gate, idp.token()) == 503
    assert not backend.requests
    assert idp.count("/other") == 0
    wait_until(lambda: "answer 503" in gate.read("error.log"), 5, lambda: "it is not said: " + gate.read("error.log"))


def test_metadata_leads_to_no_address_that_is_out_of_reach(setup):
    leads = ["https://169.254.169.254/jwks", "http://127.0.0.1:1/jwks", "file:///etc/passwd", "https://[fe80::1]/jwks"]
    for url in leads:
        gate, idp, backend = setup(
            behave=lambda idp: {METADATA: answer_bytes(body=json.dumps({"issuer": idp.url, "jwks_uri": url}).encode())}
        )
        assert get(gate, idp.token()) == 503
        assert not backend.requests


def test_metadata_of_another_issuer_is_not_believed(setup):
    gate, idp, backend = setup(
        behave=lambda idp: {METADATA: answer_bytes(body=json.dumps({"issuer": idp.url + "/", "jwks_uri": idp.url + "/jwks"}).encode())}
    )
    assert get(gate, idp.token()) == 503
    assert idp.count() == 0
    wait_until(lambda: "is of the issuer" in gate.read("error.log"), 5, "it is not said")


def test_private_addresses_and_unknown_authorities_have_to_be_allowed(setup, tmp_path):
    gate, idp, _ = setup(conf=CONF.replace(" allow_private", ""))
    assert get(gate, idp.token()) == 503
    assert not idp.origin.requests
    gate, idp, _ = setup(conf=CONF.replace(" ca=ca.pem", ""))
    assert get(gate, idp.token()) == 503
    assert not idp.origin.requests
    other = Authority(tmp_path, "Other CA")
    gate, idp, _ = setup(conf=CONF.replace("ca.pem", other.file))
    assert get(gate, idp.token()) == 503
    assert not idp.origin.requests


def test_a_slow_issuer_holds_nobody_up_for_long(setup):
    release = threading.Event()

    def hang(connection):
        release.wait(30)
        return False

    gate, idp, _ = setup(options="refresh=600s")
    assert get(gate, idp.token()) == 200
    idp.behave["/jwks"] = hang
    try:
        began = time.monotonic()
        assert get(gate, idp.token("k2")) == 503
        assert time.monotonic() - began < 8
        assert get(gate, idp.token()) == 200
    finally:
        release.set()


def test_a_thousand_tokens_with_an_unknown_key_are_one_fetch(setup):
    text = (
        "daemon off; worker_processes 2; pid keepgate.pid; error_log error.log info;\n"
        "events { worker_connections 4096; }\nhttp { access_log off;\n" + CONF + "}\n"
    )
    gate, idp, _ = setup(text=text)
    assert get(gate, idp.token()) == 200
    before = idp.count()
    idp.keys.append(idp.jose.key("ES256", "k2"))
    gathering = threading.Event()
    published = answer_bytes(body=idp.jose.set_of(*idp.keys).encode())

    def late(connection):
        gathering.wait(10)
        connection.socket.sendall(published)
        return True

    idp.behave["/jwks"] = late
    token = idp.token("k2")
    clients = [gate.connect(timeout=30) for _ in range(1000)]
    try:
        for client in clients:
            client.send(f"GET /x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n".encode())
        wait_until(lambda: idp.count() > before, 10, "nothing is fetched")
        gathering.set()
        assert {client.read_response("GET").status for client in clients} == {200}
    finally:
        gathering.set()
        for client in clients:
            client.close()
    assert idp.count() == before + 1


def test_a_flood_of_random_keys_is_one_fetch_a_cooldown(setup):
    gate, idp, backend = setup(workers=2)
    assert get(gate, idp.token()) == 200
    before = idp.count()
    backend.forget()
    header, payload, signature = idp.token().split(".")
    began = time.monotonic()

    def one(number):
        forged = b64(json.dumps({"alg": "ES256", "kid": f"random-{number}"}))
        return get(gate, f"{forged}.{payload}.{signature}")

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(one, range(1500))) == {401}
    cooldowns = int((time.monotonic() - began) / 5)
    assert idp.count() - before <= cooldowns + 1
    assert not backend.requests
    assert get(gate, idp.token()) == 200


def test_no_herd_when_an_issuer_comes_back(setup):
    gate, idp, _ = setup(workers=2, behave=lambda idp: {METADATA: answer_bytes(503, b"")})
    token = idp.token()
    stop = time.monotonic() + 3
    with ThreadPoolExecutor(8) as pool:
        while time.monotonic() < stop:
            assert set(pool.map(lambda _: get(gate, token), range(32))) == {503}
        asked = idp.count(METADATA)
        assert asked <= 6
        idp.behave.clear()
        wait_until(lambda: get(gate, token) == 200, 15, "it does not recover")
        assert set(pool.map(lambda _: get(gate, token), range(200))) == {200}
    assert idp.count() == 1
    assert idp.count(METADATA) <= asked + 3


def test_several_issuers_each_have_their_own_keys(setup, origin, authority, jose):
    other = Idp(origin, authority, jose, "k2")
    line = f"auth_jwt_issuer {other.url} audience=orders ca=ca.pem allow_private;"
    gate, idp, _ = setup(conf=CONF.replace('auth_jwt "the API";', 'auth_jwt "the API"; ' + line))
    assert get(gate, idp.token("k1")) == 200
    assert get(gate, other.token("k2")) == 200
    assert get(gate, idp.token("k2")) == 401
    assert get(gate, other.token("k1")) == 401


def test_keys_from_a_url_and_from_a_file_need_no_discovery(setup, jose):
    gate, idp, _ = setup(conf=CONF.replace("@options@", "jwks=@issuer@/jwks"))
    assert get(gate, idp.token()) == 200
    assert idp.count(METADATA) == 0
    gate.write("keys.json", jose.set_of(jose.key("ES256", "k2")))
    gate.configure(gate.text.replace(f"jwks={idp.url}/jwks", "jwks=keys.json"))
    before = len(idp.origin.requests)
    gate.reload()
    wait_until(lambda: "reconfigured" in gate.read("error.log"), 10)
    assert get(gate, idp.token("k2")) == 200
    assert get(gate, idp.token("k1")) == 401
    assert len(idp.origin.requests) == before


def test_checking_a_configuration_fetches_nothing_and_says_what_would_be(setup):
    gate, idp, _ = setup()
    has_keys(gate)
    before = len(idp.origin.requests)
    checked = run_cli("check", "-c", gate.path("keepgate.conf"))
    assert checked.returncode == 0, checked.stderr
    assert f"issuer {idp.url}: keys by discovery, from {idp.url}{METADATA}" in checked.stdout
    tested = run_cli("-t", "-c", gate.path("keepgate.conf"))
    assert tested.returncode == 0
    assert "test is successful" in tested.stderr
    assert len(idp.origin.requests) == before


def test_explain_knows_of_issuers_without_asking_them(setup):
    gate, idp, _ = setup()
    has_keys(gate)
    before = len(idp.origin.requests)
    told = run_cli("explain", "GET", "/x", "--as", "client:web", "-c", gate.path("keepgate.conf"))
    assert idp.url in told.stdout, told.stdout + told.stderr
    assert len(idp.origin.requests) == before


def test_the_program_ends_at_once_while_it_fetches(setup):
    release = threading.Event()
    gate, idp, _ = setup(behave=lambda idp: {METADATA: lambda connection: bool(release.wait(20)) and False})
    wait_until(lambda: idp.origin.requests, 10, "nothing is asked")
    began = time.monotonic()
    assert gate.stop() == 0
    assert time.monotonic() - began < 5
    release.set()
