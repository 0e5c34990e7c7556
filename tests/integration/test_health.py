"""health_check: servers are probed, those that fail get no requests, and those that recover get them again."""
import threading

import pytest

from harness.gate import run_cli
from harness.origin import Close, answer_bytes
from harness.ports import wait_until

CHECKED = """
%(http)s
upstream pool { zone pool 64k; %(servers)s }
server { listen 127.0.0.1:@gate@; location / { proxy_pass http://pool; proxy_connect_timeout 1s; proxy_read_timeout 1s;
    health_check interval=30ms %(check)s; %(location)s } }
"""


class Switch:
    """An origin whose answers to probes can be changed while it runs. Requests of clients are told apart by their path."""

    def __init__(self, origin, name):
        self.probe = answer_bytes(body=b"fine")
        self.name = name
        self.probes = []
        self.backend = origin(self.answer)
        self.address = self.backend.address

    def answer(self, request):
        if request.target.startswith("/client"):
            return answer_bytes(body=self.name.encode())
        self.probes.append(request)
        return self.probe(request) if callable(self.probe) else self.probe


@pytest.fixture
def switch(origin):
    return lambda name: Switch(origin, name)


def checked(keepgate, *switches, check="", http="", location="", **options):
    servers = " ".join(f"server {one.address};" for one in switches)
    return keepgate(CHECKED % {"http": http, "servers": servers, "check": check, "location": location}, **options)


def served_by(gate, count=6):
    return {gate.get("/client").body for _ in range(count)}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_server_that_fails_gets_no_requests_until_it_recovers(keepgate, switch, workers):
    one, two = switch("one"), switch("two")
    gate = checked(keepgate, one, two, workers=workers)
    assert served_by(gate) == {b"one", b"two"}
    one.probe = answer_bytes(500, body=b"", reason="No")
    wait_until(lambda: served_by(gate) == {b"two"})
    log = gate.read("error.log")
    wait_until(lambda: 'peer is unhealthy while checking status code, health check "" of peer %s in upstream "pool"' % one.address
               in gate.read("error.log"), why=log)
    one.probe = answer_bytes()
    wait_until(lambda: served_by(gate) == {b"one", b"two"})
    wait_until(lambda: "peer is healthy while" in gate.read("error.log"))


def test_a_probe_is_a_request_of_its_location(keepgate, switch):
    one = switch("one")
    checked(keepgate, one, check="uri=/health?deep=1",
            location='proxy_set_header Host health.test; proxy_set_header X-Probe "$proxy_host"; proxy_set_header X-None $http_x;')
    wait_until(lambda: one.probes)
    probe = one.probes[0]
    assert (probe.method, probe.target) == ("GET", "/health?deep=1")
    assert (probe.get("Host"), probe.get("X-Probe"), probe.get("X-None")) == ("health.test", "pool", None)
    assert probe.get("Connection") == "close"


@pytest.mark.parametrize("bad", [
    answer_bytes(404, reason="No"), b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    Close(b""), Close(b"HTTP/1.1 200"), b"HTTP/1.1 200 OK\r\nX: " + b"a" * 40000 + b"\r\n\r\n",
], ids=["status", "garbage", "lengths", "closed", "cut", "huge"])
def test_what_counts_as_bad(keepgate, switch, bad):
    one, two = switch("one"), switch("two")
    one.probe = bad
    gate = checked(keepgate, one, two)
    wait_until(lambda: served_by(gate) == {b"two"})


@pytest.mark.parametrize("status", [200, 204, 302, 399])
def test_what_counts_as_good(keepgate, switch, status):
    one = switch("one")
    one.probe = f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode() if status != 204 else b"HTTP/1.1 204 X\r\n\r\n"
    gate = checked(keepgate, one, check="mandatory")
    wait_until(lambda: served_by(gate) == {b"one"})


def test_a_server_that_does_not_answer_is_unhealthy(keepgate, switch):
    one, two, silence = switch("one"), switch("two"), threading.Event()
    one.probe = lambda request: (silence.wait(20), answer_bytes())[1]
    gate = checked(keepgate, one, two, location="health_check_timeout 100ms;")
    wait_until(lambda: served_by(gate) == {b"two"})
    assert len(one.probes) < 50
    silence.set()


def test_nobody_listening_is_unhealthy(keepgate, switch, origin):
    one, gone = switch("one"), switch("gone")
    gone.backend.close()
    gate = checked(keepgate, one, gone)
    wait_until(lambda: "peer is unhealthy while connecting to upstream" in gate.read("error.log"))
    assert served_by(gate) == {b"one"}


def test_fails_and_passes_are_counted(keepgate, switch):
    one, two = switch("one"), switch("two")
    turns = {"count": 0}

    def two_of_three(_):  # Never three bad ones in a row.
        turns["count"] += 1
        return answer_bytes() if turns["count"] % 3 == 0 else answer_bytes(500, reason="No")

    one.probe = two_of_three
    gate = checked(keepgate, one, two, check="fails=3 passes=2")
    wait_until(lambda: turns["count"] > 12)
    assert "unhealthy" not in gate.read("error.log")
    one.probe = answer_bytes(500, reason="No")
    wait_until(lambda: served_by(gate) == {b"two"})
    one.probe = two_of_three  # Never two good ones in a row.
    before = turns["count"]
    wait_until(lambda: turns["count"] > before + 12)
    assert served_by(gate) == {b"two"}
    one.probe = answer_bytes()
    wait_until(lambda: served_by(gate) == {b"one", b"two"})


def test_mandatory_keeps_requests_away_until_a_server_showed_itself(keepgate, switch):
    one, ready = switch("one"), threading.Event()
    one.probe = lambda request: (ready.wait(20), answer_bytes())[1]
    gate = checked(keepgate, one, check="mandatory")
    assert gate.get("/client").status == 502
    ready.set()
    wait_until(lambda: gate.get("/client").status == 200)


def test_all_unhealthy_is_502(keepgate, switch):
    one, two = switch("one"), switch("two")
    one.probe = two.probe = answer_bytes(503, reason="No")
    gate = checked(keepgate, one, two)
    wait_until(lambda: gate.get("/client").status == 502)
    assert all(request.target != "/client" for request in one.probes)


def test_a_reload_keeps_what_is_known(keepgate, switch):
    one, two = switch("one"), switch("two")
    gate = checked(keepgate, one, two, check="mandatory")
    one.probe = answer_bytes(500, reason="No")
    wait_until(lambda: served_by(gate) == {b"two"})
    gate.reload()
    assert served_by(gate, 20) == {b"two"}
    gate.reload(gate.text.replace("interval=30ms", "interval=40ms passes=2"))
    assert served_by(gate, 20) == {b"two"}
    one.probe = answer_bytes()
    wait_until(lambda: served_by(gate) == {b"one", b"two"})


def test_without_the_check_a_server_is_used_again(keepgate, switch):
    one, two = switch("one"), switch("two")
    one.probe = answer_bytes(500, reason="No")
    gate = checked(keepgate, one, two, check="uri=/probe")
    wait_until(lambda: served_by(gate) == {b"two"})
    gate.reload(gate.text.replace("health_check interval=30ms uri=/probe;", ""))
    wait_until(lambda: served_by(gate) == {b"one", b"two"})


def test_another_port_may_be_probed(keepgate, switch, origin):
    one, probed = switch("one"), origin(lambda request: answer_bytes(500, reason="No"))
    gate = checked(keepgate, one, check=f"port={probed.port}")
    wait_until(lambda: gate.get("/client").status == 502)
    assert not one.probes and probed.requests


def test_a_backup_serves_when_probes_say_that_nobody_else_does(keepgate, switch):
    one, two = switch("one"), switch("two")
    gate = checked(keepgate, one, two)
    gate.reload(gate.text.replace(f"server {two.address};", f"server {two.address} backup;"))
    wait_until(lambda: served_by(gate) == {b"one"})
    one.probe = answer_bytes(500, reason="No")
    wait_until(lambda: served_by(gate) == {b"two"})


# match


@pytest.mark.parametrize("conditions,good,bad", [
    ("status 200;", answer_bytes(200), answer_bytes(201)),
    ("status 200-203 404;", answer_bytes(404), answer_bytes(204, length=False, body=b"")),
    ("status ! 500-599;", answer_bytes(499), answer_bytes(500)),
    ("header X-Ok;", answer_bytes(fields={"x-ok": ""}), answer_bytes()),
    ("header ! X-Bad;", answer_bytes(), answer_bytes(fields={"X-Bad": "1"})),
    ("header Content-Type = text/html;", answer_bytes(fields={"Content-Type": "text/html"}), answer_bytes(fields={"Content-Type": "text/html;x"})),
    ("header X != a;", answer_bytes(fields={"X": "b"}), answer_bytes(fields=[("X", "b"), ("X", "a")])),
    ('header X ~ "^a+$";', answer_bytes(fields={"X": "aaa"}), answer_bytes(fields={"X": "aab"})),
    ("header X !~ bad;", answer_bytes(fields={"X": "fine"}), answer_bytes(fields={"X": "so bad"})),
    ('body ~ "up: \\d+";', answer_bytes(body=b"up: 17"), answer_bytes(body=b"up: ?")),
    ('body !~ "maintenance";', answer_bytes(body=b"all is well"), answer_bytes(body=b"in maintenance mode")),
    ('body ~ "end";', b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nen\r\n1\r\nd\r\n0\r\n\r\n",
     b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nen\r\n0\r\n\r\n"),
    ('body ~ "end";', Close(b"HTTP/1.0 200 OK\r\n\r\nthe end"), Close(b"HTTP/1.0 200 OK\r\n\r\nthe en")),
    ('body ~ "x$";', answer_bytes(body=b"a" * (256 * 1024 - 1) + b"x"), answer_bytes(body=b"a" * (256 * 1024) + b"x")),
    ("require $upstream_http_x_ok;", answer_bytes(fields={"X-Ok": "1"}), answer_bytes(fields={"X-Ok": "0"})),
    ("status 200; body ~ a; header X;", answer_bytes(body=b"a", fields={"X": "1"}), answer_bytes(body=b"b", fields={"X": "1"})),
], ids=lambda value: value if isinstance(value, str) else "")
def test_conditions(keepgate, switch, conditions, good, bad):
    one, two = switch("one"), switch("two")
    one.probe, two.probe = good, bad
    gate = checked(keepgate, one, two, check="match=m mandatory", http="match m { %s }" % conditions)
    wait_until(lambda: served_by(gate) == {b"one"})
    wait_until(lambda: len(two.probes) > 3)
    assert served_by(gate) == {b"one"}


@pytest.mark.parametrize("http,message", [
    ("upstream u { server 127.0.0.1:1; } server { location / { proxy_pass http://u; health_check; } }", "needs 'zone'"),
    ("server { location / { proxy_pass http://127.0.0.1:1; health_check; } }", "needs 'zone'"),
    ("server { location / { return 200; health_check; } }", "needs 'proxy_pass'"),
    ("server { location / { proxy_pass http://127.0.0.1$request_uri; health_check; } }", "'health_check' needs a 'proxy_pass' without variables"),
    ("upstream u { zone u 64k; server 127.0.0.1:1; } server { location / { proxy_pass http://u; health_check match=no; } }", "unknown match 'no'"),
    ("upstream u { zone u 64k; server 127.0.0.1:1; } server { location / { proxy_pass http://u; health_check type=grpc; } }", "not built yet"),
    ("upstream u { zone u 64k; server 127.0.0.1:1; } server { location / { proxy_pass http://u; health_check persistent; } }", "without 'mandatory'"),
    ("upstream u { zone u 64k; server 127.0.0.1:1; } server { location / { proxy_pass http://u; health_check interval=0; } }", "invalid parameter"),
    ("upstream u { zone u 64k; server 127.0.0.1:1; } server { location / { proxy_pass http://u; health_check uri=x; } }", "invalid parameter"),
    ("upstream u { zone u 64k; server 127.0.0.1:1; } server { location / { proxy_pass http://u; health_check fails=0; } }", "a whole number from 1"),
    ("upstream u { zone u 64k; server 127.0.0.1:1; } server { location / { proxy_pass http://u; health_check; health_check; } }", "duplicate"),
    ("match m { status 99; }", "a whole number from 100"),
    ("match m { status 300-200; }", "a whole number from 300"),
    ("match m { status; }", "invalid number of arguments"),
    ("match m { status 200; status 201; }", "duplicate"),
    ("match m { header; }", "is not understood"),
    ("match m { header X > 1; }", "is not understood"),
    ('match m { header "X Y"; }', "a header field name is expected"),
    ("match m { body = x; }", "is not understood"),
    ("match m { nonsense; }", "unknown condition"),
    ("match m { } match m { }", "duplicate match"),
    ("""match m { body ~ "("; } upstream u { zone u 64k; server 127.0.0.1:1; } server { location / { proxy_pass http://u; health_check match=m; } }""", "missing"),
    ("""match m { require $host; } upstream u { zone u 64k; server 127.0.0.1:1; } server { location / { proxy_pass http://u; health_check match=m; } }""", "not built yet"),
])
def test_mistakes_about_checks_are_told(keepgate, http, message):
    gate = keepgate(http.replace("server { location", "server { listen 127.0.0.1:1; location"), start=False)
    result = run_cli("-t", "-c", gate.path("keepgate.conf"))
    assert result.returncode == 1
    assert message in result.stderr
