"""Slow and silent clients: every wait has an end, at the time that is configured, and others are served meanwhile."""
import socket
import struct
import threading
import time

import pytest

from harness.origin import answer_bytes
from harness.ports import wait_until
from harness.wire import request_bytes

SAYS = "server { listen 127.0.0.1:@gate@; %s location / { return 200 ok; } }"
PROXIED = "server { listen 127.0.0.1:@gate@; %s location / { proxy_pass http://@origin@; } }"


def drip(client, data, pause):
    """One byte at a time until the peer has had enough; tells whether all of it went out."""
    for byte in data:
        try:
            client.send(bytes([byte]))
        except OSError:
            return False
        time.sleep(pause)
    return True


def raw_end(client):
    """What a raw read meets in the end: "end" or "reset"."""
    try:
        while client.socket.recv(65536):
            pass
        return "end"
    except ConnectionResetError:
        return "reset"


def can_still_send(client, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            client.send(b"x")
        except OSError:
            return False
        time.sleep(0.02)
    return True


def test_a_head_has_one_deadline_however_its_bytes_come(keepgate):
    gate = keepgate(SAYS % "client_header_timeout 700ms; lingering_close off;")
    with gate.connect() as slow:
        started = time.monotonic()
        drip(slow, request_bytes("GET", "/", {"X-Long": "y" * 200}), 0.02)
        answer = slow.read_to_end()
        assert 0.6 < time.monotonic() - started < 10
    assert answer == b"" or answer.startswith(b"HTTP/1.1 408")
    with gate.connect() as quick:
        assert drip(quick, request_bytes("GET", "/"), 0.001)
        assert quick.read_response().status == 200


def test_a_later_head_has_a_deadline_of_its_own(keepgate):
    gate = keepgate(SAYS % "client_header_timeout 700ms; keepalive_timeout 20s;")
    with gate.connect() as client:
        assert client.request("GET", "/").status == 200
        time.sleep(0.9)
        assert client.request("GET", "/").status == 200, "idle time is keepalive_timeout's"
        client.send(b"GET / HT")
        answer = client.read_to_end()
    assert answer.startswith(b"HTTP/1.1 408")


def test_a_silent_connection_ends(keepgate):
    gate = keepgate(SAYS % "client_header_timeout 300ms;")
    with gate.connect() as client:
        assert client.closed_by_peer()


def test_handshakes_end(keepgate, authority):
    certificate, key = authority.issue("localhost", label="slow")
    gate = keepgate(
        f"ssl_certificate {certificate}; ssl_certificate_key {key};"
        + (SAYS % "client_header_timeout 400ms;").replace("@gate@", "@gate@ ssl")
    )
    for data in (b"", b"\x16\x03\x01\x01\x00\x01"):
        with gate.connect() as client:
            if data:
                client.send(data)
            assert client.closed_by_peer()
    with gate.connect(tls=authority.client_context(), server_name="localhost") as client:
        assert client.request("GET", "/").status == 200


def test_a_body_may_be_slow_but_not_silent(keepgate, origin):
    backend = origin()
    gate = keepgate(PROXIED % "client_body_timeout 600ms;", values={"origin": backend.address})
    with gate.connect() as client:
        client.send(request_bytes("POST", "/", {"Content-Length": "8"}))
        assert drip(client, b"12345678", 0.15), "1.2 seconds in all, but never 600 ms of silence"
        assert client.read_response().status == 200
    assert backend.last.body == b"12345678"
    with gate.connect() as client:
        client.send(request_bytes("POST", "/", {"Content-Length": "8"}) + b"1234")
        started = time.monotonic()
        assert client.read_response().status == 408
        assert time.monotonic() - started > 0.5


def big_answers(origin, size):
    return origin(lambda request: answer_bytes(body=b"z" * size) if request.target == "/big" else answer_bytes())


def narrow(gate):
    client = gate.connect()
    client.close()
    client.socket = socket.socket()
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.socket.settimeout(20)
    client.socket.connect(gate.address())
    return client


def test_a_client_that_does_not_read_is_cut_off(keepgate, origin):
    backend = big_answers(origin, 20 << 20)
    gate = keepgate(PROXIED % "send_timeout 500ms; proxy_buffering off;", values={"origin": backend.address})
    with narrow(gate) as client:
        client.send(request_bytes("GET", "/big"))
        assert gate.get("/x").status == 200, "others are served"
        # Which of the two requests reached the backend first is anybody's guess.
        wait_until(lambda: any(one.closed and one.requests and one.requests[0].target == "/big" for one in backend.connections), 15)
        assert not client.read_response().complete
    assert gate.get("/x").status == 200


def test_a_client_that_reads_slowly_gets_everything(keepgate, origin):
    size = 1 << 20
    backend = big_answers(origin, size)
    gate = keepgate(PROXIED % "send_timeout 2s;", values={"origin": backend.address})
    with narrow(gate) as client:
        client.send(request_bytes("GET", "/big"))
        got = b""
        for _ in range(20):
            got += client.socket.recv(8192)
            time.sleep(0.02)
        client.buffer = got
        answer = client.read_response()
    assert answer.complete and len(answer.body) == size


@pytest.mark.parametrize("setting, ends", [("on", "reset"), ("off", "end")])
def test_reset_timedout_connection(keepgate, setting, ends):
    gate = keepgate(SAYS % f"client_header_timeout 300ms; reset_timedout_connection {setting};" + "")
    with gate.connect() as client:
        client.send(b"GET / HT")
        assert raw_end(client) == ends
    with gate.connect() as client:
        assert raw_end(client) == "end", "nothing was begun: closed quietly"


@pytest.mark.parametrize("setting, ends", [("on", "reset"), ("off", "end")])
def test_444_is_a_reset_where_asked_for(keepgate, setting, ends):
    gate = keepgate("server { listen 127.0.0.1:@gate@; reset_timedout_connection %s; location / { return 444; } }" % setting)
    with gate.connect() as client:
        client.send(request_bytes("GET", "/"))
        assert raw_end(client) == ends


def test_keep_alive_timeouts_never_reset(keepgate):
    gate = keepgate(SAYS % "keepalive_timeout 300ms; reset_timedout_connection on;")
    with gate.connect() as client:
        assert client.request("GET", "/").status == 200
        assert raw_end(client) == "end"


def refused_upload(gate):
    client = gate.connect()
    client.send(request_bytes("POST", "/", {"Content-Length": "100000"}) + b"y" * 1000)
    assert client.read_response().status == 413
    return client


def test_lingering_close(keepgate, origin):
    body = "client_max_body_size 10; "
    backend = origin()
    gate = keepgate(PROXIED % (body + "lingering_timeout 20s;"), values={"origin": backend.address})
    with refused_upload(gate) as client:
        assert can_still_send(client, 0.5), "on: what still comes is read and forgotten"
    gate = keepgate(PROXIED % (body + "lingering_close off;"), values={"origin": backend.address})
    with refused_upload(gate) as client:
        assert not can_still_send(client, 5), "off: it is closed at once"
    gate = keepgate(PROXIED % (body + "lingering_time 300ms;"), values={"origin": backend.address})
    with refused_upload(gate) as client:
        assert not can_still_send(client, 10), "lingering_time bounds it, however eager the client"
    gate = keepgate(PROXIED % (body + "lingering_timeout 100ms;"), values={"origin": backend.address})
    with refused_upload(gate) as client:
        time.sleep(0.5)
        assert not can_still_send(client, 5), "lingering_timeout bounds the silence"
    assert not backend.requests


@pytest.mark.parametrize("setting, lingers", [("on", False), ("always", True)])
def test_lingering_close_always_does_without_a_reason(keepgate, setting, lingers):
    gate = keepgate(SAYS % f"lingering_close {setting}; lingering_timeout 20s;")
    with gate.connect() as client:
        assert client.request("GET", "/", {"Connection": "close"}).status == 200
        assert raw_end(client) == "end"
        assert can_still_send(client, 0.4) == lingers


def closes(answer):
    return answer.get("Connection") == "close"


def test_keepalive_requests_at_the_limit(keepgate):
    gate = keepgate(SAYS % "keepalive_requests 3;")
    with gate.connect() as client:
        assert [closes(client.request("GET", "/")) for _ in range(3)] == [False, False, True]
        assert client.closed_by_peer()


def test_keepalive_time(keepgate):
    gate = keepgate(SAYS % "keepalive_time 500ms;")
    with gate.connect() as client:
        assert not closes(client.request("GET", "/"))
        time.sleep(0.7)
        answer = client.request("GET", "/")
        assert answer.status == 200 and closes(answer), "the request that comes after it is the last"
        assert client.closed_by_peer()


def test_keepalive_timeout_tells_the_client(keepgate):
    gate = keepgate(SAYS % "keepalive_timeout 20s 9s;")
    with gate.connect() as client:
        answer = client.request("GET", "/")
        assert (answer.get("Connection"), answer.get("Keep-Alive")) == ("keep-alive", "timeout=9")
        answer = client.request("GET", "/", {"Connection": "close"})
        assert closes(answer) and answer.get("Keep-Alive") is None


def test_keepalive_timeout_of_the_location_that_answered(keepgate):
    gate = keepgate(
        "server { listen 127.0.0.1:@gate@; location / { return 200 ok; } location /short { keepalive_timeout 200ms; return 200 ok; } }"
    )
    with gate.connect() as client:
        assert client.request("GET", "/").status == 200
        time.sleep(0.4)
        assert client.request("GET", "/short").status == 200
        assert client.closed_by_peer()


SIZES = "client_header_buffer_size 1k; large_client_header_buffers 4 1k;"


def head_of(line_bytes=0, field_bytes=0, fields=0):
    line = b"GET /" + b"a" * (line_bytes - len(b"GET / HTTP/1.1\r\n")) + b" HTTP/1.1\r\n" if line_bytes else b"GET / HTTP/1.1\r\n"
    field = b"X-F: " + b"b" * (field_bytes - len(b"X-F: \r\n")) + b"\r\n" if field_bytes else b""
    return line + b"Host: t\r\n" + field * fields + b"\r\n"


@pytest.mark.parametrize("head, status", [
    (head_of(line_bytes=1024), 200),
    (head_of(line_bytes=1025), 414),
    (head_of(field_bytes=1024, fields=1), 200),
    (head_of(field_bytes=1025, fields=1), 431),
    (head_of(field_bytes=1015, fields=4), 200),
    (head_of(field_bytes=1020, fields=4), 431),
])
def test_header_buffers_at_the_limit_and_one_past(keepgate, head, status):
    gate = keepgate(SAYS % SIZES)
    assert gate.raw(head).status == status


def test_many_slow_heads_delay_nobody(keepgate):
    gate = keepgate(SAYS % "client_header_timeout 20s;")
    slow = [gate.connect() for _ in range(150)]
    stop = threading.Event()

    def drip_all():
        while not stop.is_set():
            for client in slow:
                client.send(b"X")
            stop.wait(0.05)

    for client in slow:
        client.send(b"GET / HTTP/1.1\r\nX-Slow: ")
    thread = threading.Thread(target=drip_all)
    thread.start()
    try:
        started = time.monotonic()
        for _ in range(100):
            assert gate.get("/").status == 200
        assert time.monotonic() - started < 10
    finally:
        stop.set()
        thread.join()
        for client in slow:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
