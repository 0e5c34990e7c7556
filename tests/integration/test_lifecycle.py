"""Signals, reload and shutdown: what is under way is finished, what is wrong changes nothing."""
import os
import signal
import threading
import time

import pytest

from harness.origin import answer_bytes
from harness.ports import can_connect, wait_until
from harness.wire import request_bytes

SAYS = 'server { listen 127.0.0.1:@gate@; location / { return 200 "%s"; } }'


def test_hup_loads_a_good_file(keepgate):
    gate = keepgate(SAYS % "one")
    assert gate.get("/").text == "one"
    gate.reload(gate.text.replace('"one"', '"two"'))
    wait_until(lambda: gate.get("/").text == "two")


def test_hup_with_a_bad_file_keeps_the_old_configuration_and_says_why(keepgate):
    gate = keepgate(SAYS % "one")
    gate.reload(gate.text.replace("return 200", "retrun 200"))
    wait_until(lambda: "retrun" in gate.read("error.log") + gate.read("stderr"))
    for _ in range(5):
        assert gate.get("/").text == "one"
    gate.reload(gate.text.replace("retrun 200", "return 200").replace('"one"', '"three"'))
    wait_until(lambda: gate.get("/").text == "three")


def test_a_reload_opens_and_closes_ports(keepgate):
    gate = keepgate(SAYS % "one")
    more = gate.text.replace("http {", 'http {\nserver { listen 127.0.0.1:@more@; location / { return 200 "more"; } }')
    gate.reload(more)
    wait_until(lambda: can_connect(gate.address("more")))
    assert gate.get("/", name="more").text == "more"
    gate.reload(gate.text.replace('server { listen 127.0.0.1:%d; location / { return 200 "more"; } }' % gate.port("more"), ""))
    wait_until(lambda: not can_connect(gate.address("more")))
    assert gate.get("/").text == "one"


def test_a_reload_under_load_loses_nothing(keepgate, origin):
    backend = origin()
    gate = keepgate("server { listen 127.0.0.1:@gate@; location / { proxy_pass http://@origin@; } }", workers=2, values={"origin": backend.address})
    stop, failures, count = threading.Event(), [], [0]

    def ask():
        while not stop.is_set():
            try:
                answer = gate.get("/")
                if answer.status != 200:
                    failures.append(answer.status)
                count[0] += 1
            except (OSError, AssertionError) as error:
                failures.append(repr(error))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(15):
        gate.reload()
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures, failures[:5]
    assert count[0] > 15


def test_a_connection_kept_open_lives_through_a_reload(keepgate):
    gate = keepgate(SAYS % "one")
    with gate.connect() as client:
        assert client.request("GET", "/").text == "one"
        gate.reload(gate.text.replace('"one"', '"two"'))
        wait_until(lambda: gate.get("/").text == "two")
        assert client.request("GET", "/").text in ("one", "two")


def slow_origin(origin, started, go_on):
    def answer(request):
        def send(connection):
            connection.socket.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
            started.set()
            go_on.wait(10)
            connection.socket.sendall(b"last.")
            return True

        return send

    return origin(answer)


PROXY = "server { listen 127.0.0.1:@gate@; location / { proxy_pass http://@origin@; } }"


def test_quit_finishes_what_is_under_way(keepgate, origin):
    started, go_on = threading.Event(), threading.Event()
    gate = keepgate(PROXY, values={"origin": slow_origin(origin, started, go_on).address})
    with gate.connect() as client:
        client.send(request_bytes("GET", "/"))
        assert started.wait(10)
        gate.kill(signal.SIGQUIT)
        wait_until(lambda: not can_connect(gate.address()), 2, "new connections are refused, not left waiting in the backlog")
        assert gate.process.poll() is None
        go_on.set()
        answer = client.read_response()
        assert (answer.status, answer.body, answer.complete) == (200, b"firstlast.", True)
        assert client.closed_by_peer()
        assert gate.process.wait(10) == 0


def test_quit_closes_connections_that_wait_for_a_request(keepgate):
    gate = keepgate(SAYS % "one")
    with gate.connect() as fresh, gate.connect() as used:
        assert used.request("GET", "/").text == "one"
        gate.kill(signal.SIGQUIT)
        assert used.closed_by_peer()
        assert fresh.closed_by_peer(), "it has sent nothing: nobody is hurt"
        assert gate.process.wait(10) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_term_and_int_end_at_once(keepgate, origin, number):
    started, go_on = threading.Event(), threading.Event()
    gate = keepgate(PROXY, values={"origin": slow_origin(origin, started, go_on).address})
    with gate.connect() as client:
        client.send(request_bytes("GET", "/"))
        assert started.wait(10)
        begun = time.monotonic()
        gate.kill(number)
        assert gate.process.wait(10) == 0
        assert time.monotonic() - begun < 5
        try:
            assert not client.read_response().complete, "a cut answer does not look whole"
        except AssertionError as error:
            assert "ended" in str(error)
    go_on.set()
    assert not os.path.exists(gate.path("keepgate.pid"))


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_workers_share_the_port(keepgate, origin, workers):
    backend = origin()
    gate = keepgate(PROXY, workers=workers, values={"origin": backend.address})
    for number in range(40):
        assert gate.get(f"/{number}").status == 200
    assert len(backend.requests) == 40


def test_usr1_opens_the_logs_again(keepgate):
    gate = keepgate('server { listen 127.0.0.1:@gate@; location / { access_log access.log; return 200 ok; } }')
    gate.get("/before")
    wait_until(lambda: "/before" in gate.read("access.log"))
    os.rename(gate.path("access.log"), gate.path("access.log.1"))
    gate.kill(signal.SIGUSR1)
    wait_until(lambda: os.path.exists(gate.path("access.log")))
    gate.get("/after")
    wait_until(lambda: "/after" in gate.read("access.log"))
    assert "/after" not in gate.read("access.log.1") and "/before" in gate.read("access.log.1")


def test_the_pid_file_is_there_while_it_runs(keepgate):
    gate = keepgate(SAYS % "one")
    assert gate.read("keepgate.pid").strip() == str(gate.process.pid)
    assert gate.stop() == 0
    assert not os.path.exists(gate.path("keepgate.pid"))


def test_a_client_that_goes_away_disturbs_nobody(keepgate, origin):
    started, go_on = threading.Event(), threading.Event()
    gate = keepgate(PROXY, values={"origin": slow_origin(origin, started, go_on).address})
    client = gate.connect()
    client.send(request_bytes("GET", "/"))
    assert started.wait(10)
    client.close()
    go_on.set()
    assert gate.get("/").status == 200


def test_slow_heads_are_timed_out_and_others_served(keepgate):
    gate = keepgate('client_header_timeout 300ms; ' + SAYS % "one")
    with gate.connect(timeout=5) as slow:
        slow.send("GET / HTTP/1.1\r\nHost:")
        assert gate.get("/").text == "one"
        data = slow.read_to_end()
    assert data == b"" or data.startswith(b"HTTP/1.1 408")


def test_an_idle_connection_is_closed_after_keepalive_timeout(keepgate):
    gate = keepgate("keepalive_timeout 300ms; " + SAYS % "one")
    with gate.connect(timeout=5) as client:
        assert client.request("GET", "/").text == "one"
        assert client.closed_by_peer()


def test_few_file_descriptors_do_not_stop_it(keepgate):
    import resource

    gate = keepgate(SAYS % "one")
    resource.prlimit(gate.process.pid, resource.RLIMIT_NOFILE, (40, 40))
    held = []
    for _ in range(60):
        try:
            held.append(gate.connect(timeout=1))
        except OSError:
            break
    for client in held:
        client.close()
    wait_until(lambda: ask_quietly(gate) == "one", 10)


def ask_quietly(gate):
    try:
        return gate.get("/").text
    except (OSError, AssertionError):
        return None


def test_it_answers_while_an_upstream_hangs(keepgate, origin):
    held = threading.Event()
    backend = origin(lambda request: answer_bytes() if request.target == "/fast" else lambda connection: held.wait(10) and False)
    gate = keepgate(PROXY, values={"origin": backend.address})
    clients = [gate.connect() for _ in range(30)]
    for client in clients:
        client.send(request_bytes("GET", "/slow"))
    for _ in range(10):
        assert gate.get("/fast").status == 200
    held.set()
    for client in clients:
        client.close()
