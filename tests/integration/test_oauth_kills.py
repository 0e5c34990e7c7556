"""kill -9 of the authorization server under load: what was answered is kept, and what was not is done as a whole or not at all.

KEEPGATE_KILLS says how often it dies (60). A kill does not lose what the system holds for the disk: what is synced before it is told is tested
by src/store/sqlite_faults_test.cc.
"""
import concurrent.futures
import contextlib
import hashlib
import os
import pathlib
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading

import pytest

from harness.gate import binary, is_sanitized
from harness.issuer import CONSENTS_MAX, ASKS, Asker, Gone, Issuer, Refused
from harness.jose import b64
from harness.people import authorize
from harness.ports import can_connect, wait_until
from harness.postgres import Postgres, why_missing

KILLS = int(os.environ.get("KEEPGATE_KILLS", "60"))
STOPS = 8
STOP_US = 1_000_000  # Less than the store has for what it has begun.
HANG_US = 9_500_000  # Longer than a request waits for the store.
LOOKED_AT_MAX = 4  # Of each kind and kill: what came last is what a kill could have lost.
LOAD_SECONDS_MAX = 0.15
SYSTEM_CALLS = {"pwrite64": 18, "fdatasync": 10}  # How many of each are died at.


class Part(threading.Thread):
    """Asks until the server is gone. `kept` is what was answered, `open` what was asked when it went."""

    def __init__(self, ledger):
        super().__init__()
        self.ledger, self.asker = ledger, Asker(ledger.issuer)
        self.asker.may_refuse = ledger.may_refuse
        self.kept, self.open, self.failure = [], None, None

    def run(self):
        try:
            while not self.ledger.stopped.is_set():
                self.once()
        except (Gone, Refused):
            pass
        except BaseException as error:  # An assertion in a thread is nobody's: it is raised again by the judge.
            self.failure = error

    def judge(self, asker):
        if self.failure:
            raise self.failure
        self.look(asker, self.kept[-LOOKED_AT_MAX:])

    def good(self, answer, status=200):
        assert answer.status == status, (type(self).__name__, answer.words)
        return answer.json


class Refreshes(Part):
    """A family goes on over all kills: `kept` holds the newest token alone."""

    def once(self):
        if not self.kept:
            self.kept = [self.asker.tokens()["refresh_token"]]
        self.open = self.kept[0]
        token = self.good(self.asker.refresh(self.open))["refresh_token"]
        self.kept, self.open = [token], None

    def look(self, asker, kept):
        if not kept:
            return
        usable = self.ledger.usable(kept[0])
        assert usable == 1, f"{usable} tokens of a family can be used: the old one or the new one has to be"
        answer = asker.refresh(kept[0])
        if self.open and not self.ledger.grace and answer.error == "invalid_grant":
            kept.clear()  # It was used, and the answer lost: the client cannot know, and shows it twice.
            self.kept = []
            return
        self.kept = [self.good(answer)["refresh_token"]]  # Within the grace the successor comes once more.


class Codes(Part):
    def once(self):
        self.open = ("asked", None)
        code = self.asker.code()
        self.open = ("given", code)
        tokens = self.good(self.asker.redeem(code))
        self.kept.append((code, tokens["refresh_token"]))

    def look(self, asker, kept):
        for code, token in kept:
            newer = self.good(asker.refresh(token))["refresh_token"]
            assert asker.redeem(code).error == "invalid_grant", "a code was used twice"
            assert asker.refresh(newer).error == "invalid_grant", "the second use of a code takes back what the first gave"
        if self.open and self.open[1]:
            answer = asker.redeem(self.open[1])
            assert answer.status == 200 or answer.error == "invalid_grant", answer.words
            assert asker.redeem(self.open[1]).error == "invalid_grant"


class Revocations(Part):
    def once(self):
        tokens = self.asker.tokens()
        self.open = None
        self.good(self.asker.revoke(tokens["refresh_token"]))
        self.kept.append(tokens)
        single = self.good(self.asker.credentials())["access_token"]
        self.good(self.asker.revoke(single))
        self.kept.append({"access_token": single})
        self.ledger.revoked += 2

    def look(self, asker, kept):
        for tokens in kept:
            assert not asker.is_active(tokens["access_token"]), "a revoked token is good again"
            if "refresh_token" in tokens:
                assert asker.refresh(tokens["refresh_token"]).error == "invalid_grant", "a revoked family is good again"
        listed = len(asker.feed())
        # A gateway asks for what came behind a version, of one epoch: neither goes back.
        epoch, version = asker.feed_head()
        assert epoch == (self.ledger.epoch or epoch) and version >= self.ledger.version, "the list of revocations went back"
        self.ledger.epoch, self.ledger.version = epoch, version
        assert listed >= self.ledger.revoked, f"the list has {listed} entries, and {self.ledger.revoked} were answered"


class Consents(Part):
    def once(self):
        if self.ledger.asked >= CONSENTS_MAX:
            self.ledger.stopped.wait()
            return
        client = f"asks{self.ledger.asked}"
        self.ledger.asked += 1
        browser = self.asker.browser()
        self.good_page(browser.get(authorize(self.asker, client)))
        assert browser.decide().status == 303, browser.answer.words
        self.kept.append(client)

    def good_page(self, answer):
        assert answer.status == 200, answer.words

    def look(self, asker, kept):
        for client in kept:
            answer = asker.browser().get(authorize(asker, client))
            assert answer.status == 303, "a consent is forgotten"


class Devices(Part):
    """A code: what was answered about it last, and what was asked when the server went."""

    def once(self):
        device = self.good(self.asker.device())
        self.kept.append([device["device_code"], "given", "allowed"])
        self.asker.allow_device(device["user_code"])
        self.kept[-1][1:] = ["allowed", "fetched"]
        self.good(self.asker.poll(device["device_code"]))
        self.kept[-1][1:] = ["fetched", None]

    def look(self, asker, kept):
        for code, last, open_step in kept:
            answer = asker.poll(code)
            now = {"authorization_pending": "given", "invalid_grant": "fetched"}.get(answer.error, answer.status == 200 and "allowed")
            assert now in (last, open_step), (last, open_step, answer.words)
            if now != "given":
                assert asker.poll(code).error == "invalid_grant", "tokens of a device come once"


class Assertions(Part):
    def once(self):
        self.open = self.ledger.issuer.assertion()
        self.good(self.asker.assert_itself(self.open))
        self.kept.append(self.open)
        self.open = None

    def look(self, asker, kept):
        for assertion in kept:
            assert asker.assert_itself(assertion).words[0] == 401, "an assertion was used twice"
        if self.open:
            assert asker.assert_itself(self.open).status in (200, 401)
            assert asker.assert_itself(self.open).status == 401


class Pushes(Part):
    def once(self):
        self.kept.append(self.good(self.asker.push(), 201)["request_uri"])

    def look(self, asker, kept):
        for uri in kept:
            answer = asker.browser().get(f"/authorize?client_id=web&request_uri={uri}")
            assert answer.status == 303 and "code=" in answer.get("Location"), answer.words


PARTS = (Refreshes, Refreshes, Codes, Revocations, Consents, Devices, Assertions, Pushes)


class Ledger:
    """What the server has answered over all of its lives."""

    def __init__(self, issuer, grace):
        self.issuer, self.grace = issuer, grace
        self.stopped = threading.Event()
        self.revoked, self.asked, self.answers = 0, 0, 0
        self.epoch, self.version, self.may_refuse = None, 0, False
        self.families = [[], []]

    def usable(self, token):
        """How many tokens of the family of this one can be used, by the store. PostgreSQL is not asked: its own tests say what a transaction is."""
        if self.issuer.values["store"] != "sqlite:as.db":
            return 1
        return self.issuer.rows(
            "SELECT COUNT(*) FROM refresh_tokens JOIN grants ON grants.id = grant_id WHERE used_s IS NULL AND revoked_s IS NULL"
            " AND grant_id = (SELECT grant_id FROM refresh_tokens WHERE hash = $1)", b64(hashlib.sha256(token.encode()).digest()))[0][0]

    def live(self, until_end):
        """A life: load, until it ends; then it is started again, and everything is looked at."""
        self.stopped.clear()
        wait_until(lambda: self.issuer.exited() or can_connect(self.issuer.address("as")), 15, self.issuer.words)
        parts = [kind(self) for kind in PARTS]
        for part, family in zip(parts, self.families):
            part.kept = family
        for part in parts:
            part.start()
        try:
            until_end()
        finally:
            self.stopped.set()
            self.issuer.die()
            for part in parts:
                part.join(60)
        self.issuer.prefix = []
        self.issuer.start_again()
        asker = Asker(self.issuer)
        for part in parts:
            part.judge(asker)
            self.answers += len(part.kept)
        self.families = [part.kept for part in parts[:len(self.families)]]


@pytest.fixture
def ledger():
    made = []

    def build(grace, workers, **values):
        issuer = Issuer(grace=grace, workers=workers, **values, more="".join(ASKS.format(number) for number in range(CONSENTS_MAX)))
        made.append(issuer)
        issuer.sign_in()
        return Ledger(issuer, grace != "0s")

    yield build
    for issuer in made:
        issuer.close()


def integrity(issuer):
    database = sqlite3.connect(issuer.path("as.db"))
    try:
        return database.execute("PRAGMA integrity_check").fetchall()
    finally:
        database.close()


@pytest.mark.parametrize("grace, workers", [("0s", 1), ("10s", 2)])
def test_a_kill_at_any_moment_loses_nothing_that_was_answered(ledger, grace, workers):
    ledger = ledger(grace, workers)
    chance = random.Random(grace)

    for _ in range(KILLS // 2):
        ledger.live(lambda: ledger.stopped.wait(chance.uniform(0, LOAD_SECONDS_MAX)))
    assert ledger.answers > KILLS, "there was no load"
    assert integrity(ledger.issuer) == [("ok",)]


@pytest.mark.skipif(why_missing() is not None, reason=str(why_missing()))
def test_with_postgresql_a_kill_at_any_moment_loses_nothing_that_was_answered(ledger):
    database = Postgres()
    try:
        ledger = ledger("0s", 2, store=f'"{database.uri}"')
        chance = random.Random(3)
        for _ in range(KILLS // 4):
            ledger.live(lambda: ledger.stopped.wait(chance.uniform(0, 2 * LOAD_SECONDS_MAX)))
        assert ledger.answers > KILLS // 4, "there was no load"
        assert ledger.issuer.stop() == 0
    finally:
        database.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_a_stop_loses_nothing_that_was_answered(ledger, number):
    ledger = ledger("0s", 2)
    ledger.may_refuse = number == signal.SIGTERM  # QUIT waits for those who are served.

    def stop_soon():
        ledger.stopped.wait(LOAD_SECONDS_MAX)
        assert ledger.issuer.stop(number) == 0

    for _ in range(STOPS):
        ledger.live(stop_soon)
    assert integrity(ledger.issuer) == [("ok",)]


def may_trace():
    if os.path.exists(binary()) and is_sanitized():
        return False  # LeakSanitizer is a tracer itself.
    command = ["strace", "-f", "-qq", "-o", os.devnull, "-e", "trace=none", "true"]
    return shutil.which("strace") and subprocess.run(command, stderr=subprocess.DEVNULL, timeout=30, check=False).returncode == 0


@pytest.mark.skipif(not may_trace(), reason="there is no strace, or it must not trace here")
@pytest.mark.parametrize("call", SYSTEM_CALLS)
def test_a_kill_at_each_system_call_of_the_store_loses_nothing_that_was_answered(ledger, call):
    ledger = ledger("0s", 1)
    for number in range(1, SYSTEM_CALLS[call] + 1):
        ledger.issuer.stop()
        ledger.issuer.prefix = ["strace", "-f", "-qq", "-o", os.devnull, "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}"]
        ledger.issuer.write("keepgate.pid", "")
        ledger.issuer.spawn()
        ledger.live(lambda: wait_until(ledger.issuer.exited, 30, "it lives on"))
    assert integrity(ledger.issuer) == [("ok",)]


@contextlib.contextmanager
def slow_disk(issuer, microseconds):
    """The next fdatasync of the server takes so long."""
    hang = f"inject=fdatasync:delay_enter={microseconds}:when=1"
    tracer = subprocess.Popen(["strace", "-f", "-qq", "-o", os.devnull, "-e", "trace=fdatasync", "-e", hang, "-p", str(issuer.process.pid)])
    threads = pathlib.Path(f"/proc/{issuer.process.pid}/task")
    try:
        wait_until(lambda: all("TracerPid:\t0\n" not in (one / "status").read_text() for one in threads.iterdir()), 15, "it is not traced")
        yield
    finally:
        tracer.terminate()
        tracer.wait(30)


@pytest.mark.skipif(not may_trace(), reason="there is no strace, or it must not trace here")
def test_a_disk_that_hangs_for_long_costs_no_family(ledger):
    issuer = ledger("0s", 1).issuer
    asker = Asker(issuer)
    token = asker.tokens()["refresh_token"]
    with slow_disk(issuer, HANG_US):
        answer = asker.refresh(token)
        assert answer.status in (200, 503), answer.words
        assert asker.device().status == 200, "it is over"
    again = token if answer.status == 503 else answer.json["refresh_token"]
    assert asker.refresh(again).status == 200, "a client that was told to come again has lost its family"


@pytest.mark.skipif(not may_trace(), reason="there is no strace, or it must not trace here")
def test_who_is_told_to_come_again_by_a_server_that_stops_may_do_so(ledger):
    issuer = ledger("0s", 1).issuer
    asker = Asker(issuer)
    token = asker.tokens()["refresh_token"]
    before = os.stat(issuer.path("as.db-wal")).st_mtime_ns
    with slow_disk(issuer, STOP_US), concurrent.futures.ThreadPoolExecutor(1) as pool:
        answers = pool.submit(asker.refresh, token)
        wait_until(lambda: os.stat(issuer.path("as.db-wal")).st_mtime_ns != before, 15, "nothing is written")
        assert issuer.stop() == 0
        answer = answers.result(30)
    issuer.start_again()
    assert answer.status in (200, 503), answer.words
    assert asker.refresh(token if answer.status == 503 else answer.json["refresh_token"]).status == 200, "it has lost its family"


def test_a_request_that_was_on_its_way_when_the_server_stops_is_not_called_a_bad_one(ledger):
    issuer = ledger("0s", 1).issuer
    with socket.create_connection(issuer.address("as"), 20) as client:
        fields = b"Host: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n"
        client.sendall(b"POST /token HTTP/1.1\r\n" + fields + b"\r\ngrant_type=")
        assert Asker(issuer).credentials().status == 200  # The only worker has seen what came before.
        assert issuer.stop() == 0
        assert client.recv(4096) == b"", "nothing was wrong with it: the next server may be asked"
