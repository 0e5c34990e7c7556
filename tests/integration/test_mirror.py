"""mirror: copies of requests; compared with nginx, and what is our own: nothing of them is felt by the request itself."""
import threading
import time

import pytest

from harness import nginx
from harness.origin import Close, answer_bytes
from harness.ports import wait_until
from harness.wire import Client, chunked, request_bytes
from test_same_answers import answers_with, both, same  # noqa: F401  (`both` is a fixture)

with_nginx = pytest.mark.skipif(not nginx.installed(), reason="nginx is not installed")
CONF = """server { listen 127.0.0.1:@gate@; client_body_buffer_size 2m; client_max_body_size 10m;
    location / { mirror /copy; %s proxy_pass http://@origin0@; }
    location /denied/ { mirror /copy; deny all; proxy_pass http://@origin0@; }
    location /not/ { mirror off; proxy_pass http://@origin0@; }
    location = /copy { internal; proxy_pass http://@origin1@$request_uri; } }"""


def fields_of(request):
    return sorted((name.lower(), value) for name, value in request.fields if name.lower() not in ("host", "connection", "transfer-encoding", "content-length"))


@with_nginx
@pytest.mark.parametrize("method,size", [("GET", 0), ("HEAD", 0), ("POST", 7), ("POST", 500_000), ("PUT", 70_000), ("DELETE", 0), ("PROPFIND", 0)])
def test_a_copy_is_what_was_sent(both, method, size):
    pair = both(CONF % "", [answers_with(200), answers_with(500)])
    for address, _ in pair.sides:
        with Client(address) as client:
            assert client.request(method, "/a%20b?c=d", body=b"x" * size, fields={"X-Own": "1", "Cookie": "a=b", "Authorization": "Bearer t"}).status == 200
    wait_until(lambda: all(origins[1].requests and len(origins[1].requests[0].body) == size for _, origins in pair.sides))
    ours, theirs = [origins[1].requests[0] for _, origins in pair.sides]
    assert (ours.method, ours.target, ours.body) == (theirs.method, theirs.target, theirs.body) == (method, "/a%20b?c=d", b"x" * size)
    assert fields_of(ours) == fields_of(theirs)


@with_nginx
def test_what_is_refused_is_not_copied(both):
    pair = both(CONF % "", answers_with(200), 2)
    for target in ("/denied/x", "/not/x", "/copy", "/last"):
        same(pair.ask("GET", target, show=lambda answer: answer.status))
    wait_until(lambda: all(origins[1].requests for _, origins in pair.sides))
    assert [[request.target for request in origins[1].requests] for _, origins in pair.sides] == [["/last"], ["/last"]]


@pytest.fixture
def world(keepgate, origin):
    def build(more="", answer=None, main=""):
        service, copies = origin(), origin(answer)
        gate = keepgate((CONF % more).replace("@origin0@", service.address).replace("@origin1@", copies.address), main=main)
        return gate, service, copies
    return build


def test_a_body_may_be_left_out(world):
    gate, service, copies = world("mirror_request_body off;")
    for body, fields in ((b"12345", {}), (chunked(b"12345"), {"Transfer-Encoding": "chunked"})):
        assert gate.request("POST", "/", fields, body).status == 200
        assert service.last.body == b"12345"
    wait_until(lambda: len(copies.requests) == 2)
    for copy in copies.requests:
        assert (copy.method, copy.body, copy.get("Content-Length"), copy.get("Transfer-Encoding")) == ("POST", b"", None, None)


def test_the_largest_body_that_is_copied_and_one_byte_more(world):
    gate, service, copies = world()
    for size in ((1 << 20) + 1, 1 << 20):
        assert gate.request("POST", "/%d" % size, body=b"b" * size).status == 200
        assert len(service.last.body) == size
    wait_until(lambda: copies.requests and copies.last.body)
    assert [(copy.target, len(copy.body)) for copy in copies.requests] == [("/%d" % (1 << 20), 1 << 20)]
    wait_until(lambda: "a request is not mirrored: its body is too large" in gate.read("error.log"))


def test_a_body_that_went_through_unkept_makes_no_copy(world):
    gate, service, copies = world("proxy_request_buffering off;")
    with gate.connect() as client:
        client.send(request_bytes("POST", "/", {"Content-Length": "10"}) + b"12345")
        wait_until(lambda: service.connections and b"12345" in service.received)
        client.send(b"67890")
        assert client.read_response().status == 200
        assert client.request("GET", "/after").status == 200
    wait_until(lambda: copies.requests)
    assert [copy.target for copy in copies.requests] == ["/after"]


@pytest.mark.parametrize("action", [lambda request: Close(b""), lambda request: Close(b"junk\r\n\r\n"), lambda request: answer_bytes(401, b"x" * 100_000),
                                    lambda request: b"HTTP/1.1 103 Early Hints\r\n\r\n" + answer_bytes(200)])
def test_what_copies_are_answered_is_nobody_s_business(world, action):
    gate, service, copies = world(answer=action)
    with gate.connect() as client:
        for number in range(5):
            answer = client.request("POST", "/%d" % number, body=b"abc")
            assert (answer.status, answer.body, answer.interim) == (200, b"ok\n", [])
    wait_until(lambda: len(copies.requests) >= 5)
    assert len(service.requests) == 5


def test_copies_that_hang_delay_nothing_and_are_dropped_when_there_are_many(world):
    release = threading.Event()

    def hangs(request):
        release.wait(30)
        return answer_bytes()
    gate, service, copies = world(answer=hangs)
    began = time.monotonic()
    with gate.connect() as client:
        for number in range(200):
            assert client.request("GET", "/%d" % number).status == 200
    assert time.monotonic() - began < 10
    assert len(service.requests) == 200
    wait_until(lambda: len(copies.requests) == 64)
    wait_until(lambda: "a request is not mirrored: too many are under way" in gate.read("error.log"))
    release.set()
    wait_until(lambda: gate.get("/later").status == 200 and any(copy.target == "/later" for copy in copies.requests))


def test_the_program_ends_while_copies_hang(world):
    release = threading.Event()
    gate, _, copies = world(answer=lambda request: release.wait(15) and answer_bytes(), main="worker_shutdown_timeout 200ms;\n")
    assert gate.get("/").status == 200
    wait_until(lambda: copies.requests)
    began = time.monotonic()
    assert gate.stop() == 0
    assert time.monotonic() - began < 10
    release.set()


def test_pipelined_requests_are_copied_with_their_own_bodies(world):
    gate, service, copies = world()
    data = b"".join(request_bytes("POST", "/%d" % number, body=b"%d" % number * 50) for number in range(8))
    data += request_bytes("POST", "/8", {"Transfer-Encoding": "chunked"}, chunked(b"8" * 25, b"8" * 25)) + request_bytes("GET", "/9")
    with gate.connect() as client:
        client.send(data)
        assert [client.read_response().status for _ in range(10)] == [200] * 10
    wait_until(lambda: len(copies.requests) == 10)
    assert sorted((copy.target, copy.body) for copy in copies.requests) == sorted(
        [("/%d" % number, b"%d" % number * 50) for number in range(9)] + [("/9", b"")])
