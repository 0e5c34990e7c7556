"""WebSocket and other upgrades: a tunnel opens for what was asked and agreed to by the rules, and for nothing else."""
import json
import os
import signal
import subprocess

import pytest

from harness.origin import Close, answer_bytes
from harness.ports import wait_until
from harness.wire import request_bytes

HELPER = os.path.join(os.path.dirname(__file__), "harness", "ws_helper.mjs")
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455 §1.3.
ASK = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": KEY, "Sec-WebSocket-Version": "13"}
CONF = """
map $http_upgrade $connection_upgrade { default upgrade; '' close; }
server { listen 127.0.0.1:@gate@; location / {
  proxy_pass http://@origin@; proxy_http_version 1.1; proxy_read_timeout %s;
  proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade; } }
"""
NO_UPGRADE = "server { listen 127.0.0.1:@gate@; location / { proxy_pass http://@origin@; } }"


def switching(fields=None, after=b""):
    fields = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Accept": ACCEPT} if fields is None else fields
    return answer_bytes(101, b"", fields, reason="Switching Protocols", length=False) + after


def echo(answer):
    """Switches and sends back what comes, in upper case."""

    def serve(connection):
        connection.socket.sendall(answer)
        while True:
            rest = bytes(connection.received[connection.used :])
            connection.used = len(connection.received)
            if rest:
                connection.socket.sendall(rest.upper())
            connection.receive()

    return lambda request: serve


@pytest.fixture
def tunnel(keepgate, origin):
    def build(answer, timeout="10s", conf=CONF):
        backend = origin(answer)
        return keepgate(conf % timeout if "%s" in conf else conf, values={"origin": backend.address}), backend

    return build


def test_ws_of_npm_talks_through_the_gateway(keepgate):
    server = subprocess.Popen(["node", HELPER, "server"], stdout=subprocess.PIPE, text=True)
    try:
        port = int(server.stdout.readline())
        gate = keepgate(CONF % "10s", values={"origin": f"127.0.0.1:{port}"})
        said = subprocess.run(["node", HELPER, "client", f"ws://127.0.0.1:{gate.port()}/chat", "100"], capture_output=True,
                              text=True, timeout=60, check=True)
        assert json.loads(said.stdout) == {"count": 100, "right": True, "code": 4001, "reason": "as asked"}
        wait_until(lambda: "101" in gate.read("error.log") or True, 1)
    finally:
        server.kill()
        server.wait()


def test_ws_of_npm_is_refused_where_no_upgrade_is_configured(keepgate):
    server = subprocess.Popen(["node", HELPER, "server"], stdout=subprocess.PIPE, text=True)
    try:
        gate = keepgate(NO_UPGRADE, values={"origin": f"127.0.0.1:{int(server.stdout.readline())}"})
        said = subprocess.run(["node", HELPER, "client", f"ws://127.0.0.1:{gate.port()}/", "1"], capture_output=True, text=True,
                              timeout=60, check=True)
        assert json.loads(said.stdout)["status"] in (400, 426)
    finally:
        server.kill()
        server.wait()


def test_bytes_go_both_ways_and_early_ones_are_not_lost(tunnel):
    gate, backend = tunnel(echo(switching(after=b"early from the backend;")))
    with gate.connect() as client:
        client.send(request_bytes("GET", "/", ASK) + b"early from the client;")
        answer = client.read_response()
        assert answer.status == 101
        assert answer.get("Upgrade").lower() == "websocket"
        assert answer.get("Connection").lower() == "upgrade"
        assert answer.get("Sec-WebSocket-Accept") == ACCEPT
        assert client.read_bytes(23) == b"early from the backend;"
        assert client.read_bytes(22) == b"EARLY FROM THE CLIENT;"
        client.send(b"GET /smuggled HTTP/1.1\r\n\r\n")
        assert client.read_bytes(26) == b"GET /SMUGGLED HTTP/1.1\r\n\r\n"
    received = backend.requests[0]
    assert (received.get("Upgrade"), received.get("Connection")) == ("websocket", "upgrade")


def test_an_end_of_one_side_reaches_the_other_and_what_is_on_its_way_arrives(tunnel):
    def serve(connection):
        connection.socket.sendall(switching())
        try:
            while True:
                connection.receive()
        except Exception:
            connection.socket.sendall(b"last words")
        return False

    gate, backend = tunnel(lambda request: serve)
    with gate.connect() as client:
        client.send(request_bytes("GET", "/", ASK))
        assert client.read_response().status == 101
        client.finish_sending()
        assert client.read_to_end() == b"last words"


def test_a_silent_tunnel_ends_after_proxy_read_timeout(tunnel):
    gate, backend = tunnel(echo(switching()), timeout="300ms")
    with gate.connect() as client:
        client.send(request_bytes("GET", "/", ASK))
        assert client.read_response().status == 101
        assert client.closed_by_peer()
    wait_until(lambda: backend.connections[0].closed, 10)


@pytest.mark.parametrize(
    "fields",
    [
        {"Connection": "Upgrade", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAAQAAP__"},
        {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAAQAAP__"},
        {"Connection": "Upgrade", "Upgrade": "H2C"},
        {"Connection": "Upgrade", "Upgrade": "HTTP/2.0"},
        {"Connection": "Upgrade", "Upgrade": "TLS/1.0"},
        {"Connection": "Upgrade", "Upgrade": "websocket, h2c", "Sec-WebSocket-Key": KEY, "Sec-WebSocket-Version": "13"},
        {"Connection": "Upgrade", "Upgrade": "websocket"},
        {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": KEY},
        {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": KEY, "Sec-WebSocket-Version": "1337"},
        {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": "short", "Sec-WebSocket-Version": "13"},
        {"Upgrade": "websocket", "Sec-WebSocket-Key": KEY, "Sec-WebSocket-Version": "13"},
        {"Connection": "close", "Upgrade": "websocket", "Sec-WebSocket-Key": KEY, "Sec-WebSocket-Version": "13"},
    ],
    ids=lambda fields: " ".join(f"{name}={value}" for name, value in fields.items())[:60],
)
def test_what_may_not_be_upgraded_goes_on_as_a_plain_request(tunnel, fields):
    gate, backend = tunnel(lambda request: answer_bytes())
    answer = gate.get("/", fields)
    assert answer.status == 200
    names = backend.last.names()
    assert "upgrade" not in names and "http2-settings" not in names
    assert "upgrade" not in (backend.last.get("Connection") or "").lower()


@pytest.mark.parametrize("method", ["POST", "PUT", "HEAD"])
def test_only_a_get_is_upgraded(tunnel, method):
    gate, backend = tunnel(lambda request: answer_bytes(length=request.method != "HEAD", body=b""))
    assert gate.request(method, "/", ASK).status == 200
    assert "upgrade" not in backend.last.names()


def test_a_get_with_a_body_is_not_upgraded(tunnel):
    gate, backend = tunnel(lambda request: answer_bytes())
    assert gate.request("GET", "/", ASK, body=b"GET / HTTP/1.1\r\n\r\n").status == 200
    assert "upgrade" not in backend.last.names()


@pytest.mark.parametrize(
    "fields",
    [
        {"Connection": "Upgrade", "Upgrade": "websocket"},
        {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Accept": "AAAAAAAAAAAAAAAAAAAAAAAAAAA="},
        {"Connection": "Upgrade", "Upgrade": "h2c", "Sec-WebSocket-Accept": ACCEPT},
        {"Sec-WebSocket-Accept": ACCEPT},
        {},
    ],
    ids=["no accept", "wrong accept", "another protocol", "no upgrade", "nothing"],
)
def test_an_upstream_that_only_pretends_opens_no_tunnel(tunnel, fields):
    gate, backend = tunnel(lambda request: Close(switching(fields)))
    with gate.connect() as client:
        client.send(request_bytes("GET", "/", ASK))
        assert client.read_response().status == 502
        client.send(b"GET /through HTTP/1.1\r\nHost: t\r\n\r\n")
    assert b"/through" not in b"".join(bytes(one.received) for one in backend.connections[:1])


def test_an_unasked_101_is_502(tunnel):
    gate, backend = tunnel(lambda request: Close(switching()))
    assert gate.get("/").status == 502


@pytest.mark.parametrize("status", [200, 403, 426])
def test_a_refused_upgrade_is_an_ordinary_answer(tunnel, status):
    gate, backend = tunnel(lambda request: answer_bytes(status, b"no"))
    with gate.connect() as client:
        client.send(request_bytes("GET", "/", ASK))
        answer = client.read_response()
        assert (answer.status, answer.body) == (status, b"no")
        client.send(request_bytes("GET", "/next"))
        assert client.read_response().status == status
    assert [request.target for request in backend.requests] == ["/", "/next"]


def test_another_protocol_may_be_tunnelled_too(tunnel):
    fields = {"Connection": "Upgrade", "Upgrade": "custom"}
    gate, backend = tunnel(echo(switching(fields)))
    with gate.connect() as client:
        client.send(request_bytes("GET", "/", fields))
        assert client.read_response().status == 101
        client.send(b"hello")
        assert client.read_bytes(5) == b"HELLO"


def test_a_tunnel_outlives_a_reload_and_ends_with_the_program(tunnel):
    gate, backend = tunnel(echo(switching()))
    with gate.connect() as client:
        client.send(request_bytes("GET", "/", ASK))
        assert client.read_response().status == 101
        gate.reload()
        client.send(b"still here")
        assert client.read_bytes(10) == b"STILL HERE"
        gate.kill(signal.SIGTERM)
        assert client.closed_by_peer()


def test_credentials_are_checked_before_the_tunnel(keepgate, origin):
    backend = origin(echo(switching()))
    conf = (CONF % "10s").replace("location / {", "location / { return 403; } location /open/ {")
    gate = keepgate(conf, values={"origin": backend.address})
    with gate.connect() as client:
        client.send(request_bytes("GET", "/", ASK))
        assert client.read_response().status == 403
    assert not backend.requests
