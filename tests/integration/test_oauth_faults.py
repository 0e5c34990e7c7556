"""The store of the authorization server fails it: a full disk, a lock that is held, files that are gone, a key of another store.

What has to be recorded is 503 and Retry-After then, and never the client's fault; it works again without a restart.
"""
import concurrent.futures
import os
import pathlib
import pwd
import resource
import shutil
import socket
import sqlite3
import subprocess

import pytest

from harness.gate import binary, run_cli
from harness.issuer import Asker, Issuer
from harness.people import authorize
from harness.ports import wait_until

DISK_BYTES = 4 << 20
FILE_BYTES = 1000  # Less than a page: nothing goes into the write-ahead log any more.
PREPARED = 8  # So many of each kind are at hand: some may still find room.


@pytest.fixture
def issuer():
    made = []

    def build(**options):
        made.append(Issuer(**options))
        return made[-1]

    yield build
    for one in made:
        one.close()


class Work:
    """All that has to be recorded, prepared while the store is well."""

    def __init__(self, issuer):
        self.issuer, self.asker = issuer, Asker(issuer)
        asker = self.asker
        asker.issuer.sign_in()
        families = [asker.tokens() for _ in range(4 * PREPARED)]
        self.refreshes = [one["refresh_token"] for one in families[:PREPARED]]
        self.families = families[PREPARED:2 * PREPARED]
        self.singles = [asker.credentials().json["access_token"] for _ in range(PREPARED)]
        self.assertions = [issuer.assertion() for _ in range(PREPARED)]
        devices = [asker.device().json for _ in range(PREPARED)]
        for device in devices:
            asker.allow_device(device["user_code"])
        self.devices = [device["device_code"] for device in devices]
        self.pushed = [asker.push().json["request_uri"] for _ in range(PREPARED)]
        self.codes = [asker.code() for _ in range(PREPARED)]  # Last: they live for a minute.
        # The next of each kind, and how it is used.
        self.kinds = {
            "code": (self.codes, lambda asker, one: asker.redeem(one)),
            "refresh": (self.refreshes, lambda asker, one: asker.refresh(one)),
            "revoke a family": (self.families, lambda asker, one: asker.revoke(one["refresh_token"])),
            "revoke a token": (self.singles, lambda asker, one: asker.revoke(one)),
            "assertion": (self.assertions, lambda asker, one: asker.assert_itself(one)),
            "poll": (self.devices, lambda asker, one: asker.poll(one)),
            "device": ([None] * PREPARED, lambda asker, _: asker.device()),
            "push": ([None] * PREPARED, lambda asker, _: asker.push()),
        }

    def refused(self, kind, squeeze=None):
        """Uses one after the other until it is refused: it was not used, and stays the next."""
        things, use = self.kinds[kind]
        while things:
            if squeeze:
                squeeze()
            answer = use(Asker(self.issuer), things[0])
            if answer.status == 503:
                assert answer.error == "temporarily_unavailable", (kind, answer.words)
                assert int(answer.get("Retry-After")) > 0 and answer.get("Cache-Control") == "no-store"
                return
            assert answer.status in (200, 201), (kind, answer.words)  # There was room for it.
            things.pop(0)
        raise AssertionError(f"{kind}: all {PREPARED} were recorded on a store that takes nothing")

    def all_refused(self, squeeze=None):
        for kind in self.kinds:
            self.refused(kind, squeeze)
        answer = self.asker.browser().get(authorize(self.asker))
        assert answer.status == 503 or "error=temporarily_unavailable" in answer.get("Location"), answer.words
        answer = self.asker.browser().get(f"/authorize?client_id=web&request_uri={self.pushed[0]}")
        assert answer.status == 503 or "code=" not in answer.get("Location"), answer.words
        self.asks_nothing()

    def asks_nothing(self):
        """What is not recorded goes on."""
        asker = self.asker
        token = asker.credentials()
        assert token.status == 200, token.words
        assert asker.is_active(token.json["access_token"])
        assert asker.request("GET", "/jwks").status == 200
        asker.feed()

    def all_good(self):
        """The same ones as were refused: none was used up."""
        for kind, (things, use) in self.kinds.items():
            answer = wait_until(lambda: self.not_503(use, things[0]), 30, f"{kind}: it does not come back")
            assert answer.status in (200, 201), (kind, answer.words)
        assert not self.asker.is_active(self.singles[0])
        assert self.asker.refresh(self.families[0]["refresh_token"]).error == "invalid_grant"
        assert not self.asker.is_active(self.families[0]["access_token"])
        assert self.asker.redeem(self.codes[0]).error == "invalid_grant"
        assert self.asker.assert_itself(self.assertions[0]).status == 401
        assert self.asker.poll(self.devices[0]).error == "invalid_grant"
        self.asker.tokens()

    def not_503(self, use, thing):
        answer = use(self.asker, thing)
        return answer if answer.status != 503 else None


def test_on_a_full_disk_nothing_is_given_that_cannot_be_recorded(issuer):
    issuer = issuer(start=False, store="sqlite:disk/as.db")
    disk = issuer.path("disk")
    os.mkdir(disk, 0o700)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=700", "none", disk]
    if subprocess.run(mount, stderr=subprocess.DEVNULL, check=False).returncode != 0:
        pytest.skip("a small disk cannot be mounted here")
    try:
        issuer.start()
        work = Work(issuer)

        def fill():
            with open(os.path.join(disk, "filler"), "ab", buffering=0) as file:
                try:
                    while True:
                        file.write(b"x" * 512)
                except OSError:
                    pass

        work.all_refused(fill)
        os.remove(os.path.join(disk, "filler"))
        work.all_good()
        assert issuer.stop() == 0
        database = sqlite3.connect(os.path.join(disk, "as.db"))
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        database.close()
    finally:
        issuer.stop()
        subprocess.run(["umount", "-l", disk], check=True)


def test_with_files_at_their_limit_nothing_is_given_that_cannot_be_recorded(issuer):
    issuer = issuer()
    work = Work(issuer)
    _, hard = resource.prlimit(issuer.process.pid, resource.RLIMIT_FSIZE, (FILE_BYTES, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    work.all_refused()
    resource.prlimit(issuer.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
    work.all_good()


def test_while_another_holds_the_store_everybody_waits_and_is_told_to_come_again(issuer):
    issuer = issuer()
    work = Work(issuer)
    other = sqlite3.connect(issuer.path("as.db"), isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with concurrent.futures.ThreadPoolExecutor(len(work.kinds)) as pool:  # Side by side: each waits for seconds.
        refused = [pool.submit(work.refused, kind) for kind in work.kinds]
        work.asks_nothing()
        for one in refused:
            one.result(60)
    other.execute("ROLLBACK")
    other.close()
    work.all_good()


def files_of_store(issuer):
    return [pathlib.Path(path) for path in (issuer.path("as.db"), issuer.path("as.db-wal"), issuer.path("as.db-shm"))]


def test_a_store_that_was_moved_away_is_not_made_anew(issuer):
    issuer = issuer()
    work = Work(issuer)
    away = pathlib.Path(issuer.path("away"))
    away.mkdir()
    for path in files_of_store(issuer):
        path.rename(away / path.name)
    work.all_refused()
    assert not any(path.exists() for path in files_of_store(issuer)), "a store was made in its place"
    for path in away.iterdir():
        path.rename(issuer.path(path.name))
    work.all_good()


def test_another_file_in_the_place_of_the_store_gets_nothing(issuer):
    issuer = issuer()
    work = Work(issuer)
    other = sqlite3.connect(issuer.path("other.db"))
    other.execute("CREATE TABLE cats (name TEXT)")
    other.commit()
    other.close()
    os.chmod(issuer.path("other.db"), 0o600)
    away = issuer.path("away")
    os.mkdir(away)
    for path in files_of_store(issuer):
        path.rename(os.path.join(away, path.name))
    shutil.copy(issuer.path("other.db"), issuer.path("as.db"))
    os.chmod(issuer.path("as.db"), 0o600)
    work.all_refused()
    assert pathlib.Path(issuer.path("as.db")).read_bytes() == pathlib.Path(issuer.path("other.db")).read_bytes()
    for path in files_of_store(issuer):
        path.unlink(missing_ok=True)
    for name in os.listdir(away):
        os.rename(os.path.join(away, name), issuer.path(name))
    work.all_good()


def test_what_was_answered_behind_a_log_that_was_removed_is_not_lost_by_a_kill(issuer):
    issuer = issuer()
    asker = issuer.sign_in()
    token = asker.tokens()["refresh_token"]
    os.remove(issuer.path("as.db-wal"))
    answers = []
    for _ in range(3):
        answers.append(asker.refresh(token))
        token = answers[-1].json.get("refresh_token", token)
    issuer.die()
    if any(answer.status == 200 for answer in answers):
        issuer.start_again()
        assert Asker(issuer).refresh(token).status == 200, "200 was answered, and is lost"


# ---- At the start


def refuses_to_start(issuer, *words):
    process = issuer.spawn()
    code = process.wait(30)
    said = issuer.read("stderr") + issuer.read("error.log")
    issuer.process = None
    assert code not in (0, None) and code > 0, (code, said)
    for word in words:
        assert word in said, said


@pytest.fixture
def stopped(issuer):
    """A server that has a store and its key, and does not run."""
    issuer = issuer()
    issuer.sign_in()
    assert issuer.stop() == 0
    issuer.process = None
    return issuer


def keys_of(issuer):
    return issuer.rows("SELECT kid, wrapped FROM signing_keys ORDER BY kid")


def test_with_the_key_of_another_store_it_does_not_start_and_makes_no_keys(stopped):
    before, key = keys_of(stopped), stopped.read("as.key")
    stopped.write("as.key", "A" * 43 + "\n")
    refuses_to_start(stopped, "key file")
    assert keys_of(stopped) == before and stopped.read("as.key") == "A" * 43 + "\n"
    stopped.write("as.key", key)
    stopped.start_again()
    assert stopped.sign_in().tokens()["access_token"]


def test_without_its_key_file_it_does_not_start_on_a_store_that_has_keys(stopped):
    before = keys_of(stopped)
    os.rename(stopped.path("as.key"), stopped.path("away.key"))
    refuses_to_start(stopped, "key file")
    assert keys_of(stopped) == before
    os.rename(stopped.path("away.key"), stopped.path("as.key"))
    stopped.start_again()


def test_a_missing_key_file_is_not_made_for_a_store_that_has_keys(stopped):
    os.rename(stopped.path("as.key"), stopped.path("away.key"))
    refuses_to_start(stopped)
    assert not os.path.exists(stopped.path("as.key"))


@pytest.mark.parametrize("content", ["", "short\n", "A" * 42 + "\n", "A" * 43, "A" * 43 + "\n\n", "!" * 43 + "\n", "A" * 4000])
def test_with_a_key_file_that_holds_no_key_it_does_not_start(stopped, content):
    before = keys_of(stopped)
    stopped.write("as.key", content)
    refuses_to_start(stopped, "as.key")
    assert keys_of(stopped) == before and stopped.read("as.key") == content


@pytest.mark.parametrize("name, mode", [("as.key", 0o644), ("as.key", 0o640), ("as.db", 0o644)])
def test_with_secrets_that_others_may_read_it_does_not_start(stopped, name, mode):
    os.chmod(stopped.path(name), mode)
    refuses_to_start(stopped, name, "chmod")
    os.chmod(stopped.path(name), 0o600)
    stopped.start_again()


@pytest.mark.parametrize("damage", ["header", "pages", "half"])
def test_on_a_store_that_is_damaged_it_does_not_start_and_leaves_it_as_it_is(stopped, damage):
    path = pathlib.Path(stopped.path("as.db"))
    good = path.read_bytes()
    page, pages = 4096, len(good) // 4096
    broken = {"header": b"damaged" * 100 + good[700:], "half": good[:pages // 2 * page],
              "pages": good[:page] + b"".join(b"\xff" * 64 + good[at * page + 64:(at + 1) * page] for at in range(1, pages))}[damage]
    path.write_bytes(broken)
    refuses_to_start(stopped, "as.db")
    assert path.read_bytes() == broken
    path.write_bytes(good)
    stopped.start_again()
    assert stopped.sign_in().tokens()["access_token"]


def test_in_a_folder_that_everybody_may_write_it_does_not_start(stopped):
    os.chmod(stopped.folder, 0o777)
    refuses_to_start(stopped, "everybody may write")
    os.chmod(stopped.folder, 0o700)


def test_in_a_folder_that_it_may_not_write_it_does_not_start(issuer):
    nobody = pwd.getpwnam("nobody")
    prefix = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"] if os.geteuid() == 0 else []
    if subprocess.run([*prefix, binary(), "-v"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode != 0:
        pytest.skip("nobody but root may run the program here, and root may write everywhere")
    issuer = issuer(start=False, prefix=prefix, store="sqlite:store/as.db")
    os.mkdir(issuer.path("store"), 0o700)
    if prefix:
        for path in (issuer.folder, *pathlib.Path(issuer.folder).iterdir()):
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
    os.chmod(issuer.path("store"), 0o500)
    refuses_to_start(issuer, "store/as.db", "Permission denied")
    assert os.listdir(issuer.path("store")) == []
    os.chmod(issuer.path("store"), 0o700)
    issuer.start_again()


def test_a_test_of_the_configuration_makes_nothing_and_listens_nowhere(issuer):
    issuer = issuer(start=False)
    before = sorted(os.listdir(issuer.folder))
    with socket.create_server(("127.0.0.1", issuer.port("as"))):  # Somebody else has the port.
        result = run_cli("-t", "-c", issuer.path("keepgate.conf"), cwd=issuer.folder)
    assert result.returncode == 0, result.stderr
    assert sorted(os.listdir(issuer.folder)) == before
