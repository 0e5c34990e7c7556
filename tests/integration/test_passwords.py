"""auth_basic: who passes with a password, beside nginx; what services and logs see of it; changes while it runs; a full line."""
import base64
import os
import subprocess
import time
from pathlib import Path

import pytest

from harness import nginx
from harness.gate import run_cli, wait_until
from harness.wire import Client, request_bytes

PASSWORD = "hunter2"
BCRYPT = "$2y$05$abcdefghijklmnopqrstuuoXuKqgZXLiJqzfmMXDDhSFPIvxV7t8."
CHALLENGE = 'Basic realm="closed", charset="UTF-8"'


def openssl(kind, password=PASSWORD):
    return subprocess.run(["openssl", "passwd", kind, "-stdin"], input=password, capture_output=True, text=True, check=True).stdout.strip()


FORMS = {
    "plain": lambda: "{PLAIN}hunter2",
    "sha": lambda: "{SHA}87u9ZqY9S/F0eUBXjsPQEDUw4h0=",
    "ssha": lambda: "{SSHA}gK+fFFujqnweTpwCQ7Sp02gQxCJzYWx0",
    "des": lambda: "ab0ozUNIgzCZ.",
    "md5": lambda: openssl("-1"),
    "apr1": lambda: openssl("-apr1"),
    "sha256": lambda: openssl("-5"),
    "sha512": lambda: openssl("-6"),
    "bcrypt": lambda: BCRYPT,
    "yescrypt": lambda: "$y$j75$abcdefgh$xVT9.nCEbZT7Br/9iojUCoQA.ZYRshKh0TfvBdo8r49",
    "argon2id": lambda: "$argon2id$v=19$m=8192,t=2,p=1$YWJjZGVmZ2hpamtsbW5vcA$gliY8CKwZ29p1+LqM43PYsTc2lj9gHwlWeXdHnRs9as",
}


def basic(user, password=PASSWORD, scheme="Basic"):
    return {"Authorization": f"{scheme} {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


@pytest.fixture
def gate_of(keepgate, origin):
    """A gate that asks for a password of `users`, in front of a service that remembers."""

    def build(users, location="", http="", settings='auth_basic closed;', **options):
        service = origin()
        options.setdefault("files", {})["users"] = users
        gate = keepgate(
            "log_format all '$remote_user|$http_authorization|$status'; " + http + " server { listen 127.0.0.1:@http@; access_log access.log all;"
            + " decision_log decisions.log; " + settings + " auth_basic_user_file users;"
            + f" location / {{ {location} proxy_set_header X-User $remote_user; proxy_set_header X-Client $identity_client;"
            + " proxy_pass http://@origin@; } }", values={"origin": service.address}, **options)
        gate.origin = service
        return gate

    return build


def becomes(gate, fields, status):
    """Within a second, as promised; a loaded machine is given more."""
    start = time.monotonic()
    wait_until(lambda: gate.get("/", fields).status == status, 15, lambda: f"it stays {gate.get('/', fields).status}")
    return time.monotonic() - start


def test_every_form_of_hash_lets_its_password_in_and_no_other(gate_of):
    gate = gate_of("".join(f"{name}:{make()}\n" for name, make in FORMS.items()))
    for name in FORMS:
        assert gate.get("/", basic(name)).status == 200, name
        assert gate.origin.requests[-1].get("X-User") == gate.origin.requests[-1].get("X-Client") == name
    seen = len(gate.origin.requests)
    for name in FORMS:
        for wrong in ("hunter3", "", "Hunter2", PASSWORD + " ", FORMS[name]()):
            answer = gate.get("/", basic(name, wrong))
            assert answer.status == 401 and answer.get("WWW-Authenticate") == CHALLENGE, (name, wrong)
        assert gate.get("/", basic(name.upper())).status == 401
    assert gate.get("/").status == 401 and gate.get("/").get("WWW-Authenticate") == CHALLENGE
    assert len(gate.origin.requests) == seen, "no refused request was forwarded"


HOSTILE = {
    "no credential": {}, "empty": {"Authorization": ""}, "only the scheme": {"Authorization": "Basic"}, "a space": {"Authorization": "Basic "},
    "another scheme": {"Authorization": "Bearer " + base64.b64encode(b"plain:hunter2").decode()}, "no base64": {"Authorization": "Basic !!!!"},
    "no colon": {"Authorization": "Basic " + base64.b64encode(b"plain").decode()}, "no user": basic(""), "no password": basic("plain", ""),
    "unknown": basic("nobody"), "a comment's name": basic("#plain"), "cut": {"Authorization": "Basic cGxhaW46aHVudGVyM"},
    "a long password": basic("plain", "x" * 5000), "a long name": basic("x" * 5000), "right": basic("plain"), "lower case": basic("plain", scheme="basic"),
    "two spaces": {"Authorization": "Basic  " + base64.b64encode(b"plain:hunter2").decode()}, "not padded": {"Authorization": "Basic cGxhaW46aHVudGVyMg"},
    "no hash": basic("none", ""), "second line": basic("twice", "two"), "first line": basic("twice", "one"), "commented": basic("comment"),
    "wrong form": basic("odd", "odd"), "last": basic("last"), "UTF-8": basic("j\u00f6rg", "p\u00e4ss"), "Latin-1": {"Authorization": "Basic avZyZzpw5HNz"},
}
USERS = ("# plain:{PLAIN}x\n\nplain:{PLAIN}hunter2\ntwice:{PLAIN}one\ntwice:{PLAIN}two\ncomment:{PLAIN}hunter2:of some kind\n"
         "j\u00f6rg:{PLAIN}p\u00e4ss\nlast:{PLAIN}hunter2")


@pytest.mark.skipif(not nginx.installed(), reason="nginx is not installed")
def test_the_same_requests_pass_as_with_nginx(gate_of, origin, short_folder):
    os.chmod(short_folder, 0o755)  # nginx's workers are somebody else where it is started by root.
    users = Path(short_folder, "users")
    users.write_text(USERS, encoding="utf-8")
    users.chmod(0o644)
    theirs_behind = origin()
    peer = nginx.Nginx(f"server {{ listen 127.0.0.1:@gate@; auth_basic closed; auth_basic_user_file {users}; "
                       f"location / {{ proxy_set_header X-User $remote_user; proxy_pass http://{theirs_behind.address}; }} }}")
    try:
        gate = gate_of(USERS)
        for name, fields in HOSTILE.items():
            ours = gate.get("/x", fields)
            with Client(peer.address) as client:
                theirs = client.request("GET", "/x", fields)
            assert ours.status == theirs.status, name
            assert (ours.get("WWW-Authenticate") is None) == (theirs.get("WWW-Authenticate") is None), name
            if ours.status == 200:
                assert gate.origin.requests[-1].get("X-User") == theirs_behind.requests[-1].get("X-User"), name
        # Names both as RFC 7617 wants it; nginx does not say that it reads UTF-8.
        assert gate.get("/x").get("WWW-Authenticate") == CHALLENGE
        two = [*basic("plain").items(), *basic("plain").items()]
        assert gate.get("/x", two).status == 401
    finally:
        peer.close()


def test_the_name_is_known_and_the_password_goes_no_further(gate_of):
    gate = gate_of(f"alice:{BCRYPT}\nbob:{{PLAIN}}b\n", "proxy_set_header X-Seen $http_authorization;", error_log="error.log debug")
    for _ in range(2):
        assert gate.get("/a", {**basic("alice"), "X-Other": "1"}).status == 200
        request = gate.origin.requests[-1]
        assert request.get("X-User") == "alice" and request.get("X-Other") == "1"
        assert "authorization" not in request.names() and request.get("X-Seen") is None
    assert gate.get("/a", basic("alice", "swordfish")).status == 401
    assert gate.get("/a", basic("mallory", "swordfish")).status == 401
    wait_until(lambda: gate.read("access.log").count("\n") == 4, 10, "all are logged")
    assert gate.stop() == 0
    assert gate.read("access.log").splitlines() == ["alice|-|200"] * 2 + ["alice|-|401", "mallory|-|401"]
    assert 'user "alice": password mismatch' in gate.read("error.log") and 'user "mallory" was not found' in gate.read("error.log")
    decisions = gate.read("decisions.log")
    assert '"basic"' in decisions and "alice" in decisions
    for secret in (PASSWORD, "swordfish", "$2y$", base64.b64encode(b"alice:hunter2").decode()):
        assert secret not in gate.read("error.log") + gate.read("access.log") + decisions, secret


def test_forward_on_shows_it_to_the_service(gate_of):
    gate = gate_of("alice:{PLAIN}hunter2\n", "auth_basic_forward on;")
    assert gate.get("/", basic("alice")).status == 200
    assert gate.origin.requests[-1].get("Authorization") == basic("alice")["Authorization"]


def test_a_changed_file_counts_within_a_second(gate_of):
    gate = gate_of(f"alice:{BCRYPT}\n", workers=2)
    bob = basic("bob", "b")
    assert gate.get("/", basic("alice")).status == 200 and gate.get("/", bob).status == 401
    with open(gate.path("users"), "a", encoding="utf-8") as file:
        file.write("bob:{PLAIN}b\n")
    assert becomes(gate, bob, 200) < 15
    assert gate.get("/", basic("alice")).status == 200
    gate.write("users.new", "bob:{PLAIN}b\n")
    os.rename(gate.path("users.new"), gate.path("users"))
    becomes(gate, basic("alice"), 401)  # Although her password was just right: what is remembered is of the old file.
    assert gate.get("/", bob).status == 200
    os.remove(gate.path("users"))
    becomes(gate, bob, 503)
    assert gate.get("/").status == 503
    gate.write("users", f"alice:{openssl('-6', 'new')}\n")
    becomes(gate, basic("alice", "new"), 200)
    assert gate.get("/", basic("alice")).status == 401
    wait_until(lambda: "has 1 user" in gate.read("error.log") and "503" in gate.read("error.log"), 10, "the log says what changed")


def test_a_missing_file_opens_nothing(keepgate, origin):
    gate = keepgate("server { listen 127.0.0.1:@http@; location / { auth_basic x; auth_basic_user_file nope; proxy_pass http://@origin@; } "
                    "location /none/ { auth_basic x; proxy_pass http://@origin@; } location /open/ { auth_basic off; proxy_pass http://@origin@; } }",
                    values={"origin": origin().address})
    for target in ("/", "/none/"):
        for fields in ({}, basic("alice"), basic("", "")):
            assert gate.get(target, fields).status == 503, (target, fields)
    assert gate.get("/open/").status == 200


def test_a_full_line_answers_503_and_those_who_are_known_pass(gate_of):
    slow = subprocess.run(["openssl", "passwd", "-6", "-salt", "x", "-stdin"], input="unused", capture_output=True, text=True, check=True).stdout
    slow = slow.strip().replace("$6$x$", "$6$rounds=400000$x$")  # Nobody's password any more, and some hundred milliseconds.
    gate = gate_of(f"alice:{BCRYPT}\nslow:{slow}\n")
    assert gate.get("/", basic("alice")).status == 200
    flood = [Client(gate.address(), timeout=30) for _ in range(170)]
    try:
        for number, client in enumerate(flood):
            client.send(request_bytes("GET", "/", basic("slow", f"guess {number}")))
        last = flood[-1].read_response("GET")
        assert last.status == 503
        assert gate.get("/", basic("alice")).status == 200
        # The line was full all the while.
        assert gate.get("/", basic("alice", "wrong")).status == 503
        wait_until(lambda: "too many passwords are being checked" in gate.read("error.log"))
    finally:
        for client in flood:
            client.close()
    wait_until(lambda: gate.get("/", basic("alice", "wrong")).status == 401, 30, "the line empties when those in it leave")


def test_a_password_or_an_address(gate_of):
    gate = gate_of("alice:{PLAIN}hunter2\n", "satisfy any; allow 10.0.0.0/8; deny all;")
    assert gate.get("/").status == 401 and gate.get("/", basic("alice")).status == 200 and gate.get("/", basic("alice", "x")).status == 401
    gate = gate_of("alice:{PLAIN}hunter2\n", "satisfy any; allow 127.0.0.1; deny all;")
    assert gate.get("/").status == 200 and gate.get("/", basic("alice", "x")).status == 200
    gate = gate_of("alice:{PLAIN}hunter2\n", "satisfy all; deny 127.0.0.1;")
    assert gate.get("/", basic("alice")).status == 403


def test_a_realm_that_becomes_off_asks_for_nothing(gate_of):
    gate = gate_of("alice:{PLAIN}hunter2\n", http="map $server_port:$arg_open $realm { default Members; ~:yes$ off; }", settings="auth_basic $realm;")
    answer = gate.get("/")
    assert answer.status == 401 and answer.get("WWW-Authenticate") == 'Basic realm="Members", charset="UTF-8"'
    assert gate.get("/?open=yes").status == 200 and gate.get("/?open=no").status == 401
    assert gate.get("/", basic("alice")).status == 200


def test_a_policy_knows_the_user_as_a_client(gate_of):
    policy = 'policies:\n  - id: alice-reads\n    allow: client:alice\n    on: { service: shop, methods: [GET], paths: ["/**"] }\n'
    files = {"policy.yaml": policy}
    gate = gate_of("alice:{PLAIN}hunter2\nbob:{PLAIN}hunter2\n", "policy policy.yaml; service shop;", files=files)
    assert gate.get("/", basic("alice")).status == 200
    assert gate.get("/", basic("bob")).status == 403 and gate.get("/").status == 401
    explained = run_cli("explain", "GET", "/", "--as", "client:alice", "--config", gate.path("keepgate.conf"), cwd=gate.folder)
    assert "a password (auth_basic, 2 users)" in explained.stdout, explained.stdout + explained.stderr


def test_check_tells_what_is_wrong_with_a_file(tmp_path):
    def check(text, users=None):
        if users is not None:
            (tmp_path / "users").write_text(users, encoding="utf-8")
        (tmp_path / "keepgate.conf").write_text("events {} http { server { listen 127.0.0.1:1; location / { proxy_pass http://127.0.0.1:2; %s } } }" % text, encoding="utf-8")
        return run_cli("check", "-c", tmp_path / "keepgate.conf")

    result = check("auth_basic x; auth_basic_user_file nope;")
    assert result.returncode == 0 and "KG040" in result.stderr and "503" in result.stderr
    result = check("auth_basic x; auth_basic_user_file users;", "alice:hunter2\n")
    assert result.returncode == 0 and "line 1" in result.stderr and "hunter2" not in result.stderr
    assert "KG041" in check("auth_basic x;").stderr
    assert check("auth_basic x; auth_basic_user_file users;", "alice:{PLAIN}x\n").stderr.strip() == ""
    assert check("auth_basic off;").stderr.strip() == ""
    assert "KG121" in check("auth_basic $arg_realm; auth_basic_user_file users;").stderr
    assert "KG121" not in check('auth_basic "area $arg_realm"; auth_basic_user_file users;').stderr
    for bad in ("auth_basic;", "auth_basic a b;", "auth_basic a; auth_basic b;", "auth_basic_user_file;", "auth_basic_user_file a$host;",
                "auth_basic_forward maybe;", 'auth_basic_user_file "";'):
        assert check(bad).returncode == 1, bad
