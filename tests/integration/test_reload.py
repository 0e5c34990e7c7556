"""Reload and shutdown under load: whoever asks gets an answer, whatever changes underneath."""
import os
import re
import signal
import socket
import threading

import pytest

from harness.jose import claims
from harness.load import Load
from harness.origin import answer_bytes
from harness.ports import can_connect, wait_until
from harness.wire import request_bytes

LONG = bool(os.environ.get("KEEPGATE_LONG_TESTS"))
ROUNDS = 200 if LONG else 20
SAYS = 'server { listen 127.0.0.1:@gate@; location / { return 200 "one"; } }'
PROXY = "server { listen 127.0.0.1:@gate@; location / { proxy_pass http://@origin@; } }"
RECONFIGURED = re.compile("reconfigured")


def with_more(gate, listens):
    """The configuration with these further `listen`s."""
    lines = "".join(f"listen {one};\n" for one in listens)
    return gate.text.replace("server {", "server {\n" + lines, 1)


def reload(gate, text):
    """Returns when the reload is done: the log says so once more."""
    before = len(RECONFIGURED.findall(gate.read("error.log")))
    gate.configure(text)
    gate.kill(signal.SIGHUP)
    wait_until(lambda: len(RECONFIGURED.findall(gate.read("error.log"))) > before or gate.exited(), 20, gate.words)


def test_listeners_come_and_go_under_load_and_nobody_notices(keepgate):
    gate = keepgate(SAYS, workers=2)
    base = gate.text
    gate.substitute(re.match("@(more)@", "@more@"))
    with Load([gate.address()]) as load:
        for number in range(ROUNDS):
            more = [f"127.0.0.1:{gate.port('more')}"] if number % 2 else []
            reload(gate, with_more(gate, more) if more else base)
            gate.text = base
        load.stop_without_failures(least=100)


def established(port):
    """Connections of the server's side that are open."""
    return os.popen(f"ss -Htn state established 'sport = :{port}'").read()


def test_a_port_that_is_closed_answers_those_who_are_in(keepgate):
    gate = keepgate(SAYS.replace("location", "listen 127.0.0.1:@more@; location", 1), workers=2)
    without = gate.text.replace(f"listen 127.0.0.1:{gate.port('more')};", "")
    gate.substitute(re.match("@(gate)@", "@gate@"))
    for _ in range(5 if LONG else 2):
        both = gate.text
        with Load([gate.address("more")]) as load:
            reload(gate, without)
            wait_until(lambda: not can_connect(gate.address("more")), 10)
            wait_until(lambda: not established(gate.port("more")), 10, "connections are kept on a port that is gone")
            result = load.stop_without_failures(least=20)
            assert result["closed"] >= 8, "connections that were kept are told to close"
        assert gate.get("/").text == "one"
        reload(gate, both)
        wait_until(lambda: can_connect(gate.address("more")), 10)


def test_a_connection_on_a_port_that_goes_is_served_once_more_and_told(keepgate):
    gate = keepgate(SAYS.replace("location", "listen 127.0.0.1:@more@; location", 1))
    without = gate.text.replace(f"listen 127.0.0.1:{gate.port('more')};", "").replace('"one"', '"two"')
    with gate.connect("more") as there, gate.connect("gate") as here:
        assert there.request("GET", "/").text == "one" and here.request("GET", "/").text == "one"
        reload(gate, without)
        answer = there.request("GET", "/")
        assert (answer.text, answer.get("Connection")) == ("one", "close")
        answer = here.request("GET", "/")
        assert (answer.text, answer.get("Connection")) == ("two", None)


@pytest.mark.parametrize("first, second", [("127.0.0.1", "0.0.0.0"), ("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "[::]")])
def test_a_wildcard_replaces_an_address_and_the_reverse(keepgate, first, second):
    option = " ipv6only=off" if second == "[::]" else ""
    gate = keepgate(SAYS.replace("127.0.0.1", first), workers=2)
    one = gate.text
    two = gate.text.replace(f"listen {first}:{gate.port()}", f"listen {second}:{gate.port()}{option}")
    assert one != two
    with Load([gate.address()], keep=4, fresh=2) as load:
        for _ in range(2):
            reload(gate, two)
            reload(gate, one)
        load.stop_without_failures(least=10)


def test_an_address_and_its_wildcard_stand_beside_each_other(keepgate):
    gate = keepgate('server { listen 127.0.0.1:@gate@; location / { return 200 "address"; } }'
                    'server { listen @gate@; location / { return 200 "wildcard"; } }')
    assert gate.get("/").text == "address"
    with socket.create_connection(("127.0.0.2", gate.port())) as client:
        client.sendall(request_bytes("GET", "/", [("Connection", "close")]))
        assert client.makefile("rb").read().endswith(b"wildcard")


def test_options_of_a_listen_take_effect(keepgate):
    gate = keepgate(SAYS)
    line = f"listen 127.0.0.1:{gate.port()}"
    queue = lambda: int(os.popen(f"ss -Hltn 'sport = :{gate.port()}'").read().split()[2])
    assert queue() == 511
    reload(gate, gate.text.replace(line, line + " backlog=77"))
    assert queue() == 77
    other = '\nserver { %s default_server; location / { return 200 "other"; } }' % line
    reload(gate, gate.text.replace(" backlog=77", "").rstrip().rstrip("}") + other + "}\n")
    wait_until(lambda: gate.get("/").text == "other")


def test_tls_can_be_turned_on_and_off(keepgate, authority):
    certificate, key = authority.issue("127.0.0.1")
    gate = keepgate(f"ssl_certificate {certificate}; ssl_certificate_key {key};" + SAYS)
    line = f"listen 127.0.0.1:{gate.port()}"
    with gate.connect() as kept:
        assert kept.request("GET", "/").text == "one"
        reload(gate, gate.text.replace(line, line + " ssl"))
        answer = kept.request("GET", "/")
        assert (answer.text, answer.get("Connection")) == ("one", "close"), "it goes on in clear, once"
    with gate.connect(tls=authority.client_context(), server_name="127.0.0.1") as secure:
        assert secure.request("GET", "/").text == "one"
    reload(gate, gate.text.replace(line + " ssl", line))
    assert gate.get("/").text == "one"


def test_workers_come_and_go_under_load(keepgate):
    gate = keepgate(SAYS + 'server { listen unix:gate.sock; location / { return 200 "one"; } }', workers=1)
    with Load([gate.address(), gate.path("gate.sock")], keep=4, fresh=2) as load:
        for count in (4, 2, 3, 1, 2):
            reload(gate, re.sub("worker_processes [0-9]+", f"worker_processes {count}", gate.text))
            wait_until(lambda: len(worker_threads(gate)) == count, 10, lambda: str(worker_threads(gate)))
        load.stop_without_failures(least=100)


def worker_threads(gate):
    names = []
    for task in os.listdir(f"/proc/{gate.process.pid}/task"):
        try:
            with open(f"/proc/{gate.process.pid}/task/{task}/comm", encoding="utf-8") as file:
                names.append(file.read().strip())
        except OSError:
            pass
    return [name for name in names if name.startswith("kg-worker")]


def test_a_reload_that_cannot_bind_changes_nothing(keepgate):
    gate = keepgate(SAYS)
    good = gate.text
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        gate.substitute(re.match("@(more)@", "@more@"))
        more = [f"127.0.0.1:{gate.port('more')}", f"127.0.0.1:{taken}"]
        gate.reload(with_more(gate, more).replace('"one"', '"two"'))
        wait_until(lambda: f"bind() to 127.0.0.1:{taken} failed" in gate.read("error.log"))
        assert gate.get("/").text == "one"
        assert not can_connect(gate.address("more")), "what had been bound already is closed again"
    reload(gate, good.replace('"one"', '"two"'))
    wait_until(lambda: gate.get("/").text == "two")


def test_downloads_and_uploads_live_through_reloads(keepgate, origin):
    started, go_on = threading.Event(), threading.Event()

    def answer(request):
        if request.method == "POST":
            return answer_bytes(body=str(len(request.body)).encode())

        def send(connection):
            connection.socket.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b"a" * 100000)
            started.set()
            go_on.wait(20)
            connection.socket.sendall(b"b" * 200000)
            return True

        return send

    gate = keepgate("server { listen 127.0.0.1:@gate@; listen 127.0.0.1:@more@; location / { proxy_pass http://@origin@; } }", workers=2, values={"origin": origin(answer).address})
    without = gate.text.replace(f"listen 127.0.0.1:{gate.port('more')};", "")
    with gate.connect("more") as loading, gate.connect("more") as saving:
        loading.send(request_bytes("GET", "/"))
        saving.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n" + b"x" * 1000)
        assert started.wait(10)
        for text in (without, gate.text, without):
            reload(gate, text)
        go_on.set()
        saving.send(b"x" * 199000)
        answer = loading.read_response()
        assert (len(answer.body), answer.complete) == (300000, True)
        assert saving.read_response().text == "200000"


def test_quit_under_load_loses_nothing(keepgate):
    gate = keepgate(SAYS, workers=2)
    with Load([gate.address()]) as load:
        gate.kill(signal.SIGQUIT)
        assert gate.process.wait(15) == 0
        load.stop_without_failures(least=20)


def test_quit_waits_for_a_kept_connection_only_a_moment(keepgate):
    gate = keepgate("keepalive_timeout 60s; " + SAYS)
    with gate.connect() as kept:
        assert kept.request("GET", "/").text == "one"
        gate.kill(signal.SIGQUIT)
        wait_until(lambda: kept.request("GET", "/").get("Connection") == "close", 10, "requests that cross the signal are answered")
        assert kept.closed_by_peer()
    assert gate.process.wait(10) == 0


@pytest.mark.parametrize("timeout, cut", [("300ms", True), ("20s", False)])
def test_worker_shutdown_timeout_ends_what_takes_too_long(keepgate, origin, timeout, cut):
    started, go_on = threading.Event(), threading.Event()

    def answer(request):
        def send(connection):
            connection.socket.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
            started.set()
            go_on.wait(10)
            connection.socket.sendall(b"last.")
            return True

        return send

    gate = keepgate(PROXY, main=f"worker_shutdown_timeout {timeout};\n", values={"origin": origin(answer).address})
    with gate.connect() as client:
        client.send(request_bytes("GET", "/"))
        assert started.wait(10)
        gate.kill(signal.SIGQUIT)
        if not cut:
            wait_until(lambda: not can_connect(gate.address()), 10)
            assert gate.process.poll() is None
            go_on.set()
        data = client.read_to_end()
        assert data.endswith(b"first" if cut else b"firstlast.")
        assert gate.process.wait(10) == 0
    go_on.set()


def test_two_programs_on_one_port_never_both_start(keepgate):
    """Started at the same moment, at most one gets the port; who does not says so. In the worst case they refuse each other."""
    gates = [keepgate(SAYS, start=False, workers=2) for _ in range(2)]
    gates[1].ports.update(gates[0].ports)
    gates[1].configure(gates[0].text)
    for _ in range(10 if LONG else 3):
        processes = [gate.spawn() for gate in gates]
        wait_until(lambda: any(one.poll() is not None for one in processes), 10, "both serve")
        loser = 0 if processes[0].poll() is not None else 1
        assert processes[loser].returncode == 1
        assert "Address already in use" in gates[loser].words()
        winner = 1 - loser
        wait_until(lambda: processes[winner].poll() is not None or can_connect(gates[0].address()), 10)
        if processes[winner].poll() is None:
            processes[winner].terminate()
            assert processes[winner].wait(10) == 0
        else:
            assert processes[winner].returncode == 1
            assert "Address already in use" in gates[winner].words()
    for gate in gates:
        gate.process = None


def test_it_starts_again_right_after_it_was_killed(keepgate):
    gate = keepgate(SAYS + 'server { listen unix:gate.sock; location / { return 200 "one"; } }', workers=2)
    for _ in range(3):
        with gate.connect() as kept:
            assert kept.request("GET", "/").text == "one"
            gate.kill(signal.SIGKILL)
            gate.process.wait(10)
        assert os.path.exists(gate.path("gate.sock")) and os.path.exists(gate.path("keepgate.pid"))
        gate.start()
        assert gate.get("/").text == "one"
        assert can_connect(gate.path("gate.sock"))


def resident_kib(gate):
    with open(f"/proc/{gate.process.pid}/status", encoding="ascii") as status:
        return int(next(line for line in status if line.startswith("VmRSS")).split()[1])


def test_what_an_old_configuration_verified_is_not_kept(keepgate, jose):
    """Each reload verifies anew: tokens that only the configurations before had verified are given up with them."""
    gate = keepgate(
        'server { listen 127.0.0.1:@gate@; auth_jwt "x"; auth_jwt_key_file keys.json; location /v { authorize off; return 200 "0"; } '
        "location / { proxy_pass http://127.0.0.1:1; } }",
        files={"keys.json": jose.set_of(jose.key("HS256"))},
    )
    tokens = [jose.sign("HS256", claims() | {"sub": f"user{number}", "note": "n" * 3000}) for number in range(150)]

    def use(number):
        gate.configure(gate.text.replace(f'200 "{number}"', f'200 "{number + 1}"'))
        gate.reload()
        with gate.connect() as client:
            for token in tokens:
                assert client.request("GET", "/x", {"Authorization": f"Bearer {token}"}).status == 502

    for number in range(4):
        use(number)
    before = resident_kib(gate)
    for number in range(4, 12):
        use(number)
    grown = resident_kib(gate) - before
    print(f"{grown} KiB more after 8 reloads")
    if "san" not in os.environ.get("KEEPGATE_BIN", ""):
        assert grown < 4000, "8 times 150 tokens of 8 KiB and more would be some 10 MiB"
