"""examples/mtls as it stands, but for its ports: partners by certificate, and a guard that looks who brings a token."""
import json
import os
import re
import shutil
import ssl
import subprocess
import time
import uuid

import pytest

from harness.gate import ROOT, Gate, binary, run_cli
from harness.ports import free_port
from harness.wire import Client

MTLS = os.path.join(ROOT, "examples", "mtls")


@pytest.fixture(scope="module")
def mtls(tmp_path_factory, module_origin):
    folder = tmp_path_factory.mktemp("mtls") / "mtls"
    shutil.copytree(MTLS, folder, ignore=shutil.ignore_patterns("keys", "*.log", "*.pid"))
    backend = module_origin()
    ports = {"8443": free_port(), "9443": free_port(), "9000": backend.port}
    conf = folder / "keepgate.conf"
    conf.write_text(re.sub(r"127\.0\.0\.1:(\d+)", lambda match: f"127.0.0.1:{ports[match.group(1)]}", conf.read_text()))
    for _ in range(2):  # Running it again changes nothing.
        result = subprocess.run([str(folder / "prepare.sh")], env={**os.environ, "KEEPGATE_BIN": binary()}, capture_output=True, text=True, timeout=60)
        assert result.returncode == 0, result.stderr
    gate = Gate(text="", start=False)
    shutil.rmtree(gate.folder)
    gate.folder, gate.ports = str(folder), {"gate": ports["8443"], "guard": ports["9443"]}
    gate.text = conf.read_text()
    gate.start()
    yield gate, backend
    gate.close()


def ask(gate, name, target="/orders/7", port="gate", host="gateway.shop.internal", fields=(), method="GET"):
    context = ssl.create_default_context(cafile=gate.path("keys/authority.crt"))
    if name:
        context.load_cert_chain(gate.path(f"keys/{name}.crt"), gate.path(f"keys/{name}.key"))
    with Client(gate.address(port), tls=context, server_name=host) as client:
        return client.request(method, target, fields, host=host)


@pytest.mark.parametrize("name, method, status", [("partner", "GET", 200), ("partner", "PUT", 403), ("billing", "GET", 403), ("impostor", "GET", 400), (None, "GET", 400)])
def test_the_name_in_the_certificate_decides(mtls, name, method, status):
    gate, backend = mtls
    backend.forget()
    assert ask(gate, name, method=method).status == status
    assert len(backend.requests) == (1 if status == 200 else 0)


def transaction(**changes):
    now = int(time.time())
    return {
        "iat": now, "exp": now + 30, "aud": "shop.internal", "txn": str(uuid.uuid4()), "sub": "client:partner.example", "scope": "orders:read",
        "req_wl": "gateway.shop.internal", "tctx": {"method": "GET", "path": "/orders/7", "service": "orders", "client_id": "partner.example"}, **changes,
    }


def sign(gate, jose, payload):
    with open(gate.path("keys/gateway.jwk"), encoding="utf-8") as file:
        return jose.sign("EdDSA", payload, jwk=json.load(file), header={"typ": "txntoken+jwt"})


@pytest.mark.parametrize("name, asked_by, status", [
    ("gateway", "gateway.shop.internal", 200),
    ("billing", "gateway.shop.internal", 401),  # A genuine token in the hands of another workload.
    ("partner", "gateway.shop.internal", 401),
    ("gateway", "billing.shop.internal", 401),
    ("billing", "billing.shop.internal", 200),  # By whom it was asked for: the policy says what for.
    ("impostor", "gateway.shop.internal", 400),
    (None, "gateway.shop.internal", 400),
])
def test_a_token_counts_only_from_who_asked_for_it(mtls, jose, name, asked_by, status):
    gate, backend = mtls
    backend.forget()
    token = sign(gate, jose, transaction(req_wl=asked_by))
    answer = ask(gate, name, port="guard", host="orders.shop.internal", fields=[("Txn-Token", token)])
    assert answer.status == status
    assert len(backend.requests) == (1 if status == 200 else 0)


def test_the_service_gets_the_certificate_of_who_calls_the_guard(mtls):
    gate, backend = mtls
    assert ask(gate, "partner", fields=[("Client-Cert", ":QUFB:")]).status == 200
    with open(gate.path("keys/gateway.crt"), encoding="ascii") as file:
        text = "".join(line.strip() for line in file if "-----" not in line)
    assert backend.last.all("Client-Cert") == [f":{text}:"]


def test_the_policy_is_as_it_says(mtls):
    gate, _ = mtls
    result = run_cli("policy", "test", "-c", gate.path("keepgate.conf"), cwd=gate.folder)
    assert result.returncode == 0, result.stdout + result.stderr
