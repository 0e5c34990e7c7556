"""auth_jwt_key_request: keys that a location of ours serves; rotation, outage, and whoever answers in a bad way."""
import json
import threading
import time

import pytest

from harness.jose import assemble, claims
from harness.origin import Close, answer_bytes
from harness.ports import wait_until
from harness.wire import request_bytes

CONF = """server {
    listen 127.0.0.1:@gate@; server_name api.test;
    auth_jwt "the API"; auth_jwt_key_request /_keys; @more@
    location / { proxy_set_header X-Sub $jwt_claim_sub; proxy_pass http://@service@; }
    location = /_keys { internal; proxy_read_timeout 500ms; proxy_set_header Host $host; proxy_pass http://@issuer@/jwks.json; }
}"""

PATIENT = CONF.replace("proxy_read_timeout 500ms", "proxy_read_timeout 30s")


class Setting:
    def __init__(self, gate, service, issuer):
        self.gate, self.service, self.issuer = gate, service, issuer

    def status(self, token, target="/"):
        return self.gate.get(target, {"Authorization": f"Bearer {token}"} if token else {}).status

    def publishes(self, document, status=200, **options):
        data = document if isinstance(document, bytes) else document.encode()
        self.issuer.answer = lambda request: answer_bytes(status, data, **options)


@pytest.fixture
def setting(keepgate, origin, jose):
    def build(more="", conf=CONF, **options):
        service, issuer = origin(), origin()
        made = Setting(keepgate(conf, values={"service": service.address, "issuer": issuer.address, "more": more}, **options), service, issuer)
        made.publishes(jose.set_of(jose.key("RS256")))
        return made
    return build


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA", "HS256"])
def test_a_token_is_verified_by_the_keys_that_come(setting, jose, algorithm):
    world = setting()
    world.publishes(jose.set_of(jose.key(algorithm)))
    for _ in range(2):
        assert world.status(jose.sign(algorithm)) == 200
        assert world.service.last.get("X-Sub") == "client1"
    other = dict(jose.key(algorithm, "other")["private"], kid=f"{algorithm}-k1")
    assert world.status(jose.sign(algorithm, jwk=other)) == 401
    assert len(world.service.requests) == 2


def test_who_sends_no_token_makes_nobody_ask(setting):
    world = setting()
    for token in ("", "x", "a.b.c", assemble({"alg": "none"}, claims()), "." * 20, assemble({"alg": "RS256", "crit": ["x"]}, claims())):
        assert world.status(token) == 401
    assert not world.issuer.requests and not world.service.requests


def test_the_request_for_keys_carries_nothing_of_a_client(setting, jose):
    world = setting()
    answer = world.gate.get("/x?y", {"Authorization": "Bearer " + jose.sign("RS256"), "Cookie": "a=b", "X-Own": "1", "X-Forwarded-For": "1.2.3.4"}, host="evil.test")
    assert answer.status == 200
    asked = world.issuer.last
    assert (asked.method, asked.target, asked.body) == ("GET", "/jwks.json", b"")
    assert asked.names() == ["host"]
    assert asked.get("Host") == "api.test"


def test_without_a_cache_a_key_that_leaves_takes_its_tokens_along_at_once(setting, jose):
    world = setting()
    old, new = jose.sign("RS256"), jose.sign("RS256", name="k2")
    assert [world.status(old), world.status(old), world.status(new)] == [200, 200, 401]
    assert len(world.issuer.requests) == 3
    world.publishes(jose.set_of(jose.key("RS256", "k2")))
    assert [world.status(old), world.status(new), world.status(old)] == [401, 200, 401]
    world.publishes(jose.set_of(jose.key("RS256"), jose.key("RS256", "k2")))
    assert [world.status(old), world.status(new)] == [200, 200]


def test_with_a_cache_keys_are_asked_for_once_in_its_time(setting, jose):
    world = setting("auth_jwt_key_cache 1s;")
    old = jose.sign("RS256")
    began = time.monotonic()
    assert [world.status(old) for _ in range(5)] == [200] * 5
    world.publishes(jose.set_of(jose.key("RS256", "k2")))
    if time.monotonic() - began < 0.9:
        assert world.status(old) == 200
        assert len(world.issuer.requests) == 1
    wait_until(lambda: world.status(old) == 401)
    assert world.status(jose.sign("RS256", name="k2")) == 200
    assert world.status(old) == 401


def test_a_server_s_other_locations_use_the_same_keys(setting, jose):
    world = setting("auth_jwt_key_cache 1h; location /other/ { proxy_pass http://@service@; } location /own/ { auth_jwt_key_file own.json; proxy_pass http://@service@; }"
                    .replace("@service@", "127.0.0.1:1"), files={"own.json": jose.set_of(jose.key("ES256"))})
    token = jose.sign("RS256")
    assert [world.status(token, target) for target in ("/", "/other/", "/own/")] == [200, 502, 401]
    assert len(world.issuer.requests) == 1
    assert world.status(jose.sign("ES256"), "/own/") == 502


def test_several_documents_and_files_are_one_set(setting, jose, origin):
    second = origin(lambda request: answer_bytes(200, jose.set_of(jose.key("ES256")).encode()))
    world = setting("auth_jwt_key_request /_more; auth_jwt_key_file own.json; location = /_more { internal; proxy_pass http://%s; }" % second.address,
                    files={"own.json": jose.set_of(jose.key("EdDSA"))})
    assert [world.status(jose.sign(algorithm)) for algorithm in ("RS256", "ES256", "EdDSA", "ES384")] == [200, 200, 200, 401]
    second.answer = lambda request: answer_bytes(503)
    assert [world.status(jose.sign(algorithm)) for algorithm in ("RS256", "ES256", "EdDSA")] == [500, 500, 500]


BAD = {
    "404": lambda jose: answer_bytes(404, jose.set_of(jose.key("RS256")).encode()),
    "201": lambda jose: answer_bytes(201, jose.set_of(jose.key("RS256")).encode()),
    "206": lambda jose: answer_bytes(206, jose.set_of(jose.key("RS256")).encode()),
    "401": lambda jose: answer_bytes(401, jose.set_of(jose.key("RS256")).encode()),
    "302": lambda jose: answer_bytes(302, b"", {"Location": "/x"}),
    "nothing": lambda jose: Close(b""),
    "no HTTP": lambda jose: Close(b"hello\r\n\r\n"),
    "no JSON": lambda jose: answer_bytes(200, b"<html>"),
    "empty": lambda jose: answer_bytes(200, b""),
    "no keys": lambda jose: answer_bytes(200, b'{"keys":[]}'),
    "an array": lambda jose: answer_bytes(200, b"[]"),
    "a broken key": lambda jose: answer_bytes(200, json.dumps({"keys": [jose.key("RS256")["public"], {"kty": "RSA", "n": "AQ", "e": "AQAB"}]}).encode()),
    "cut": lambda jose: Close(answer_bytes(200, jose.set_of(jose.key("RS256")).encode())[:-1]),
    "cut chunks": lambda jose: Close(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(jose.set_of(jose.key("RS256"))) +
                                     jose.set_of(jose.key("RS256")).encode() + b"\r\n"),
    "bad chunks": lambda jose: Close(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
    "too long": lambda jose: answer_bytes(200, jose.set_of(jose.key("RS256")).encode() + b" " * (1 << 20)),
    "too long chunks": lambda jose: Close(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + (b"10000\r\n" + b" " * 65536 + b"\r\n") * 50 + b"0\r\n\r\n"),
    "two lengths": lambda jose: Close(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} "),
    "both framings": lambda jose: Close(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
}


@pytest.mark.parametrize("name", BAD)
def test_keys_that_cannot_be_had_or_used_open_nothing(setting, jose, name):
    world = setting()
    token = jose.sign("RS256")
    assert world.status(token) == 200
    world.issuer.answer = lambda request: BAD[name](jose)
    assert world.status(token) == 500
    assert world.status(assemble({"alg": "RS256"}, claims(), b"x" * 256)) == 500
    assert world.status("") == 401
    world.publishes(jose.set_of(jose.key("RS256")))
    assert world.status(token) == 200
    assert len(world.service.requests) == 2


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_keys_come_in_any_framing(setting, jose, framing):
    document = jose.set_of(jose.key("RS256")).encode()
    world = setting()
    if framing == "chunked":
        world.issuer.answer = lambda request: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(
            b"1\r\n" + document[i:i + 1] + b"\r\n" for i in range(len(document))) + b"0\r\n\r\n"
    elif framing == "close":
        world.issuer.answer = lambda request: Close(b"HTTP/1.1 200 OK\r\n\r\n" + document)
    assert world.status(jose.sign("RS256")) == 200


def test_the_largest_document_and_one_byte_more(setting, jose):
    document = jose.set_of(jose.key("RS256")).encode()
    world = setting()
    world.publishes(document + b" " * ((1 << 20) - len(document)))
    assert world.status(jose.sign("RS256")) == 200
    world.publishes(document + b" " * ((1 << 20) - len(document) + 1))
    assert world.status(jose.sign("RS256")) == 500


def test_a_slow_issuer_is_waited_for_as_long_as_its_location_says(setting, jose):
    world = setting()
    release = threading.Event()

    def slow(request):
        release.wait(20)
        return Close(b"")
    world.issuer.answer = slow
    began = time.monotonic()
    assert world.status(jose.sign("RS256")) == 500
    assert 0.4 < time.monotonic() - began < 15
    release.set()
    world.publishes(jose.set_of(jose.key("RS256")))
    assert world.status(jose.sign("RS256")) == 200


def test_two_hundred_requests_ask_once(setting, jose):
    world = setting("auth_jwt_key_cache 1h;")
    release = threading.Event()
    document = answer_bytes(200, jose.set_of(jose.key("RS256")).encode())

    def waits(request):
        release.wait(0.4)
        return document
    world.issuer.answer = waits
    data = request_bytes("GET", "/", {"Authorization": "Bearer " + jose.sign("RS256")})
    clients = [world.gate.connect() for _ in range(200)]
    try:
        for client in clients:
            client.send(data)
        assert [client.read_response().status for client in clients] == [200] * 200
    finally:
        for client in clients:
            client.close()
    assert len(world.issuer.requests) == 1


def test_whoever_leaves_takes_nobody_s_keys_along(setting, jose):
    world = setting("auth_jwt_key_cache 1h;", PATIENT)
    asked, release = threading.Event(), threading.Event()
    document = answer_bytes(200, jose.set_of(jose.key("RS256")).encode())

    def waits(request):
        asked.set()
        release.wait(20)
        return document
    world.issuer.answer = waits
    data = request_bytes("GET", "/", {"Authorization": "Bearer " + jose.sign("RS256")})
    with world.gate.connect() as second:
        with world.gate.connect() as first:
            first.send(data)
            assert asked.wait(10)
            second.send(data)
        time.sleep(1.3)  # Longer than a client that has closed its side is believed to be there.
        release.set()
        assert second.read_response().status == 200
    assert len(world.issuer.requests) == 1


def test_a_reload_asks_again_and_old_requests_keep_their_keys(setting, jose):
    world = setting("auth_jwt_key_cache 1h;", PATIENT)
    asked, release = threading.Event(), threading.Event()
    document = answer_bytes(200, jose.set_of(jose.key("RS256")).encode())
    token = jose.sign("RS256")

    def waits(request):
        asked.set()
        release.wait(20)
        return document
    world.issuer.answer = waits
    text = world.gate.text
    with world.gate.connect() as client:
        client.send(request_bytes("GET", "/", {"Authorization": "Bearer " + token}))
        assert asked.wait(10)
        world.publishes(jose.set_of(jose.key("RS256", "k2")))
        world.gate.reload(text.replace('"the API"', '"another"'))
        wait_until(lambda: "another" in world.gate.get("/").get("WWW-Authenticate", ""))  # A token would wait for the old keys.
        assert world.status(token) == 401
        release.set()
        assert client.read_response().status == 200
    assert world.status(token) == 401


def test_the_program_ends_while_keys_are_asked_for(setting, jose):
    world = setting(conf=PATIENT, main="worker_shutdown_timeout 200ms;\n")
    asked = threading.Event()

    def never(request):
        asked.set()
        time.sleep(15)  # The program ends first.
        return Close(b"")
    world.issuer.answer = never
    with world.gate.connect() as client:
        client.send(request_bytes("GET", "/", {"Authorization": "Bearer " + jose.sign("RS256")}))
        assert asked.wait(10)
        began = time.monotonic()
        assert world.gate.stop() == 0
        assert time.monotonic() - began < 10


def test_encrypted_tokens_need_the_keys_for_them(setting, jose):
    world = setting("auth_jwt_type encrypted;")
    key = jose.key("A256KW")
    world.publishes(jose.set_of(key, private=True))
    token = jose.encrypt("A256KW", "A256GCM", jwk=key["private"])
    assert world.status(token) == 200
    assert world.status(jose.sign("RS256")) == 401
    world.publishes(jose.set_of(jose.key("RS256")))
    assert world.status(token) == 500


def test_the_keys_location_is_not_reached_from_outside(setting, jose):
    world = setting()
    for target in ("/_keys", "/%5fkeys", "//_keys"):
        assert world.status(jose.sign("RS256"), target) == 404
    assert not world.issuer.requests


def test_a_location_of_our_own_may_serve_the_keys(keepgate, origin, jose):
    document = jose.set_of(jose.key("ES256"))
    service = origin()
    gate = keepgate("server { listen 127.0.0.1:@gate@; location / { auth_jwt x; auth_jwt_key_request /keys; proxy_pass http://%s; } "
                    "location = /keys { internal; return 200 '%s'; } }" % (service.address, document))
    assert gate.get("/", {"Authorization": "Bearer " + jose.sign("ES256")}).status == 200
    assert gate.get("/", {"Authorization": "Bearer " + jose.sign("RS256")}).status == 401


def test_both_kinds_of_questions_for_one_request(keepgate, origin, jose):
    service, auth, issuer = origin(), origin(), origin(lambda request: answer_bytes(200, jose.set_of(jose.key("RS256")).encode()))
    gate = keepgate("""server { listen 127.0.0.1:@gate@; auth_jwt x; auth_jwt_key_request /ask; auth_request /check;
        location / { proxy_pass http://%s; } location = /ask { internal; proxy_pass http://%s; } location = /check { internal; proxy_pass http://%s; } }"""
                    % (service.address, issuer.address, auth.address))
    token = {"Authorization": "Bearer " + jose.sign("RS256")}
    assert gate.get("/", token).status == 200
    auth.answer = lambda request: answer_bytes(403)
    assert gate.get("/", token).status == 403
    assert gate.get("/").status == 401
    assert len(auth.requests) == 2 and len(service.requests) == 1
