"""Groups of servers: who gets which request, who is left alone, who waits. Judged by what recording backends received."""
import socket
import threading
from collections import Counter

import pytest

from harness import nginx
from harness.origin import Reset, answer_bytes
from harness.ports import free_port, wait_until
from harness.wire import Client

GATE = "server { listen 127.0.0.1:@gate@; location / { proxy_pass http://group; } }"


@pytest.fixture
def origins(origin):
    """origins(n): so many backends that answer with their number."""
    return lambda count: [origin(lambda request, number=number: answer_bytes(body=b"%d" % number)) for number in range(count)]


def group(servers, first="", last=""):
    """`servers`: pairs of a backend, or an address, and its parameters."""
    lines = [f"server {getattr(server, 'address', server)} {parameters};" for server, parameters in servers]
    return "upstream group { %s %s %s }\n" % (first, " ".join(lines), last)


def ask(address, targets, source=None):
    """The bodies of the answers to GETs of `targets`, over one connection."""
    bodies = []
    with Client(address) as client:
        if source:
            client.socket.close()
            client.socket = socket.create_connection(address, 10, (source, 0))
        for target in targets:
            answer = client.request("GET", target)
            bodies.append(answer.text if answer.status == 200 else str(answer.status))
    return bodies


def logged(gate, text):
    """The error log, once it says `text`: it is written a little later."""
    wait_until(lambda: text in gate.read("error.log"), 10, lambda: f"{text!r} is not logged: {gate.read('error.log')}")
    return gate.read("error.log")


def dead_address():
    return f"127.0.0.1:{free_port()}"


# Where nginx would have sent it


KEYS = [f"/?k=key{number}" for number in range(120)] + ["/", "/?k=", "/?k=a%20b", "/?k=%D0%BA"]
DEAD = "dead"
GROUPS = {
    "weights": ("", ["weight=5", "weight=1", "weight=2"], ""),
    "weights_and_one_down": ("", ["weight=5", "down", "weight=2"], ""),
    "weights_and_one_dead": ("", ["weight=5", DEAD, "weight=2"], ""),
    "backup": ("", [DEAD, "backup", "backup weight=2"], ""),
    "hash": ("hash $arg_k;", ["", "weight=3", ""], ""),
    "hash_and_one_down": ("hash $arg_k;", ["", "weight=3 down", ""], ""),
    "hash_and_one_dead": ("hash $arg_k;", ["", DEAD, "", "weight=2"], ""),
    "consistent": ("hash $arg_k consistent;", ["", "weight=3", ""], ""),
    "consistent_and_one_down": ("hash $arg_k consistent;", ["", "weight=3 down", "", ""], ""),
    "consistent_and_one_dead": ("hash $arg_k consistent;", ["", DEAD, "", "weight=2"], ""),
    "ip_hash": ("ip_hash;", ["", "weight=3", ""], ""),
    "ip_hash_and_one_down": ("ip_hash;", ["", "weight=3 down", ""], ""),
    "ip_hash_and_one_dead": ("ip_hash;", ["", DEAD, "weight=2"], ""),
    "least_conn": ("least_conn;", ["weight=5", "weight=1", "weight=2"], ""),
    "least_conn_backup": ("least_conn;", [DEAD, "backup", "backup weight=2"], ""),
}


@pytest.mark.skipif(not nginx.installed(), reason="nginx is not installed")
@pytest.mark.parametrize("name", GROUPS)
def test_a_request_goes_to_the_server_that_nginx_would_have_chosen(keepgate, origins, name):
    first, parameters, last = GROUPS[name]
    backends = origins(len(parameters))
    dead = dead_address()
    servers = [(dead, "max_fails=1000") if one == DEAD else (backend, one) for backend, one in zip(backends, parameters)]
    http = group(servers, first, last) + GATE
    gate = keepgate(http)
    peer = nginx.Nginx(http)
    try:
        if name.startswith("ip_hash"):
            sources = [f"127.{number}.{number * 7 % 256}.1" for number in range(1, 60)]
            assert [ask(gate.address(), ["/"], source) for source in sources] == [ask(peer.address, ["/"], source) for source in sources]
        else:
            assert ask(gate.address(), KEYS) == ask(peer.address, KEYS)
    finally:
        peer.close()


@pytest.mark.skipif(not nginx.installed(), reason="nginx is not installed")
@pytest.mark.parametrize("parameters", ["", "max_fails=3", "max_fails=0"])
def test_failing_servers_get_as_many_attempts_as_from_nginx(keepgate, origin, parameters):
    counts = []
    for start in (keepgate, nginx.Nginx):
        backends = [origin(lambda request: Reset()) for _ in range(2)]
        proxy = start(group([(backend, parameters) for backend in backends], "keepalive 0;" if start is keepgate else "") + GATE)
        address = proxy.address() if start is keepgate else proxy.address
        assert ask(address, ["/"] * 8) == ["502"] * 8
        counts.append([len(backend.requests) for backend in backends])
        proxy.close()
    assert counts[0] == counts[1]


def test_the_access_log_tells_of_every_attempt(keepgate, origins):
    (good,) = origins(1)
    dead = dead_address()
    form = "log_format tries '$upstream_addr|$upstream_status|$upstream_response_time';\n"
    server = GATE.replace("location", "access_log tries.log tries; location")
    gate = keepgate(form + group([(dead, ""), (good, "")]) + server)
    assert ask(gate.address(), ["/", "/"]) == ["0", "0"]
    lines = wait_until(lambda: len(gate.read("tries.log").splitlines()) == 2 and gate.read("tries.log").splitlines())
    addresses, statuses, times = lines[0].split("|")
    assert (addresses, statuses) == (f"{dead}, {good.address}", "502, 200")
    assert len(times.split(", ")) == 2
    assert lines[1].split("|")[:2] == [good.address, "200"]


# Servers that fail


def test_a_server_that_cannot_be_reached_is_left_alone_and_the_log_says_so(keepgate, origins):
    (good,) = origins(1)
    gate = keepgate(group([(dead_address(), ""), (good, "")]) + GATE)
    assert ask(gate.address(), ["/"] * 20) == ["0"] * 20
    log = logged(gate, "upstream server temporarily disabled")
    assert log.count("upstream server temporarily disabled") == 1
    assert log.count("while connecting to upstream") == 1, "one attempt, then none for fail_timeout"


def test_a_server_that_comes_back_is_used_again(keepgate, origin, origins):
    (good,) = origins(1)
    broken = threading.Event()
    broken.set()
    flapping = origin(lambda request: Reset() if broken.is_set() else answer_bytes(body=b"back"))
    gate = keepgate(group([(flapping, "fail_timeout=1s"), (good, "")]) + GATE)
    assert set(ask(gate.address(), ["/"] * 6)) == {"0"}
    broken.clear()
    wait_until(lambda: "back" in ask(gate.address(), ["/"]), 10)
    assert Counter(ask(gate.address(), ["/"] * 20))["back"] == 10
    logged(gate, "upstream server is back")


def test_when_all_servers_failed_the_answer_is_502_at_once(keepgate):
    gate = keepgate(group([(dead_address(), ""), (dead_address(), "")]) + GATE)
    assert ask(gate.address(), ["/"] * 3) == ["502"] * 3
    logged(gate, "no live upstreams")


def test_a_failed_server_stays_out_over_a_reload_that_does_not_touch_its_group(keepgate, origin, origins):
    (good,) = origins(1)
    broken = origin(lambda request: Reset())
    http = group([(broken, "fail_timeout=60s"), (good, "")], "zone group 64k;") + GATE
    gate = keepgate(http)
    assert set(ask(gate.address(), ["/"] * 4)) == {"0"}
    seen = len(broken.requests)
    assert seen == 1
    gate.reload(gate.text.replace("access_log off;", "access_log off; keepalive_timeout 30s;"))
    assert set(ask(gate.address(), ["/"] * 6)) == {"0"}
    assert len(broken.requests) == seen


# A server that answers badly


def test_a_server_that_answers_5xx_is_ejected_and_others_take_over(keepgate, origin, origins):
    (good,) = origins(1)
    ill = origin(lambda request: answer_bytes(500))
    gate = keepgate(group([(ill, ""), (good, "")], "outlier_ejection consecutive=3 time=60s;") + GATE)
    answers = Counter(ask(gate.address(), ["/"] * 30))
    assert answers == {"500": 3, "0": 27}
    assert len(ill.requests) == 3
    logged(gate, "upstream server ejected")


def test_without_ejection_it_keeps_its_share(keepgate, origin, origins):
    (good,) = origins(1)
    ill = origin(lambda request: answer_bytes(500))
    gate = keepgate(group([(ill, ""), (good, "")]) + GATE)
    assert Counter(ask(gate.address(), ["/"] * 30)) == {"500": 15, "0": 15}


def test_ejection_spares_the_last_half_of_the_group(keepgate, origin):
    ill = [origin(lambda request: answer_bytes(503)) for _ in range(2)]
    gate = keepgate(group([(one, "") for one in ill], "outlier_ejection consecutive=1 time=60s;") + GATE)
    assert set(ask(gate.address(), ["/"] * 10)) == {"503"}, "an answer, not 'no live upstreams'"


# The retry budget


@pytest.mark.parametrize("budget, retried", [("retry_budget 0% min=1/s;", 10), ("retry_budget off;", 30), ("retry_budget 0% min=0/s;", 0)])
def test_retries_are_bounded(keepgate, origin, origins, budget, retried):
    (good,) = origins(1)
    breaking = origin(lambda request: Reset())
    gate = keepgate(group([(breaking, "max_fails=0"), (good, "max_fails=0")], budget) + GATE)
    answers = Counter(ask(gate.address(), ["/"] * 60))
    # Every other request meets the breaking one first.
    assert (answers["0"], answers["502"]) == (60 - len(breaking.requests) + retried, len(breaking.requests) - retried)
    assert len(breaking.requests) >= 30
    assert len(good.requests) == answers["0"]


# Full servers, and the queue


class Holding:
    """A backend's answer that waits until it is let go; counts who is inside."""

    def __init__(self):
        self.lock = threading.Lock()
        self.inside = self.most = 0
        self.order = []
        self.gates = {}

    def __call__(self, request):
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
            self.order.append(request.target)
            gate = self.gates.setdefault(request.target, threading.Event())
        gate.wait(20)
        with self.lock:
            self.inside -= 1
        return answer_bytes(body=request.target.encode())

    def let_go(self, *targets):
        with self.lock:
            for target in targets:
                self.gates.setdefault(target, threading.Event()).set()

    def arrived(self, target):
        wait_until(lambda: target in self.order, 10, lambda: f"{target} did not arrive: {self.order}")


class Asking(threading.Thread):
    """A request on a connection of its own."""

    def __init__(self, address, target):
        super().__init__(daemon=True)
        self.client = Client(address, timeout=30)
        self.target = target
        self.answer = None
        self.start()

    def run(self):
        try:
            self.answer = self.client.request("GET", self.target)
        except (OSError, AssertionError):
            pass

    @property
    def status(self):
        self.join(30)
        return self.answer.status if self.answer else None


def waiting(gate, count):
    """Until so many requests wait in the line: each says so in the debug log."""
    wait_until(lambda: gate.read("error.log").count("a request waits for a server") >= count, 10, lambda: gate.read("error.log"))


def queued(keepgate, backend, first="", parameters="max_conns=1", workers=1):
    return keepgate(group([(backend, parameters)], first) + GATE, error_log="error.log debug", workers=workers)


def test_a_request_beyond_max_conns_is_refused(keepgate, origin):
    holding = Holding()
    gate = queued(keepgate, origin(holding))
    one = Asking(gate.address(), "/1")
    holding.arrived("/1")
    assert gate.get("/2").status == 502
    holding.let_go("/1", "/3")
    assert one.status == 200
    assert gate.get("/3").status == 200
    assert holding.order == ["/1", "/3"]


def test_requests_wait_in_line_and_are_served_in_their_order(keepgate, origin):
    holding = Holding()
    gate = queued(keepgate, origin(holding), "queue 5;")
    asking = [Asking(gate.address(), "/0")]
    holding.arrived("/0")
    for number in range(1, 4):
        asking.append(Asking(gate.address(), f"/{number}"))
        waiting(gate, number)
    assert holding.order == ["/0"]
    for number in range(4):
        holding.arrived(f"/{number}")
        holding.let_go(f"/{number}")
        assert asking[number].status == 200
    assert holding.order == ["/0", "/1", "/2", "/3"]
    assert holding.most == 1


def test_a_full_line_refuses_the_next_and_no_earlier(keepgate, origin):
    holding = Holding()
    gate = queued(keepgate, origin(holding), "queue 2;")
    asking = [Asking(gate.address(), "/0")]
    holding.arrived("/0")
    for number in (1, 2):
        asking.append(Asking(gate.address(), f"/{number}"))
        waiting(gate, number)
    assert gate.get("/3").status == 502
    holding.let_go("/0", "/1", "/2")
    assert [one.status for one in asking] == [200, 200, 200]
    assert "/3" not in holding.order


def test_who_waits_too_long_gets_502(keepgate, origin):
    holding = Holding()
    gate = queued(keepgate, origin(holding), "queue 2 timeout=300ms;")
    one = Asking(gate.address(), "/1")
    holding.arrived("/1")
    assert gate.get("/2").status == 502
    holding.let_go("/1")
    assert one.status == 200
    assert holding.order == ["/1"]


def test_a_client_that_goes_away_leaves_the_line(keepgate, origin):
    holding = Holding()
    gate = queued(keepgate, origin(holding), "queue 1;")
    one = Asking(gate.address(), "/1")
    holding.arrived("/1")
    with Client(gate.address()) as gone:
        gone.send(b"GET /gone HTTP/1.1\r\nHost: a\r\n\r\n")
        waiting(gate, 1)
        gone.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    stays = None

    def has_a_place():
        nonlocal stays
        stays = Asking(gate.address(), "/2")
        wait_until(lambda: not stays.is_alive() or gate.read("error.log").count("a request waits for a server") >= 2, 10)
        return stays.is_alive()

    wait_until(has_a_place, 10)
    holding.let_go("/1", "/2")
    assert (one.status, stays.status) == (200, 200)
    assert "/gone" not in holding.order


def test_the_line_is_one_for_all_workers_where_there_is_a_zone(keepgate, origin):
    holding = Holding()
    gate = queued(keepgate, origin(holding), "zone group 64k; queue 40;", "max_conns=2", workers=2)
    targets = [f"/{number}" for number in range(24)]
    holding.let_go(*targets)
    asking = [Asking(gate.address(), target) for target in targets]
    assert [one.status for one in asking] == [200] * len(targets)
    assert holding.most <= 2
    assert sorted(holding.order) == sorted(targets)
