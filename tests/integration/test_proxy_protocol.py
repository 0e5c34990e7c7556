"""listen … proxy_protocol: what a balancer writes in front of a connection, and what happens when it does not."""
import socket
import struct
import threading
import time

import pytest

from harness.certificates import server_context
from harness.ports import free_port, wait_until
from harness.wire import Client, request_bytes

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
TELLS = (
    "proxy_set_header X-Addr $remote_addr; proxy_set_header X-Port $remote_port;"
    " proxy_set_header X-Proxied $proxy_protocol_addr:$proxy_protocol_port;"
    " proxy_set_header X-Server $proxy_protocol_server_addr:$proxy_protocol_server_port;"
)
TRUSTS = "set_real_ip_from 127.0.0.1; real_ip_header proxy_protocol;"
SERVER = "server { listen 127.0.0.1:@gate@ proxy_protocol; %s location / { " + TELLS + " proxy_pass http://@origin@; } }"
V1 = b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n"


def v2(command=0x21, family=0x11, body=None, length=None):
    if body is None:
        body = bytes([192, 0, 2, 7, 198, 51, 100, 1]) + struct.pack(">HH", 4711, 443)
    return SIGNATURE + bytes([command, family]) + struct.pack(">H", len(body) if length is None else length) + body


V2_SIX = v2(family=0x21, body=socket.inet_pton(socket.AF_INET6, "2001:db8::7") + socket.inet_pton(socket.AF_INET6, "::1") + struct.pack(">HH", 4711, 443))


class ProxyGate:
    """Whoever waits for the port to listen connects without a header: the log has a line about that."""

    def __init__(self, gate, backend):
        self.gate, self.backend = gate, backend

    def ask(self, header, fields=(), count=1):
        with self.gate.connect() as client:
            client.send(header + request_bytes("GET", "/x", fields) * count)
            return [client.read_response() for _ in range(count)]

    def refused(self, data, finish=False):
        before = len(self.backend.requests)
        with self.gate.connect() as client:
            client.send(data)
            if finish:
                client.finish_sending()
            assert client.read_to_end() == b""
        assert len(self.backend.requests) == before


@pytest.fixture
def proxied(keepgate, origin):
    def build(inside=TRUSTS, text=SERVER, **options):
        backend = origin()
        return ProxyGate(keepgate(text % inside, values={"origin": backend.address}, **options), backend)

    return build


@pytest.mark.parametrize("header, address", [(V1, "192.0.2.7"), (v2(), "192.0.2.7"), (V2_SIX, "2001:db8::7"),
                                             (v2(body=v2()[16:] + b"\x02\x00\x04test"), "192.0.2.7")])
def test_the_header_names_the_client(proxied, header, address):
    gate = proxied()
    answers = gate.ask(header, count=2)
    assert [answer.status for answer in answers] == [200, 200]
    last = gate.backend.last
    assert (last.get("X-Addr"), last.get("X-Port")) == (address, "4711")
    assert last.get("X-Proxied") == f"{address}:4711"
    assert last.get("X-Server").endswith(":443")


def test_without_trust_only_the_variables_know_it(proxied):
    for inside in ("", "real_ip_header proxy_protocol; set_real_ip_from 10.0.0.0/8;"):
        gate = proxied(inside)
        assert gate.ask(V1)[0].status == 200
        assert gate.backend.last.get("X-Addr") == "127.0.0.1"
        assert gate.backend.last.get("X-Proxied") == "192.0.2.7:4711"


@pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN ff:: ::1 x y\r\n", v2(0x20, 0, b""), v2(0x20), v2(0x21, 0, b""),
                                    v2(0x21, 0x12), v2(0x21, 0x31, bytes(216))])
def test_headers_that_name_nobody_leave_the_peer(proxied, header):
    gate = proxied()
    assert gate.ask(header)[0].status == 200
    assert gate.backend.last.get("X-Addr") == "127.0.0.1"
    assert gate.backend.last.get("X-Proxied") == ":"


@pytest.mark.parametrize("data", [
    request_bytes("GET", "/x"),
    b"PROXY TCP4 192.0.2.7 198.51.100.1 4711\r\n" + request_bytes("GET", "/x"),
    b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\n" + request_bytes("GET", "/x"),
    b"PROXY TCP4 ::1 ::1 4711 443\r\n" + request_bytes("GET", "/x"),
    b"PROXY UNKNOWN " + b"x" * 200 + b"\r\n" + request_bytes("GET", "/x"),
    v2(0x11) + request_bytes("GET", "/x"),
    v2(0x22) + request_bytes("GET", "/x"),
    v2(body=b"\0" * 11) + request_bytes("GET", "/x"),
    v2(body=v2()[16:] + b"\x02\x00\x05test") + request_bytes("GET", "/x"),
    v2(length=4081) + request_bytes("GET", "/x"),
    b"\x16\x03\x01\x02\x00\x01",
])
def test_a_malformed_header_closes_the_connection_with_a_line(proxied, data):
    gate = proxied()
    gate.refused(data)
    wait_until(lambda: "broken PROXY header" in gate.gate.read("error.log"))


def test_a_second_header_is_no_request(proxied):
    gate = proxied()
    with gate.gate.connect() as client:
        client.send(V1 + V1 + request_bytes("GET", "/x"))
        assert client.read_response().status == 400
    assert not gate.backend.requests


def test_a_header_that_is_cut_off(proxied):
    gate = proxied()
    for cut in (1, 5, len(V1) - 1):
        gate.refused(V1[:cut], finish=True)
    gate.refused(v2()[:20], finish=True)


def test_a_header_in_single_bytes(proxied):
    gate = proxied()
    for header in (V1, v2()):
        with gate.gate.connect() as client:
            for byte in header + request_bytes("GET", "/x"):
                client.send(bytes([byte]))
            assert client.read_response().status == 200
        assert gate.backend.last.get("X-Addr") == "192.0.2.7"


def test_the_header_has_the_deadline_of_the_first_head(proxied):
    gate = proxied("client_header_timeout 400ms;")
    started = time.monotonic()
    gate.refused(V1[:20])
    gate.refused(b"")
    assert time.monotonic() - started < 8
    wait_until(lambda: "did not come in time" in gate.gate.read("error.log"))
    assert gate.ask(V1)[0].status == 200


def test_the_header_comes_before_tls(keepgate, origin, authority):
    backend = origin()
    certificate, key = authority.issue("localhost", "127.0.0.1", label="proxied")
    gate = keepgate(
        f"ssl_certificate {certificate}; ssl_certificate_key {key};"
        + SERVER.replace("proxy_protocol;", "ssl proxy_protocol;") % TRUSTS, values={"origin": backend.address},
    )
    for header in (V1, v2(body=v2()[16:] + b"\x04" + struct.pack(">H", 3000) + bytes(3000))):
        sock = socket.create_connection(gate.address(), 10)
        sock.sendall(header)
        with authority.client_context().wrap_socket(sock, server_hostname="localhost") as tls:
            tls.sendall(request_bytes("GET", "/x"))
            assert tls.recv(4096).startswith(b"HTTP/1.1 200")
        assert backend.last.get("X-Addr") == "192.0.2.7"
    with socket.create_connection(gate.address(), 10) as sock:
        with pytest.raises(OSError):
            authority.client_context().wrap_socket(sock, server_hostname="localhost")


def test_limits_are_keyed_on_what_the_header_says(keepgate, origin):
    backend = origin()
    gate = keepgate(
        "limit_req_zone $proxy_protocol_addr zone=z:1m rate=1r/m; limit_req zone=z;" + SERVER % "", values={"origin": backend.address}
    )
    asking = ProxyGate(gate, backend)
    other = V1.replace(b"192.0.2.7", b"192.0.2.8")
    assert [asking.ask(header)[0].status for header in (V1, V1, other)] == [200, 503, 200]


def test_a_unix_listener_takes_headers_too(keepgate, origin, short_folder):
    backend = origin()
    path = f"{short_folder}/gate.sock"
    keepgate(
        f"server {{ listen unix:{path} proxy_protocol; listen 127.0.0.1:@gate@; set_real_ip_from unix:; real_ip_header proxy_protocol;"
        f" location / {{ {TELLS} proxy_pass http://@origin@; }} }}",
        values={"origin": backend.address},
    )
    with Client(path) as client:
        client.send(V1 + request_bytes("GET", "/x"))
        assert client.read_response().status == 200
    assert backend.last.get("X-Addr") == "192.0.2.7"


class Behind:
    """An origin that reads a PROXY header, keeps it, then speaks HTTP; with TLS behind the header if asked."""

    def __init__(self, tls=None):
        self.headers, self.requests, self.tls = [], [], tls
        self.listener = socket.create_server(("127.0.0.1", free_port()))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    @staticmethod
    def read(sock, count):
        data = b""
        while len(data) < count:
            data += sock.recv(count - len(data)) or (_ for _ in ()).throw(OSError("closed"))
        return data

    def serve(self, sock):
        sock.settimeout(10)
        try:
            header = self.read(sock, 12)
            if header == SIGNATURE:
                header += self.read(sock, 4)
                header += self.read(sock, struct.unpack(">H", header[14:16])[0])
            while header[:5] == b"PROXY" and not header.endswith(b"\r\n"):
                header += self.read(sock, 1)
            self.headers.append(header)
            if self.tls:
                sock = self.tls.wrap_socket(sock, server_side=True)
            while True:
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    head += self.read(sock, 1)
                self.requests.append(head)
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        except OSError:
            sock.close()

    def close(self):
        self.listener.close()


@pytest.fixture
def behind():
    made = []

    def build(**options):
        made.append(Behind(**options))
        return made[-1]

    yield build
    for one in made:
        one.close()


OUT = "upstream up { server @origin@; keepalive 8; } server { listen 127.0.0.1:@gate@; proxy_protocol %s; location / { proxy_pass %s://up; %s } }"


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_upstream_is_told_who_the_client_is(keepgate, behind, version):
    backend = behind()
    gate = keepgate(OUT % (version, "http", ""), values={"origin": backend.address})
    with gate.connect() as client:
        port = client.socket.getsockname()[1]
        for _ in range(3):
            assert client.request("GET", "/x").status == 200
    addresses = bytes([127, 0, 0, 1, 127, 0, 0, 1]) + struct.pack(">HH", port, gate.port())
    expected = {"v1": b"PROXY TCP4 127.0.0.1 127.0.0.1 %d %d\r\n" % (port, gate.port()), "v2": v2(body=addresses)}[version]
    assert backend.headers == [expected] * 3, "each request on a connection of its own, never a pooled one"
    assert len(backend.requests) == 3


def test_two_clients_never_share_an_announced_connection(keepgate, behind):
    backend = behind()
    gate = keepgate(OUT % ("v1", "http", ""), values={"origin": backend.address})
    for _ in range(4):
        assert gate.get("/x").status == 200
    assert len(set(backend.headers)) == 4


def test_the_real_address_goes_up(keepgate, behind):
    backend = behind()
    gate = keepgate("set_real_ip_from 127.0.0.1;" + OUT % ("v1", "http", ""), values={"origin": backend.address})
    assert gate.get("/x", {"X-Real-IP": "127.0.0.9:77"}).status == 200
    assert backend.headers == [b"PROXY TCP4 127.0.0.9 127.0.0.1 77 %d\r\n" % gate.port()]


def test_the_header_goes_up_before_tls(keepgate, behind, authority):
    certificate, key = authority.issue("up", label="behind")
    backend = behind(tls=server_context(certificate, key))
    inside = f"proxy_ssl_verify on; proxy_ssl_trusted_certificate {authority.file}; proxy_ssl_name up;"
    gate = keepgate(OUT % ("v2", "https", inside), values={"origin": backend.address})
    assert gate.get("/x").status == 200
    assert backend.headers[0].startswith(SIGNATURE) and len(backend.requests) == 1


def test_off_sends_none_and_keeps_connections(keepgate, origin):
    backend = origin()
    gate = keepgate(OUT % ("off", "http", ""), values={"origin": backend.address})
    assert [gate.get("/x").status for _ in range(3)] == [200] * 3
    assert b"PROXY" not in backend.received
    assert len(backend.connections) == 1
