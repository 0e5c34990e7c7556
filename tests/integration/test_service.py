"""What a service manager gives and asks: sd_notify, the watchdog, sockets, the user; and the unit files."""
import ctypes
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess

import pytest

from harness.gate import ROOT, binary
from harness.ports import can_connect, wait_until
from test_replace import finish, replace, start_with

SAYS = 'server { listen 127.0.0.1:@gate@; location / { return 200 "one"; } }'
UNITS = os.path.join(ROOT, "packaging", "systemd")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the user")


class Manager:
    """A fake of the socket that a service manager listens on."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + path[1:] if path.startswith("@") else path)
        self.socket.settimeout(15)

    def next(self):
        return dict(line.split("=", 1) for line in self.socket.recv(4096).decode().splitlines())

    def wait(self, key):
        """The next message with this key."""
        while True:
            message = self.next()
            if key in message:
                return message

    def wait_none(self, key, seconds):
        """Whether there is no message with this key for so long."""
        self.socket.settimeout(seconds)
        try:
            return self.wait(key) is None
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(15)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


@pytest.mark.parametrize("abstract", [False, True])
def test_it_says_when_it_is_ready_reloading_and_stopping(keepgate, abstract):
    gate = keepgate(SAYS, start=False)
    path = "@keepgate-test-%d" % os.getpid() if abstract else gate.path("notify")
    with Manager(path) as manager:
        start_with(gate, {"NOTIFY_SOCKET": path})
        ready = manager.next()
        assert ready["READY"] == "1" and ready["STATUS"].startswith("serving with 1 workers, configuration ")
        gate.reload()
        message = manager.next()
        assert message["RELOADING"] == "1" and int(message["MONOTONIC_USEC"]) > 0
        assert manager.next()["READY"] == "1"
        gate.reload(gate.text.replace("return 200", "retrun 200"))
        assert manager.next()["RELOADING"] == "1" and manager.next()["READY"] == "1"
        assert "failed" in manager.next()["STATUS"]
        gate.kill(signal.SIGQUIT)
        assert manager.next()["STOPPING"] == "1"
        assert gate.process.wait(10) == 0


def test_it_is_not_ready_when_it_cannot_start(keepgate):
    gate = keepgate(SAYS, start=False)
    gate.configure(gate.text.replace("return 200", "retrun 200"))
    with Manager(gate.path("notify")) as manager:
        assert gate.spawn(env={**os.environ, "NOTIFY_SOCKET": gate.path("notify")}).wait(10) == 1
        assert manager.wait_none("READY", 0.1)
    gate.process = None


def test_the_new_binary_becomes_the_main_process(keepgate):
    gate = keepgate(SAYS, start=False)
    with Manager(gate.path("notify")) as manager:
        start_with(gate, {"NOTIFY_SOCKET": gate.path("notify")})
        new = replace(gate)
        try:
            gate.kill(signal.SIGQUIT)
            assert manager.wait("MAINPID")["MAINPID"] == str(new)
            assert gate.process.wait(10) == 0
            assert gate.get("/").text == "one"
        finally:
            finish(new)


def ptrace(request, task):
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.ptrace(request, task, None, None)


def test_the_watchdog_is_fed_only_while_every_loop_turns(keepgate):
    gate = keepgate(SAYS, start=False, workers=2)
    with Manager(gate.path("notify")) as manager:
        start_with(gate, {"NOTIFY_SOCKET": gate.path("notify"), "WATCHDOG_USEC": "400000"})
        for _ in range(3):
            assert manager.wait("WATCHDOG")["WATCHDOG"] == "1"
        tasks = f"/proc/{gate.process.pid}/task"
        worker = next(int(task) for task in os.listdir(tasks) if open(f"{tasks}/{task}/comm", encoding="utf-8").read() == "kg-worker-1\n")
        if ptrace(16, worker) != 0:  # PTRACE_ATTACH: this thread stops, the others go on.
            pytest.skip("threads may not be traced here")
        os.waitpid(worker, 0x40000000)
        wait_until(lambda: "worker 1 has not answered" in gate.read("error.log"))
        while not manager.wait_none("WATCHDOG", 0.4):
            pass
        ptrace(17, worker)
        assert manager.wait("WATCHDOG")["WATCHDOG"] == "1"
        wait_until(lambda: "worker 1 answers again" in gate.read("error.log"))


def test_the_watchdog_of_another_process_is_not_fed(keepgate):
    gate = keepgate(SAYS, start=False)
    with Manager(gate.path("notify")) as manager:
        start_with(gate, {"NOTIFY_SOCKET": gate.path("notify"), "WATCHDOG_USEC": "40000", "WATCHDOG_PID": "1"})
        assert manager.next()["READY"] == "1"
        assert manager.wait_none("WATCHDOG", 0.3)


@pytest.mark.parametrize("pid_is_ours", [True, False])
def test_sockets_of_a_service_manager_are_taken_if_they_are_for_us(keepgate, pid_is_ours):
    gate = keepgate(SAYS + 'server { listen unix:gate.sock; return 200 "socket"; }', start=False, workers=2)
    with socket.socket() as one, socket.socket(socket.AF_UNIX) as other:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind(gate.address())
        one.listen()
        other.bind(gate.path("gate.sock"))
        other.listen()
        variables = {"LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:b", "LISTEN_PID": "1"}
        if not pid_is_ours:
            gate.spawn(env={**os.environ, **variables})
            assert gate.process.wait(10) == 1 and "Address already in use" in gate.words()
            gate.process = None
            return
        start_activated(gate, variables, [one, other])
        for _ in range(8):
            assert gate.get("/").text == "one"
        gate.reload()
        assert gate.get("/").text == "one"
        gate.kill(signal.SIGQUIT)
        assert gate.process.wait(10) == 0
        assert can_connect(gate.path("gate.sock")) and can_connect(gate.address()), "they stay the manager's"
        one.settimeout(5)
        one.accept()[0].close()
    gate.process = None


def start_activated(gate, variables, sockets):
    """LISTEN_PID must be the child's: a shell between us knows it."""
    script = 'LISTEN_PID=$$ exec "$0" "$@"'

    def place():
        for index, one in enumerate(sockets):
            os.dup2(one.fileno(), 10 + index)
        for index in range(len(sockets)):
            os.dup2(10 + index, 3 + index)
        os.closerange(10, 30)

    command = ["sh", "-c", script, binary(), "-c", gate.path("keepgate.conf")]
    gate.process = subprocess.Popen(command, env={**os.environ, **variables}, preexec_fn=place, close_fds=False, cwd=gate.folder)
    gate.wait()


def status_of(gate, name):
    with open(f"/proc/{gate.process.pid}/status", encoding="utf-8") as file:
        return re.search(rf"^{name}:\s*(.*)$", file.read(), re.MULTILINE)[1].split()


@as_root
def test_root_becomes_the_user_for_good_and_may_still_bind_low_ports(keepgate):
    gate = keepgate(SAYS, main="user nobody nogroup;\n", start=False, workers=2)
    nobody = pwd.getpwnam("nobody")
    os.chmod(gate.folder, 0o755)
    os.chmod(gate.path("keepgate.conf"), 0o644)
    gate.start()
    wait_until(lambda: status_of(gate, "Uid") == [str(nobody.pw_uid)] * 4)
    assert status_of(gate, "Gid") == [str(nobody.pw_gid)] * 4
    assert status_of(gate, "Groups") == [str(nobody.pw_gid)]
    wait_until(lambda: len(by_worker(gate, str)) == 2)
    assert status_of(gate, "CapEff") == ["0000000000000400"], "CAP_NET_BIND_SERVICE and nothing else"
    for task in os.listdir(f"/proc/{gate.process.pid}/task"):
        with open(f"/proc/{gate.process.pid}/task/{task}/status", encoding="utf-8") as file:
            assert f"Uid:\t{nobody.pw_uid}\t" in file.read()
    low = next(port for port in range(1023, 500, -1) if not can_connect(("127.0.0.1", port)))
    gate.configure(gate.text.replace("server {", f"server {{ listen 127.0.0.1:{low};", 1))
    os.chmod(gate.path("keepgate.conf"), 0o644)
    gate.kill(signal.SIGHUP)
    wait_until(lambda: can_connect(("127.0.0.1", low)), 10, gate.words)
    gate.kill(signal.SIGTERM)
    assert gate.process.wait(10) == 0
    assert gate.read("keepgate.pid") == "", "the folder is root's: the file says that nobody runs"


@as_root
@pytest.mark.parametrize("user", ["no-such-user", "nobody no-such-group"])
def test_a_user_that_is_not_there_is_an_error(keepgate, user):
    gate = keepgate(SAYS, main=f"user {user};\n", start=False)
    assert gate.spawn().wait(10) == 1
    assert "there is no " in gate.words()
    gate.process = None


def test_workers_are_pinned_to_processors(keepgate):
    processors = sorted(os.sched_getaffinity(0))
    gate = keepgate(SAYS, main="worker_cpu_affinity auto;\n", workers=2)
    wait_until(lambda: affinities(gate) == {f"kg-worker-{i}": {processors[i % len(processors)]} for i in range(2)})
    mask = "1" + "0" * processors[-1]
    gate.reload(gate.text.replace("affinity auto", f"affinity {mask}"))
    wait_until(lambda: affinities(gate) == {f"kg-worker-{i}": {processors[-1]} for i in range(2)})
    gate.reload(gate.text.replace(f"worker_cpu_affinity {mask};", ""))
    wait_until(lambda: affinities(gate) == {f"kg-worker-{i}": set(processors) for i in range(2)})


def by_worker(gate, ask):
    """What ask(thread number) gives, by the name of the worker."""
    out = {}
    for task in os.listdir(f"/proc/{gate.process.pid}/task"):
        with open(f"/proc/{gate.process.pid}/task/{task}/comm", encoding="utf-8") as file:
            out[file.read().strip()] = ask(int(task))
    return {name: value for name, value in out.items() if name.startswith("kg-worker")}


def affinities(gate):
    return by_worker(gate, os.sched_getaffinity)


def test_workers_have_the_priority_that_is_asked(keepgate):
    gate = keepgate(SAYS, main="worker_priority 5;\n")
    wait_until(lambda: by_worker(gate, lambda task: os.getpriority(os.PRIO_PROCESS, task)) == {"kg-worker-0": 5})
    assert os.getpriority(os.PRIO_PROCESS, gate.process.pid) == os.getpriority(os.PRIO_PROCESS, 0)


SERVICES = ("keepgate.service", "keepgate-authorization-server.service")


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze")
@pytest.mark.parametrize("unit", SERVICES)
def test_the_unit_is_locked_down(unit):
    result = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=15", os.path.join(UNITS, unit)], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze")
def test_the_units_are_well_formed(tmp_path):
    for name in (*SERVICES, "keepgate.socket"):
        text = open(os.path.join(UNITS, name), encoding="utf-8").read()
        (tmp_path / name).write_text(text.replace("/usr/sbin/keepgate", "/bin/true"), encoding="utf-8")
    result = subprocess.run(["systemd-analyze", "verify", "--man=no", *map(str, sorted(tmp_path.iterdir()))], capture_output=True, text=True)
    words = [line for line in result.stderr.splitlines() if "keepgate" in line]
    assert not words, words


def settings(unit):
    """What a unit says, by name; a setting that stands more than once is one list."""
    found = {}
    with open(os.path.join(UNITS, unit), encoding="utf-8") as file:
        for line in file:
            name, equals, value = line.strip().partition("=")
            if equals and not name.startswith("#"):
                found.setdefault(name, []).extend(value.split())
    return found


def test_the_gateway_cannot_read_what_signs_tokens_nor_the_server_what_is_the_gateways():
    gateway, server = map(settings, SERVICES)
    for unit, other in ((gateway, server), (server, gateway)):
        assert unit["DynamicUser"] == ["yes"] and "User" not in unit
        (state,), (configuration,) = other["StateDirectory"], other["ConfigurationDirectory"]
        assert state not in unit["StateDirectory"] and configuration not in unit["ConfigurationDirectory"]
        hidden = {path.removeprefix("-") for path in unit["InaccessiblePaths"]}
        assert {f"/var/lib/{state}", f"/var/lib/private/{state}", f"/etc/{configuration}"} <= hidden
    assert server["StateDirectoryMode"] == ["0700"] and server["CapabilityBoundingSet"] == []
    assert f"/etc/{server['ConfigurationDirectory'][0]}/keepgate.conf" in server["ExecStart"]
