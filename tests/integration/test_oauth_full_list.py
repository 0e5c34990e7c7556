"""The list of revocations at its bound: the last one is recorded, one more is 503, and what was taken back stays so."""
import pytest

from harness.gate import run_cli
from harness.issuer import Issuer
from harness.people import authorize
from harness.ports import wait_until

ENTRIES_MAX = 500_000  # oauth/revocations.h: revocations_max.
FILL = ("WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1)"
        " INSERT INTO revocations (kind, value, before_s, until_s, version) SELECT 'jti', 'token ' || n, 0, 4000000000,"
        " (SELECT value FROM versions WHERE name = 'revocations') + n FROM numbers")


@pytest.fixture
def issuer():
    one = Issuer()
    one.sign_in()
    yield one
    one.close()


def fill(issuer, asker, entries):
    """As the server would: each entry has a version of its own. The server has read them all when this returns: a
    request waits a few seconds for the store, and a sanitizer's build may need longer for half a million entries."""
    issuer.change(FILL, entries)
    issuer.change("UPDATE versions SET value = value + ?1 WHERE name = 'revocations'", entries)
    version = issuer.rows("SELECT value FROM versions WHERE name = 'revocations'")[0][0]
    wait_until(lambda: has_read(asker, version), 120, "the server has not read its list")


def has_read(asker, version):
    """The newest entry is asked for, not half a million."""
    answer = asker.ask_feed(after=version, wait=1)
    return answer.status in (200, 304) and int(answer.get("Revocation-Version")) == version


def count(issuer):
    return issuer.rows("SELECT COUNT(*) FROM revocations")[0][0]


def refused(answer):
    return answer.status == 503 and int(answer.get("Retry-After")) > 0


def test_what_does_not_fit_on_the_list_is_refused_and_nothing_of_it_is_recorded(issuer):
    asker = issuer.sign_in()
    before, more = (asker.credentials().json["access_token"] for _ in range(2))
    last = asker.tokens()["access_token"]  # Of a grant: one entry. One of no grant needs two.
    family, replayed, code = asker.tokens(), asker.tokens(), asker.code()
    newer = asker.refresh(replayed["refresh_token"]).json
    redeemed = asker.redeem(code).json
    assert asker.revoke(before).status == 200
    fill(issuer, asker, ENTRIES_MAX - count(issuer) - 1)
    assert refused(asker.revoke(more)) and asker.is_active(more), "half of a revocation is none"
    assert count(issuer) == ENTRIES_MAX - 1
    assert asker.revoke(last).status == 200 and count(issuer) == ENTRIES_MAX
    assert not asker.is_active(last)
    # A token, a family, a second use of a refresh token and of a code, a session: each would have to be on it.
    assert refused(asker.revoke(more)) and refused(asker.revoke(family["refresh_token"]))
    assert refused(asker.refresh(replayed["refresh_token"])) and refused(asker.redeem(code))
    browser = asker.browser()
    assert refused(browser.get("/end-session?id_token_hint=" + family["id_token"]))
    browser.get(authorize(asker))
    assert browser.location()[1]["code"], "nobody was told of a sign-out, and there was none"
    result = run_cli("revoke", "--user", "alice", "-c", issuer.path("keepgate.conf"))
    assert result.returncode != 0 and "full" in result.stderr, (result.returncode, result.stderr)
    assert count(issuer) == ENTRIES_MAX
    assert asker.is_active(more) and asker.is_active(family["access_token"]), "who was told 503 may try again: it is as before"
    assert asker.is_active(redeemed["access_token"]) and asker.is_active(newer["access_token"])
    assert not asker.is_active(last) and not asker.is_active(before), "a revoked token is good again"
    # What needs no entry goes on.
    assert asker.refresh(family["refresh_token"]).status == 200 and asker.credentials().status == 200
    issuer.change("DELETE FROM revocations WHERE value LIKE 'token 1%'")
    assert asker.revoke(more).status == 200
    wait_until(lambda: not asker.is_active(more), 10, "there is room again")
    assert asker.refresh(replayed["refresh_token"]).error == "invalid_grant"
    assert not asker.is_active(newer["access_token"]), "the second use counts as soon as it can be recorded"
    assert not asker.is_active(last) and not asker.is_active(before)


def test_a_full_list_is_full_after_a_restart_and_takes_back_what_it_did(issuer):
    asker = issuer.sign_in()
    last, more = (asker.tokens()["access_token"] for _ in range(2))
    fill(issuer, asker, ENTRIES_MAX - 1)
    assert asker.revoke(last).status == 200
    issuer.die()
    issuer.start_again()
    assert not asker.is_active(last) and asker.is_active(more)
    assert refused(asker.revoke(more))
