"""examples/classic: a configuration as it was written for NGINX Plus, run as it stands but for its ports."""
import json
import os
import re
import shutil
import subprocess

import pytest

from harness.gate import ROOT, Gate, binary, run_cli
from harness.origin import answer_bytes
from harness.ports import free_port

CLASSIC = os.path.join(ROOT, "examples", "classic")


@pytest.fixture(scope="module")
def classic(tmp_path_factory, module_origin):
    folder = tmp_path_factory.mktemp("classic") / "classic"
    shutil.copytree(CLASSIC, folder, ignore=shutil.ignore_patterns("keys", "tokens", "*.log", "*.pid"))
    backend = module_origin(lambda request: answer_bytes(body=b'{"from":"the service"}\n', fields={"Content-Type": "application/json"}))
    ports = {"8081": str(free_port()), "8082": str(free_port()), "8083": str(backend.port)}
    for name in ("nginx.conf", "gateway.conf", "internal.conf"):
        text = (folder / name).read_text()
        text = re.sub(r"listen(\s+)8081;", r"listen\g<1>127.0.0.1:8081;", text)
        (folder / name).write_text(re.sub(r"127\.0\.0\.1:(808\d)", lambda match: "127.0.0.1:" + ports[match.group(1)], text))
    environment = {**os.environ, "KEEPGATE_BIN": binary()}
    for _ in range(2):  # Running it again changes nothing.
        result = subprocess.run([str(folder / "prepare.sh")], env=environment, capture_output=True, text=True, timeout=60)
        assert result.returncode == 0, result.stderr
    gates = []
    try:
        for name, port in (("internal.conf", "8082"), ("nginx.conf", "8081")):
            gate = Gate(text="", start=False)
            gate.ports = {"gate": int(ports[port])}
            shutil.rmtree(gate.folder)
            gate.folder = str(folder)
            gate.arguments = ["-g", "daemon off;"]
            gates.append(start(gate, folder / name))
        yield gates[1], backend, folder
    finally:
        for gate in reversed(gates):
            assert gate.stop() == 0


def start(gate, configuration):
    gate.process = subprocess.Popen(
        [binary(), "-c", str(configuration), *gate.arguments], stdin=subprocess.DEVNULL, stderr=open(f"{configuration}.err", "wb")
    )
    gate.wait()
    return gate


@pytest.fixture
def token(classic):
    def credential(client):
        return {"Authorization": "Bearer " + (classic[2] / "tokens" / client).read_text().strip()}

    return credential


@pytest.mark.parametrize("name", ["nginx.conf", "internal.conf"])
def test_the_files_pass_the_test_as_they_stand(classic, name):
    result = run_cli("-t", "-c", classic[2] / name)
    assert result.returncode == 0, result.stderr


def test_the_service_side_policy_holds_its_own_tests(classic):
    result = run_cli("policy", "test", "-c", classic[2] / "internal.conf")
    assert result.returncode == 0, result.stderr


CASES = [
    (None, "GET", "/endpoint/orders/7", 401), ("client1", "GET", "/endpoint/orders/7", 200), ("client1", "PUT", "/endpoint/orders/7", 200),
    ("client1", "DELETE", "/endpoint/orders/7", 403), ("client2", "GET", "/endpoint/orders/7", 403), ("client1", "GET", "/endpoint/other", 403),
    (None, "GET", "/1.0/orders/7", 401), ("client1", "GET", "/1.0/orders/7", 200), ("client1", "DELETE", "/1.0/orders/7", 403),
    ("client2", "GET", "/1.0/orders/7", 403), ("client1", "GET", "/elsewhere", 404), (None, "GET", "/elsewhere", 404),
]


@pytest.mark.parametrize("client, method, path, status", CASES)
def test_who_gets_what(classic, token, client, method, path, status):
    gate, backend, _ = classic
    backend.forget()
    answer = gate.request(method, path, token(client) if client else {})
    assert answer.status == status
    assert json.loads(answer.body) == ({"from": "the service"} if status == 200 else {"status": status, "message": json.loads(answer.body)["message"]})
    assert answer.get("Content-Type") == "application/json"
    assert len(backend.requests) == (status == 200)


def test_the_token_is_forwarded_and_the_path_replaced(classic, token):
    gate, backend, _ = classic
    backend.forget()
    assert gate.get("/endpoint/orders/7?a=b", token("client1")).status == 200
    assert backend.last.target == "/orders/7?a=b"
    assert backend.last.get("Authorization") == token("client1")["Authorization"]


def test_the_401_still_says_what_is_wanted(classic):
    assert (classic[0].get("/endpoint/orders/7").get("WWW-Authenticate") or "").startswith('Bearer realm="API"')


def test_too_many_requests_are_429(classic, token):
    gate, _, _ = classic
    with gate.connect() as client:
        statuses = [client.request("GET", "/endpoint/orders/7", token("client1")).status for _ in range(80)]
    assert set(statuses) == {200, 429}
    answer = gate.get("/endpoint/orders/7", token("client1"))
    assert answer.status in (200, 429)


def test_secrets_are_private(classic):
    for name in ("keys/signing.jwk", "keys/api_secret.jwk", "tokens/client1"):
        assert os.stat(classic[2] / name).st_mode & 0o077 == 0
