"""Fixtures of the whole-program tests: the real program, a recording backend, npm jose, certificates.

KEEPGATE_BIN names another program than build/release/keepgate (a sanitizer build, for one).

Tests run side by side (pytest -n): each has a program, folders and ports of its own. What counts CPU time, memory or
milliseconds that another test could spoil is marked `alone`: it comes last, and no other test goes on meanwhile.
"""
import contextlib
import fcntl
import os
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "integration"))

from harness.certificates import Authority  # noqa: E402
from harness.dns import DnsServer  # noqa: E402
from harness.gate import Gate, binary  # noqa: E402
from harness.jose import Jose  # noqa: E402
from harness.origin import Origin  # noqa: E402
from harness.postgres import Postgres  # noqa: E402


def closing(make, collected):
    def build(*arguments, **options):
        thing = make(*arguments, **options)
        collected.append(thing)
        return thing

    return build


def close_all(collected):
    failures = []
    for thing in reversed(collected):
        try:
            thing.close()
        except AssertionError as error:
            failures.append(str(error))
    assert not failures, "\n".join(failures)


def factory(make, scope):
    @pytest.fixture(scope=scope)
    def fixture():
        collected = []
        yield closing(make, collected)
        close_all(collected)

    return fixture


def start_gate(*arguments, **options):
    assert os.access(binary(), os.X_OK), f"{binary()} is not there: ./dev build"
    return Gate(*arguments, **options)


keepgate = factory(start_gate, "function")
module_keepgate = factory(start_gate, "module")
origin = factory(Origin, "function")
module_origin = factory(Origin, "module")
dns_server = factory(DnsServer, "function")


@pytest.fixture(scope="session")
def jose():
    helper = Jose()
    yield helper
    helper.close()


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def database():
    """A PostgreSQL server of its own for one test."""
    server = Postgres()
    yield server
    server.close()


@pytest.fixture
def short_folder():
    """A folder whose path is short enough for Unix sockets."""
    with tempfile.TemporaryDirectory(prefix="kg-") as folder:
        yield folder


def pytest_configure(config):
    config.addinivalue_line("markers", "alone: measures something that a test beside it would change")
    if not hasattr(config, "workerinput"):
        config.turns = tempfile.mkdtemp(prefix="kg-turns-")


def pytest_unconfigure(config):
    if hasattr(config, "turns"):
        shutil.rmtree(config.turns, ignore_errors=True)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    node.workerinput["turns"] = node.config.turns


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.get_closest_marker("alone") is not None)


@contextlib.contextmanager
def turn(folder, alone):
    """Many at once, or one alone. The door is closed while somebody waits to be alone: the others come to an end."""
    with open(os.path.join(folder, "door"), "ab") as door, open(os.path.join(folder, "room"), "ab") as room:
        fcntl.flock(door, fcntl.LOCK_EX)
        fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(door, fcntl.LOCK_UN)
        yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    workers = getattr(item.config, "workerinput", None)
    with turn(workers["turns"], item.get_closest_marker("alone") is not None) if workers else contextlib.nullcontext():
        yield
