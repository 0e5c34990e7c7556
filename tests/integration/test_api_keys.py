"""auth_api_key: who passes with a key, who does not, what the service and the logs see of it, and changes while it runs."""
import json
import os
import re
import shutil
import subprocess
import time

import pytest

from harness.gate import ROOT, Gate, binary, run_cli, wait_until
from harness.ports import free_port

HEADER = "X-API-Key"
LOGS = "log_format all '$request|$request_uri|$args|$http_x_api_key|$http_cookie|$cookie_key|$http_referer|$http_authorization';"


class Keys:
    """Keys of one file, and a gate that asks for them."""

    def __init__(self, folder, gates, origin):
        self.folder, self.gates, self.origin = folder, gates, origin
        self.file = folder / "api_keys"

    def command(self, verb, *arguments, **options):
        result = run_cli("key", verb, "--file", self.file, *arguments, **options)
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()

    def make(self, client="orders-app", *arguments):
        return self.command("create", "--client", client, *arguments)

    def gate(self, settings='auth_api_key "shop";', location="", http="", **options):
        return self.gates(
            LOGS + http + " server { listen 127.0.0.1:@http@; access_log access.log all; decision_log decisions.log;"
            + settings + f' auth_api_key_file "{self.file}"; location / {{ {location}'
            + " proxy_set_header X-Client $identity_client; proxy_set_header X-Seen $http_x_api_key; proxy_pass http://@origin@; } }",
            values={"origin": self.origin.address}, **options)


@pytest.fixture
def keys(tmp_path, keepgate, origin):
    return Keys(tmp_path, keepgate, origin())


def id_of(key):
    return key.split("_")[1]


def secret_of(key):
    return key.split("_")[2]


def becomes(gate, key, status):
    """Within a second, as promised; a loaded machine is given more."""
    start = time.monotonic()
    wait_until(lambda: gate.get("/", {HEADER: key}).status == status, 15, lambda: f"it stays {gate.get('/', {HEADER: key}).status}")
    return time.monotonic() - start


def test_a_key_passes_and_nothing_else_does(keys):
    key, other = keys.make(), keys.make("other")
    gate = keys.gate()
    assert gate.get("/a", {HEADER: key}).status == 200
    assert keys.origin.requests[-1].get("X-Client") == "orders-app"
    assert gate.get("/a", {HEADER: other}).status == 200
    assert keys.origin.requests[-1].get("X-Client") == "other"
    answer = gate.get("/a")
    assert answer.status == 401 and answer.get("WWW-Authenticate") == 'ApiKey realm="shop"'
    seen = len(keys.origin.requests)
    mixed = key[:16] + secret_of(other)
    for wrong in (key[:-1], key + "0", key.lower(), mixed, "x", "", "kg_" + "a" * 62, f"{key}, {key}", f"{key},{other}", " ".join([key] * 2)):
        answer = gate.get("/a", {HEADER: wrong})
        assert answer.status == 401 and "invalid_token" in answer.get("WWW-Authenticate"), wrong
    for target, fields in (("/a?X-API-Key=" + key, {}), ("/a", {"Authorization": "Bearer " + key}), ("/a", {"Cookie": f"{HEADER}={key}"})):
        assert gate.get(target, fields).status == 401
    assert len(keys.origin.requests) == seen, "no refused request was forwarded"


@pytest.mark.parametrize("second", ["same", "other", "junk"])
def test_two_keys_in_one_request_are_refused(keys, second):
    key = keys.make()
    more = {"same": key, "other": keys.make("other"), "junk": "x"}[second]
    gate = keys.gate('auth_api_key "shop" in=header:X-API-Key in=query:key in=cookie:key;')
    assert gate.get("/", [(HEADER, key)]).status == 200
    assert gate.get("/?key=" + key).status == 200
    assert gate.get("/", {"Cookie": "key=" + key}).status == 200
    for target, fields in (
        ("/", [(HEADER, key), (HEADER, more)]), ("/", [(HEADER, more), ("x-api-key", key)]), (f"/?key={more}", [(HEADER, key)]),
        (f"/?key={key}&key={more}", []), (f"/?key={key}", [("Cookie", f"key={more}")]), ("/", [("Cookie", f"key={key}; key={more}")]),
        ("/", [("Cookie", f"key={key}"), ("Cookie", f"key={more}")]), (f"/?key={key}&%6bey={more}", []),
    ):
        assert gate.get(target, fields).status in (400, 401), (target, fields)


def test_the_service_never_sees_the_key(keys):
    key = keys.make()
    gate = keys.gate('auth_api_key "shop" in=header:X-API-Key in=header:Authorization in=query:key in=cookie:key;')

    def forwarded(target, fields):
        assert gate.get(target, fields).status == 200, (target, fields)
        request = keys.origin.requests[-1]
        assert secret_of(key).encode() not in request.head
        return request

    assert forwarded("/a?b=1", {HEADER: key, "X-Other": "1"}).get("X-Other") == "1"
    assert HEADER.lower() not in keys.origin.requests[-1].names() and keys.origin.requests[-1].target == "/a?b=1"
    for scheme in ("ApiKey", "Bearer", "bearer"):
        assert "authorization" not in forwarded("/", {"Authorization": f"{scheme} {key}"}).names()
    assert forwarded(f"/a?x=1&key={key}&y=%2B", {}).target == "/a?x=1&y=%2B"
    assert forwarded(f"/a?key={key}", {}).target == "/a"
    assert forwarded("/a?", {HEADER: key}).target == "/a?"
    assert forwarded("/", {"Cookie": f"a=1; key={key}; b=2"}).get("Cookie") == "a=1; b=2"
    assert "cookie" not in forwarded("/", {"Cookie": f"key={key}"}).names()
    assert forwarded("/", {HEADER: key, "Cookie": "a=1;b"}).get("Cookie") == "a=1;b"
    assert forwarded("/", {HEADER: key, "Authorization": "Basic eDp5"}).get("Authorization") == "Basic eDp5"


def test_no_variable_brings_it_back(keys):
    key = keys.make()
    gate = keys.gate('auth_api_key "shop" in=query:key in=header:X-API-Key;',
                     'proxy_set_header A $request_uri; proxy_set_header B $args; proxy_set_header C $request; proxy_set_header D "x$arg_key";')
    assert gate.get(f"/a?b=1&key={key}").status == 200
    request = keys.origin.requests[-1]
    assert secret_of(key).encode() not in request.head
    assert (request.get("A"), request.get("B"), request.get("D")) == ("/a?b=1", "b=1", "x")
    assert gate.get("/a", {HEADER: key}).status == 200
    assert keys.origin.requests[-1].get("X-Seen") is None


def test_forward_on_shows_it_to_the_service(keys):
    key = keys.make()
    gate = keys.gate('auth_api_key "shop" in=query:key in=header:X-API-Key; auth_api_key_forward on;')
    assert gate.get("/", {HEADER: key}).status == 200
    assert keys.origin.requests[-1].get(HEADER) == key == keys.origin.requests[-1].get("X-Seen")
    assert gate.get(f"/a?key={key}").status == 200 and keys.origin.requests[-1].target == f"/a?key={key}"


def test_no_log_shows_a_key_of_whatever_request(keys):
    key, revoked = keys.make(), keys.make("gone")
    keys.command("revoke", id_of(revoked))
    gate = keys.gate('auth_api_key "shop" in=header:X-API-Key in=query:key in=cookie:key;', error_log="error.log debug")
    for one in (key, revoked):
        gate.get(f"/a?key={one}")
        gate.get("/", {HEADER: one, "Referer": f"https://x.example/?key={one}"})
        gate.get("/", {"Cookie": f"key={one}"})
        gate.get(f"/elsewhere?api_key={one}", {"Authorization": "Bearer " + one})
        gate.get(f"/in/the/path/{one}")
        gate.get(f"/a?kg%5F{one[3:]}")
    assert gate.stop() == 0
    for name in ("access.log", "error.log", "decisions.log"):
        text = gate.read(name)
        assert secret_of(key) not in text and secret_of(revoked) not in text, name
        if name != "decisions.log":
            assert id_of(revoked) in text, "the id says which key it was"
    assert f"kg_{id_of(revoked)}_[redacted]" in gate.read("access.log")


def test_changes_are_in_effect_without_a_reload(keys):
    key = keys.make()
    gate = keys.gate(workers=2)
    assert gate.get("/", {HEADER: key}).status == 200
    new = keys.command("rotate", id_of(key), "--overlap", "1h")
    became = becomes(gate, new, 200)
    assert gate.get("/", {HEADER: key}).status == 200, "both are valid during the overlap"
    keys.command("revoke", id_of(key))
    became = max(became, becomes(gate, key, 401))
    assert gate.get("/", {HEADER: new}).status == 200
    keys.command("compact")
    another = keys.make("another")
    became = max(became, becomes(gate, another, 200))
    assert gate.get("/", {HEADER: new}).status == 200 and gate.get("/", {HEADER: key}).status == 401
    print(f"in effect after {became:.2f} s at most")


def test_on_every_worker_at_once(keys):
    key = keys.make()
    gate = keys.gate(workers=2)
    clients = [gate.connect() for _ in range(16)]
    try:
        assert all(client.request("GET", "/", {HEADER: key}).status == 200 for client in clients)
        keys.command("revoke", id_of(key))
        becomes(gate, key, 401)
        assert all(client.request("GET", "/", {HEADER: key}).status == 401 for client in clients)
    finally:
        for client in clients:
            client.close()


def test_an_expired_key_is_refused_without_anybody_doing_anything(keys):
    key = keys.make("soon-over", "--expires", "2s")
    gate = keys.gate()
    becomes(gate, key, 401)
    wait_until(lambda: "is expired" in gate.read("error.log"))


def test_a_broken_file_leaves_the_keys_that_were_there(keys):
    key = keys.make()
    gate = keys.gate()
    good = keys.file.read_text()
    keys.file.write_text(good + "nonsense\n")
    wait_until(lambda: "line 3" in gate.read("error.log"), 15)
    assert "stay in use" in gate.read("error.log") and "nonsense" not in gate.read("error.log")
    assert gate.get("/", {HEADER: key}).status == 200
    keys.file.unlink()
    wait_until(lambda: "No such file" in gate.read("error.log"), 15)
    assert gate.get("/", {HEADER: key}).status == 200
    gate.reload()
    assert gate.get("/", {HEADER: key}).status == 200, "a reload goes on with what is followed"
    keys.file.write_text(good)
    os.chmod(keys.file, 0o600)
    new = keys.make("new")
    becomes(gate, new, 200)


def test_a_missing_file_is_503_until_it_is_there(keys):
    gate = keys.gate()
    assert gate.get("/").status == 503 and gate.get("/", {HEADER: "x"}).status == 503
    assert not keys.origin.requests
    key = keys.make()
    becomes(gate, key, 200)
    assert gate.get("/").status == 401


def test_without_a_file_it_is_503(keepgate, origin):
    backend = origin()
    gate = keepgate('server { listen 127.0.0.1:@http@; location / { auth_api_key "shop"; proxy_pass http://@origin@; } }', values={"origin": backend.address})
    assert gate.get("/", {HEADER: "x"}).status == 503 and not backend.requests


def test_levels_inherit_and_authorize_off_opens(keys):
    key = keys.make()
    gate = keys.gates(
        f'auth_api_key "shop"; auth_api_key_file "{keys.file}"; server {{ listen 127.0.0.1:@http@; location / {{ proxy_pass http://@origin@; }}'
        " location /open/ { auth_api_key off; proxy_pass http://@origin@; } location /own/ { auth_api_key x in=query:k; proxy_pass http://@origin@; }"
        " location /off/ { authorize off; proxy_pass http://@origin@; } }",
        values={"origin": keys.origin.address})
    assert [gate.get(path).status for path in ("/", "/open/", "/own/", "/off/")] == [401, 200, 401, 200]
    assert gate.get("/", {HEADER: key}).status == 200
    assert gate.get("/own/", {HEADER: key}).status == 401 and gate.get(f"/own/?k={key}").status == 200


@pytest.mark.parametrize("text", [
    "auth_api_key;", "auth_api_key off in=query:k;", "auth_api_key x in=body:k;", "auth_api_key x in=header:;", "auth_api_key x in=header;",
    "auth_api_key x in=header:Host;", "auth_api_key x in=header:Cookie;", "auth_api_key x in=query:a%20b;", "auth_api_key x in=query:;",
    "auth_api_key x in=cookie:a=b;", "auth_api_key x in=header:A in=header:a;", "auth_api_key x; auth_api_key y;", "auth_api_key x k;",
    "auth_api_key_file $x;", "auth_api_key_file a b;", "auth_api_key_file a secret=;", "auth_api_key_file a; auth_api_key_file b;",
    "auth_api_key_forward maybe;",
])
def test_a_configuration_that_is_not_understood_is_refused(tmp_path, text):
    (tmp_path / "keepgate.conf").write_text("events { } http { server { listen 127.0.0.1:1; location / { " + text + " return 200; } } }")
    result = run_cli("-t", "-c", tmp_path / "keepgate.conf")
    assert result.returncode == 1 and "auth_api_key" in result.stderr


def test_a_guard_does_not_take_keys_beside_its_token(tmp_path):
    (tmp_path / "keepgate.conf").write_text(
        "events { } http { trust_domain t; server { listen 127.0.0.1:1; service s; transaction_token require; auth_api_key x;"
        " location / { proxy_pass http://127.0.0.1:2; } } }")
    result = run_cli("check", "-c", tmp_path / "keepgate.conf")
    assert result.returncode == 1 and "auth_api_key off" in result.stdout + result.stderr


# ---- the example


@pytest.fixture
def example(tmp_path, origin):
    folder = tmp_path / "api_keys"
    shutil.copytree(os.path.join(ROOT, "examples", "api_keys"), folder, ignore=shutil.ignore_patterns("keys", "logs"))
    backend = origin()
    ports = {"8091": str(free_port()), "8093": str(backend.port)}
    text = (folder / "keepgate.conf").read_text()
    (folder / "keepgate.conf").write_text(re.sub(r"127\.0\.0\.1:(809\d)", lambda match: "127.0.0.1:" + ports[match.group(1)], text))
    for _ in range(2):  # Running it again changes nothing.
        subprocess.run([folder / "prepare.sh"], env={**os.environ, "KEEPGATE_BIN": binary()}, check=True, timeout=60)
    gate = Gate(text="", start=False)
    shutil.rmtree(gate.folder)
    gate.folder, gate.ports = str(folder), {"http": int(ports["8091"])}
    gate.start()
    yield gate, backend, {name: (folder / "keys" / name).read_text().strip() for name in ("orders-app", "console", "newsreader")}
    assert gate.stop() == 0


def test_the_example_does_what_its_policy_says(example):
    gate, backend, key = example
    expected = [
        ("orders-app", "GET", "/orders/7", 200), ("orders-app", "PUT", "/orders/7", 200), ("orders-app", "DELETE", "/orders/7", 403),
        ("console", "GET", "/orders/7", 200), ("console", "PUT", "/orders/7", 403), ("console", "DELETE", "/orders/7", 200),
        ("newsreader", "GET", "/orders/7", 403), ("newsreader", "DELETE", "/orders/7", 403),
    ]
    for client, method, path, status in expected:
        for fields in ({HEADER: key[client]}, {"Authorization": "ApiKey " + key[client]}):
            assert gate.request(method, path, fields).status == status, (client, method, path)
            if status == 200:
                assert backend.requests[-1].get("X-Client") == client
    assert gate.get("/feeds/all?key=" + key["newsreader"]).status == 200 and backend.requests[-1].target == "/feeds/all"
    assert gate.get("/feeds/all?key=" + key["console"]).status == 403
    assert gate.get("/feeds/all", {HEADER: key["newsreader"]}).status == 401
    assert gate.get("/orders/7").status == 401 and gate.get("/healthz").status == 200
    wait_until(lambda: "\n" in gate.read("logs/decisions.log"))
    first = json.loads(gate.read("logs/decisions.log").splitlines()[0])
    assert (first["requester"], first["authenticated_by"]) == ("client:orders-app", "api-key")
    result = run_cli("policy", "test", "-c", gate.path("keepgate.conf"))
    assert result.returncode == 0, result.stdout + result.stderr


def test_explain_knows_the_key(example):
    gate, _, _ = example
    result = run_cli("explain", "GET", "/orders/7", "--as", "client:console", "-c", gate.path("keepgate.conf"))
    assert "auth_api_key, 3 keys" in result.stdout + result.stderr
