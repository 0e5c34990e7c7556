"""What changes under a running authorization server: its configuration, by reloads under load, and its clients and users, by the command line."""
import hashlib
import os
import random
import re
import signal
import threading

import pytest

from harness.gate import run_cli
from harness.issuer import Asker, Gone, Issuer
from harness.jose import b64, header_of, payload_of
from harness.people import Browser, authorize
from harness.ports import wait_until

RELOADS, THREADS = 30, 4
EXTRA = "client extra { secret_file extra.secret; grants client_credentials; scopes orders:read; audience orders; }"
PASSWORD = "another hunter"
SECRET = "the secret of a client that comes and goes"
RELOADED, KEPT = "reconfigured", "the old one stays in force"


@pytest.fixture
def issuer():
    one = Issuer(workers=2, files={"extra.secret": SECRET + "\n"})
    one.sign_in()
    yield one
    one.close()


def reload(issuer, text, says=RELOADED):
    before = len(re.findall(says, issuer.read("error.log")))
    issuer.configure(text)
    issuer.kill(signal.SIGHUP)
    wait_until(lambda: len(re.findall(says, issuer.read("error.log"))) > before or issuer.exited(), 20, issuer.words)
    assert not issuer.exited(), issuer.words()


def pid_in(issuer):
    text = issuer.read("keepgate.pid").strip()
    return int(text) if text.isdigit() else 0


def is_running(pid):
    """A child of the old process that nobody has waited for does not run."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def changed(issuer, more):
    return issuer.text.rstrip().removesuffix("}") + f"    {more}\n}}\n"


def from_anywhere(asker):
    """A client that fails so often from one place is not looked at there for a while, and these may well."""
    asker.source = (".".join(["127"] + [str(random.randint(1, 254)) for _ in range(3)]), 0)
    return asker


def as_extra(asker):
    return from_anywhere(asker).post("/token", client_id="extra", client_secret=SECRET, grant_type="client_credentials")


class Load:
    """Threads that ask without a pause; each answer that is not what it should be is kept."""

    def __init__(self, issuer):
        self.issuer, self.stopped, self.wrong, self.asked = issuer, threading.Event(), [], 0
        kinds = [self.refresh, self.codes, self.credentials, self.assertions, self.extra] * THREADS
        self.threads = [threading.Thread(target=self.go_on, args=(kind, Asker(issuer))) for kind in kinds]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for thread in self.threads:
            thread.join(60)

    def go_on(self, kind, asker):
        kept = {}
        while not self.stopped.is_set():
            try:
                answer = kind(asker, kept)
                self.asked += 1
                if answer:
                    self.wrong.append(answer.words)
            except (Gone, AssertionError) as error:
                self.wrong.append(repr(error))
                return

    def refresh(self, asker, kept):
        answer = asker.refresh(kept["token"]) if kept else asker.redeem(asker.code())
        if answer.status != 200:
            return answer
        kept["token"] = answer.json["refresh_token"]
        return None

    def codes(self, asker, _):
        answer = asker.redeem(asker.code())
        return answer if answer.status != 200 else None

    def credentials(self, asker, _):
        answer = asker.credentials()
        return answer if answer.status != 200 else None

    def assertions(self, asker, _):
        answer = asker.assert_itself(self.issuer.assertion())
        return answer if answer.status != 200 else None

    def extra(self, asker, _):
        answer = as_extra(asker)
        is_good = answer.status == 200 or (answer.status, answer.error) == (401, "invalid_client")
        return None if is_good else answer


def test_reloads_under_load_give_no_wrong_answer(issuer):
    without = issuer.text
    asker = Asker(issuer)
    assert as_extra(asker).status == 401
    with Load(issuer) as load:
        for number in range(RELOADS):
            comes = number % 2 == 0
            issuer.text = without
            reload(issuer, changed(issuer, EXTRA) if comes else without)
            wait_until(lambda: as_extra(asker).status == (200 if comes else 401), 10, "the reload is said to be done")
    assert not load.wrong, f"{len(load.wrong)} of {load.asked}: {load.wrong[:3]}"
    assert load.asked > 10 * RELOADS


@pytest.mark.parametrize("more", [
    "client broken { jwks_file broken.jwks; grants client_credentials; scopes a; audience orders; }",
    "client broken { secret_file missing.secret; grants client_credentials; scopes a; audience orders; }",
    "client broken { secret_file empty.secret; grants client_credentials; scopes a; audience orders; }",
    "client web { secret_file web.secret; grants client_credentials; scopes a; audience orders; }",
    "client broken { grants client_credentials; scopes a; audience orders; }",
    "user broken { password_hash_file extra.secret; }",
    "client broken {",
])
def test_with_a_client_that_is_broken_the_old_configuration_serves_on(issuer, more):
    issuer.write("broken.jwks", '{"keys":[{"kty":"EC","crv":"P-256","x":"AA"')
    issuer.write("empty.secret", "\n")
    good = issuer.text
    with Load(issuer) as load:
        for _ in range(3):
            issuer.text = good
            reload(issuer, changed(issuer, more + "\n" + EXTRA), KEPT)
        assert as_extra(Asker(issuer)).status == 401, "a part of a configuration that was refused is in force"
        issuer.text = good
        reload(issuer, changed(issuer, EXTRA))
        wait_until(lambda: as_extra(Asker(issuer)).status == 200, 10, "a good configuration is not taken any more")
    assert not load.wrong, f"{len(load.wrong)} of {load.asked}: {load.wrong[:3]}"


def test_a_reload_leaves_tokens_codes_and_sessions_as_they_are(issuer):
    asker = Asker(issuer)
    code, tokens, token = asker.code(), asker.tokens(), asker.credentials().json["access_token"]
    device, uri, assertion = asker.device().json, asker.push().json["request_uri"], issuer.assertion()
    assert asker.assert_itself(assertion).status == 200 and asker.revoke(token).status == 200
    keys = asker.request("GET", "/jwks").body
    reload(issuer, changed(issuer, EXTRA))
    wait_until(lambda: as_extra(asker).status == 200, 10, "the reload is said to be done")
    assert asker.request("GET", "/jwks").body == keys
    assert asker.redeem(code).status == 200 and asker.is_active(tokens["access_token"]) and not asker.is_active(token)
    assert asker.refresh(tokens["refresh_token"]).status == 200
    assert asker.assert_itself(assertion).status == 401
    assert asker.poll(device["device_code"]).error == "authorization_pending"
    assert "code=" in asker.browser().get(f"/authorize?client_id=web&request_uri={uri}").get("Location")


def cli(issuer, *words, stdin=""):
    result = run_cli(*words, "-c", issuer.path("keepgate.conf"), stdin=stdin)
    assert result.returncode == 0, (words, result.stderr)
    return result.stdout.strip()


def test_who_is_disabled_while_the_server_runs_has_nothing_any_more(issuer):
    cli(issuer, "user", "create", "dora", "--password-stdin", stdin=PASSWORD + "\n")
    asker = Asker(issuer)
    browser = Browser(asker)
    assert browser.get(authorize(asker)).status == 200
    browser.sign_in("dora", PASSWORD)
    tokens = asker.redeem(browser.location()[1]["code"]).json
    browser.get(authorize(asker))
    code = browser.location()[1]["code"]
    assert asker.is_active(tokens["access_token"])
    cli(issuer, "user", "disable", "dora")
    wait_until(lambda: not asker.is_active(tokens["access_token"]), 10, "the access token is good")
    assert asker.redeem(code).error == "invalid_grant"
    assert asker.refresh(tokens["refresh_token"]).error == "invalid_grant"
    answer = browser.get(authorize(asker))
    assert answer.status != 303 or "code=" not in answer.get("Location"), "the session is good"
    browser.sign_in("dora", PASSWORD)
    assert browser.answer.status != 303 or "code=" not in browser.answer.get("Location")
    # Everybody else goes on.
    assert asker.refresh(asker.tokens()["refresh_token"]).status == 200


def test_clients_come_and_go_on_the_command_line_under_load(issuer):
    asker = Asker(issuer)
    with Load(issuer) as load:
        for _ in range(3):
            secret = cli(issuer, "client", "create", "late", "--grant", "client_credentials", "--scope", "orders:read", "--audience", "orders")

            def status():
                return from_anywhere(asker).post("/token", client_id="late", client_secret=secret, grant_type="client_credentials").status

            wait_until(lambda: status() == 200, 10, "the client is not known")
            token = asker.post("/token", client_id="late", client_secret=secret, grant_type="client_credentials").json["access_token"]
            cli(issuer, "client", "delete", "late")
            wait_until(lambda: status() == 401, 10, "the client is still known")
            wait_until(lambda: not asker.is_active(token), 10, "its token is still good")
    assert not load.wrong, f"{len(load.wrong)} of {load.asked}: {load.wrong[:3]}"


def test_another_binary_takes_over_under_load_and_nobody_notices(issuer):
    old, asker = issuer.process.pid, Asker(issuer)
    before, keys = asker.tokens(), asker.request("GET", "/jwks").body
    revoked = asker.credentials().json["access_token"]
    new = 0
    try:
        with Load(issuer) as load:
            issuer.kill(signal.SIGUSR2)
            new = wait_until(lambda: next((pid for pid in [pid_in(issuer)] if pid not in (0, old)), 0), 20, issuer.words)
            wait_until(lambda: f"{new}#{new}: keepgate/" in issuer.read("error.log"), 20, issuer.words)
            assert asker.revoke(revoked).status == 200
            issuer.kill(signal.SIGQUIT)
            assert issuer.process.wait(20) == 0
            assert asker.refresh(before["refresh_token"]).status == 200
            wait_until(lambda: not asker.is_active(revoked), 10, "what the old one revoked is good at the new one")
        assert not load.wrong, f"{len(load.wrong)} of {load.asked}: {load.wrong[:3]}"
        assert asker.request("GET", "/jwks").body == keys
    finally:
        if new:
            os.kill(new, signal.SIGTERM)
            wait_until(lambda: not is_running(new), 20, "the new one does not end")


def half_hash(name, token):
    """OpenID Connect Core 3.1.3.6."""
    digest = hashlib.new(name, token.encode()).digest()
    return b64(digest[:len(digest) // 2])


def check_signed(tokens, algorithm, digest):
    for name in ("access_token", "id_token"):
        assert header_of(tokens[name])["alg"] == algorithm
    assert payload_of(tokens["id_token"])["at_hash"] == half_hash(digest, tokens["access_token"])


def test_another_algorithm_signs_what_is_new_and_leaves_what_is_there(issuer):
    asker, es256 = Asker(issuer), issuer.text
    before = asker.tokens()
    check_signed(before, "ES256", "sha256")
    last = before
    for algorithm, digest in (("EdDSA", "sha512"), ("RS256", "sha256"), ("ES256", "sha256")):
        issuer.text = es256
        reload(issuer, es256 if algorithm == "ES256" else changed(issuer, f"signing_algorithm {algorithm};"))
        wait_until(lambda: header_of(asker.tokens()["id_token"])["alg"] == algorithm, 20, "the old key signs on")
        fresh = asker.refresh(last["refresh_token"])
        assert fresh.status == 200, fresh.words
        check_signed(fresh.json, algorithm, digest)
        keys = {key["kid"]: key["alg"] for key in asker.request("GET", "/jwks").json["keys"]}
        for tokens in (before, last, fresh.json):
            assert asker.is_active(tokens["access_token"]), "what was signed before does not hold any more"
            head = header_of(tokens["access_token"])
            assert keys[head["kid"]] == head["alg"], "one algorithm for each key"
        last = fresh.json
    code = asker.browser().get(authorize(asker, id_token_hint=before["id_token"], prompt="none"))
    assert code.status == 303 and "code=" in code.get("Location"), "the hint of before names who is there"
