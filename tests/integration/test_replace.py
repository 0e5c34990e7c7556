"""USR2, WINCH and their company: another binary takes over on the same sockets, or does not and nothing is lost."""
import os
import shutil
import signal
import socket
import subprocess

from harness.gate import binary
from harness.load import Load
from harness.ports import can_connect, wait_until

SAYS = 'server { listen 127.0.0.1:@gate@; listen unix:gate.sock; location / { return 200 "%s"; } }'


def pid_in(gate, name="keepgate.pid"):
    text = gate.read(name).strip()
    return int(text) if text.isdigit() else 0


def is_running(pid):
    """A child of the old process that nobody has waited for does not run."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def replace(gate):
    """USR2: the pid of the new process, when it serves."""
    old = pid_in(gate)
    os.kill(old, signal.SIGUSR2)
    wait_until(lambda: pid_in(gate, "keepgate.pid.oldbin") == old and pid_in(gate) not in (0, old), 15, gate.words)
    new = pid_in(gate)
    wait_until(lambda: f"{new}#{new}: keepgate/" in gate.read("error.log"), 15, gate.words)
    return new


def finish(pid):
    """The end of a process that is not our child."""
    if is_running(pid):
        os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not is_running(pid), 15, f"{pid} still runs")


def descriptors(pid):
    """How many sockets listen in a process, by the kernel's count."""
    listening = subprocess.run(["ss", "-Hlpn", "-t", "-x"], capture_output=True, text=True, check=True).stdout
    return sum(f"pid={pid}," in line for line in listening.splitlines())


def test_a_new_binary_takes_over_under_load(keepgate):
    gate = keepgate(SAYS % "one", workers=2)
    with Load([gate.address(), gate.path("gate.sock")], keep=4, fresh=2) as load:
        new = replace(gate)
        try:
            gate.kill(signal.SIGQUIT)
            assert gate.process.wait(15) == 0
            assert pid_in(gate) == new and not os.path.exists(gate.path("keepgate.pid.oldbin"))
            assert can_connect(gate.path("gate.sock")), "the old one leaves the path to the new one"
            load.stop_without_failures(least=50)
            assert gate.get("/").text == "one"
        finally:
            finish(new)
    assert not can_connect(gate.address()) and not os.path.exists(gate.path("gate.sock"))
    assert not os.path.exists(gate.path("keepgate.pid"))


def test_winch_and_hup_go_back_to_the_old_binary_under_load(keepgate):
    gate = keepgate(SAYS % "one", workers=2)
    with Load([gate.address()]) as load:
        new = replace(gate)
        try:
            gate.kill(signal.SIGWINCH)
            wait_until(lambda: "gracefully shutting down the workers" in gate.read("error.log"))
            for _ in range(10):
                assert gate.get("/").text == "one"
            gate.kill(signal.SIGHUP)
            wait_until(lambda: "the workers are back" in gate.read("error.log"))
            os.kill(new, signal.SIGQUIT)
            wait_until(lambda: f"new binary process {new} exited with code 0" in gate.read("error.log"), 15, gate.words)
            assert pid_in(gate) == gate.process.pid and not os.path.exists(gate.path("keepgate.pid.oldbin"))
            load.stop_without_failures(least=50)
        finally:
            finish(new)
    assert gate.get("/").text == "one"
    assert can_connect(gate.path("gate.sock"))


def test_workers_come_back_by_themselves_when_the_new_binary_ends(keepgate):
    gate = keepgate(SAYS % "one")
    new = replace(gate)
    gate.kill(signal.SIGWINCH)
    wait_until(lambda: "gracefully shutting down the workers" in gate.read("error.log"))
    finish(new)
    wait_until(lambda: "the workers are back" in gate.read("error.log"))
    assert gate.get("/").text == "one"


def test_who_connects_while_there_are_no_workers_is_served_later(keepgate):
    gate = keepgate(SAYS % "one")
    gate.kill(signal.SIGWINCH)
    wait_until(lambda: "gracefully shutting down the workers" in gate.read("error.log"))
    with gate.connect() as early:
        gate.configure(gate.text.replace('"one"', '"two"'))
        gate.kill(signal.SIGHUP)
        assert early.request("GET", "/").text in ("one", "two")
    wait_until(lambda: gate.get("/").text == "two")


def test_a_new_binary_that_does_not_start_changes_nothing(keepgate):
    gate = keepgate(SAYS % "one")
    good = gate.text
    gate.configure(good.replace("return 200", "retrun 200"))
    with Load([gate.address()], keep=2, fresh=2) as load:
        gate.kill(signal.SIGUSR2)
        wait_until(lambda: "exited with code 1" in gate.read("error.log"), 15, gate.words)
        wait_until(lambda: pid_in(gate) == gate.process.pid)
        assert not os.path.exists(gate.path("keepgate.pid.oldbin"))
        load.stop_without_failures()
    assert gate.get("/").text == "one" and can_connect(gate.path("gate.sock"))
    gate.configure(good)
    finish_new = replace(gate)
    finish(finish_new)


def test_a_binary_that_is_gone_is_said(keepgate):
    gate = keepgate(SAYS % "one", start=False)
    copy = gate.path("program")
    shutil.copy(binary(), copy)
    gate.process = subprocess.Popen([copy, "-c", gate.path("keepgate.conf")], cwd=gate.folder)
    gate.wait()
    os.rename(copy, copy + ".gone")
    gate.kill(signal.SIGUSR2)
    wait_until(lambda: "the new binary cannot be started" in gate.read("error.log"), 10, gate.words)
    assert pid_in(gate) == gate.process.pid and gate.get("/").text == "one"


def test_a_second_usr2_is_ignored_while_two_binaries_run(keepgate):
    gate = keepgate(SAYS % "one")
    new = replace(gate)
    try:
        for pid in (gate.process.pid, new):
            os.kill(pid, signal.SIGUSR2)
            wait_until(lambda: f"{pid}#{pid}: the signal to change the binary is ignored" in gate.read("error.log"))
        assert pid_in(gate) == new
    finally:
        finish(new)


def test_the_new_binary_adds_and_closes_what_its_configuration_says(keepgate):
    gate = keepgate(SAYS % "one", workers=2)
    gate.substitute(type("Match", (), {"group": lambda self, _: "more"})())
    gate.configure(gate.text.replace("worker_processes 2", "worker_processes 3").replace(
        "listen unix:gate.sock;", f"listen 127.0.0.1:{gate.port('more')};").replace('"one"', '"two"'))
    new = replace(gate)
    try:
        gate.kill(signal.SIGQUIT)
        assert gate.process.wait(15) == 0
        assert gate.get("/").text == "two" and gate.get("/", name="more").text == "two"
        wait_until(lambda: "the inherited socket of unix:" in gate.read("error.log"))
        assert descriptors(new) == 6, "three sockets for each of two addresses"
    finally:
        finish(new)


def start_with(gate, variables, sockets=(), pass_pid=False):
    """Starts it with these further variables and descriptors from 3 on."""
    def place():
        for index, one in enumerate(sockets):
            os.dup2(one.fileno(), 10 + index)
        for index in range(len(sockets)):
            os.dup2(10 + index, 3 + index)
        os.closerange(10, 30)
        if pass_pid:
            os.environ["LISTEN_PID"] = str(os.getpid())

    gate.spawn(env={**os.environ, **variables}, preexec_fn=place, close_fds=False)
    gate.wait()


def test_inherited_descriptors_are_not_believed(keepgate):
    gate = keepgate(SAYS % "one", start=False)
    with socket.socket() as connected, socket.socket(type=socket.SOCK_DGRAM) as datagrams, open("/dev/null", "rb") as file:
        start_with(gate, {"KEEPGATE": "3;4;5;900;0;x;3;"}, [connected, datagrams, file])
    wait_until(lambda: "ignoring the rest" in gate.words(), 10, gate.words)
    words = gate.words()
    assert words.count("which is not a listening socket: closed") == 3, words
    assert "descriptor 900, which is not there" in words and "descriptor 0, which is not there" in words
    assert 'invalid socket number "x" in the variable KEEPGATE' in words
    assert gate.get("/").text == "one"


def test_an_inherited_socket_of_another_address_is_closed_and_ours_is_taken(keepgate):
    gate = keepgate(SAYS % "one", start=False)
    with socket.socket() as ours, socket.socket() as other:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        ours.bind(gate.address())
        ours.listen()
        other.bind(("127.0.0.1", 0))
        other.listen()
        start_with(gate, {"KEEPGATE": "3;4;"}, [ours, other])
        ours.close()
        assert gate.get("/").text == "one"
        address = "{}:{}".format(*other.getsockname())
        wait_until(lambda: f"the inherited socket of {address} is not in the configuration: closed" in gate.words())
        other.close()
    assert descriptors(gate.process.pid) == 2


def test_a_signal_is_not_sent_to_a_process_that_took_an_old_number(keepgate):
    gate = keepgate(SAYS % "one")
    gate.kill(signal.SIGKILL)
    gate.process.wait(10)
    gate.process = None
    with subprocess.Popen(["sleep", "60"]) as stranger:
        gate.write("keepgate.pid", f"{stranger.pid}\n")
        for name in ("stop", "reload"):
            result = subprocess.run([binary(), "-c", gate.path("keepgate.conf"), "-s", name], capture_output=True, text=True)
            assert result.returncode == 1 and "left over" in result.stderr
        assert stranger.poll() is None
        stranger.kill()


def test_signals_by_name_need_no_keys_and_no_sound_configuration(keepgate):
    gate = keepgate(SAYS % "one")
    command = [binary(), "-c", gate.path("keepgate.conf"), "-s"]
    gate.configure(gate.text.replace("listen unix:gate.sock;", "ssl_certificate gone.crt; ssl_certificate_key gone.key; auth_jwt_key_file gone.jwks;"))
    assert subprocess.run([*command, "reopen"], check=False).returncode == 0
    gate.configure(gate.text.replace("return 200", "retrun 200"))
    result = subprocess.run([*command, "reload"], capture_output=True, text=True)
    assert result.returncode == 1 and "retrun" in result.stderr
    assert gate.get("/").text == "one"
    assert subprocess.run([*command, "quit"], check=False).returncode == 0
    assert gate.process.wait(10) == 0
