"""The clock of the authorization server: steps forth and back, and weeks that pass. By libfaketime, which reads the time from a file of the test."""
import os
import pathlib
import re
import secrets
import signal
import time

import pytest

from harness.gate import binary, is_sanitized
from harness.issuer import ASKS, DEVICE, PAGES, Asker, Issuer
from harness.jose import header_of, payload_of
from harness.people import FILES, Browser, authorize, totp
from harness.ports import wait_until

LIBRARIES = sorted(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
pytestmark = [
    pytest.mark.skipif(not LIBRARIES, reason="libfaketime is not installed (package libfaketime)"),
    pytest.mark.skipif(os.path.exists(binary()) and is_sanitized(), reason="a sanitizer must be the first library"),
]

MINUTE, HOUR, DAY = 60, 3600, 86400


class Clock:
    """The wall clock of the server. `passes` moves the monotonic one as well: a step does not."""

    def __init__(self, folder, passes):
        self.path, self.offset = os.path.join(folder, "clock"), 0
        self.set(0)
        self.environment = {**os.environ, "LD_PRELOAD": str(LIBRARIES[0]), "FAKETIME_TIMESTAMP_FILE": self.path, "FAKETIME_NO_CACHE": "1"}
        if not passes:
            self.environment["FAKETIME_DONT_FAKE_MONOTONIC"] = "1"

    def set(self, seconds):
        self.offset = seconds
        with open(self.path + ".new", "w", encoding="ascii") as file:
            file.write(f"{seconds:+d}")
        os.rename(self.path + ".new", self.path)

    def now(self):
        return time.time() + self.offset


@pytest.fixture
def issuer(tmp_path):
    made = []

    def build(passes=False, **options):
        clock = Clock(tmp_path, passes)
        made.append(Issuer(environment=clock.environment, **options))
        made[-1].sign_in()
        return made[-1], clock, Asker(made[-1])

    yield build
    for one in made:
        one.close()


def kids(asker):
    return [key["kid"] for key in asker.request("GET", "/jwks").json["keys"]]


def issued(asker):
    """A new token, and it is good."""
    answer = asker.credentials()
    assert answer.status == 200, answer.words
    token = answer.json["access_token"]
    assert header_of(token)["kid"] in kids(asker)
    assert asker.is_active(token), "a token that was just issued is not good"
    return token


def awake(asker):
    """Where the monotonic clock is moved, a thread that waits until a time of before goes on when something is recorded."""
    answer = asker.push()
    assert answer.status == 201, answer.words
    return True


def reconfigured(issuer):
    before = len(re.findall("reconfigured", issuer.read("error.log")))
    issuer.kill(signal.SIGHUP)
    wait_until(lambda: len(re.findall("reconfigured", issuer.read("error.log"))) > before or issuer.exited(), 20, issuer.words)


@pytest.mark.parametrize("hours", [1, -1])
def test_a_step_of_an_hour_and_back_costs_nobody_a_sign_in(issuer, hours):
    issuer, clock, asker = issuer()
    before, families, code = issued(asker), [asker.tokens()["refresh_token"] for _ in range(3)], asker.code()
    revoked = issued(asker)
    assert asker.revoke(revoked).status == 200
    clock.set(hours * HOUR)
    newer = asker.refresh(families[0])
    assert newer.status == 200, newer.words
    there = issued(asker)
    assert abs(payload_of(there)["iat"] - clock.now()) < MINUTE
    assert asker.is_active(before) == (hours < 0), "it has expired, or it has not"
    assert not asker.is_active(revoked)
    assert (asker.redeem(code).status == 200) == (hours < 0)
    assert asker.tokens()["refresh_token"]  # The session goes on.
    reconfigured(issuer)
    clock.set(0)
    assert asker.is_active(before) and not asker.is_active(revoked)
    for token in (newer.json["refresh_token"], *families[1:]):
        assert asker.refresh(token).status == 200
    assert asker.refresh(families[0]).error == "invalid_grant", "it was used, whatever the clock says"
    issued(asker)
    assert asker.tokens()["refresh_token"]


def test_what_is_used_once_stays_used_when_the_clock_steps(issuer):
    issuer, clock, asker = issuer(grace="10s")
    code, assertion = asker.code(), issuer.assertion()
    tokens = asker.redeem(code).json
    newer = asker.refresh(tokens["refresh_token"]).json
    assert asker.assert_itself(assertion).status == 200
    for step in (2, -2, -HOUR, HOUR, 0):
        clock.set(step)
        assert asker.assert_itself(assertion).status == 401
    clock.set(-HOUR)
    # Nobody can say that less than the grace has passed: it is the second use.
    assert asker.refresh(tokens["refresh_token"]).error == "invalid_grant"
    assert asker.refresh(newer["refresh_token"]).error == "invalid_grant"
    clock.set(0)
    assert asker.redeem(code).error == "invalid_grant"


def test_keys_are_published_before_they_sign_and_until_their_last_token_has_expired(issuer):
    issuer, clock, asker = issuer(passes=True)
    first = kids(asker)
    assert len(first) == 2
    assert header_of(issued(asker))["kid"] == first[0]
    clock.set(30 * DAY - 5 * MINUTE)
    old = issued(asker)
    assert header_of(old)["kid"] == first[0] and set(first) <= set(kids(asker))
    clock.set(30 * DAY + 2 * MINUTE)
    new = issued(asker)
    assert header_of(new)["kid"] == first[1], "the next key was published for a month, and it is its turn"
    assert asker.is_active(old), "an old token is good until it expires"
    third = wait_until(lambda: awake(asker) and set(kids(asker)) - set(first), 20, "there is no next key")
    assert len(third) == 1 and header_of(issued(asker))["kid"] == first[1]
    # A month of sweeps has not passed here: they go an hour a minute at the most.
    issuer.change("UPDATE facts SET value = CAST(value AS INTEGER) + ?1 WHERE name = 'swept_until'", 31 * DAY)
    clock.set(31 * DAY - 40 * MINUTE)
    assert awake(asker) and first[0] in kids(asker), "a client may have tokens that live for a day"
    clock.set(31 * DAY + 40 * MINUTE)
    wait_until(lambda: awake(asker) and first[0] not in kids(asker), 20, "the first key is published for ever")
    assert not asker.is_active(old)
    clock.set(60 * DAY + 2 * MINUTE)
    assert {header_of(issued(asker))["kid"]} == third


def test_each_thing_expires_when_it_should(issuer):
    issuer, clock, asker = issuer(passes=True)
    codes, pushed = [asker.code() for _ in range(2)], [asker.push().json["request_uri"] for _ in range(2)]
    devices = [asker.device().json for _ in range(3)]
    for device in devices[:2]:
        asker.allow_device(device["user_code"])
    families, token = [asker.tokens()["refresh_token"] for _ in range(2)], issued(asker)

    def goes_on(uri):
        answer = asker.browser().get(f"/authorize?client_id=web&request_uri={uri}")
        return answer.status == 303 and "code=" in answer.get("Location")

    clock.set(50)
    assert asker.redeem(codes[0]).status == 200 and goes_on(pushed[0])
    clock.set(62)
    assert asker.redeem(codes[1]).error == "invalid_grant" and not goes_on(pushed[1])
    clock.set(9 * MINUTE)
    assert asker.is_active(token) and asker.poll(devices[0]["device_code"]).status == 200
    clock.set(10 * MINUTE + 10)
    assert not asker.is_active(token)
    assert {asker.poll(device["device_code"]).error for device in devices[1:]} == {"expired_token"}
    old = issuer.assertion(lifetime=200)
    assert asker.assert_itself(old).status == 401
    assert asker.assert_itself(issuer.assertion(now=clock.now())).status == 200
    clock.set(30 * DAY - HOUR)
    assert asker.refresh(families[0]).status == 200
    clock.set(30 * DAY + HOUR)
    assert asker.refresh(families[1]).error == "invalid_grant"
    clock.set(40 * DAY)
    answer = asker.browser().get(authorize(asker))
    assert answer.status == 200 and b"Sign in" in answer.body, "the session has ended"
    issuer.sign_in()
    assert asker.tokens()["refresh_token"]
    issued(asker)


@pytest.mark.parametrize("days", [40, -40])
def test_a_clock_that_was_weeks_wrong_for_a_while_stops_nobody(issuer, days):
    issuer, clock, asker = issuer()
    before = kids(asker)
    clock.set(days * DAY)
    issued(asker)
    reconfigured(issuer)  # Keys are made and forgotten with it.
    issuer.sign_in()
    away = issued(asker)
    assert header_of(away)["kid"] in before or days < 0, "who has the list of before knows the key"
    assert asker.refresh(asker.tokens()["refresh_token"]).status == 200
    clock.set(0)
    issued(asker)
    reconfigured(issuer)
    issuer.sign_in()
    issued(asker)
    assert asker.refresh(asker.tokens()["refresh_token"]).status == 200
    assert issuer.stop() == 0
    issuer.start_again()
    issued(asker)
    assert not [line for line in issuer.read("error.log").splitlines() if "[crit]" in line or "[alert]" in line or "[emerg]" in line]


def test_tokens_of_before_are_good_when_a_clock_that_was_weeks_ahead_is_right_again(issuer):
    issuer, clock, asker = issuer()
    token, family = issued(asker), asker.tokens()["refresh_token"]
    clock.set(40 * DAY)
    reconfigured(issuer)
    clock.set(0)
    reconfigured(issuer)
    assert asker.refresh(family).status == 200
    assert asker.is_active(token), "its key is forgotten"


@pytest.mark.parametrize("what", ["revocation", "assertion"])
def test_what_was_revoked_or_used_stays_so_when_a_clock_that_was_days_ahead_is_right_again(issuer, what):
    issuer, clock, asker = issuer(passes=True)
    token, assertion = issued(asker), issuer.assertion()
    assert asker.revoke(token).status == 200 and asker.assert_itself(assertion).status == 200
    swept = "SELECT value FROM facts WHERE name = 'swept_until'"
    before = issuer.rows(swept)
    clock.set(2 * DAY)
    wait_until(lambda: awake(asker) and issuer.rows(swept) != before, 20, "it is not swept: mend this test")
    issuer.stop()
    clock.set(0)
    issuer.start_again()
    if what == "revocation":
        assert not asker.is_active(token), "a revoked token is good again"
    else:
        assert asker.assert_itself(assertion).status == 401, "an assertion was used twice"


def asks_for_sign_in(answer):
    return answer.status == 200 and b"Sign in" in answer.body


def test_a_session_ends_when_it_is_not_used_and_at_last_however_much_it_is(issuer):
    issuer, clock, asker = issuer(passes=True)
    for visit in range(1, 7):
        clock.set(visit * 119 * MINUTE)
        assert asker.browser().get(authorize(asker)).status == 303, f"it was used two hours ago: {visit}"
    clock.set(12 * HOUR + MINUTE)
    assert asks_for_sign_in(asker.browser().get(authorize(asker))), "it has gone on for twelve hours"
    issuer.sign_in()
    clock.set(14 * HOUR)
    assert asker.browser().get(authorize(asker)).status == 303
    clock.set(16 * HOUR + MINUTE)
    assert asks_for_sign_in(asker.browser().get(authorize(asker))), "nobody has used it for two hours"


def test_a_family_ends_when_it_is_not_refreshed_and_at_last_however_often_it_is(issuer):
    issuer, clock, asker = issuer(passes=True, more="refresh_token_lifetime 1h absolute=3h;")
    left, family = asker.tokens(), asker.tokens()
    ends = clock.now() + 3 * HOUR
    for number in range(1, 4):
        clock.set(number * 58 * MINUTE)
        answer = asker.refresh(family["refresh_token"])
        assert answer.status == 200, answer.words
        family = answer.json
    assert asker.refresh(left["refresh_token"]).error == "invalid_grant", "nobody has used it for an hour"
    told = asker.post("/introspect", "web", token=family["refresh_token"]).json
    assert told["active"] and told["exp"] <= ends + MINUTE, "a refresh token that outlives its family"
    late = payload_of(family["access_token"])
    assert late["exp"] <= ends + MINUTE, "an access token that outlives its grant"
    clock.set(2 * HOUR + 59 * MINUTE)
    family = asker.refresh(family["refresh_token"]).json
    assert family["expires_in"] < 3 * MINUTE
    clock.set(3 * HOUR + 2 * MINUTE)
    assert asker.refresh(family["refresh_token"]).error == "invalid_grant", "three hours are over"
    assert not asker.is_active(family["access_token"])
    assert asker.post("/introspect", "web", token=family["refresh_token"]).json == {"active": False}


def test_forms_and_second_factors_have_their_time(issuer):
    bob = "user bob { password_hash_file user.hash; totp_secret_file totp; }"
    issuer, clock, asker = issuer(passes=True, more=bob, files={"totp": FILES["totp"]})
    browser = Browser(asker)
    browser.get(authorize(asker))
    page = browser.page()
    clock.set(59 * MINUTE)
    assert browser.copy().submit({"username": "alice", "password": "hunter2"}, page=page).status == 303
    clock.set(61 * MINUTE)
    late = browser.submit({"username": "alice", "password": "hunter2"}, page=page)
    assert late.status == 400 and b"This took too long" in late.body and "__Host-keepgate-session" not in browser.cookies, late.words
    stranger = Browser(asker)
    stranger.get(authorize(asker))
    late = stranger.submit({"username": "alice", "password": "hunter2"}, page=page)
    assert late.status == 403 and b"does not belong to this browser" in late.body, "of another browser it is no form at all"
    for wait, is_good in ((4 * MINUTE, True), (6 * MINUTE, False)):
        other = Browser(asker)
        other.get(authorize(asker))
        other.sign_in("bob")
        clock.set(clock.offset + wait)
        answer = other.submit({"code": totp(clock.now())})
        assert (answer.status == 303) == is_good, (wait, answer.words)
        assert ("__Host-keepgate-session" in other.cookies) == is_good


def proof(asker, key, clock, nonce=None):
    head = {"typ": "dpop+jwt", "alg": "ES256", "jwk": {name: key.jwk[name] for name in ("kty", "crv", "x", "y")}}
    body = {"jti": secrets.token_hex(16), "htm": "POST", "htu": f"http://127.0.0.1:{asker.issuer.port('as')}/token", "iat": int(clock.now())}
    return key.sign({**body, **({"nonce": nonce} if nonce else {})}, head)


def test_a_nonce_for_proofs_and_an_assertion_have_their_time(issuer):
    issuer, clock, asker = issuer()

    def ask(nonce=None):
        fields = {"Content-Type": "application/x-www-form-urlencoded", "DPoP": proof(asker, issuer.key, clock, nonce)}
        form = f"grant_type={DEVICE}&client_id=tv&device_code=x"
        return asker.request("POST", "/token", fields, form.encode())

    first = ask()
    assert first.error == "use_dpop_nonce", first.words
    nonce = first.get("DPoP-Nonce")
    assertion = issuer.assertion(lifetime=200, now=clock.now())
    again = issuer.assertion(lifetime=200, now=clock.now())
    clock.set(195)
    assert ask(nonce).error == "invalid_grant", "the proof holds, and the device code does not"
    assert asker.assert_itself(assertion).status == 200
    clock.set(230)
    assert asker.assert_itself(again).status == 401 and asker.assert_itself(assertion).status == 401
    clock.set(295)
    assert ask(nonce).error == "invalid_grant"
    clock.set(310)
    late = ask(nonce)
    assert late.error == "use_dpop_nonce" and late.get("DPoP-Nonce") != nonce, late.words
    assert ask(late.get("DPoP-Nonce")).error == "invalid_grant"
    clock.set(-10 * MINUTE)
    assert ask(nonce).error == "use_dpop_nonce", "a nonce of the future"


def test_a_consent_has_no_end_and_a_session_that_it_was_given_in_has(issuer):
    issuer, clock, asker = issuer(passes=True, more=ASKS.format("").replace("@app@", str(PAGES)))

    def ask(browser, **more):
        return browser.get(authorize(asker, "asks", **more))

    browser = asker.browser()
    assert ask(browser).status == 200
    browser.decide()
    assert browser.location()[1]["code"]
    clock.set(300 * DAY)
    browser = Browser(asker)
    assert asks_for_sign_in(ask(browser))
    browser.sign_in()
    assert browser.location()[1]["code"], "who has agreed once is not asked again"
    ask(browser, scope="openid", prompt="consent")
    assert browser.answer.status == 200


def test_what_nobody_came_for_is_forgotten_and_gives_nothing(issuer):
    issuer, clock, asker = issuer(passes=True)
    code = asker.code()
    assert issuer.rows("SELECT COUNT(*) FROM grants") == [(2,)], "and one of the sign-in"
    clock.set(2 * DAY)
    issuer.change("UPDATE facts SET value = CAST(value AS INTEGER) + ?1 WHERE name = 'swept_until'", 2 * DAY)
    for table in ("codes", "grants", "sessions"):
        wait_until(lambda: awake(asker) and issuer.rows(f"SELECT COUNT(*) FROM {table}") == [(0,)], 20, f"{table} are kept for ever")
    answer = asker.redeem(code)
    assert (answer.status, answer.error) == (400, "invalid_grant")
    assert asker.feed() == [], "it gave nothing: there is nothing to take back"


def test_an_entry_of_the_list_outlives_the_longest_token_that_it_takes_back(issuer):
    """Gateways may take a token for some minutes longer (auth_jwt_leeway): an entry is on the list then, too."""
    leeway = 10 * MINUTE
    issuer, clock, asker = issuer(passes=True, more="access_token_lifetime 1d;")
    kept, alone, family = asker.tokens(), asker.credentials().json, asker.tokens()
    issuer.sign_in()
    here = asker.tokens()
    assert here["expires_in"] == DAY
    for token in (alone["access_token"], family["refresh_token"]):
        assert asker.revoke(token).status == 200
    assert asker.browser().get("/end-session?id_token_hint=" + here["id_token"]).status == 200
    entries = asker.feed()
    assert [sorted(set(entry) - {"until"}) for entry in entries].count(["jti"]) == 1 and len(entries) == 4
    for entry in entries:
        name = {"jti": "jti", "grant": "grant_id"}[next(iter(set(entry) - {"until"}))]
        token = next(payload for one in (alone, family, here) if (payload := payload_of(one["access_token"])).get(name, payload["jti"]) in entry.values())
        assert entry["until"] >= token["exp"] + leeway, entry
    clock.set(DAY - MINUTE)
    assert asker.is_active(kept["access_token"])
    assert not any(asker.is_active(one["access_token"]) for one in (alone, family, here))
    assert asker.credentials().status == 200 and asker.revoke(kept["access_token"]).status == 200  # The list is read anew.
    clock.set(DAY + 9 * MINUTE)
    assert len(asker.feed()) == 5, "it ended before a gateway whose clock is behind"


def swept(issuer, asker, clock, seconds):
    """Time passes, and what has expired by then was forgotten."""
    statement = "SELECT value FROM facts WHERE name = 'swept_until'"
    before = issuer.rows(statement)
    clock.set(clock.offset + seconds)
    wait_until(lambda: awake(asker) and issuer.rows(statement) != before, 20, "it is not swept: mend this test")


def test_a_pushed_request_that_led_to_a_page_in_time_goes_on_for_who_types_slowly(issuer):
    issuer, clock, asker = issuer(passes=True)
    uri, late = asker.push().json["request_uri"], asker.push().json["request_uri"]
    browser = Browser(asker)
    browser.get(f"/authorize?client_id=web&request_uri={uri}")
    page = browser.page()
    other = browser.copy()
    swept(issuer, asker, clock, 10 * MINUTE)
    assert Browser(asker).get(f"/authorize?client_id=web&request_uri={late}").status == 400, "nobody came for it within its minute"
    browser.submit({"username": "alice", "password": "hunter2"}, page=page)
    assert browser.location()[1].get("code"), browser.answer.words
    other.submit({"username": "alice", "password": "hunter2"}, page=page)
    assert other.answer.status == 400, "a second code by one request_uri (RFC 9126 4)"


def test_a_clock_that_jumps_ahead_and_back_makes_no_revoked_token_good(issuer):
    issuer, clock, asker = issuer(more="access_token_lifetime 1d;")
    revoked, during, after = ([asker.credentials().json["access_token"] for _ in range(2)] for _ in range(3))
    for token in revoked:
        assert asker.revoke(token).status == 200
    clock.set(3 * DAY)
    ahead = asker.credentials().json["access_token"]
    assert asker.revoke(ahead).status == 200
    clock.set(0)
    assert asker.revoke(after[0]).status == 200
    for token in (*revoked, after[0]):
        assert not asker.is_active(token), "a revoked token is good again"
    assert all(asker.is_active(token) for token in (*during, after[1]))
