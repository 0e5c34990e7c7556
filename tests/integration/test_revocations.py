"""revocations: what is taken back is refused within a second, by every worker, cached or not; its siblings go on."""
import json
import os
import shutil
import time
import uuid

import pytest

from harness.gate import Gate, run_cli, wait_until
from harness.jose import claims

ISSUER = "https://id.example"
GATEWAY = """
revocations revoked;
server {
    listen 127.0.0.1:@http@; decision_log decisions.log;
    location / { auth_jwt x; auth_jwt_key_file clients.json; proxy_pass http://@origin@; }
    location /basic/ { auth_basic x; auth_basic_user_file users; proxy_pass http://@origin@; }
    location /named/ { auth_identity $name; proxy_pass http://@origin@; policy policy.yaml; service named; }
    location /open/ { proxy_pass http://@origin@; }
}
map $http_x_name $name { ~^secret-web$ web; ~^secret-app$ app; default ""; }
"""
POLICY = 'policies:\n  - id: named\n    allow: "*"\n    on: { service: named, methods: [GET], paths: ["/**"] }\n'


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def gate(keepgate, origin, jose):
    files = {
        "revoked": "# nothing yet\n",
        "users": "alice:{PLAIN}a\nbob:{PLAIN}b\n",
        "policy.yaml": POLICY,
        "clients.json": jose.set_of(jose.key("HS256"), jose.key("ES256"), jose.key("EdDSA")),
    }
    return keepgate(GATEWAY, files=files, values={"origin": origin().address}, workers=3)


def token(jose, algorithm="HS256", header=None, **more):
    values = {**claims(), "iss": ISSUER, "jti": str(uuid.uuid4()), **more}
    return bearer(jose.sign(algorithm, {name: value for name, value in values.items() if value is not None}, header=header))


def append(gate, line):
    with open(gate.path("revoked"), "a", encoding="utf-8") as file:
        file.write(line + "\n")


def replace(gate, text):
    gate.write("revoked.new", text)
    os.rename(gate.path("revoked.new"), gate.path("revoked"))


def statuses(gate, fields, target="/", times=12):
    """Of several connections, so that each worker is likely to be asked."""
    return {gate.get(target, fields).status for _ in range(times)}


def becomes(gate, fields, status, target="/"):
    """Within a second, as promised; a loaded machine is given more. Then it stays so, on every worker."""
    start = time.monotonic()
    wait_until(lambda: gate.get(target, fields).status == status, 15, lambda: f"it stays {gate.get(target, fields).status}")
    waited = time.monotonic() - start
    time.sleep(0.1)  # The workers look at what is published with their next request; nothing tells that all have.
    assert statuses(gate, fields, target) == {status}
    return waited


def test_each_kind_of_name_and_no_sibling(gate, jose):
    good = token(jose)
    victims = {
        "sub mallory": (token(jose, sub="mallory"), token(jose, sub="mallory2")),
        "sub carol": (token(jose, sub="user:carol"), token(jose, sub="user:caroline")),
        "jti t-1": (token(jose, jti="t-1"), token(jose, jti="t-2")),
        "client stolen": (token(jose, client_id="stolen"), token(jose, client_id="Stolen")),
        "kid ES256-k1": (token(jose, "ES256"), token(jose, "EdDSA")),
        f"sub dave iss={ISSUER}": (token(jose, sub="dave"), token(jose, sub="dave", iss="https://other.example")),
        "sub erin before=1700000000": (token(jose, sub="erin", iat=1699999999), token(jose, sub="erin", iat=1700000000)),
        '{"sub":"two words"}': (token(jose, sub="two words"), token(jose, sub="two")),
    }
    for one, sibling in victims.values():
        assert statuses(gate, one) == statuses(gate, sibling) == {200}  # Now they are in the caches of verified tokens.
    for line, (one, sibling) in victims.items():
        append(gate, line)
        becomes(gate, one, 401)
        assert statuses(gate, sibling) == {200}, line
    append(gate, f"sub frank until={int(time.time()) - 1}")
    append(gate, "sub last")
    becomes(gate, token(jose, sub="last"), 401)
    assert gate.get("/", token(jose, sub="frank")).status == 200
    assert statuses(gate, good) == {200} and gate.get("/open/", bearer("x")).status == 200
    # A key is revoked whatever a token says of it.
    assert gate.get("/", token(jose, "ES256", header={"kid": None})).status == 401
    assert gate.get("/", token(jose, "EdDSA", header={"kid": None})).status == 200
    # Not having been issued at any time is older than everything.
    assert gate.get("/", token(jose, sub="erin", iat=None)).status == 401
    answer = gate.get("/", victims["sub mallory"][0])
    assert 'error="invalid_token"' in answer.get("WWW-Authenticate") and b"mallory" not in answer.body + answer.get("WWW-Authenticate").encode()
    wait_until(lambda: 'revoked: sub "mallory" (line 2)' in gate.read("error.log"), 10, "the log says which entry it was")
    wait_until(lambda: "revoked: jti" in gate.read("decisions.log"), 10, "so does the decision log")


def test_every_method_asks(gate):
    alice, bob = {"Authorization": "Basic YWxpY2U6YQ=="}, {"Authorization": "Basic Ym9iOmI="}
    web, app = {"X-Name": "secret-web"}, {"X-Name": "secret-app"}
    assert statuses(gate, alice, "/basic/") == statuses(gate, bob, "/basic/") == statuses(gate, web, "/named/") == {200}
    append(gate, "client alice")
    append(gate, "client web")
    becomes(gate, alice, 401, "/basic/")
    becomes(gate, web, 401, "/named/")
    assert statuses(gate, bob, "/basic/") == statuses(gate, app, "/named/") == {200}


def test_api_keys_by_id_and_by_client(keepgate, origin, tmp_path):
    def make(client):
        return run_cli("key", "create", "--file", tmp_path / "keys", "--client", client).stdout.strip()

    one, two, three = ({"X-API-Key": make(client)} for client in ("a", "a", "b"))
    gate = keepgate("revocations revoked; server { listen 127.0.0.1:@http@; auth_api_key x; auth_api_key_file %s/keys; location / "
                    "{ proxy_pass http://@origin@; } }" % tmp_path, files={"revoked": ""}, values={"origin": origin().address})
    assert [gate.get("/", key).status for key in (one, two, three)] == [200] * 3
    append(gate, "key " + one["X-API-Key"].split("_")[1])
    becomes(gate, one, 401)
    assert [gate.get("/", key).status for key in (two, three)] == [200] * 2
    append(gate, "client a")
    becomes(gate, two, 401)
    assert gate.get("/", three).status == 200


GUARD = """
trust_domain shop.internal; revocations revoked;
server { listen 127.0.0.1:@guard@; service orders; transaction_token require; transaction_token_key_file gateway.jwks.json;
         policy policy.yaml; location / { proxy_pass http://@origin@; } }
"""


def test_a_guard_refuses_what_is_revoked(keepgate, origin, jose):
    policy = POLICY.replace("named", "orders")
    key, other = jose.key("ES256", "gateway"), jose.key("ES256", "second")
    gate = keepgate(GUARD, files={"revoked": "", "policy.yaml": policy, "gateway.jwks.json": jose.set_of(key, other)},
                    values={"origin": origin().address}, workers=2)

    def transaction(name="gateway", tctx=None, **changes):
        now = int(time.time())
        values = {"iat": now, "exp": now + 300, "aud": "shop.internal", "txn": str(uuid.uuid4()), "sub": "client1", "scope": "orders",
                  "req_wl": "gateway", "tctx": {"service": "orders", "client_id": "client1", **(tctx or {})}, **changes}
        return {"Txn-Token": jose.sign("ES256", values, name=name, header={"typ": "txntoken+jwt"})}

    victims = {
        "sub alice": (transaction(sub="user:alice"), transaction(sub="user:bob")),
        "jti txn-1": (transaction(txn="txn-1"), transaction(txn="txn-2")),
        "client web": (transaction(sub="web", tctx={"client_id": "web"}), transaction()),
        "kid ES256-second": (transaction("second"), transaction()),
    }
    for line, (one, sibling) in victims.items():
        assert statuses(gate, one) == statuses(gate, sibling) == {200}, (line, gate.read("error.log"))
    for line, (one, sibling) in victims.items():
        append(gate, line)
        becomes(gate, one, 401)
        assert statuses(gate, sibling) == {200}, line
    wait_until(lambda: 'transaction token: revoked: jti "txn-1" (line 2)' in gate.read("error.log"), 10, "the log says which entry it was")


def test_a_replaced_file_counts_and_a_broken_one_changes_nothing(gate, jose):
    one, two = token(jose, sub="one"), token(jose, sub="two")
    replace(gate, "sub one\n")
    becomes(gate, one, 401)
    assert statuses(gate, two) == {200}
    replace(gate, "sub two\nsub\n")
    wait_until(lambda: "line 2" in gate.read("error.log"), 10, "the log says what is wrong")
    assert "stay in force" in gate.read("error.log")
    os.remove(gate.path("revoked"))
    wait_until(lambda: "No such file" in gate.read("error.log"), 10, "and that it is gone")
    assert statuses(gate, one) == {401} and statuses(gate, two) == {200}
    gate.reload()
    wait_until(lambda: "KG048" in gate.read("error.log") or "revocations" in gate.words(), 10, "a reload without the file is refused")
    assert statuses(gate, one) == {401}
    replace(gate, "sub two\n")
    becomes(gate, two, 401)
    becomes(gate, one, 200)


def test_a_file_that_is_written_anew_lets_nobody_in_meanwhile(gate, jose):
    one = token(jose, sub="one")
    append(gate, "sub one")
    becomes(gate, one, 401)
    seen, end = set(), time.monotonic() + 2
    while time.monotonic() < end:
        with open(gate.path("revoked"), "w", encoding="utf-8") as file:
            seen.add(gate.get("/", one).status)
            file.write("sub one\n")
        seen.add(gate.get("/", one).status)
    assert seen == {401}


def test_a_reload_goes_on_with_another_file(gate, jose):
    one, two = token(jose, sub="one"), token(jose, sub="two")
    append(gate, "sub one")
    becomes(gate, one, 401)
    with gate.connect() as kept:  # Of the configuration before.
        assert kept.request("GET", "/", two).status == 200
        gate.write("others", "sub two\n")
        gate.reload(gate.text.replace("revocations revoked;", "revocations others;"))
        wait_until(lambda: gate.get("/", two).status == 401, 15, "the new file counts")
        assert gate.get("/", one).status == 200
    gate.reload(gate.text.replace("revocations others;", ""))
    wait_until(lambda: gate.get("/", two).status == 200, 15, "no file, no revocations")


@pytest.mark.parametrize("text", [None, "nonsense\n", "sub a\nsub b c\n", '{"sub":"a"\n', "sub a before=soon\n"])
def test_nothing_starts_without_its_list(text):
    files = {} if text is None else {"revoked": text}
    gate = Gate("revocations revoked; server { listen 127.0.0.1:@http@; location / { return 204; } }", files=files, start=False)
    try:
        result = run_cli("check", "-c", gate.path("keepgate.conf"))
        assert result.returncode == 1 and "KG048" in result.stderr, result.stderr
        assert run_cli("-t", "-c", gate.path("keepgate.conf")).returncode == 1
        gate.spawn()
        assert gate.process.wait(15) == 1
    finally:
        shutil.rmtree(gate.folder, ignore_errors=True)


def test_the_directive_is_http_s_and_stands_once(tmp_path):
    def check(http, server=""):
        (tmp_path / "keepgate.conf").write_text("events {} http { %s server { listen 127.0.0.1:1; %s location / { return 204; } } }" % (http, server), encoding="utf-8")
        return run_cli("check", "-c", tmp_path / "keepgate.conf")

    (tmp_path / "revoked").write_text(json.dumps({"sub": "a"}) + "\n", encoding="utf-8")
    assert check("revocations revoked;").returncode == 0
    for http, server in (("revocations;", ""), ("revocations a b;", ""), ("revocations revoked; revocations revoked;", ""), ("", "revocations revoked;"),
                         ("revocations $host;", ""), ('revocations "";', "")):
        assert check(http, server).returncode == 1, (http, server)
