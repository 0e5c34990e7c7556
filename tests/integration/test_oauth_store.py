"""What the authorization server keeps: families that do not grow, additions to the list of revocations, and a store that comes back from a backup."""
import base64
import json
import os
import secrets
import sqlite3
import time
import urllib.parse

import pytest

from harness.gate import Gate
from harness.issuer import GATEWAY, Asker, Gone, Issuer
from harness.ports import wait_until

MANY = 20_000  # Entries that are there before.
PROTECTED = """daemon off;
worker_processes 2;
pid keepgate.pid;
error_log error.log info;
events { worker_connections 128; }
http {
    revocations http://127.0.0.1:@as@/revocations client_id=gateway client_secret_file=gateway.secret allow_private allow_http cache=copy;
    server {
        listen 127.0.0.1:@http@;
        auth_jwt x;
        auth_jwt_issuer http://127.0.0.1:@as@ audience=orders typ=at+jwt allow_private allow_http;
        location / { proxy_pass http://127.0.0.1:@as@/jwks; }
    }
}
"""


def answers(issuer):
    """It listens before its store is open."""
    def is_there():
        try:
            return Asker(issuer).credentials().status == 200
        except Gone:
            return False

    wait_until(is_there, 30, lambda: issuer.read("error.log")[-2000:])


@pytest.fixture
def issuer():
    made = Issuer()
    answers(made)
    yield made
    made.stop()


@pytest.fixture
def gate(issuer):
    made = Gate(text=PROTECTED, files={"gateway.secret": GATEWAY + "\n"}, values={"as": issuer.port("as")})
    yield made
    made.stop()


def status(gate, token):
    return gate.get("/", {"Authorization": f"Bearer {token}"}).status


def becomes(gate, token, wanted):
    wait_until(lambda: status(gate, token) == wanted, 30, lambda: f"it stays {status(gate, token)}: {gate.read('error.log')[-2000:]}")


def ask_feed(asker, **query):
    credentials = base64.b64encode(f"gateway:{urllib.parse.quote_plus(GATEWAY)}".encode()).decode()
    return asker.request("GET", "/revocations?" + urllib.parse.urlencode(query), {"Authorization": f"Basic {credentials}"})


def add_many(issuer, first=0):
    """As many rows as other people's revocations would have made."""
    database = sqlite3.connect(issuer.path("as.db"), timeout=20)
    with database:
        version, = database.execute("SELECT value FROM versions WHERE name = 'revocations'").fetchone()
        rows = [("grant", f"many-{first + i}", int(time.time()) + 80_000, version + 1 + i) for i in range(MANY)]
        database.executemany("INSERT INTO revocations (kind, value, before_s, until_s, version) VALUES (?, ?, 0, ?, ?)", rows)
        database.execute("UPDATE versions SET value = value + ? WHERE name = 'revocations'", (MANY,))
    database.close()


def test_who_says_the_epoch_is_told_what_was_added_and_nothing_else(issuer):
    asker = Asker(issuer)
    add_many(issuer)
    wait_until(lambda: len(asker.feed()) == MANY, 30)
    epoch, version = asker.feed_head()
    token = asker.credentials().json["access_token"]
    assert asker.revoke(token).status == 200
    added = ask_feed(asker, after=version, epoch=epoch)
    assert added.status == 200 and added.get("Revocation-After") == str(version) and added.get("Revocation-Version") == str(version + 2)
    assert [list(json.loads(line)) for line in added.body.decode().splitlines()] == [["jti", "until"], ["grant", "until"]]
    for query in (
        {"after": version}, {"after": version, "epoch": "another"}, {"after": version, "epoch": epoch + "x"}, {"epoch": epoch},
        {"after": version + 5, "epoch": epoch},
    ):
        whole = ask_feed(asker, **query)
        assert whole.status == 200 and whole.get("Revocation-After") is None, query
        assert len(whole.body.splitlines()) == MANY + 2, query
    assert ask_feed(asker, after=version + 2, epoch=epoch).status == 304
    assert len(ask_feed(asker, after=version - 9, epoch=epoch).body.splitlines()) == 11


def test_a_gateway_is_told_additions_and_its_copy_grows_by_them(issuer, gate):
    asker = Asker(issuer)
    add_many(issuer)
    tokens = [asker.credentials().json["access_token"] for _ in range(4)]
    becomes(gate, tokens[0], 200)
    wait_until(lambda: os.path.exists(gate.path("copy")) and os.path.getsize(gate.path("copy")) > MANY, 30)
    wait_until(lambda: f"{MANY} names" in gate.read("error.log") or f"adds {MANY} " in gate.read("error.log"), 30, lambda: gate.read("error.log")[-2000:])
    for token in tokens[:3]:
        assert asker.revoke(token).status == 200
        becomes(gate, token, 401)
    assert "adds 2 to" in gate.read("error.log")
    wait_until(lambda: gate.read("copy").count('"jti"') == 3, 30)
    assert "# keepgate-additions-1 " in gate.read("copy")
    # Nobody is there, and the gateway was killed: its copy has them.
    issuer.die()
    gate.process.kill()
    gate.process.wait(30)
    gate.write("keepgate.pid", "")
    half = gate.read("copy")
    with open(gate.path("copy"), "a", encoding="utf-8") as file:
        file.write(half[half.rindex("# keepgate-additions-1"):][:60])  # A kill in the middle of an addition.
    gate.start()
    issuer.start_again()  # Its keys are needed for any token; the list is known before.
    answers(issuer)
    becomes(gate, tokens[3], 200)
    assert {status(gate, token) for token in tokens[:3]} == {401}
    assert asker.revoke(tokens[3]).status == 200
    becomes(gate, tokens[3], 401)
    wait_until(lambda: gate.read("copy").count('"jti"') == 4 and gate.read("copy").count("# keepgate-revocations-2") == 1, 30)


def test_a_family_that_rotates_often_stays_a_few_rows_and_ends_by_its_first_token(issuer):
    asker = issuer.sign_in()
    first = asker.tokens()["refresh_token"]
    token = first
    for _ in range(40):
        answer = asker.refresh(token)
        assert answer.status == 200, answer.words
        token = answer.json["refresh_token"]
    time.sleep(1.1)  # Rows of the second that goes on stay: they are counted by whole seconds.
    token = asker.refresh(token).json["refresh_token"]
    rows, = issuer.rows("SELECT COUNT(*) FROM refresh_tokens")[0]
    assert rows <= 2
    head, tag = first.rsplit(".", 1)
    for forged in (head, head + ".", head + "." + "A" * len(tag), first + "A", "kgr_" + secrets.token_urlsafe(32)):
        assert asker.refresh(forged).error == "invalid_grant"
        assert asker.revoke(forged).status == 200
    token = asker.refresh(token).json["refresh_token"]
    assert asker.refresh(first).error == "invalid_grant"
    assert asker.refresh(token).error == "invalid_grant", "the family goes on after a token was used twice"
    assert any("grant" in entry for entry in asker.feed())


def test_any_token_of_a_family_takes_it_back_however_old(issuer):
    asker = issuer.sign_in()
    first = asker.tokens()["refresh_token"]
    token = asker.refresh(first).json["refresh_token"]
    time.sleep(1.1)  # As above.
    token = asker.refresh(token).json["refresh_token"]
    assert issuer.rows("SELECT COUNT(*) FROM refresh_tokens")[0][0] <= 2
    assert asker.post("/revoke", "gateway", token=first).error == "invalid_request", "another client's"
    assert asker.revoke(first).status == 200
    assert asker.refresh(token).error == "invalid_grant"


def back_up(issuer, name):
    """As docs/authorization_server.md says: one statement of the sqlite3 shell, while the server runs."""
    database = sqlite3.connect(issuer.path("as.db"), timeout=20)
    database.execute("VACUUM INTO ?", (issuer.path(name),))
    database.close()
    os.chmod(issuer.path(name), 0o600)


def test_a_store_that_comes_back_from_a_backup_goes_on_and_gateways_forget_nothing(issuer, gate):
    asker = issuer.sign_in()
    before, after, later = (asker.credentials().json["access_token"] for _ in range(3))
    refresh_token = asker.tokens()["refresh_token"]
    becomes(gate, before, 200)
    assert asker.revoke(before).status == 200
    becomes(gate, before, 401)
    back_up(issuer, "backup.db")
    assert asker.revoke(after).status == 200
    becomes(gate, after, 401)
    version = asker.feed_head()[1]
    issuer.die()
    for end in ("", "-wal", "-shm"):
        os.unlink(issuer.path("as.db" + end))
    os.rename(issuer.path("backup.db"), issuer.path("as.db"))
    issuer.change("UPDATE versions SET value = value + 1000000")
    issuer.start_again()
    answers(issuer)
    assert asker.feed_head()[1] > version
    assert asker.refresh(refresh_token).status == 200, "what was given before is good"
    assert asker.revoke(later).status == 200
    becomes(gate, later, 401)
    assert status(gate, before) == status(gate, after) == 401, "what the server has forgotten the gateway has not"
