"""What is taken back at once, and all that hangs on it: what was exchanged, keys, people of others, changed passwords, old copies of the store."""
import base64
import json
import secrets
import signal
import time

import pytest

from harness.gate import run_cli
from harness.issuer import Asker, Issuer, Key
from harness.oauth import hash_of
from harness.people import PASSWORD, Browser, authorize
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


def test_a_signing_key_is_retired_at_once_and_nothing_that_it_signed_is_good(server):
    old = server.token()
    exchanged = server.exchange("second", old)
    kid, others = part(old, 0)["kid"], [key for key in server.keys() if key != part(old, 0)["kid"]]
    said = server.run("revoke", "--signing-key", kid).stderr
    assert "note" not in said and kid in said
    wait_until(lambda: server.are_active(old, exchanged) == [False, False], 15, "they are good")
    wait_until(lambda: kid not in server.keys(), 15, "it is published")
    assert set(others) < set(server.keys()), "the next one, and one behind it"
    new = server.token()
    assert part(new, 0)["kid"] in others, "a key that verifiers have seen"
    assert server.are_active(new) == [True]
    assert server.ask_exchange("second", old).status == 400
    assert server.ask_exchange("second", new).status == 200
    assert server.asker.request("GET", "/userinfo", {"Authorization": f"Bearer {old}"}).status == 401
    assert {"kid": kid} in [{"kid": line["kid"]} for line in server.asker.feed() if "kid" in line]
    server.issuer.stop()
    server.issuer.start_again()
    assert kid not in server.keys() and server.are_active(old, new) == [False, True]


def test_a_key_that_the_server_has_not_is_said_so_and_is_on_the_list(server):
    kid = part(server.token(), 0)["kid"]
    assert "no such key" in server.run("revoke", "--signing-key", "of-a-file").stderr
    wait_until(lambda: any(line.get("kid") == "of-a-file" for line in server.asker.feed()), 15, "it is not on the list")
    assert part(server.token(), 0)["kid"] == kid
    for words in (("--signing-key", "a\nb"), ("--signing-key", kid, "--user", "alice")):
        server.run("revoke", *words, code=2)


def statement(server, name, issued):
    claims = {"iss": PARTNER, "sub": name, "aud": f"http://127.0.0.1:{server.issuer.port('as')}", "iat": issued, "exp": issued + 3600,
              "jti": secrets.token_hex(8), "scope": "orders:read"}
    return server.partner.sign(claims)


def test_somebody_of_a_trusted_issuer_is_taken_back_here_and_there(server):
    now = int(time.time())
    bob, carol = statement(server, "bob", now), statement(server, "carol", now)
    ours, of_carol = server.exchange("second", bob, JWT), server.exchange("second", carol, JWT)
    assert server.are_active(ours, of_carol) == [True, True] and part(ours, 1)["sub"] == "partner:bob"
    server.run("revoke", "--subject", "partner:bob")
    wait_until(lambda: server.are_active(ours, of_carol) == [False, True], 15, "it is good")
    assert server.ask_exchange("second", bob, JWT).status == 400, "nor is there another one for what the issuer said before"
    assert server.ask_exchange("second", carol, JWT).status == 200
    assert server.ask_exchange("second", statement(server, "bob", now + 3), JWT).status == 200, "what the issuer says later is good"


def test_a_subject_that_is_none_of_a_trusted_issuer_is_said_so(server):
    assert "no trusted issuer" in server.run("revoke", "--subject", "stranger:bob").stderr
    for subject in ("user:alice", "client:first", "bob", ":bob", "partner:", "partner:\n"):
        server.run("revoke", "--subject", subject, code=2)
    wait_until(lambda: server.asker.feed(), 15, "the server does not see it")
    assert [line["sub"] for line in server.asker.feed()] == ["stranger:bob"]


def test_what_is_taken_back_while_signing_keys_cannot_be_read_is_taken_back(server):
    issuer, asker = server.issuer, server.asker
    before, later, kept = (asker.credentials().json["access_token"] for _ in range(3))
    issuer.change("INSERT INTO signing_keys VALUES ('odd', 'ES256', 'nobody can unwrap this', 0, 0, 4000000000)")
    issuer.change("UPDATE versions SET value = value + 1 WHERE name = 'keys'")
    issuer.change("INSERT OR IGNORE INTO versions (name, value) VALUES ('keys', 1)")
    wait_until(lambda: "cannot be unwrapped" in issuer.read("error.log"), 20, issuer.words)
    assert asker.revoke(before).status == 200
    assert not asker.is_active(before) and asker.is_active(kept), "the keys that were read last go on"
    issuer.change("DELETE FROM signing_keys WHERE kid = 'odd'")
    assert asker.revoke(later).status == 200
    assert server.are_active(before, later, kept) == [False, False, True]


def test_what_was_exchanged_from_a_clients_own_token_ends_with_the_client(server):
    own = server.token("first")
    exchanged = server.exchange("second", own)
    assert server.are_active(own, exchanged) == [True, True]
    server.run("revoke", "--client", "first")
    wait_until(lambda: server.are_active(own, exchanged) == [False, False], 15, "what was exchanged is good")
    assert server.ask_exchange("third", exchanged).status == 400


def reload(issuer):
    said = "reconfigured"
    before = issuer.read("error.log").count(said)
    issuer.kill(signal.SIGHUP)
    wait_until(lambda: issuer.read("error.log").count(said) > before, 20, issuer.words)


def is_signed_in(asker, cookies):
    browser = Browser(asker)
    browser.cookies = dict(cookies)
    return browser.get(authorize(asker)).status == 303


@pytest.mark.parametrize("how", ["reload", "restart"])
def test_who_has_another_password_in_the_configuration_is_signed_out(server, how):
    issuer, asker = server.issuer, server.asker

    def again():
        if how == "reload":
            reload(issuer)
        else:
            issuer.stop()
            issuer.start_again()

    issuer.sign_in()
    tokens = asker.tokens()
    again()
    assert is_signed_in(asker, issuer.cookies), "nothing has changed"
    tokens = asker.refresh(tokens["refresh_token"]).json
    issuer.write("user.hash", hash_of("another hunter") + "\n")
    again()
    assert not is_signed_in(asker, issuer.cookies)
    assert asker.refresh(tokens["refresh_token"]).status == 400
    assert asker.is_active(tokens["access_token"]) is False
    browser = Browser(asker)
    browser.get(authorize(asker))
    browser.sign_in(password=PASSWORD)
    assert browser.answer.status == 403
    browser.sign_in(password="another hunter")
    assert browser.answer.status == 303
    again()
    assert is_signed_in(asker, browser.cookies), "it changed once"
