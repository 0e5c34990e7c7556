"""The proxy as a client and a backend see it: what arrives, what comes back, what happens when one side fails."""
import hashlib
import os
import socket
import subprocess
import threading
import time

import pytest

from harness.origin import Close, Pieces, Reset, answer_bytes
from harness.ports import free_port, wait_until
from harness.wire import chunked, request_bytes

PLAIN = "server { listen 127.0.0.1:@gate@; location / { proxy_pass http://@origin@; } }"
KEEPALIVE = """
upstream pool { server @origin@; keepalive 8; }
server { listen 127.0.0.1:@gate@; client_max_body_size 64m; location / { proxy_pass http://pool; %s } }
"""


def proxy(keepgate, origin, http=PLAIN, **options):
    return keepgate(http, values={"origin": origin.address}, **options)


@pytest.fixture(scope="module")
def plain(module_keepgate, module_origin):
    backend = module_origin()
    return module_keepgate(KEEPALIVE % "", values={"origin": backend.address}), backend


# Methods


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "M-SEARCH"])
def test_a_method_arrives_as_it_was_sent(plain, method):
    gate, backend = plain
    answer = gate.request(method, "/thing", body=b"x=1" if method in ("POST", "PUT", "PATCH") else b"")
    assert answer.status == 200
    assert (backend.last.method, backend.last.target) == (method, "/thing")


def test_a_method_in_lower_case_is_not_the_method_it_looks_like(plain):
    gate, backend = plain
    backend.forget()
    answer = gate.request("get", "/thing")
    assert answer.status in (400, 405) or backend.last.method == "get"


@pytest.mark.parametrize("request_line", ["CONNECT example.com:443 HTTP/1.1", "TRACE / HTTP/1.1"])
def test_connect_and_trace_are_refused(plain, request_line):
    gate, backend = plain
    backend.forget()
    answer = gate.raw(f"{request_line}\r\nHost: example.com:443\r\n\r\n")
    assert answer.status in (400, 405, 501)
    assert not backend.requests


def test_head_has_no_body_and_keeps_the_length(keepgate, origin):
    backend = origin(lambda request: b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n")
    gate = proxy(keepgate, backend)
    with gate.connect() as client:
        for _ in range(2):
            answer = client.request("HEAD", "/")
            assert (answer.status, answer.get("Content-Length")) == (200, "1234")
    assert {request.method for request in backend.requests} == {"HEAD"}


@pytest.mark.parametrize("status", [204, 304])
def test_answers_without_a_body_end_with_their_head(keepgate, origin, status):
    backend = origin(lambda request: f"HTTP/1.1 {status} X\r\nETag: \"a\"\r\n\r\n".encode())
    gate = proxy(keepgate, backend)
    with gate.connect() as client:
        for _ in range(3):
            answer = client.request("GET", "/")
            assert (answer.status, answer.get("ETag")) == (status, '"a"')
            assert not answer.all("Transfer-Encoding")


# Connections


def test_one_connection_carries_many_requests(plain):
    gate, backend = plain
    backend.forget()
    with gate.connect() as client:
        for number in range(50):
            assert client.request("GET", f"/{number}").status == 200
    assert [request.target for request in backend.requests] == [f"/{number}" for number in range(50)]
    assert len({request.connection for request in backend.requests}) == 1, "the pool gives the connection again"


def test_connection_close_is_honoured(plain):
    gate, _ = plain
    with gate.connect() as client:
        answer = client.request("GET", "/", {"Connection": "close"})
        assert answer.status == 200
        assert answer.get("Connection", "").lower() == "close"
        assert client.closed_by_peer()


def test_http_1_0_closes_by_default_and_gets_no_chunks(keepgate, origin):
    backend = origin(lambda request: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"hello"))
    gate = proxy(keepgate, backend)
    with gate.connect() as client:
        answer = client.request("GET", "/", version="HTTP/1.0")
        assert (answer.status, answer.body) == (200, b"hello")
        assert not answer.all("Transfer-Encoding")
        assert client.closed_by_peer()


def test_pipelined_requests_are_answered_in_order(keepgate, origin):
    backend = origin(lambda request: answer_bytes(body=request.target.encode()))
    gate = proxy(keepgate, backend, KEEPALIVE % "")
    count = 1000
    with gate.connect(timeout=20) as client:
        sender = threading.Thread(
            target=lambda: client.send(b"".join(request_bytes("GET", f"/{number}") for number in range(count)))
        )
        sender.start()
        for number in range(count):
            answer = client.read_response()
            assert (answer.status, answer.body) == (200, f"/{number}".encode())
        sender.join()


def test_bytes_after_connection_close_are_not_a_request(plain):
    gate, backend = plain
    backend.forget()
    with gate.connect() as client:
        client.send(request_bytes("GET", "/first", {"Connection": "close"}) + request_bytes("GET", "/second"))
        assert client.read_response().status == 200
        assert client.closed_by_peer()
    assert [request.target for request in backend.requests] == ["/first"]


def test_a_request_in_single_bytes_is_the_same_request(plain):
    gate, backend = plain
    backend.forget()
    data = request_bytes("POST", "/slow?x=1", {"X-Thing": "a b"}, b"body")
    with gate.connect() as client:
        for index in range(len(data)):
            client.send(data[index : index + 1])
        assert client.read_response().status == 200
    request = backend.last
    assert (request.method, request.target, request.body, request.get("X-Thing")) == ("POST", "/slow?x=1", b"body", "a b")


@pytest.mark.parametrize("offset", range(1, 80, 6))
def test_a_request_cut_at_any_place_is_the_same_request(plain, offset):
    gate, backend = plain
    backend.forget()
    data = request_bytes("POST", "/cut", {"Transfer-Encoding": "chunked"}, chunked(b"one", b"two"))
    with gate.connect() as client:
        client.send(data[:offset])
        time.sleep(0.002)  # So that it is likely a segment of its own; the result must not depend on it.
        client.send(data[offset:])
        assert client.read_response().status == 200
    assert (backend.last.target, backend.last.body) == ("/cut", b"onetwo")


def test_a_client_that_closes_its_side_still_gets_the_answer(plain):
    gate, _ = plain
    with gate.connect() as client:
        client.send(request_bytes("GET", "/"))
        client.finish_sending()
        assert client.read_response().status == 200


def test_leading_empty_line_is_tolerated_once_as_rfc_9112_says(plain):
    gate, _ = plain
    with gate.connect() as client:
        client.send(b"\r\n" + request_bytes("GET", "/"))
        assert client.read_response().status in (200, 400)


# Bodies


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_large_body_is_streamed_up(keepgate, origin, framing):
    first_bytes = threading.Event()

    def on_head(request):
        def read(connection):
            first_bytes.set()
            connection.read_body(request)
            digest = hashlib.sha256(request.body).hexdigest()
            connection.socket.sendall(answer_bytes(body=digest.encode()))
            return True

        return read

    backend = origin(on_head, early=True)
    gate = proxy(keepgate, backend, KEEPALIVE % "proxy_request_buffering off;")
    body = os.urandom(1 << 20) * 10
    with gate.connect(timeout=30) as client:
        if framing == "length":
            client.send(request_bytes("PUT", "/up", {"Content-Length": len(body)}) + body[:1000])
        else:
            client.send(request_bytes("PUT", "/up", {"Transfer-Encoding": "chunked"}) + b"3e8\r\n" + body[:1000] + b"\r\n")
        assert first_bytes.wait(10), "the request reaches the backend before its body is complete"
        rest = body[1000:]
        client.send(rest if framing == "length" else b"%x\r\n%s\r\n0\r\n\r\n" % (len(rest), rest))
        answer = client.read_response()
    assert (answer.status, answer.text) == (200, hashlib.sha256(body).hexdigest())


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_a_large_body_is_streamed_down(keepgate, origin, framing):
    body = os.urandom(1 << 20) * 10
    go_on = threading.Event()
    heads = {
        "length": b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body),
        "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "close": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
    }

    def frame(part):
        return b"%x\r\n%s\r\n" % (len(part), part) if framing == "chunked" else part

    def send(connection):
        connection.socket.sendall(heads[framing] + frame(body[:5000]))
        go_on.wait(10)
        for start in range(5000, len(body), 65536):
            connection.socket.sendall(frame(body[start : start + 65536]))
        connection.socket.sendall(b"0\r\n\r\n" if framing == "chunked" else b"")
        return framing != "close"

    gate = proxy(keepgate, origin(lambda request: send), KEEPALIVE % "")
    with gate.connect(timeout=30) as client:
        client.send(request_bytes("GET", "/down"))
        wait_until(lambda: client.receive() and b"\r\n\r\n" in client.buffer and len(client.buffer) > 3000, 10)
        go_on.set()
        answer = client.read_response()
    assert answer.complete
    assert hashlib.sha256(answer.body).digest() == hashlib.sha256(body).digest()


def test_chunks_go_up_without_extensions_and_trailers(plain):
    gate, backend = plain
    backend.forget()
    body = b"5;name=value\r\nhello\r\n6\r\n world\r\n0\r\nX-Trailer: 1\r\nAuthorization: Bearer x\r\n\r\n"
    answer = gate.raw(b"POST /c HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
    assert answer.status == 200
    assert backend.last.body == b"hello world"
    assert not backend.last.trailers
    assert backend.last.get("Authorization") is None


def test_expect_100_continue_is_answered(plain):
    gate, backend = plain
    backend.forget()
    with gate.connect() as client:
        client.send(request_bytes("POST", "/expect", {"Expect": "100-continue", "Content-Length": 5}))
        assert client.read_line().startswith("HTTP/1.1 100")
        assert client.read_line() == ""
        client.send(b"hello")
        assert client.read_response().status == 200
    assert backend.last.body == b"hello"


def test_no_100_continue_for_a_body_that_is_refused(plain):
    gate, backend = plain
    backend.forget()
    with gate.connect() as client:
        client.send(request_bytes("POST", "/", {"Expect": "100-continue", "Content-Length": 65 << 20}))
        answer = client.read_response()
    assert (answer.status, answer.interim) == (413, [])
    assert not backend.requests


def test_an_unknown_expectation_is_refused(plain):
    gate, backend = plain
    backend.forget()
    assert gate.get("/", {"Expect": "200-ok"}).status in (400, 417)
    assert not backend.requests


def test_interim_answers_of_the_upstream_do_not_replace_the_final_one(keepgate, origin):
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    gate = proxy(keepgate, origin(lambda request: early + answer_bytes(body=b"final")))
    answer = gate.get("/")
    assert (answer.status, answer.body) == (200, b"final")


# Header fields


def test_hop_by_hop_fields_stay_on_their_hop(plain):
    gate, backend = plain
    fields = {
        "Connection": "X-Mine, keep-alive", "X-Mine": "1", "Keep-Alive": "timeout=5", "TE": "trailers",
        "Proxy-Connection": "keep-alive", "Proxy-Authorization": "Basic eA==", "Upgrade": "h2c", "X-Other": "2",
    }
    assert gate.get("/", fields).status == 200
    names = backend.last.names()
    for name in ("x-mine", "keep-alive", "te", "proxy-connection", "upgrade"):
        assert name not in names, name
    assert backend.last.get("X-Other") == "2"


def test_hop_by_hop_fields_of_the_upstream_stay_on_their_hop(keepgate, origin):
    fields = {"Connection": "X-Mine", "X-Mine": "1", "Keep-Alive": "timeout=5", "X-Other": "2"}
    gate = proxy(keepgate, origin(lambda request: answer_bytes(fields=fields)))
    answer = gate.get("/")
    assert answer.get("X-Other") == "2"
    assert answer.get("X-Mine") is None and answer.get("Keep-Alive") is None


def test_proxy_set_header_sets_replaces_and_drops(keepgate, origin):
    backend = origin()
    gate = proxy(keepgate, backend, """
server {
    listen 127.0.0.1:@gate@;
    proxy_set_header X-Server level;
    location /set/ {
        proxy_set_header Host $host;
        proxy_set_header X-Method "$request_method $uri";
        proxy_set_header X-Real-IP $remote_addr;
        proxy_set_header X-Drop "";
        proxy_set_header X-Given mine;
        proxy_pass http://@origin@;
    }
    location / { proxy_pass http://@origin@; }
}""")
    gate.get("/set/a?b=1", {"X-Drop": "no", "X-Given": "theirs", "x-real-ip": "6.6.6.6"}, host="api.example")
    last = backend.last
    assert last.get("Host") == "api.example"
    assert last.get("X-Method") == "GET /set/a"
    assert last.all("X-Real-IP") == ["127.0.0.1"]
    assert last.all("X-Given") == ["mine"]
    assert last.get("X-Drop") is None
    assert last.get("X-Server") is None, "a level with proxy_set_header of its own inherits none"
    gate.get("/other", host="api.example")
    assert backend.last.get("X-Server") == "level"
    assert backend.last.get("Host") == backend.address, "the default is $proxy_host"


def test_underscores_are_dropped_and_repeated_fields_kept(plain):
    gate, backend = plain
    gate.get("/", [("X_Under", "1"), ("X-Twice", "a"), ("X-Twice", "b")])
    assert "x_under" not in backend.last.names()
    assert backend.last.all("X-Twice") == ["a", "b"]


# Where a request goes

PATHS = """
server {
    listen 127.0.0.1:@gate@;
    location /with/ { proxy_pass http://@origin@/new/; }
    location /bare/ { proxy_pass http://@origin@; }
    location /root/ { proxy_pass http://@origin@/; }
    location = /exact { proxy_pass http://@origin@/other; }
    location ^~ /strong/ { proxy_pass http://@origin@/s/; }
    location ~ \\.json$ { proxy_pass http://@origin@; }
    location / { return 404; }
}
"""


@pytest.mark.parametrize(
    "sent, received",
    [
        ("/with/a", "/new/a"),
        ("/with/a?x=1&y=2", "/new/a?x=1&y=2"),
        ("/with/", "/new/"),
        ("/with/./a/../b", "/new/b"),
        ("/bare/a?x=1", "/bare/a?x=1"),
        ("/bare/a%20b", "/bare/a%20b"),
        ("/root/a/b", "/a/b"),
        ("/exact?x=1", "/other?x=1"),
        ("/strong/x.json", "/s/x.json"),
        ("/any/x.json", "/any/x.json"),
    ],
)
def test_proxy_pass_replaces_its_part_of_the_path(paths_gate, sent, received):
    gate, backend = paths_gate
    backend.forget()
    assert gate.get(sent).status == 200
    assert backend.last.target == received


@pytest.fixture(scope="module")
def paths_gate(module_keepgate, module_origin):
    backend = module_origin()
    return module_keepgate(PATHS, values={"origin": backend.address}), backend


def test_a_prefix_without_its_slash_is_redirected(paths_gate):
    gate, backend = paths_gate
    backend.forget()
    answer = gate.get("/with", host="shop.example")
    assert answer.status == 301
    assert answer.get("Location", "").endswith("/with/")
    assert not backend.requests


def test_a_path_beside_the_prefix_does_not_reach_it(paths_gate):
    gate, backend = paths_gate
    backend.forget()
    for path in ("/withx", "/with../secret", "/rootx"):
        assert gate.get(path).status in (400, 404), path
    assert not backend.requests


def test_a_unix_socket_is_an_upstream(keepgate, origin, short_folder):
    backend = origin(path=os.path.join(short_folder, "o.sock"))
    gate = keepgate(
        f"server {{ listen 127.0.0.1:@gate@; location / {{ proxy_pass http://unix:{backend.path}; }} "
        f"location /p/ {{ proxy_pass http://unix:{backend.path}:/q/; }} }}"
    )
    assert gate.get("/x").status == 200
    assert gate.get("/p/y").status == 200
    assert [request.target for request in backend.requests] == ["/x", "/q/y"]


def test_round_robin_takes_turns(keepgate, origin):
    backends = [origin(), origin()]
    gate = keepgate(
        "upstream two { server @one@; server @two@; } server { listen 127.0.0.1:@gate@; location / { proxy_pass http://two; } }",
        values={"one": backends[0].address, "two": backends[1].address},
    )
    for _ in range(10):
        assert gate.get("/").status == 200
    assert [len(backend.requests) for backend in backends] == [5, 5]


# Faults of the upstream


def test_nobody_there_is_502(keepgate):
    gate = keepgate(PLAIN, values={"origin": f"127.0.0.1:{free_port()}"})
    answer = gate.get("/")
    assert answer.status == 502
    assert "127.0.0.1" not in answer.text, "addresses are nobody's business"


def test_the_next_server_is_tried_when_one_is_down(keepgate, origin):
    backend = origin()
    gate = keepgate(
        "upstream two { server @dead@; server @live@; } server { listen 127.0.0.1:@gate@; location / { proxy_pass http://two; } }",
        values={"dead": f"127.0.0.1:{free_port()}", "live": backend.address},
    )
    for _ in range(6):
        assert gate.get("/").status == 200
    assert len(backend.requests) == 6


def test_an_upstream_that_says_nothing_is_504(keepgate, origin):
    held = threading.Event()
    backend = origin(lambda request: lambda connection: held.wait(10) and False)
    gate = proxy(keepgate, backend, KEEPALIVE % "proxy_read_timeout 200ms;")
    started = time.monotonic()
    assert gate.get("/").status == 504
    assert time.monotonic() - started < 5
    held.set()


GARBAGE = {
    "no http": b"hello\r\n\r\n",
    "bad status": b"HTTP/1.1 abc OK\r\n\r\n",
    "old version": b"HTTP/0.9 200 OK\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
    "length and chunked": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "unknown coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    "bad length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "space before colon": b"HTTP/1.1 200 OK\r\nX-A : 1\r\nContent-Length: 0\r\n\r\n",
    "nul in a field": b"HTTP/1.1 200 OK\r\nX-A: 1\x002\r\nContent-Length: 0\r\n\r\n",
    "bare lf": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "obs-fold": b"HTTP/1.1 200 OK\r\nX-A: 1\r\n 2\r\nContent-Length: 0\r\n\r\n",
    "huge head": b"HTTP/1.1 200 OK\r\n" + b"X-A: %s\r\n" % (b"a" * 1000) * 1000 + b"\r\n",
    "switching without being asked": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "endless interim answers": b"HTTP/1.1 100 Continue\r\n\r\n" * 10000,
    "closes at once": b"",
    "closes inside the head": b"HTTP/1.1 200 OK\r\nContent-",
}


@pytest.mark.parametrize("case", GARBAGE)
def test_a_malformed_answer_is_502(keepgate, origin, case):
    gate = proxy(keepgate, origin(lambda request: Close(GARBAGE[case])))
    answer = gate.get("/")
    assert answer.status == 502, answer


TRUNCATED = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
    "inside a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nonly this",
    "between chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n",
    "before the last line": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n0\r\n",
    "bad chunk size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\nzz\r\n",
}


@pytest.mark.parametrize("action", [Close, Reset])
@pytest.mark.parametrize("case", TRUNCATED)
@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
def test_a_truncated_answer_never_looks_complete(keepgate, origin, case, action, version):
    gate = proxy(keepgate, origin(lambda request: action(TRUNCATED[case])))
    with gate.connect() as client:
        client.send(request_bytes("GET", "/", version=version))
        try:
            answer = client.read_response()
        except (AssertionError, ValueError):
            return  # Cut off inside the head: nobody takes that for an answer.
        if answer.status == 502:
            return
        if answer.framing == "close":
            # HTTP/1.0 knows no other sign than a reset.
            assert version == "HTTP/1.0" and client.ended
            return
        assert not answer.complete, answer


def test_an_answer_of_full_length_is_complete(keepgate, origin):
    """The sibling of the truncated ones."""
    gate = proxy(keepgate, origin(lambda request: Close(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nonly this")))
    answer = gate.get("/")
    assert (answer.complete, answer.body) == (True, b"only this")


def test_an_answer_in_single_bytes_arrives_whole(keepgate, origin):
    data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n" + chunked(b"hello", b" ", b"world")
    parts = [data[index : index + 1] for index in range(len(data))]
    gate = proxy(keepgate, origin(lambda request: Pieces(parts, pause=0)))
    answer = gate.get("/")
    assert (answer.status, answer.body, answer.get("X-A")) == (200, b"hello world", "b")


def stale_after_first(request_counts):
    """Answers one request per connection and closes when the next one comes: a pooled connection that died."""

    def answer(request):
        count = request_counts.get(request.connection, 0)
        request_counts[request.connection] = count + 1
        return answer_bytes(body=b"fresh") if count == 0 else Close(b"")

    return answer


def test_a_get_on_a_dead_pooled_connection_is_sent_again(keepgate, origin):
    backend = origin(stale_after_first({}))
    gate = proxy(keepgate, backend, KEEPALIVE % "")
    for number in range(4):
        answer = gate.get(f"/{number}")
        assert (answer.status, answer.body) == (200, b"fresh")


def test_a_post_on_a_dead_pooled_connection_is_not_sent_again(keepgate, origin):
    backend = origin(stale_after_first({}))
    gate = proxy(keepgate, backend, KEEPALIVE % "")
    assert gate.request("POST", "/first", body=b"1").status == 200
    statuses = [gate.request("POST", f"/{number}", body=b"pay").status for number in range(4)]
    assert set(statuses) <= {200, 502} and 502 in statuses
    targets = [request.target for request in backend.requests]
    assert len(targets) == len(set(targets)), "no POST arrived twice"


def test_a_pooled_connection_that_was_closed_meanwhile_is_noticed(keepgate, origin):
    """Closed before the next request: even a POST goes to a fresh connection."""
    backend = origin(lambda request: Close(answer_bytes(body=b"bye")))
    gate = proxy(keepgate, backend, KEEPALIVE % "")
    for number in range(5):
        assert gate.request("POST", f"/{number}", body=b"pay").status == 200
        wait_until(lambda: backend.connections[-1].closed)
        time.sleep(0.01)  # Its FIN is on its way over loopback.
    assert len(backend.requests) == 5


def test_extra_bytes_after_an_answer_are_not_the_next_answer(keepgate, origin):
    poison = answer_bytes(body=b"poison")
    backend = origin(lambda request: answer_bytes(body=b"good") + (poison if request.target == "/evil" else b""))
    gate = proxy(keepgate, backend, KEEPALIVE % "")
    with gate.connect() as client:
        assert client.request("GET", "/evil").body == b"good"
        for _ in range(3):
            assert client.request("GET", "/next").body == b"good"


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_an_answer_before_the_body_was_read_does_not_poison_the_pool(keepgate, origin, method):
    """The backend answers early and takes the rest of the body for the next request."""
    backend = origin(lambda request: answer_bytes(status=200, body=b"early"), early=True)
    gate = proxy(keepgate, backend, KEEPALIVE % "proxy_request_buffering off;")
    smuggled = request_bytes("GET", "/smuggled")
    with gate.connect() as client:
        client.send(request_bytes(method, "/early", {"Content-Length": len(smuggled) + 10}))
        answer = client.read_response()
        assert (answer.status, answer.body) == (200, b"early")
        try:
            client.send(smuggled + b"x" * 10)
        except OSError:
            pass
    for _ in range(3):
        gate.get("/canary")
    assert "/smuggled" not in [request.target for request in backend.requests]


# Refusals by size


@pytest.fixture(scope="module")
def small(module_keepgate, module_origin):
    backend = module_origin()
    return module_keepgate(
        "client_max_body_size 1k; server { listen 127.0.0.1:@gate@; location / { proxy_pass http://@origin@; } "
        "location /any/ { client_max_body_size 0; proxy_pass http://@origin@; } }",
        values={"origin": backend.address},
    ), backend


def test_413_for_a_body_over_the_limit(small):
    gate, backend = small
    backend.forget()
    assert gate.raw(request_bytes("POST", "/", {"Content-Length": 1025})).status == 413
    assert not backend.requests
    assert gate.request("POST", "/", body=b"x" * 1024).status == 200
    assert gate.request("POST", "/any/", body=b"x" * 5000).status == 200


def test_413_for_chunks_over_the_limit(small):
    gate, backend = small
    answer = gate.request("POST", "/", {"Transfer-Encoding": "chunked"}, chunked(b"x" * 600, b"x" * 600))
    assert answer.status == 413
    assert gate.request("POST", "/", {"Transfer-Encoding": "chunked"}, chunked(b"x" * 600)).status == 200


def test_414_for_a_long_request_line(small):
    gate, backend = small
    backend.forget()
    assert gate.get("/" + "a" * 9000).status == 414
    assert not backend.requests
    assert gate.get("/" + "a" * 4000).status == 200


@pytest.mark.parametrize(
    "fields",
    [[("X-Long", "a" * 9000)], [(f"X-{number}", "a" * 1000) for number in range(60)], [("X", "a")] * 100_000],
    ids=["one long line", "many long lines", "too many lines"],
)
def test_431_for_too_much_header(small, fields):
    gate, backend = small
    backend.forget()
    with gate.connect() as client:
        try:
            client.send(request_bytes("GET", "/", fields))
        except OSError:
            pass  # Refused while it was still sending.
        try:
            assert client.read_response().status in (431, 400)
        except AssertionError as error:
            assert "ended" in str(error)  # The reset of unread bytes overtook the answer.
    assert not backend.requests


def test_a_megabyte_of_request_line_is_refused_early(small):
    gate, backend = small
    backend.forget()
    with gate.connect() as client:
        try:
            client.send(b"GET /" + b"a" * (1 << 20))
        except OSError:
            pass
        data = client.read_to_end()
    assert data.startswith(b"HTTP/1.1 414") or data == b""
    assert not backend.requests


# Answers of our own

OWN = """
server {
    listen 127.0.0.1:@gate@;
    default_type application/json;
    proxy_intercept_errors on;
    error_page 404 = @404;
    error_page 502 503 504 =503 @down;
    error_page 500 /page;
    location @404 { return 404 '{"status":404}\\n'; }
    location @down { return 503 '{"status":503}\\n'; }
    location = /page { return 200 "page $request_method\\n"; }
    location = /text { default_type text/plain; return 200 "hello $arg_name\\n"; }
    location = /moved { return 301 /new$is_args$args; }
    location = /away { return 302 https://other.example/; }
    location = /none { return 204; }
    location = /drop { return 444; }
    location = /teapot { return 418; }
    location /down/ { proxy_pass http://127.0.0.1:@nobody@; }
    location / { proxy_pass http://@origin@; }
    location = /inner { internal; return 200 "secret\\n"; }
}
"""


@pytest.fixture(scope="module")
def own(module_keepgate, module_origin):
    def answer(request):
        status = int(request.target.strip("/") or 200)
        return answer_bytes(status=status, body=b"from the backend\n", reason="X")

    backend = module_origin(answer)
    return module_keepgate(OWN, values={"origin": backend.address, "nobody": free_port()})


def test_return_with_text_has_the_type_and_the_variables(own):
    answer = own.get("/text?name=World")
    assert (answer.status, answer.text, answer.get("Content-Type")) == (200, "hello World\n", "text/plain")


def test_return_redirects(own):
    answer = own.get("/moved?a=1", host="shop.example")
    assert answer.status == 301 and answer.get("Location").endswith("/new?a=1")
    answer = own.get("/away")
    assert (answer.status, answer.get("Location")) == (302, "https://other.example/")


def test_return_without_a_body(own):
    answer = own.get("/none")
    assert (answer.status, answer.body) == (204, b"")
    with own.connect() as client:
        client.send(request_bytes("GET", "/drop"))
        assert client.read_to_end() == b""


def test_error_page_named_location_answers_for_the_upstream(own):
    answer = own.get("/404")
    assert (answer.status, answer.text, answer.get("Content-Type")) == (404, '{"status":404}\n', "application/json")
    answer = own.get("/403")
    assert (answer.status, answer.text) == (403, "from the backend\n"), "a code that is not listed is passed on"


def test_error_page_answers_for_an_upstream_that_is_down(own):
    answer = own.get("/down/x")
    assert (answer.status, answer.text) == (503, '{"status":503}\n')


def test_error_page_with_a_uri_becomes_get_and_keeps_the_code(own):
    answer = own.request("POST", "/500", body=b"x")
    assert (answer.status, answer.text) == (500, "page GET\n")


def test_internal_locations_are_not_there_for_the_outside(own):
    answer = own.get("/inner")
    assert answer.status == 404 and "secret" not in answer.text


def test_head_of_our_own_answers_has_no_body(own):
    with own.connect() as client:
        answer = client.request("HEAD", "/text?name=World")
        assert (answer.status, answer.get("Content-Length")) == (200, "12")
        assert client.request("GET", "/text?name=you").text == "hello you\n"


def test_curl_agrees(own):
    result = subprocess.run(["curl", "-sS", "-i", own.url("/text?name=curl")], capture_output=True, timeout=20)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(b"HTTP/1.1 200 OK\r\n") and result.stdout.endswith(b"hello curl\n")


def resident_kib(gate):
    with open(f"/proc/{gate.process.pid}/status", encoding="ascii") as status:
        return int(next(line for line in status if line.startswith("VmRSS")).split()[1])


def test_a_slow_client_does_not_make_the_gateway_buffer_everything(keepgate, origin):
    """64 MiB for a client that reads nothing, and no file to put it into: the backend is made to wait."""
    sent = []
    stuck = threading.Event()

    def send(connection):
        connection.socket.settimeout(0.5)
        connection.socket.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (64 << 20))
        try:
            for _ in range(1024):
                connection.socket.sendall(b"x" * 65536)
                sent.append(65536)
        except (TimeoutError, socket.timeout):
            pass
        stuck.set()
        return False

    gate = proxy(keepgate, origin(lambda request: send), "proxy_max_temp_file_size 0;" + PLAIN)
    before = resident_kib(gate)
    with gate.connect() as client:
        client.send(request_bytes("GET", "/"))
        assert stuck.wait(10)
        grown = resident_kib(gate) - before
    assert sum(sent) < 48 << 20, "the backend could not send everything"
    assert grown < 4096, f"{grown} KiB"
