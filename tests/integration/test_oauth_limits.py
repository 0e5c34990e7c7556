"""How often clients may fail to prove themselves: by network, by client, and nobody elsewhere is kept out."""
import base64
import http.client
import json
import urllib.parse

import pytest

from harness.gate import Gate
from harness.ports import wait_until

# oauth/attempt_limits.h: client_soon, client_network, client_known.
CLIENT_TRIES, NETWORK_TRIES, KNOWN_TRIES = 50, 300, 1000
CONF = """daemon off; worker_processes 1; pid keepgate.pid; error_log error.log info; events { worker_connections 128; }
authorization_server {
    issuer http://127.0.0.1:@as@; listen 127.0.0.1:@as@; store sqlite:keepgate.db;
    client orders { secret_file orders.secret; grants client_credentials; scopes orders:read; audience orders; introspects *; }
    client shop { public; grants authorization_code; redirect_uri https://shop.example/cb; scopes openid; audience orders; }
}
"""
FILES = {"orders.secret": "the secret of orders\n"}
RIGHT = "the secret of orders"


class Server:
    def __init__(self):
        self.gate = Gate(text=CONF, files=FILES)

    def post(self, path, client, secret=None, at="127.0.0.1", basic=False, **form):
        fields = {"Content-Type": "application/x-www-form-urlencoded"}
        if basic:
            fields["Authorization"] = "Basic " + base64.b64encode(f"{urllib.parse.quote_plus(client)}:{urllib.parse.quote_plus(secret)}".encode()).decode()
        else:
            form = {"client_id": client, **({"client_secret": secret} if secret else {}), **form}
        connection = http.client.HTTPConnection("127.0.0.1", self.gate.port("as"), timeout=20, source_address=(at, 0))
        connection.request("POST", path, urllib.parse.urlencode(form), fields)
        answer = connection.getresponse()
        answer.text = answer.read().decode()
        connection.close()
        return answer

    def token(self, secret, client="orders", at="127.0.0.1", **more):
        return self.post("/token", client, secret, at=at, grant_type="client_credentials", **more)

    def wrong(self, client="orders", at="127.0.0.1"):
        return self.token("wrong", client, at=at).status

    def fail_until_limited(self, at_least, ask=None):
        """How often that went wrong before nobody looked any more. Tries come back meanwhile, however slow this machine is."""
        ask = ask or (lambda number: self.wrong())
        for number in range(2 * at_least + CLIENT_TRIES):
            status = ask(number)
            if status == 429:
                assert number >= at_least, number
                return number
            assert status == 401, (number, status)
        raise AssertionError("it was never limited")

    def is_kept_out(self, secret, **more):
        """Right behind a wrong one that was not looked at: else a try may have come back."""
        wait_until(lambda: self.wrong(**more) == 429 and self.token(secret, **more).status == 429, 20, "it is looked at")


@pytest.fixture
def server():
    one = Server()
    yield one
    one.gate.close()


@pytest.mark.parametrize("path, form", [
    ("/token", {"grant_type": "client_credentials"}), ("/introspect", {"token": "x"}), ("/revoke", {"token": "x"}),
    ("/par", {"response_type": "code"}), ("/device_authorization", {}),
])
def test_a_secret_can_be_guessed_so_often_at_any_endpoint(server, path, form):
    server.fail_until_limited(CLIENT_TRIES, lambda number: server.post(path, "orders", "wrong", basic=number % 2 == 0, **form).status)
    refused = []
    wait_until(lambda: refused.append(server.post(path, "orders", "wrong", **form)) or refused[-1].status == 429, 20, "it is looked at")
    assert 1 <= int(refused[-1].headers["Retry-After"]) <= 10, refused[-1].text
    assert json.loads(refused[-1].text)["error"] == "slow_down"
    server.is_kept_out(RIGHT)  # Nobody learns here whether it is right.
    assert server.token(RIGHT, at="127.0.0.2").status == 200, "nobody elsewhere is kept out"
    said = "too many failed client authentications"
    wait_until(lambda: said in server.gate.read("error.log"), 15, "it is logged")


def test_one_failure_less_than_that_keeps_nobody_out(server):
    assert {server.wrong() for _ in range(CLIENT_TRIES - 1)} == {401}
    assert server.token(RIGHT).status == 200


def test_where_a_client_is_known_only_a_flood_in_its_name_keeps_it_out(server):
    assert {server.token(RIGHT).status for _ in range(CLIENT_TRIES + 1)} == {200}, "right ones use nothing up"
    server.fail_until_limited(KNOWN_TRIES)
    assert server.token(RIGHT, at="127.0.0.2").status == 200


def test_who_proves_nothing_cannot_be_kept_out(server):
    server.fail_until_limited(NETWORK_TRIES, lambda number: server.wrong(f"client{number}"))
    assert server.post("/device_authorization", "shop").status != 429


def test_ids_that_nobody_has_are_limited_like_those_that_somebody_has(server):
    server.fail_until_limited(CLIENT_TRIES, lambda number: server.wrong("nobody"))
    assert server.wrong("orders") == 401


def test_a_network_that_tries_many_ids_is_limited_but_not_who_has_proven_itself_there(server):
    at = "127.0.0.3"
    assert server.token(RIGHT, at=at).status == 200
    server.fail_until_limited(NETWORK_TRIES, lambda number: server.wrong(f"client{number}", at))
    wait_until(lambda: server.wrong("one more", at) == 429, 20, "it is looked at")
    assert server.token(RIGHT, at=at).status == 200, "it was known there before"
    assert server.wrong("one more", "127.0.0.4") == 401
