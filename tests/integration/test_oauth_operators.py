"""What an operator's slip must not do: end a secret for one that got lost, seal with another store's key, log a password."""
import base64
import json
import os
import re
import shutil
import urllib.parse

import pytest

from harness.gate import Gate, run_cli
from harness.jose import payload_of
from harness.ports import wait_until

CONF = """daemon off; worker_processes 1;
pid keepgate.pid;
error_log error.log info; events { worker_connections 128; }
authorization_server {
    issuer http://127.0.0.1:@as@; listen 127.0.0.1:@as@; store sqlite:keepgate.db; key_file keepgate.key; title Shop;
    resource orders orders:read orders:write;
    resource payments pay:read;
    client fixed { public; grants authorization_code; redirect_uri https://fixed.example/cb; }
}
"""


@pytest.fixture
def gate():
    one = Gate(text=CONF)
    wait_until(lambda: os.path.exists(one.path("keepgate.key")), 15, "no key is made")
    yield one
    one.close()


def run(gate, *words, code=0):
    result = run_cli(*words, "-c", gate.path("keepgate.conf"))
    assert result.returncode == code, (words, result.returncode, result.stdout, result.stderr)
    return result


def token(gate, client, secret, **form):
    basic = base64.b64encode(f"{client}:{secret}".encode()).decode()
    fields = {"Authorization": f"Basic {basic}", "Content-Type": "application/x-www-form-urlencoded"}
    body = urllib.parse.urlencode({"grant_type": "client_credentials", **form})
    answer = gate.request("POST", "/token", fields, body.encode())
    return answer.status, json.loads(answer.body)


def create(gate, name, audience, *scopes):
    words = [word for scope in scopes for word in ("--scope", scope)]
    secret = run(gate, "client", "create", name, "--grant", "client_credentials", "--audience", audience, *words).stdout.strip()
    wait_until(lambda: token(gate, name, secret)[0] != 401, 15, "the client is not known")
    return secret


def test_the_lone_audience_of_a_client_has_to_be_a_resource_too(gate):
    secret = create(gate, "billing", "payments", "pay:read", "orders:write")
    status, answer = token(gate, "billing", secret, scope="pay:read")
    claims = payload_of(answer["access_token"])
    assert status == 200 and (claims["aud"], claims["scope"]) == ("payments", "pay:read")
    assert token(gate, "billing", secret, scope="orders:write")[1]["error"] == "invalid_scope"
    gate.write("keepgate.conf", re.sub(r".*resource payments.*\n", "", gate.read("keepgate.conf")))
    gate.reload()
    for form in ({}, {"scope": "orders:write"}, {"scope": "pay:read"}, {"audience": "payments"}):
        status, answer = token(gate, "billing", secret, **form)
        assert (status, answer["error"]) == (400, "invalid_target"), (form, answer)
    other = create(gate, "slip", "nosuch", "orders:write")
    assert token(gate, "slip", other)[1]["error"] == "invalid_target"


def test_the_old_secret_ends_only_for_one_that_was_shown(gate):
    secret = create(gate, "orders", "orders", "orders:read")
    gate.write("there", "something else")
    for file in (gate.path("there"), gate.path("gone/secret")):
        result = run(gate, "client", "rotate-secret", "orders", "--secret-file", file, code=1)
        assert "--force" not in result.stderr and "as before" in result.stderr
    assert gate.read("there") == "something else"
    assert token(gate, "orders", secret)[0] == 200
    run(gate, "client", "rotate-secret", "orders", "--secret-file", gate.path("new"))
    wait_until(lambda: token(gate, "orders", secret)[0] == 401, 15, "the old secret is still good")
    assert token(gate, "orders", gate.read("new").strip())[0] == 200


def test_a_second_factor_is_sealed_with_the_key_of_its_store_or_not_at_all(gate):
    run(gate, "user", "create", "alice", "--no-password")
    shutil.copy(gate.path("keepgate.key"), gate.path("right.key"))
    other = Gate(text=CONF)
    try:
        wait_until(lambda: os.path.exists(other.path("keepgate.key")), 15, "no key is made")
        shutil.copy(other.path("keepgate.key"), gate.path("keepgate.key"))
    finally:
        other.close()
    result = run(gate, "user", "enroll-totp", "alice", code=1)
    assert result.stdout == "" and "cannot be unwrapped" in result.stderr, result.stderr
    shutil.copy(gate.path("right.key"), gate.path("keepgate.key"))
    assert run(gate, "user", "enroll-totp", "alice").stdout.startswith("otpauth://")


@pytest.mark.parametrize("line", ["store postgress://kg:S3CRET@127.0.0.1/kg;", "store postgres://kg:S3CRET@127.0.0.1/kg; keyfile x;"])
def test_a_reload_that_fails_logs_one_line_and_no_source(gate, line):
    gate.write("keepgate.conf", gate.read("keepgate.conf").replace("store sqlite:keepgate.db;", line))
    gate.reload()
    log = gate.read("error.log")
    (complaint,) = [one for one in log.splitlines() if "was not reloaded" in one]
    assert "KG0" in complaint and "keepgate.conf:" in complaint and r"\x0A" not in complaint, complaint
    assert "S3CRET" not in log


def test_who_starts_a_server_sees_why_it_ends(gate):
    result = run_cli("-c", gate.path("keepgate.conf"))  # Its port is taken.
    assert result.returncode == 1 and "[emerg]" in result.stderr and str(gate.port("as")) in result.stderr, result.stderr
