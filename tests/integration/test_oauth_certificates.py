"""Clients of the authorization server that authenticate by a TLS certificate, and tokens bound to it (RFC 8705)."""
import base64
import hashlib
import http.client
import json
import ssl
import urllib.parse

import pytest

from harness.certificates import Signer
from harness.jose import payload_of

NAME = "spiffe://shop.internal/orders"
CONF = """
authorization_server {
    issuer https://127.0.0.1:@as@;
    listen 127.0.0.1:@as@ ssl; ssl_certificate server.crt; ssl_certificate_key server.key;
    ssl_verify_client optional; ssl_client_certificate clients.pem;
    store sqlite:keepgate.db;
    client orders { certificate san_uri=spiffe://shop.internal/orders; grants client_credentials; scopes read; audience api; }
    client bound { secret_file bound.secret; grants client_credentials; scopes read; audience api; bind_tokens on; }
    client plain { secret_file bound.secret; grants client_credentials; scopes read; audience api; introspects *; }
}
"""
SECRET = "a-secret-of-the-tests-0123456789abcdef"
GRANT = {"grant_type": "client_credentials"}


class Server:
    def __init__(self, keepgate, authority, folder):
        certificate, key = authority.issue("127.0.0.1", label="as")
        self.folder = folder
        self.signer = Signer(folder, "Clients")
        self.authority = authority
        files = {"server.crt": open(certificate, "rb").read(), "server.key": open(key, "rb").read(),
                 "clients.pem": open(self.signer.file, "rb").read(), "bound.secret": SECRET + "\n"}
        self.gate = keepgate(main=CONF, files=files)

    def post(self, path, fields, certificate=None, secret_of=None):
        """(status, JSON or text) of a form, with a client's certificate or secret."""
        context = ssl.create_default_context(cafile=self.authority.file)
        if certificate:
            context.load_cert_chain(certificate.file, certificate.key)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if secret_of:
            headers["Authorization"] = "Basic " + base64.b64encode(f"{secret_of}:{SECRET}".encode()).decode()
        connection = http.client.HTTPSConnection("127.0.0.1", self.gate.port("as"), timeout=20, context=context)
        try:
            connection.request("POST", path, urllib.parse.urlencode(fields), headers)
            answer = connection.getresponse()
            body = answer.read().decode()
            is_json = answer.getheader("Content-Type", "").startswith("application/json")
            return answer.status, json.loads(body) if is_json else body
        finally:
            connection.close()


def thumbprint(certificate):
    return base64.urlsafe_b64encode(hashlib.sha256(certificate.der).digest()).rstrip(b"=").decode()


@pytest.fixture
def server(keepgate, authority, tmp_path):
    return Server(keepgate, authority, tmp_path)


def issue(server, name, **options):
    return server.signer.issue(name, **options)


def test_a_client_with_its_certificate_gets_a_token_that_is_bound_to_it(server):
    certificate = issue(server, "orders", uris=[NAME])
    status, answer = server.post("/token", {**GRANT, "client_id": "orders"}, certificate)
    assert status == 200, answer
    assert payload_of(answer["access_token"])["cnf"] == {"x5t#S256": thumbprint(certificate)}
    _, told = server.post("/introspect", {"token": answer["access_token"]}, secret_of="plain")
    assert told["cnf"]["x5t#S256"] == thumbprint(certificate)


@pytest.mark.parametrize("case", ["none", "another name", "a longer name", "a name in the common name", "another authority", "expired"])
def test_any_other_certificate_is_none(server, case, tmp_path):
    certificate = None
    if case == "another name":
        certificate = issue(server, "billing", uris=["spiffe://shop.internal/billing"])
    elif case == "a longer name":
        certificate = issue(server, "longer", uris=[NAME + "/admin"])
    elif case == "a name in the common name":
        certificate = issue(server, NAME, label="common")
    elif case == "another authority":
        (tmp_path / "others").mkdir()
        certificate = Signer(tmp_path / "others", "Others").issue("orders", uris=[NAME])
    elif case == "expired":
        certificate = issue(server, "expired", uris=[NAME], days=(-10, -1))
    status, answer = server.post("/token", {**GRANT, "client_id": "orders"}, certificate)
    assert status in (400, 401, 495), (status, answer)
    assert "access_token" not in answer


def test_a_certificate_is_no_credential_of_another_client(server):
    certificate = issue(server, "orders", uris=[NAME])
    for client in ("bound", "plain", "nobody"):
        status, answer = server.post("/token", {**GRANT, "client_id": client}, certificate)
        assert (status, answer["error"]) == (401, "invalid_client"), client


def test_a_certificate_and_a_secret_of_another_client_are_not_mixed(server):
    certificate = issue(server, "orders", uris=[NAME])
    status, answer = server.post("/token", {**GRANT, "client_id": "orders"}, certificate, secret_of="plain")
    assert status in (400, 401), answer


def test_a_client_whose_tokens_are_bound_gets_none_without_a_certificate_or_a_proof(server):
    certificate = issue(server, "any", uris=["spiffe://shop.internal/any"])
    status, answer = server.post("/token", GRANT, certificate, secret_of="bound")
    assert status == 200, answer
    assert payload_of(answer["access_token"])["cnf"] == {"x5t#S256": thumbprint(certificate)}
    status, answer = server.post("/token", GRANT, secret_of="bound")
    assert (status, answer["error"]) == (400, "invalid_request")
    status, answer = server.post("/token", GRANT, secret_of="plain")
    assert status == 200 and "cnf" not in payload_of(answer["access_token"])
