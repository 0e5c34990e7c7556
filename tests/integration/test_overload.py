"""Too many connections, too few descriptors, many slow clients, a clock that jumps: served as far as possible, recovered
without a restart, and never at the price of a busy loop or of memory without bound."""
import os
import resource
import shutil
import subprocess
import time

import pytest

from harness.origin import answer_bytes
from harness.ports import wait_until
from harness.wire import Truncated, request_bytes

CONF = """daemon off; worker_processes 1; pid keepgate.pid; error_log error.log info; %s
events { worker_connections %d; }
http { access_log off; %s server { listen 127.0.0.1:@gate@; location / { return 200 ok; }
 location /up { proxy_pass http://@origin@; } } }
"""


def gate_with(keepgate, connections=512, http="", main="", origin="127.0.0.1:1"):
    return keepgate(text=CONF % (main, connections, http), values={"origin": origin})


def idle_clients(gate, count):
    """Keep-alive connections that have carried one request each."""
    clients = []
    for _ in range(count):
        clients.append(gate.connect())
        assert clients[-1].request("GET", "/").status == 200
    return clients


def busy_client(gate):
    """A connection in the middle of a head; if it is accepted."""
    client = gate.connect(timeout=5)
    try:
        client.send(b"GET / HTTP/1.1\r\nHost:")
    except OSError:
        pass
    return client


def busy_clients(gate, count, pause=0.01):
    """The pause lets the program see the bytes: whoever has not sent one makes room for the next."""
    clients = []
    for _ in range(count):
        clients.append(busy_client(gate))
        time.sleep(pause)  # So that they differ in age: the oldest is the first to make room.
    return clients


def busy_until(gate, condition):
    clients = []
    while not condition():
        assert len(clients) < 500, "that should be enough"
        clients += busy_clients(gate, 1)
    return clients


def answered(gate, target="/"):
    try:
        return gate.get(target).status
    except (OSError, AssertionError):
        return None


def answered_within(gate, seconds):
    try:
        with gate.connect(timeout=seconds) as client:
            return client.request("GET", "/").status
    except (OSError, AssertionError):
        return None


def is_open(client):
    """Does the connection still answer?"""
    try:
        return client.request("GET", "/").status == 200
    except (OSError, Truncated):
        return False


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def descriptors(gate):
    return len(os.listdir(f"/proc/{gate.process.pid}/fd"))


def limit_descriptors(gate, count):
    resource.prlimit(gate.process.pid, resource.RLIMIT_NOFILE, (count, count))


def assert_idles(gate, seconds=1.0, share=0.3):
    before = cpu_seconds(gate.process.pid)
    time.sleep(seconds)  # The window in which its CPU time is counted.
    assert cpu_seconds(gate.process.pid) - before < seconds * share, "it spins"


def test_idle_connections_make_room_oldest_first(keepgate):
    gate = gate_with(keepgate, 40)
    clients = idle_clients(gate, 60)
    assert is_open(clients[-1]), "the newest is kept"
    assert not is_open(clients[0]), "the oldest went"
    assert sum(is_open(client) for client in clients) >= 20
    reused = "40 worker_connections are not enough, reusing connections"
    wait_until(lambda: reused in gate.read("error.log"))
    assert gate.read("error.log").count(reused) <= 3, "not a line a connection"


def test_lingering_connections_make_room_too(keepgate):
    gate = gate_with(keepgate, 20, "client_max_body_size 10; lingering_timeout 20s;")
    lingering = []
    for _ in range(40):
        lingering.append(gate.connect())
        lingering[-1].send(request_bytes("POST", "/up", {"Content-Length": "100000"}) + b"y" * 100)
        assert lingering[-1].read_response().status == 413
    assert gate.get("/").status == 200


def test_connections_beyond_the_limit_are_refused_with_a_line(keepgate):
    gate = gate_with(keepgate, 20)
    busy = busy_until(gate, lambda: "20 worker_connections are not enough\n" in gate.read("error.log"))
    assert answered(gate) is None
    assert gate.read("error.log").count("worker_connections are not enough\n") <= 3, "not a line a connection"
    for client in busy:
        client.close()
    wait_until(lambda: answered(gate) == 200)


def test_the_limit_itself_is_not_too_many(keepgate):
    """The listener counts as in nginx: 20 leave 19."""
    gate = gate_with(keepgate, 20)
    wait_until(lambda: answered(gate) == 200)
    busy = busy_clients(gate, 18)
    last = gate.connect()
    assert last.request("GET", "/").status == 200
    assert "are not enough\n" not in gate.read("error.log")
    assert len(busy) == 18


def test_upstream_connections_count_too(keepgate, origin):
    backend = origin()
    gate = gate_with(keepgate, 20, origin=backend.address)
    busy = busy_clients(gate, 18)
    last = gate.connect()
    assert last.request("GET", "/up").status in (500, 502, 503), "there is no room for the upstream connection"
    assert not backend.requests
    for client in busy[:9]:
        client.close()
    wait_until(lambda: last.request("GET", "/up").status == 200)


def test_idle_clients_make_room_for_an_upstream(keepgate, origin):
    backend = origin()
    gate = gate_with(keepgate, 20, origin=backend.address)
    idle = idle_clients(gate, 17)
    with gate.connect() as client:
        assert client.request("GET", "/up").status == 200
    assert sum(is_open(one) for one in idle) >= 10


def test_keepalive_min_timeout_protects_from_making_room(keepgate):
    gate = gate_with(keepgate, 20, "keepalive_min_timeout 20s;")
    clients = idle_clients(gate, 19)
    assert answered(gate) is None
    assert all(is_open(client) for client in clients)
    gate = gate_with(keepgate, 20, "keepalive_min_timeout 100ms;")
    clients = idle_clients(gate, 18)
    time.sleep(0.3)  # Past keepalive_min_timeout: from here on they may be closed.
    assert answered(gate) == 200, "after it they make room like others"
    assert not is_open(clients[0])


def test_keepalive_min_timeout_and_the_end_of_the_program(keepgate):
    import signal

    gate = gate_with(keepgate, 64, "keepalive_min_timeout 600ms;")
    (client,) = idle_clients(gate, 1)
    gate.kill(signal.SIGQUIT)
    time.sleep(0.2)  # Nothing may happen in this time; there is nothing to wait for.
    answer = client.request("GET", "/")
    assert answer.status == 200 and answer.get("Connection") == "close", "not closed under the client's hands"
    assert gate.process.wait(10) == 0


def test_few_descriptors_idle_connections_go_first(keepgate):
    gate = gate_with(keepgate)
    limit_descriptors(gate, 64)
    clients = idle_clients(gate, 100)
    assert is_open(clients[-1]) and not is_open(clients[0])
    wait_until(lambda: "accept4() failed (24: Too many open files)" in gate.read("error.log"))
    assert gate.read("error.log").count("accept4() failed") <= 3


def test_no_descriptors_at_all_no_spinning_and_recovery(keepgate):
    gate = gate_with(keepgate)
    limit_descriptors(gate, 64)
    busy = busy_until(gate, lambda: "accept4() failed" in gate.read("error.log"))
    busy += busy_clients(gate, 20)
    assert_idles(gate)
    assert answered_within(gate, 0.3) is None
    assert 1 <= gate.read("error.log").count("accept4() failed (24: Too many open files)") <= 3
    for client in busy:
        client.close()
    wait_until(lambda: answered(gate) == 200)


def test_no_descriptor_for_an_upstream(keepgate, origin):
    backend = origin()
    gate = gate_with(keepgate, origin=backend.address)
    client = gate.connect()
    assert client.request("GET", "/").status == 200
    busy = busy_clients(gate, 20)
    wait_until(lambda: answered(gate) == 200)
    time.sleep(0.2)  # Descriptors that are just being closed are gone then.
    taken = {int(name) for name in os.listdir(f"/proc/{gate.process.pid}/fd")}
    limit_descriptors(gate, next(number for number in range(10_000) if number not in taken))
    assert client.request("GET", "/up").status in (500, 502, 503)
    assert client.request("GET", "/").status == 200
    assert not backend.requests
    busy[0].close()
    busy[1].close()
    wait_until(lambda: client.request("GET", "/up").status == 200), "the server was not counted as failed"


def test_worker_rlimit_nofile_is_set(keepgate):
    gate = gate_with(keepgate, main="worker_rlimit_nofile 300;")
    assert resource.prlimit(gate.process.pid, resource.RLIMIT_NOFILE)[0] == 300
    wait_until(lambda: "exceed open file resource limit: 300" in gate.read("error.log"))
    gate.reload(gate.text.replace("nofile 300", "nofile 700"))
    wait_until(lambda: resource.prlimit(gate.process.pid, resource.RLIMIT_NOFILE)[0] == 700)


def resident_bytes(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


IDLE_BYTES_MAX, SLOW_BYTES_MAX = 4 * 1024, 32 * 1024


@pytest.mark.alone
def test_memory_of_idle_and_of_slow_connections_is_bounded(keepgate):
    count = 1000
    needed = 2 * count + 200
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < needed:
        pytest.skip("too few descriptors for the test itself")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    gate = gate_with(keepgate, 4 * count, main=f"worker_rlimit_nofile {min(hard, 8192)};")
    idle_clients(gate, 20)
    base = resident_bytes(gate.process.pid)
    idle = idle_clients(gate, count)
    with_idle = resident_bytes(gate.process.pid)
    slow = busy_clients(gate, count, pause=0)
    assert gate.get("/").status == 200, "another client is served"
    wait_until(lambda: descriptors(gate) > 2 * count)
    with_slow = resident_bytes(gate.process.pid)
    assert is_open(idle[0])
    per_idle, per_slow = (with_idle - base) // count, (with_slow - with_idle) // count
    print(f"idle: {per_idle} bytes a connection, slow: {per_slow}")
    if "san" not in os.environ.get("KEEPGATE_BIN", ""):
        assert per_idle <= IDLE_BYTES_MAX and per_slow <= SLOW_BYTES_MAX
    for client in slow:
        client.close()
    wait_until(lambda: descriptors(gate) < 1.2 * count)
    assert gate.get("/").status == 200


STEPPED_CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t clock, struct timespec *out) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  int result = real(clock, out);
  char text[32] = {0};
  int file = open(getenv("STEP_FILE"), O_RDONLY | O_CLOEXEC);
  if (file < 0) return result;
  if (clock == CLOCK_REALTIME && read(file, text, sizeof text - 1) > 0) out->tv_sec += atol(text);
  close(file);
  return result;
}
"""


@pytest.fixture
def clock(tmp_path, monkeypatch):
    """A wall clock that the test can step: clock(seconds)."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if not compiler or "san" in os.environ.get("KEEPGATE_BIN", ""):
        pytest.skip("needs a C compiler and a program without sanitizers")
    (tmp_path / "clock.c").write_text(STEPPED_CLOCK)
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", tmp_path / "clock.so", tmp_path / "clock.c", "-ldl"], check=True)
    (tmp_path / "step").write_text("0")
    monkeypatch.setenv("LD_PRELOAD", str(tmp_path / "clock.so"))
    monkeypatch.setenv("STEP_FILE", str(tmp_path / "step"))

    def step(seconds):
        (tmp_path / "next").write_text(str(seconds))
        os.replace(tmp_path / "next", tmp_path / "step")

    return step


YEARS = 10 * 365 * 86400


@pytest.mark.alone
@pytest.mark.parametrize("step", [3600, -3600, YEARS, -YEARS])
def test_a_step_of_the_clock_disturbs_neither_timers_nor_limits(keepgate, origin, clock, step):
    backend = origin(lambda request: (time.sleep(0.3), answer_bytes())[1] if request.target == "/up/slow" else answer_bytes())
    gate = gate_with(
        keepgate, origin=backend.address, http="keepalive_timeout 20s; limit_req_zone $arg_k zone=z:1m rate=10r/s; limit_req zone=z burst=1;"
    )
    with gate.connect() as idle, gate.connect() as waiting:
        before = idle.request("GET", "/")
        waiting.send(request_bytes("GET", "/up/slow"))
        wait_until(lambda: backend.requests)
        clock(step)
        assert waiting.read_response().status == 200, "a request that was under way"
        after = idle.request("GET", "/")
        assert after.status == 200, "an idle connection"
        assert before.get("Date")[8:] != after.get("Date")[8:], "the clock did step"
    started = time.monotonic()
    with gate.connect() as client:
        client.send(request_bytes("GET", "/up?k=a") * 3)
        assert sorted(client.read_response().status for _ in range(3)) == [200, 200, 503] or time.monotonic() - started > 0.1
        wait_until(lambda: client.request("GET", "/up?k=a").status == 200, 5, "the limit is stuck")
    assert_idles(gate, 0.3, 0.5)
