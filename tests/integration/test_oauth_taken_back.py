"""What is taken back at once, and all that hangs on it: what was exchanged, keys, people of others, changed passwords, old copies of the store."""
import base64
import json

import pytest

from harness.gate import run_cli
from harness.issuer import Asker, Issuer, Key
from harness.ports import wait_until

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS = "urn:ietf:params:oauth:token-type:access_token"
JWT = "urn:ietf:params:oauth:token-type:jwt"
PARTNER = "https://partner.example"
MORE = f"""
    client first {{ secret_file web.secret; grants client_credentials; scopes orders:read; audience second; }}
    client second {{ secret_file web.secret; grants client_credentials token_exchange; scopes orders:read; audience third;
                     exchange subjects=client:*,partner:* audiences=third actors=client:*; }}
    client third {{ secret_file web.secret; grants token_exchange; scopes orders:read; audience third;
                    exchange subjects=client:*,partner:* audiences=orders actors=client:*; }}
    trusted_issuer {PARTNER} jwks=partner.jwks subject=partner;
"""
SECRET = "the secret of the client web, of some length"


class Server:
    def __init__(self):
        self.partner = Key()
        self.issuer = Issuer(more=MORE, files={"partner.jwks": json.dumps({"keys": [self.partner.jwk]})})
        self.asker = Asker(self.issuer)

    def run(self, *words, code=0):
        result = run_cli(*words, "-c", self.issuer.path("keepgate.conf"))
        assert result.returncode == code, (words, result.returncode, result.stdout, result.stderr)
        return result

    def post(self, path, client, **form):
        return self.asker.post(path, client_id=client, client_secret=SECRET, **form)

    def token(self, client="first"):
        answer = self.post("/token", client, grant_type="client_credentials")
        assert answer.status == 200, answer.words
        return answer.json["access_token"]

    def ask_exchange(self, client, token, kind=ACCESS):
        return self.post("/token", client, grant_type=EXCHANGE, subject_token=token, subject_token_type=kind)

    def exchange(self, client, token, kind=ACCESS):
        answer = self.ask_exchange(client, token, kind)
        assert answer.status == 200, answer.words
        return answer.json["access_token"]

    def are_active(self, *tokens):
        return [self.asker.is_active(token) for token in tokens]

    def keys(self):
        return [key["kid"] for key in self.asker.request("GET", "/jwks").json["keys"]]


def part(token, number):
    text = token.split(".")[number]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


@pytest.fixture
def server():
    one = Server()
    yield one
    one.issuer.close()


@pytest.mark.parametrize("how", ["the client", "an operator"])
def test_a_token_of_no_grant_takes_along_what_was_exchanged_from_it_through_all_hands(server, how):
    first, other = server.token(), server.token()
    second, of_other = server.exchange("second", first), server.exchange("second", other)
    third = server.exchange("third", second)
    assert part(third, 1)["grant_id"] == part(second, 1)["grant_id"] == part(first, 1)["jti"]
    assert server.are_active(first, second, third, other, of_other) == [True] * 5
    if how == "the client":
        assert server.post("/revoke", "first", token=first).status == 200
    else:
        server.run("revoke", "--token-id", part(first, 1)["jti"])
    wait_until(lambda: server.are_active(first, second, third) == [False] * 3, 15, "they are good")
    assert server.are_active(other, of_other) == [True] * 2
    assert server.ask_exchange("third", second).status == 400
    assert server.ask_exchange("third", of_other).status == 200


def test_what_was_exchanged_goes_alone(server):
    first = server.token()
    second, sibling = server.exchange("second", first), server.exchange("second", first)
    assert server.post("/revoke", "second", token=second).status == 200
    assert server.are_active(first, second, sibling) == [True, False, True]
