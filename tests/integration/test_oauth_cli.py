"""keepgate client, user and revoke: they work on the store of the authorization server, beside a server that runs."""
import base64
import hashlib
import hmac
import json
import os
import pty
import re
import select
import sqlite3
import stat
import struct
import subprocess
import time
import urllib.parse

import pytest

from harness.gate import Gate, binary, run_cli
from harness.jose import payload_of
from harness.ports import wait_until

CONF = """daemon off; worker_processes 1; pid keepgate.pid; error_log error.log info; events { worker_connections 128; }
authorization_server {
    issuer http://127.0.0.1:@as@; listen 127.0.0.1:@as@; store sqlite:keepgate.db; title Shop;
    client fixed { public; grants authorization_code; redirect_uri https://fixed.example/cb; }
    client gateway { secret_file gateway.secret; revocations on; }
    user carol { roles customer; }
}
"""
SECRET = re.compile(r"kgs_[A-Za-z0-9_-]{43}[A-Za-z0-9_-]{6}")


class Place:
    """A configuration in a folder, and the commands with it."""

    def __init__(self, gate):
        self.gate = gate

    def run(self, *words, stdin="", code=0):
        result = run_cli(*words, "-c", self.gate.path("keepgate.conf"), stdin=stdin)
        assert result.returncode == code, (words, result.returncode, result.stdout, result.stderr)
        return result

    def json(self, *words):
        return json.loads(self.run(*words, "--output", "json").stdout)

    def rows(self, statement, *values):
        with sqlite3.connect(f"file:{self.gate.path('keepgate.db')}?mode=ro", uri=True) as database:
            return database.execute(statement, values).fetchall()

    def token(self, client, secret, **form):
        body = urllib.parse.urlencode({"grant_type": "client_credentials", **form})
        basic = base64.b64encode(f"{client}:{secret}".encode()).decode()
        return self.gate.request("POST", "/token", {"Authorization": f"Basic {basic}", "Content-Type": "application/x-www-form-urlencoded"}, body.encode())

    def feed(self):
        basic = base64.b64encode(b"gateway:secret-of-the-gateway").decode()
        answer = self.gate.get("/revocations?after=0&wait=0", {"Authorization": f"Basic {basic}"})
        assert answer.status == 200, answer.body
        return [json.loads(line) for line in answer.body.decode().splitlines()]


@pytest.fixture
def place():
    gate = Gate(text=CONF, files={"gateway.secret": "secret-of-the-gateway\n"}, start=False)
    yield Place(gate)
    gate.close()


@pytest.fixture
def server(place):
    place.gate.start()
    return place


CREATE = ("client", "create", "orders", "--grant", "client_credentials", "--scope", "orders:read", "--audience", "orders")


def test_a_client_is_made_before_the_first_start_and_its_secret_shown_once(place):
    result = place.run(*CREATE)
    secret = result.stdout.strip()
    assert SECRET.fullmatch(secret) and "not shown again" in result.stderr
    assert stat.S_IMODE(os.stat(place.gate.path("keepgate.db")).st_mode) == 0o600
    stored = place.rows("SELECT id, document FROM clients")
    assert stored[0][0] == "orders" and secret not in stored[0][1]
    assert hashlib.sha256(secret.encode()).hexdigest() in stored[0][1]
    for words in (("client", "list"), ("client", "list", "--output", "json"), ("client", "show", "orders"), ("client", "show", "orders", "--output", "json")):
        told = place.run(*words)
        assert "orders:read" in told.stdout and hashlib.sha256(secret.encode()).hexdigest() not in told.stdout + told.stderr
    place.gate.start()
    answer = place.token("orders", secret)
    assert answer.status == 200 and json.loads(answer.body)["token_type"] == "Bearer"
    assert place.token("orders", secret[:-1] + ("A" if secret[-1] != "A" else "B")).status == 401


def test_a_running_server_learns_of_clients_and_their_end(server):
    secret = server.run(*CREATE).stdout.strip()
    wait_until(lambda: server.token("orders", secret).status == 200, 15, "the client is known")
    assert server.run("client", "create", "orders", "--grant", "client_credentials", code=1).stdout == ""
    assert server.run("client", "create", "fixed", "--public", code=1).stdout == "", "the configuration has it"
    second = server.run("client", "rotate-secret", "orders", "--keep-old").stdout.strip()
    wait_until(lambda: server.token("orders", second).status == 200, 15, "the new secret is known")
    assert server.token("orders", secret).status == 200
    server.run("client", "rotate-secret", "orders", "--drop-old")
    wait_until(lambda: server.token("orders", secret).status == 401, 15, "the old one has ended")
    assert server.token("orders", second).status == 200
    third = server.run("client", "rotate-secret", "orders").stdout.strip()
    wait_until(lambda: server.token("orders", second).status == 401, 15, "it has ended at once")
    assert server.token("orders", third).status == 200 and len({secret, second, third}) == 3
    server.run("client", "delete", "orders")
    wait_until(lambda: server.token("orders", third).status == 401, 15, "the client is gone")
    assert any(entry.get("client") == "orders" for entry in server.feed())
    for verb in ("show", "rotate-secret", "delete"):
        server.run("client", verb, "orders", code=3)
        assert "configuration" in server.run("client", verb, "fixed", code=1).stderr


def test_secrets_go_into_new_files_of_their_owner_alone(place, tmp_path):
    file = tmp_path / "orders.secret"
    result = place.run(*CREATE, "--secret-file", file)
    assert result.stdout == "" and SECRET.fullmatch(file.read_text().strip())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    # Where it cannot be handed out there is no client whose secret nobody knows.
    refused = place.run("client", "create", "other", "--grant", "client_credentials", "--secret-file", file, code=1)
    assert "taken out again" in refused.stderr
    assert [client["id"] for client in place.json("client", "list")] == ["orders"]
    made = json.loads(place.run("client", "create", "third", "--grant", "client_credentials", "--output", "json").stdout)
    assert SECRET.fullmatch(made["client_secret"]) and made["client"]["grants"] == ["client_credentials"]


def test_a_client_that_could_not_work_is_not_made(place):
    for words in (("a:b",), ("web", "--grant", "implicit"), ("web", "--grant", "authorization_code"), ("web", "--public", "--grant", "client_credentials"),
                  ("web", "--grant", "authorization_code", "--redirect-uri", "http://web.example/cb"), ("web", "--grant", "refresh_token"),
                  ("web", "--scope", 'a"b'), ("web", "--certificate", "odd=x"), ("web", "--access-token-lifetime", "2d"), ("web", "--output", "xml"),
                  ("web", "--exchange-subject", "alice"), ("web", "--old-assertions"), ()):
        assert place.run("client", "create", *words, code=2).stdout == "", words
    key = place.gate.write("private.jwks", '{"keys":[{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","alg":"HS256"}]}')
    place.run("client", "create", "web", "--jwks", key, code=1)
    assert place.json("client", "list") == []
    made = place.run("client", "create", "web", "--public", "--grant", "authorization_code", "--redirect-uri", "https://web.example/cb")
    assert made.stdout == ""
    shown = place.json("client", "show", "web")["client"]
    assert shown["public"] and shown["secrets"] == 0 and shown["redirect_uris"] == ["https://web.example/cb"]


def test_users_are_made_with_a_password_that_nobody_sees(place):
    password = "correct horse"
    for stdin in ("", "short\n", "two\nlines\n", "x" * 513 + "\n"):
        place.run("user", "create", "alice", "--password-stdin", stdin=stdin, code=1)
    made = place.run("user", "create", "alice", "--role", "customer", "--claim", "email=a@example.com", "--password-stdin", stdin=password + "\n")
    assert made.stdout == "" and password not in made.stderr
    document = json.loads(place.rows("SELECT document FROM users WHERE name = 'alice'")[0][0])
    assert document["password_hash"].startswith("$argon2id$") and password not in json.dumps(document)
    place.run("user", "create", "alice", "--no-password", code=1)
    place.run("user", "create", "carol", "--no-password", code=1)  # Of the configuration.
    place.run("user", "create", "bob", "--no-password")
    for words in (("a/b", "--no-password"), ("x", "--claim", "sub=y", "--no-password"), ("x", "--claim", "y", "--no-password"), ("x", "--no-password", "--password-stdin")):
        place.run("user", "create", *words, code=2)
    listed = place.json("user", "list")
    assert [(one["name"], one["state"]) for one in listed] == [("alice", "active"), ("bob", "no password")]
    assert listed[0]["roles"] == ["customer"] and listed[0]["claims"] == {"email": "a@example.com"}
    table = place.run("user", "list").stdout
    assert "alice" in table and "argon2" not in table + json.dumps(listed)
    place.run("user", "set-password", "bob", "--password-stdin", stdin="another one\n")
    assert place.json("user", "list")[1]["state"] == "active"
    before = place.rows("SELECT document FROM users WHERE name = 'bob'")
    place.run("user", "set-password", "bob", "--password-stdin", stdin="another one\n")
    assert place.rows("SELECT document FROM users WHERE name = 'bob'") != before, "another salt"


def test_users_that_are_not_there(place):
    for words in (("set-password", "nobody", "--password-stdin"), ("enroll-totp", "nobody"), ("disable", "nobody"), ("enable", "nobody"), ("delete", "nobody")):
        place.run("user", *words, stdin="long enough\n", code=3)
    assert "configuration" in place.run("user", "disable", "carol", code=1).stderr
    run = run_cli("user", "list", "-c", place.gate.path("gone.conf"))
    assert run.returncode == 1
    place.gate.write("plain.conf", "events {} http { server { listen 127.0.0.1:1; location / { return 204; } } }")
    assert "no authorization_server" in run_cli("client", "list", "-c", place.gate.path("plain.conf")).stderr


def test_what_takes_something_from_a_user_is_told_to_gateways(server):
    server.run("user", "create", "alice", "--password-stdin", stdin="long enough\n")
    assert server.feed() == []
    server.run("user", "disable", "alice")
    wait_until(lambda: server.feed(), 15, "the list has an entry")
    entry = server.feed()[0]
    assert entry["sub"] == "user:alice" and abs(entry["before"] - time.time()) < 60 and entry["until"] > time.time() + 86_000
    assert server.json("user", "list")[0]["state"] == "disabled"
    server.run("user", "enable", "alice")
    assert server.json("user", "list")[0]["state"] == "active"
    server.run("user", "set-password", "alice", "--password-stdin", "--stay-signed-in", stdin="long enough\n")
    then = int(time.time())
    server.run("user", "set-password", "alice", "--password-stdin", stdin="long enough\n")
    assert server.rows("SELECT before_s FROM revocations WHERE value = 'user:alice'")[0][0] > then
    server.run("user", "delete", "alice")
    assert server.json("user", "list") == []


def code_of(secret, step):
    digest = hmac.new(secret, struct.pack(">Q", step), hashlib.sha1).digest()
    offset = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[offset:offset + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"


def test_a_second_factor_is_enrolled_and_kept_sealed(place):
    place.run("user", "create", "alice", "--no-password")
    result = place.run("user", "enroll-totp", "alice")
    address = urllib.parse.urlparse(result.stdout.strip())
    given = urllib.parse.parse_qs(address.query)
    assert (address.scheme, address.netloc) == ("otpauth", "totp") and urllib.parse.unquote(address.path) == "/Shop:alice" and given["issuer"] == ["Shop"]
    secret = base64.b32decode(given["secret"][0])
    assert len(secret) == 20 and len(code_of(secret, 1)) == 6
    sealed = place.rows("SELECT totp_sealed FROM users")[0][0]
    assert given["secret"][0] not in sealed and given["secret"][0] not in result.stderr
    assert place.json("user", "list")[0]["second_factor"] is True
    assert stat.S_IMODE(os.stat(place.gate.path("keepgate.key")).st_mode) == 0o600
    place.run("user", "enroll-totp", "alice", "--remove")
    assert place.json("user", "list")[0]["second_factor"] is False
    file = place.gate.path("totp")
    assert place.run("user", "enroll-totp", "alice", "--secret-file", file).stdout == ""
    assert place.gate.read("totp").startswith("otpauth://totp/")
    sealed = place.rows("SELECT totp_sealed FROM users")
    place.run("user", "enroll-totp", "alice", "--secret-file", file, code=1)
    assert place.rows("SELECT totp_sealed FROM users") == sealed, "what could not be handed out does not count"


def test_revocations_by_hand(server):
    secret = server.run(*CREATE).stdout.strip()
    wait_until(lambda: server.token("orders", secret).status == 200, 15, "the client is known")
    server.run("revoke", "--token-id", "t-1")
    server.run("revoke", "--client", "orders")
    server.run("revoke", "--user", "alice")
    wait_until(lambda: len(server.feed()) == 5, 15, "the list has them")
    assert {entry["sub"] for entry in server.feed() if "sub" in entry} == {"client:orders", "user:alice"}
    entries = {kind: entry for entry in server.feed() for kind in ("jti", "grant", "client", "sub") if kind in entry}
    assert entries["jti"]["jti"] == "t-1" and "before" not in entries["jti"]
    assert entries["grant"]["grant"] == "t-1", "so is what was exchanged from it"
    assert entries["client"]["client"] == "orders" and entries["client"]["before"] > 0
    assert entries["sub"]["sub"] == "user:alice"
    assert "no such user" in server.run("revoke", "--user", "alice").stderr
    server.run("revoke", "--grant", "gone", code=3)
    for words in ((), ("--user", "a", "--client", "b"), ("--token-id", ""), ("--user", "a\nb"), ("--client", "x" * 1025), ("--token-id", "eyJhbGciOiJFUzI1NiJ9.e30.x")):
        server.run("revoke", *words, code=2)
    # One that is taken back again may stand there again, wider.
    assert len({(kind, entry[kind]) for entry in server.feed() for kind in ("jti", "grant", "client", "sub") if kind in entry}) == 5
    assert server.token("orders", secret).status == 200, "what is issued afterwards is good"


def test_a_grant_is_revoked_once(server):
    server.json("client", "list")  # Behind it there are tables, however slowly the server starts.
    with sqlite3.connect(server.gate.path("keepgate.db")) as database:
        database.execute("INSERT INTO grants (id, client, subject, scopes, audience, facts, bound_key, session, created_s, expires_s)"
                         " VALUES ('g-1', 'web', 'user:alice', '', '', '{}', '', '', 1, 4000000000)")
    assert "is revoked" in server.run("revoke", "--grant", "g-1").stderr
    assert server.rows("SELECT revoked_s IS NOT NULL FROM grants") == [(1,)]
    wait_until(lambda: server.feed(), 15, "the list has it")
    assert server.feed()[0]["grant"] == "g-1"
    assert "was revoked before" in server.run("revoke", "--grant", "g-1").stderr


GATEWAY = """
revocations http://127.0.0.1:@as@/revocations client_id=gateway client_secret_file=gateway.secret allow_private allow_http;
server {
    listen 127.0.0.1:@gate@; auth_jwt x;
    auth_jwt_issuer http://127.0.0.1:@as@ audience=orders allow_private allow_http;
    location / { proxy_pass http://@origin@; }
}
"""


def test_what_is_revoked_by_hand_is_refused_at_a_gateway_and_what_is_issued_later_is_good(server, keepgate, origin):
    secret = server.run(*CREATE).stdout.strip()
    wait_until(lambda: server.token("orders", secret).status == 200, 15, "the client is known")
    gate = keepgate(GATEWAY, files={"gateway.secret": "secret-of-the-gateway\n"}, values={"as": server.gate.port("as"), "origin": origin().address}, workers=2)

    def status(token):
        return gate.get("/", {"Authorization": f"Bearer {token}"}).status

    def issued():
        return json.loads(server.token("orders", secret).body)["access_token"]

    one, sibling = issued(), issued()
    wait_until(lambda: status(one) == status(sibling) == 200, 15, lambda: f"not accepted: {gate.read('error.log')[-2000:]}")
    server.run("revoke", "--token-id", payload_of(one)["jti"])
    wait_until(lambda: status(one) == 401, 15, "the gateway has not heard of it")
    assert status(sibling) == 200
    server.run("revoke", "--client", "orders")
    wait_until(lambda: status(sibling) == 401, 15, "the gateway has not heard of it")
    wait_until(lambda: status(issued()) == 200, 15, "what is issued from the next second on is good")
    assert {status(one), status(sibling)} == {401}
    server.run("client", "delete", "orders")
    assert server.gate.stop() == 0
    assert {status(one), status(sibling)} == {401}, "the server is gone, and nothing is forgotten"


def on_terminal(place, *words, answers):
    """Runs a verb on a terminal of its own, answering its questions; what it showed and its exit code."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(binary(), [binary(), *words, "-c", place.gate.path("keepgate.conf")])
    shown, answers = b"", list(answers)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 0.1)[0]:
            continue
        try:
            data = os.read(terminal, 4096)
        except OSError:
            break
        if not data:
            break
        shown += data
        if answers and shown.endswith(b": "):
            os.write(terminal, answers.pop(0).encode() + b"\n")
    os.close(terminal)
    return shown.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_passwords_are_asked_for_without_echo(place):
    shown, code = on_terminal(place, "user", "create", "alice", answers=["correct horse", "correct horse"])
    assert code == 0 and "New password of alice" in shown and "Once more" in shown and "horse" not in shown, shown
    shown, code = on_terminal(place, "user", "set-password", "alice", answers=["correct horse", "correct h0rse"])
    assert code == 1 and "not the same" in shown and "rse" not in shown.replace("horses", ""), shown
    # Off a terminal nothing is asked.
    result = subprocess.run([binary(), "user", "create", "bob", "-c", place.gate.path("keepgate.conf")], stdin=subprocess.DEVNULL, capture_output=True,
                            text=True, timeout=30, start_new_session=True, check=False)
    assert result.returncode == 1 and "--password-stdin" in result.stderr


def test_help_begins_with_examples():
    for words in (("client",), ("user",), ("client", "create"), ("user", "enroll-totp"), ("revoke",)):
        result = run_cli(*words, "--help")
        assert result.returncode == 0 and result.stdout.startswith("Examples:"), words
    assert "client" in run_cli("help").stdout and run_cli("client").returncode == 2
