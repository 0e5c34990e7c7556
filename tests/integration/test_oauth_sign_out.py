"""A sign-out while its session is being used: whatever is issued at the same moment, nothing of it is good afterwards.

What outlives a sign-out does so by a rule: offline_access, devices, and other browsers.
"""
import threading
import urllib.parse

import pytest

from harness.issuer import PAGES, WEB, Asker, Gone, Issuer
from harness.jose import payload_of
from harness.people import VERIFIER, Browser, authorize
from harness.ports import wait_until
from harness.postgres import Postgres, why_missing

ROUNDS, EACH = 10, 4
AWAY = ("client away { secret_file web.secret; redirect_uri http://127.0.0.1:%d/cb; consent off; scopes openid orders:read offline_access; "
        "audience orders; grants authorization_code refresh_token; }" % PAGES)


@pytest.fixture
def issuer():
    one = Issuer(more=AWAY)
    yield one
    one.close()


@pytest.fixture(scope="module")
def database():
    if why_missing():
        pytest.skip(why_missing())
    server = Postgres()
    yield server
    server.close()


@pytest.fixture(params=["one worker", "four workers", "two processes", "two processes with PostgreSQL"])
def issuers(request):
    """All processes of one issuer."""
    store = {"store": f'"{request.getfixturevalue("database").new_database()}"'} if "PostgreSQL" in request.param else {}
    made = [Issuer(workers=4 if request.param == "four workers" else 1, more=AWAY, **store)]
    if "two" in request.param:
        made.append(Issuer(beside=made[0], more=AWAY))
    yield made
    for one in reversed(made):
        one.close()


def together(issuers, asks):
    """What each of `asks` gives, all begun at one moment, at one process after the other."""
    barrier, answers, failures = threading.Barrier(len(asks)), [None] * len(asks), []

    def one(number):
        asker = Asker(issuers[number % len(issuers)])
        barrier.wait(30)
        try:
            answers[number] = asks[number](asker)
        except (Gone, AssertionError, KeyError) as error:
            failures.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(len(asks))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures, failures[0]
    return answers


def sign_out(asker, hint):
    """By the client's word: the hint is of this very session."""
    browser = asker.browser()
    answer = browser.get("/end-session?" + urllib.parse.urlencode({"id_token_hint": hint}))
    assert answer.status == 200 and b"signed out" in answer.body, answer.words


def ask_for_code(asker):
    """A code, or "" where the person is asked to sign in."""
    browser = asker.browser()
    answer = browser.get(authorize(asker))
    if answer.status == 200:
        return ""
    return browser.location()[1].get("code", "")


def check_nothing_is_good(asker, tokens, codes):
    for one in tokens:
        # Where another process has ended it, this one hears of it in a moment.
        wait_until(lambda: not asker.is_active(one["access_token"]), 10, "an access token of a session that ended is good")
        assert asker.refresh(one["refresh_token"]).error == "invalid_grant"
        answer = asker.request("GET", "/userinfo", {"Authorization": "Bearer " + one["access_token"]})
        assert answer.status == 401, answer.words
    for code in codes:
        assert asker.redeem(code).error == "invalid_grant", "a code of a session that ended is good"


def test_what_is_issued_while_somebody_signs_out_is_worth_nothing_afterwards(issuers):
    seen = set()
    for _ in range(ROUNDS):
        asker = issuers[0].sign_in()
        issuers[-1].cookies = issuers[0].cookies
        first, families = asker.tokens(), [asker.tokens()["refresh_token"] for _ in range(EACH)]
        waiting = [asker.code() for _ in range(EACH)]
        asks = [lambda one, token=token: one.refresh(token) for token in families]
        asks += [lambda one, code=code: one.redeem(code) for code in waiting]
        asks += [ask_for_code] * EACH
        asks.insert(len(asks) // 2, lambda one: sign_out(one, first["id_token"]))
        answers = together(issuers, asks)
        answers.pop(len(asks) // 2)
        issued, codes = answers[:2 * EACH], [code for code in answers[2 * EACH:] if code]
        for answer in issued:
            assert (answer.status, answer.error) in ((200, None), (400, "invalid_grant")), answer.words
        seen |= {answer.status for answer in issued}
        check_nothing_is_good(asker, [first, *(answer.json for answer in issued if answer.status == 200)], [*codes, *waiting])
        assert ask_for_code(asker) == "", "the session goes on"
    assert 200 in seen, "nothing was issued meanwhile: mend this test"


def test_two_sign_outs_at_once_are_one(issuers):
    asker = issuers[0].sign_in()
    issuers[-1].cookies = issuers[0].cookies
    tokens = [asker.tokens() for _ in range(EACH)]
    together(issuers, [lambda one: sign_out(one, tokens[0]["id_token"])] * EACH)
    check_nothing_is_good(asker, tokens, [])
    assert len(asker.feed()) == EACH, "one entry for each grant, and none for the code that nobody redeemed"


def test_what_a_sign_out_leaves_is_left_by_a_rule(issuer):
    asker = issuer.sign_in()
    other = dict(issuer.cookies)
    kept = asker.tokens()
    issuer.sign_in()  # Another browser.
    hint = asker.tokens()["id_token"]
    browser = asker.browser()
    browser.get(authorize(asker, "away", scope="openid orders:read offline_access"))
    form = {"code": browser.location()[1]["code"], "redirect_uri": f"http://127.0.0.1:{PAGES}/cb", "code_verifier": VERIFIER}
    as_away = {"client_id": "away", "client_secret": WEB}
    away = asker.post("/token", grant_type="authorization_code", **form, **as_away)
    assert away.status == 200, away.words
    browser.get(authorize(asker, "away", scope="openid orders:read"))
    form["code"] = browser.location()[1]["code"]
    here = asker.post("/token", grant_type="authorization_code", **form, **as_away)
    device = asker.device().json
    asker.allow_device(device["user_code"])
    sign_out(asker, hint)
    assert asker.poll(device["device_code"]).status == 200, "a device is no browser"
    answer = asker.post("/token", grant_type="refresh_token", refresh_token=away.json["refresh_token"], **as_away)
    assert answer.status == 200, "offline_access is for when nobody is there (OpenID Connect Core 11)"
    assert asker.post("/token", grant_type="refresh_token", refresh_token=here.json["refresh_token"], **as_away).error == "invalid_grant"
    assert asker.refresh(kept["refresh_token"]).status == 200, "another browser goes on"
    elsewhere = Browser(asker)
    elsewhere.cookies = other
    elsewhere.get(authorize(asker))
    assert elsewhere.location()[1]["code"]


def test_a_page_that_was_open_when_somebody_signed_out_gives_nothing(issuer):
    asker = issuer.sign_in()
    hint = asker.tokens()["id_token"]
    browser = asker.browser()
    answer = browser.get(authorize(asker, prompt="consent"))
    assert answer.status == 200 and browser.page().buttons, answer.words
    device = asker.device().json
    tab = asker.browser()
    tab.get("/device?user_code=" + device["user_code"])
    tab.submit({"user_code": device["user_code"]})
    sign_out(asker, hint)
    browser.decide()
    assert browser.answer.status == 200 and "Sign in" in browser.page().title, browser.answer.words
    tab.decide()
    assert tab.answer.status == 200 and "Sign in" in tab.page().title, tab.answer.words
    assert asker.poll(device["device_code"]).error == "authorization_pending"


def test_a_sign_out_ends_what_was_given_before_the_last_sign_in_of_the_same_person(issuer):
    asker = issuer.sign_in()
    before = asker.tokens()
    browser = asker.browser()
    browser.get(authorize(asker, prompt="login"))
    assert "Sign in" in browser.page().title
    browser.sign_in()
    after = asker.redeem(browser.location()[1]["code"]).json
    assert payload_of(after["id_token"])["sid"] == payload_of(before["id_token"])["sid"], "it is one session"
    old, issuer.cookies = asker.browser(), dict(browser.cookies)
    old.get(authorize(asker, prompt="none"))
    assert old.location()[1]["error"] == "login_required", "the cookie of before is worth nothing"
    sign_out(asker, before["id_token"])
    check_nothing_is_good(asker, [before, after], [])
