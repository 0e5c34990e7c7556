"""The clock of the authorization server: steps forth and back, and weeks that pass. By libfaketime, which reads the time from a file of the test."""
import os
import pathlib
import re
import signal
import time

import pytest

from harness.gate import binary, is_sanitized
from harness.issuer import Asker, Issuer
from harness.jose import header_of, payload_of
from harness.people import authorize
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
    issuer.change("UPDATE facts SET value = CAST(value AS INTEGER) + ?1 WHERE name = 'swept_until'", 30 * DAY)
    clock.set(30 * DAY + 40 * MINUTE)
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
