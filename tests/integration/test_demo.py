"""The demo walks as it says: a copy of examples/shop on free ports, every answer compared."""
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile

import pytest

from harness.gate import ROOT, binary
from harness.ports import can_connect, free_port, wait_until

SHOP = os.path.join(ROOT, "examples", "shop")


def service():
    given = os.environ.get("ORDERS_SERVICE")
    return given or os.path.join(os.path.dirname(binary()), "examples", "orders_service")


@pytest.fixture
def shop():
    """A copy on ports of its own, in a folder whose path is short enough for a Unix socket."""
    root = tempfile.mkdtemp(prefix="kg-")
    folder = os.path.join(root, "shop")
    shutil.copytree(SHOP, folder, ignore=shutil.ignore_patterns("keys", "tokens", "store", "__pycache__", "run"))
    ports = {name: str(free_port()) for name in ("8080", "9001", "9100")}
    for name in ("keepgate.conf", "authorization_server.conf"):
        path = os.path.join(folder, name)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        with open(path, "w", encoding="utf-8") as file:
            file.write(re.sub(r"127\.0\.0\.1:(8080|9001|9100)", lambda match: "127.0.0.1:" + ports[match.group(1)], text))
    yield folder, [int(port) for port in ports.values()]
    shutil.rmtree(root, ignore_errors=True)


def environment():
    return {**os.environ, "KEEPGATE_BIN": binary(), "ORDERS_SERVICE": service(), "NO_COLOR": "1"}


def walk(folder, *arguments):
    return subprocess.run([os.path.join(folder, "demo.py"), *arguments], env=environment(), capture_output=True, text=True, timeout=120)


def test_every_answer_of_the_walk_is_as_expected(shop):
    folder, ports = shop
    result = walk(folder, "--check")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "✘" not in result.stdout and result.stdout.count("✔") >= 40
    assert not re.search(r"eyJ[\w-]+\.[\w-]+\.|kgd_", result.stdout), "no token is shown"
    for name in os.listdir(os.path.join(folder, "keys")):
        if name.endswith((".secret", ".password")):
            with open(os.path.join(folder, "keys", name), encoding="utf-8") as file:
                assert file.read() not in result.stdout, name
    assert "\x1b" not in result.stdout
    assert not any(can_connect(("127.0.0.1", port)) for port in ports), "it cleans up"
    for place in ("keys", "store", "tokens"):
        for name in os.listdir(os.path.join(folder, place)):
            assert os.stat(os.path.join(folder, place, name)).st_mode & 0o077 == 0, name


def test_a_walk_that_goes_wrong_is_noticed(shop):
    folder, _ = shop
    path = os.path.join(folder, "policy.yaml")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.split("tests:")[0].replace("permissions: PUT/GET", 'permissions: "*"'))
    result = walk(folder, "--check")
    assert result.returncode == 1 and "✘" in result.stdout


@pytest.mark.parametrize("conf, old, new", [
    ("authorization_server.conf", "exchange subjects=user:*", "exchange subjects=client:*"),  # Nobody's token is exchanged.
    ("keepgate.conf", "audience=orders", "audience=shipping"),  # The gateway believes tokens that are for others.
])
def test_a_server_or_gateway_that_allows_something_else_is_noticed(shop, conf, old, new):
    folder, _ = shop
    path = os.path.join(folder, conf)
    with open(path, encoding="utf-8") as file:
        text = file.read()
    assert old in text
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace(old, new))
    result = walk(folder, "--check")
    assert result.returncode == 1 and ("✘" in result.stdout or "demo:" in result.stderr)


@pytest.mark.parametrize("which", [1, 2])
def test_a_taken_port_is_said_clearly(shop, which):
    folder, ports = shop
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", ports[which]))
        taken.listen()
        result = walk(folder, "--check")
    assert result.returncode == 1
    assert str(ports[which]) in result.stderr and "Traceback" not in result.stderr
    assert not can_connect(("127.0.0.1", ports[0]))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_it_stays_up_until_told_and_leaves_nothing_behind(shop, number):
    folder, ports = shop
    with open(os.path.join(folder, "out"), "w+", encoding="utf-8") as out:
        demo = subprocess.Popen([os.path.join(folder, "demo.py")], env=environment(), stdout=out, stderr=subprocess.STDOUT,
                                # Who runs tests in the background may have told them to ignore Ctrl-C.
                                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))

        def text():
            with open(os.path.join(folder, "out"), encoding="utf-8") as file:
                return file.read()

        try:
            wait_until(lambda: "Ctrl-C ends it" in text() or demo.poll() is not None, 60, text)
            assert demo.poll() is None, text()
            assert can_connect(("127.0.0.1", ports[0]))
            demo.send_signal(number)
            assert demo.wait(15) == (0 if number == signal.SIGINT else -9)
        finally:
            demo.kill()
        wait_until(lambda: not any(can_connect(("127.0.0.1", port)) for port in ports))
