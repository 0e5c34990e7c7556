"""Logs that cannot be written, and a process that is stopped: requests go on."""
import os
import signal
import threading

from harness.load import Load
from harness.ports import wait_until
from harness.wire import request_bytes

LOGGED = 'log_format line "$request_uri $http_filler"; server { listen 127.0.0.1:@gate@; location / { access_log %s line; return 200 "one"; } }'
FILLER = "x" * 3000


def ask_many(gate, count):
    """One kept connection; every answer is checked."""
    with gate.connect() as client:
        for number in range(count):
            assert client.request("GET", f"/{number}", [("Filler", FILLER)]).text == "one"


def test_a_pipe_that_nobody_reads_stalls_nobody(keepgate):
    gate = keepgate(LOGGED % "pipe", start=False)
    os.mkfifo(gate.path("pipe"))
    reader = os.open(gate.path("pipe"), os.O_RDONLY | os.O_NONBLOCK)
    try:
        gate.start()
        ask_many(gate, 600)  # More than the pipe and our buffer hold together.
        received = b""

        def drained():
            nonlocal received
            try:
                received += os.read(reader, 1 << 20)
            except BlockingIOError:
                pass
            return "lost" in gate.read("error.log")

        wait_until(drained, 10, "what was lost is not said")
        assert received.startswith(b"/0 xxx")
        assert gate.get("/").text == "one"
    finally:
        os.close(reader)


def test_a_pipe_whose_reader_is_gone_stalls_nobody(keepgate):
    gate = keepgate(LOGGED % "pipe", start=False)
    os.mkfifo(gate.path("pipe"))
    reader = os.open(gate.path("pipe"), os.O_RDONLY | os.O_NONBLOCK)
    gate.start()
    os.close(reader)
    ask_many(gate, 50)
    wait_until(lambda: "takes no more lines" in gate.read("error.log"))
    ask_many(gate, 50)
    assert gate.read("error.log").count("takes no more lines") == 1


def test_a_full_disk_is_said_once_and_stalls_nobody(keepgate):
    gate = keepgate(LOGGED % "/dev/full")
    ask_many(gate, 100)
    wait_until(lambda: "/dev/full" in gate.read("error.log"))
    ask_many(gate, 500)
    assert gate.read("error.log").count("/dev/full") == 1, gate.read("error.log")


def test_a_full_error_log_stalls_nobody(keepgate):
    http = "server { listen 127.0.0.1:@gate@; location / { proxy_pass http://127.0.0.1:1; } location = /ok { return 200 one; } }"
    gate = keepgate(http, error_log="/dev/full")
    for _ in range(50):
        assert gate.get("/").status == 502
    assert gate.get("/ok").text == "one"


def test_opening_the_logs_again_under_load_loses_no_line(keepgate):
    gate = keepgate('log_format line "$status"; server { listen 127.0.0.1:@gate@; location / { access_log access.log line; return 200 "one"; } }', workers=2)
    rotations = 10
    with Load([gate.address()], keep=4, fresh=2) as load:
        for number in range(rotations):
            os.rename(gate.path("access.log"), gate.path(f"access.{number}"))
            gate.kill(signal.SIGUSR1)
            wait_until(lambda: gate.read("access.log").count("\n") >= 5)
        result = load.stop_without_failures(least=50)
    gate.stop(signal.SIGQUIT)
    names = ["access.log"] + [f"access.{number}" for number in range(rotations)]
    count = sum(gate.read(name).count("200\n") for name in names)
    assert count == result["requests"], names


def test_a_stop_and_its_end_lose_no_request(keepgate, origin):
    gate = keepgate("keepalive_timeout 60s; server { listen 127.0.0.1:@gate@; location / { proxy_pass http://@origin@; } }", workers=2, values={"origin": origin().address})
    with gate.connect() as kept:
        assert kept.request("GET", "/kept").status == 200
        gate.kill(signal.SIGSTOP)
        wait_until(gate.stands_still)  # Its threads stop one after another.
        answers = []

        def ask():
            answers.append(gate.get("/fresh").status)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        kept.send(request_bytes("GET", "/during"))
        threads[0].join(2)
        answered = list(answers)
        gate.kill(signal.SIGCONT)
        assert not answered, "it stands still"
        for thread in threads:
            thread.join(10)
        assert answers == [200] * 8
        assert kept.read_response().status == 200
