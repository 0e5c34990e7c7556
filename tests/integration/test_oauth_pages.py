"""What people see of the authorization server: signing in, second factors, consent, devices, signing out; and who is refused."""
import base64
import concurrent.futures
import contextlib
import json
import re
import sqlite3
import time
import urllib.parse

import pytest

from harness.people import CHALLENGE, FILES, SERVER, VERIFIER, Browser, Page, authorize, totp
from harness.ports import free_port, wait_until

BASIC = {"Authorization": "Basic " + base64.b64encode(b"web:" + urllib.parse.quote_plus(FILES["web.secret"].strip()).encode()).decode()}


@pytest.fixture
def server(keepgate):
    def build(more="", **options):
        options.setdefault("values", {"app": free_port()})
        return keepgate(main=SERVER % more, files=FILES, **options)

    return build


def app(gate, path="/cb"):
    return f"http://127.0.0.1:{gate.values['app']}{path}"


def token(gate, form, client=True):
    fields = {"Content-Type": "application/x-www-form-urlencoded", **(BASIC if client else {})}
    answer = gate.request("POST", "/token", fields, urllib.parse.urlencode(form).encode(), name="as")
    return answer.status, json.loads(answer.body)


def redeem(gate, browser, client="web"):
    where, answer = browser.location()
    assert where == app(gate) and answer["state"] == "st" and answer["iss"] == f"http://127.0.0.1:{gate.port('as')}", answer
    status, body = token(gate, {"grant_type": "authorization_code", "code": answer["code"], "redirect_uri": app(gate), "code_verifier": VERIFIER})
    assert status == 200, body
    return body


def claims(jwt):
    part = jwt.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def signed_in(gate, user="alice", **parameters):
    browser = Browser(gate)
    assert browser.get(authorize(gate, **parameters)).status == 200
    browser.sign_in(user)
    return browser


def has_session(browser):
    return "__Host-keepgate-session" in browser.cookies


def error_of(browser):
    return browser.location()[1].get("error")


def test_somebody_signs_in_gives_permission_and_the_client_has_tokens(server):
    gate = server()
    browser = Browser(gate)
    answer = browser.get(authorize(gate, nonce="n"))
    assert answer.status == 200 and "Sign in" in browser.page().title and "Web shop" in browser.page().text
    assert browser.sign_in().status == 200
    page = browser.page()
    for words in ("Web shop", "See your orders", "Know who you are", "127.0.0.1", "alice", "orders"):
        assert words in page.text, words
    browser.decide()
    tokens = redeem(gate, browser)
    who = claims(tokens["id_token"])
    assert who["sub"] == "user:alice" and who["aud"] == "web" and who["nonce"] == "n" and who["amr"] == ["pwd"]
    assert abs(who["auth_time"] - time.time()) < 60 and who["sid"]
    assert claims(tokens["access_token"])["sub"] == "user:alice"
    # The next time nobody is asked anything.
    browser.get(authorize(gate))
    assert redeem(gate, browser)["access_token"]


def test_pages_come_with_fields_that_keep_them_where_they_are(server):
    gate = server()
    browser = Browser(gate)
    answer = browser.get(authorize(gate))
    policy = answer.get("Content-Security-Policy")
    for part in ("default-src 'none'", "style-src 'self'", "form-action 'self' http:", "frame-ancestors 'none'", "base-uri 'none'"):
        assert part in policy.split("; "), policy
    for name, value in {"X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
                        "Cross-Origin-Opener-Policy": "same-origin", "Content-Type": "text/html; charset=utf-8"}.items():
        assert answer.all(name) == [value], name
    (cookie,) = answer.all("Set-Cookie")
    assert re.fullmatch(r"__Host-keepgate-browser=[\w-]{43}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=\d+", cookie), cookie
    answer = browser.sign_in()
    (cookie,) = answer.all("Set-Cookie")
    assert re.fullmatch(r"__Host-keepgate-session=[\w-]{43}; Path=/; Secure; HttpOnly; SameSite=Lax", cookie), cookie
    answer = browser.decide()
    assert answer.get("Cache-Control") == "no-store" and answer.get("Referrer-Policy") == "no-referrer" and answer.all("Set-Cookie") == []
    style = browser.get("/style.css?v=x")
    assert style.status == 200 and style.get("Content-Type") == "text/css; charset=utf-8" and b"@media" in style.body


WRONG = {"a wrong password": ("alice", "hunter3"), "nobody": ("mallory", "hunter2"), "no password": ("alice", ""), "no name": ("", "hunter2"),
         "somebody without a password": ("nopass", "hunter2"), "an empty password of somebody without one": ("nopass", ""),
         "another case": ("Alice", "hunter2"), "a space": ("alice ", "hunter2"), "the hash": ("alice", FILES["user.hash"].strip()),
         "a long password": ("alice", "x" * 5000), "a long name": ("x" * 5000, "hunter2"), "markup": ("<b>\"'&", "hunter2"), "control": ("a\x1b", "hunter2")}


def test_whoever_does_not_know_the_password_is_told_nothing_else(server):
    gate = server()
    words = set()
    for name, (user, password) in WRONG.items():
        browser = Browser(gate)
        browser.get(authorize(gate))
        answer = browser.sign_in(user, password)
        assert answer.status == 403, name
        words.add(browser.page().alert)
        assert not has_session(browser) and b"<b>" not in answer.body, name
        if password:
            assert password.encode() not in answer.body or password in FILES["user.hash"], name
    assert words == {"The user name or the password is not right."}
    log = gate.read("error.log") + gate.read("access.log")
    assert "hunter2" not in log and "hunter3" not in log
    wait_until(lambda: 'sign-in of "alice": password mismatch' in gate.read("error.log"), 10, "the operator is told more")
    assert "status: 403" in gate.read("error.log") and "[error]" not in gate.read("error.log"), "and nothing is broken"


def test_two_browsers_with_one_code_at_the_same_time_are_one_sign_in(server):
    gate = server(workers=2)
    browsers = [signed_in(gate, "bob") for _ in range(6)]
    code = totp(time.time())
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda one: one.submit({"code": code}), browsers[:5]))
    assert sorted(answer.status for answer in answers) == [200] + [403] * 4, "five tries, one of them right"
    assert sum(map(has_session, browsers)) == 1


def test_a_second_factor_is_asked_for_and_each_code_passes_once(server):
    gate = server()
    browser = signed_in(gate, "bob")
    assert "code" in browser.page().title.lower() and browser.page().inputs["code"]["autocomplete"] == "one-time-code"
    assert not has_session(browser), "a password alone signs nobody in who has a second factor"
    first = browser.page()
    for wrong in ("", "000000" if totp(time.time()) != "000000" else "111111", "abcdef", totp(time.time() - 3600)):
        assert browser.submit({"code": wrong}, page=first).status == 403 and not has_session(browser), wrong
    code = totp(time.time())
    assert browser.submit({"code": f"{code[:3]} {code[3:]}"}, page=first).status == 200 and has_session(browser)
    browser.decide()
    assert claims(redeem(gate, browser)["id_token"])["amr"] == ["pwd", "otp", "mfa"]
    # The same code again, in another browser: a time step that was used is used.
    other = signed_in(gate, "bob")
    assert other.submit({"code": code}).status == 403 and not has_session(other)
    assert other.submit({"code": totp(time.time(), 1)}).status == 303 and has_session(other), "the next one passes, and goes on"


def test_second_factors_cannot_be_guessed_for_long(server):
    gate = server()
    browser = signed_in(gate, "bob")
    first, right = browser.page(), totp(time.time())
    statuses = [browser.submit({"code": f"{i:06}" if f"{i:06}" != right else "999999"}, page=first).status for i in range(8)]
    assert statuses == [403] * 5 + [429] * 3
    assert browser.submit({"code": right}, page=first).status == 429 and not has_session(browser)
    again = signed_in(gate, "bob")
    assert again.submit({"code": right}).status == 429, "a new form is not a new budget"


def test_passwords_cannot_be_guessed_for_long_and_the_owner_still_comes_in(server):
    gate = server()
    at_home = signed_in(gate)
    assert has_session(at_home)
    mallory = Browser(gate)
    mallory.get(authorize(gate))
    statuses = []
    for number in range(14):
        mallory.cookies.pop("__Host-keepgate-browser", None)
        mallory.get(authorize(gate))
        statuses.append(mallory.sign_in("alice", f"guess{number}").status)
    assert statuses[-1] == 429 and statuses.count(403) >= 9, statuses
    assert mallory.answer.get("Retry-After") and "Too many" in mallory.page().alert
    assert mallory.sign_in("alice").status == 429, "the right one, too"
    at_home.get(authorize(gate, prompt="login"))
    assert at_home.sign_in().status == 200, "her browser has a budget of its own"
    other = Browser(gate)
    other.get(authorize(gate))
    assert other.sign_in("carol").status == 200, "other accounts are not concerned"


def test_a_form_is_taken_from_the_browser_that_it_was_shown_to_and_no_other(server):
    gate = server()
    victim, mallory = Browser(gate), Browser(gate)
    victim.get(authorize(gate))
    mallory.get(authorize(gate))
    page, theirs = victim.page(), mallory.page()
    good = {"username": "alice", "password": "hunter2"}
    # Login CSRF: mallory's form, sent by the victim's browser.
    assert victim.submit(good, page=theirs).status == 403 and not has_session(victim)
    # One part of each.
    for name in ("flow", "form_token"):
        mixed = Page("")
        mixed.action, mixed.fields = page.action, {**page.fields, name: theirs.fields[name]}
        assert victim.submit(good, page=mixed).status == 403, name
        mixed.fields = {**page.fields, name: ""}
        assert victim.submit(good, page=mixed).status == 403, name
        mixed.fields = {**page.fields, name: page.fields[name][:-2] + "AA"}
        assert victim.submit(good, page=mixed).status == 403, name
    nobody = Browser(gate)
    assert nobody.submit(good, page=page).status == 403, "without the cookie"
    twice = victim.copy()
    assert gate.request("POST", "/authorize", [("Content-Type", "application/x-www-form-urlencoded"),
                                               ("Cookie", f"__Host-keepgate-browser={victim.cookies['__Host-keepgate-browser']}; __Host-keepgate-browser=x")],
                        urllib.parse.urlencode({**page.fields, **good}).encode(), name="as").status == 403, "two cookies of one name are none"
    for fields in ([("Origin", "https://evil.example")], [("Sec-Fetch-Site", "cross-site")], [("Sec-Fetch-Site", "same-site")],
                   [("Origin", f"http://127.0.0.1:{gate.port('as')}0")]):
        assert twice.submit(good, fields, page).status == 403 and not has_session(twice), fields
    own = [("Origin", f"http://127.0.0.1:{gate.port('as')}"), ("Sec-Fetch-Site", "same-origin")]
    assert twice.submit(good, own, page).status == 200 and has_session(twice)
    assert victim.submit(good, [("Origin", "null")], page).status == 200, "what browsers send with no-referrer"


def test_a_consent_form_counts_for_its_session_alone(server):
    gate = server()
    browser = signed_in(gate)
    page = browser.page()
    other = browser.copy()
    other.get(authorize(gate, prompt="login"))
    other.sign_in("carol")
    other.cookies["__Host-keepgate-browser"] = browser.cookies["__Host-keepgate-browser"]
    other.submit({"decision": "allow"}, page=page)
    assert other.answer.status == 200 and "Sign in" in other.page().title, "carol gives nothing in alice's name"
    gone = browser.copy()
    gone.cookies.pop("__Host-keepgate-session")
    assert gone.submit({"decision": "allow"}, page=page).status == 200 and "Sign in" in gone.page().title
    assert browser.submit({"decision": "allow"}, page=page).status == 200, "its session ended when carol signed in"


def test_a_session_is_new_with_every_sign_in(server):
    gate = server()
    browser = Browser(gate)
    browser.get(authorize(gate))
    browser.cookies["__Host-keepgate-session"] = planted = "planted" * 6
    browser.sign_in()
    first = browser.cookies["__Host-keepgate-session"]
    assert first != planted
    old = browser.copy()
    browser.get(authorize(gate, prompt="login"))
    assert "Sign in" in browser.page().title
    browser.sign_in()
    assert browser.cookies["__Host-keepgate-session"] != first
    old.get(authorize(gate))
    assert "Sign in" in old.page().title, "the one before has ended"


def test_refusing_tells_the_client_and_remembers_nothing(server):
    gate = server()
    browser = signed_in(gate)
    for decision in ("refuse", "", "ALLOW"):
        browser.get(authorize(gate))
        browser.decide(decision)
        where, answer = browser.location()
        assert where == app(gate) and answer["error"] == "access_denied" and answer["state"] == "st" and answer["iss"], decision
        assert "code" not in answer
    browser.get(authorize(gate, prompt="none"))
    assert error_of(browser) == "consent_required"


def test_prompt_and_max_age_are_obeyed(server):
    gate = server()
    nobody = Browser(gate)
    nobody.get(authorize(gate, prompt="none"))
    assert error_of(nobody) == "login_required"
    browser = signed_in(gate)
    browser.decide()
    browser.get(authorize(gate, prompt="none"))
    assert browser.location()[1]["code"]
    for parameters in ({"prompt": "login"}, {"prompt": "select_account"}, {"max_age": "0"}):
        browser.get(authorize(gate, **parameters))
        assert browser.answer.status == 200 and "Sign in" in browser.page().title, parameters
        browser.sign_in()
        assert browser.location()[1]["code"], parameters
    browser.get(authorize(gate, max_age="3600"))
    assert browser.location()[1]["code"]
    browser.get(authorize(gate, max_age="0", prompt="none"))
    assert error_of(browser) == "login_required"
    browser.get(authorize(gate, prompt="consent"))
    assert browser.page().buttons == [("decision", "allow"), ("decision", "refuse")]
    browser.get(authorize(gate, prompt="none login"))
    assert error_of(browser) == "invalid_request"
    browser.get(authorize(gate, scope="openid orders:read orders:write"))
    assert browser.answer.status == 200, "more than was consented to is asked for anew"
    browser.get(authorize(gate, prompt="none", scope="openid orders:write"))
    assert error_of(browser) == "consent_required"


def test_hints_fill_in_a_name_and_never_change_who_signs_in(server):
    gate = server()
    browser = Browser(gate)
    browser.get(authorize(gate, login_hint="alice"))
    assert browser.page().fields["username"] == "alice"
    browser.get(authorize(gate, login_hint="<script>\""))
    assert b"<script>" not in browser.answer.body
    browser.get(authorize(gate))
    browser.sign_in()
    browser.decide()
    hint = redeem(gate, browser)["id_token"]
    browser.get(authorize(gate, id_token_hint=hint, prompt="none"))
    assert browser.location()[1]["code"]
    other = signed_in(gate, "carol")
    other.get(authorize(gate, id_token_hint=hint, prompt="none"))
    assert error_of(other) == "login_required"
    other.get(authorize(gate, id_token_hint=hint))
    assert "Sign in" in other.page().title
    other.sign_in("carol")
    assert error_of(other) == "login_required"
    browser.get(authorize(gate, id_token_hint=hint[:-4] + "AAAA", prompt="none"))
    assert error_of(browser) == "login_required"


def test_the_operators_own_client_asks_for_no_consent_and_an_unproven_one_always_does(server):
    gate = server()
    browser = Browser(gate)
    browser.get(authorize(gate, "own"))
    browser.sign_in()
    assert browser.location()[1]["code"]
    for _ in range(2):
        browser.get(authorize(gate, "spa", audience=None))
        assert browser.answer.status == 200 and browser.page().buttons, "anybody on this machine may pose as it (RFC 8252)"
        browser.decide()
        assert browser.location()[1]["code"]


UNTRUSTED = {"an unknown client": {"client": "nobody"}, "no client": {"client": None}, "another address": {"redirect_uri": "https://evil.example/cb"},
             "no address": {"redirect_uri": None}, "markup": {"redirect_uri": "<script>alert(1)</script>"}, "a script": {"redirect_uri": "javascript:alert(1)"}}


@pytest.mark.parametrize("name", UNTRUSTED)
def test_nobody_is_sent_where_the_client_is_not_registered(server, name):
    gate = server()
    browser = Browser(gate)
    answer = browser.get(authorize(gate, **UNTRUSTED[name]))
    assert answer.status == 400 and answer.get("Location") is None and "cannot be continued" in browser.page().title
    assert b"<script" not in answer.body and b"evil.example" not in answer.body and "form-action 'self';" in answer.get("Content-Security-Policy")


def test_a_request_that_is_posted_by_the_client_comes_again_by_get(server):
    gate = server()
    browser = signed_in(gate)
    browser.decide()
    form = dict(urllib.parse.parse_qsl(authorize(gate).partition("?")[2]))
    answer = gate.request("POST", "/authorize", {"Content-Type": "application/x-www-form-urlencoded", "Origin": app(gate)},
                          urllib.parse.urlencode(form).encode(), name="as")
    assert answer.status == 303 and answer.all("Set-Cookie") == [], "the cookie that was not sent is not replaced"
    target = answer.get("Location").removeprefix(f"http://127.0.0.1:{gate.port('as')}")
    browser.get(target)
    assert browser.location()[1]["code"]


def test_a_pushed_request_leads_to_one_code(server):
    gate = server()
    pushed = dict(urllib.parse.parse_qsl(authorize(gate).partition("?")[2]))
    answer = gate.request("POST", "/par", {"Content-Type": "application/x-www-form-urlencoded", **BASIC}, urllib.parse.urlencode(pushed).encode(), name="as")
    assert answer.status == 201, answer.body
    target = "/authorize?" + urllib.parse.urlencode({"client_id": "web", "request_uri": json.loads(answer.body)["request_uri"]})
    browser, second = Browser(gate), Browser(gate)
    for one in (browser, second):
        assert one.get(target).status == 200
        one.sign_in()
    browser.decide()
    assert redeem(gate, browser)["access_token"]
    assert second.decide().status == 400 and "cannot be continued" in second.page().title
    assert Browser(gate).get(target).status == 400


def device(gate):
    status, body = token_at(gate, "/device_authorization", {"client_id": "tv", "scope": "openid orders:read"})
    assert status == 200, body
    return body


def token_at(gate, path, form):
    answer = gate.request("POST", path, {"Content-Type": "application/x-www-form-urlencoded"}, urllib.parse.urlencode(form).encode(), name="as")
    return answer.status, json.loads(answer.body)


def poll(gate, code):
    return token_at(gate, "/token", {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "client_id": "tv", "device_code": code})


def test_a_device_is_connected_after_a_sign_in_a_code_and_a_yes(server):
    gate = server()
    body = device(gate)
    assert poll(gate, body["device_code"])[1]["error"] == "authorization_pending"
    browser = Browser(gate)
    browser.get("/device?user_code=" + body["user_code"])
    assert "Sign in" in browser.page().title
    browser.sign_in()
    assert browser.page().fields["user_code"] == body["user_code"], "it is filled in, and not sent"
    browser.submit({"user_code": body["user_code"].lower().replace("-", " ")})
    page = browser.page()
    assert "Living room TV" in page.text and body["user_code"] in page.text and "See your orders" in page.text
    assert browser.decide().status == 200 and "connected" in browser.page().title
    assert browser.submit({"decision": "allow"}, page=page).status == 403, "a code is decided on once"
    wait_until(lambda: "access_token" in poll(gate, body["device_code"])[1], 30, "the device has its tokens")


def test_a_device_that_is_refused_has_nothing(server):
    gate = server()
    body = device(gate)
    browser = Browser(gate)
    browser.get("/device")
    browser.sign_in()
    browser.submit({"user_code": body["user_code"]})
    browser.decide("refuse")
    assert "refused" in browser.page().title
    assert poll(gate, body["device_code"])[1]["error"] == "access_denied"


def test_codes_of_devices_cannot_be_guessed_for_long(server):
    gate = server()
    browser = Browser(gate)
    browser.get("/device")
    browser.sign_in()
    statuses = []
    for number in range(14):
        browser.submit({"user_code": "BCDF-BCD" + "BCDFGHJKLMNPQRST"[number]})
        statuses.append(browser.answer.status)
    assert statuses == [403] * 10 + [429] * 4
    browser.submit({"user_code": device(gate)["user_code"]})
    assert browser.answer.status == 429


def test_signing_out_ends_the_session_and_its_refresh_tokens(server):
    gate = server()
    browser = signed_in(gate)
    browser.decide()
    tokens = redeem(gate, browser)
    left = browser.copy()
    target = "/end-session?" + urllib.parse.urlencode({"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": app(gate, "/bye"), "state": "a b"})
    browser.get(target)
    assert browser.location() == (app(gate, "/bye"), {"state": "a b"}) and not has_session(browser)
    left.get(authorize(gate))
    assert "Sign in" in left.page().title, "the cookie is worth nothing any more"
    status, body = token(gate, {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]})
    assert (status, body["error"]) == (400, "invalid_grant")
    browser.get(target)
    assert browser.location() == (app(gate, "/bye"), {"state": "a b"}), "who is signed out already comes back as well"


def test_without_a_hint_the_user_is_asked_first(server):
    gate = server()
    browser = signed_in(gate)
    for target in ("/end-session", "/end-session?client_id=web&post_logout_redirect_uri=" + urllib.parse.quote(app(gate, "/bye"))):
        browser.get(target)
        assert browser.answer.status == 200 and browser.page().buttons and has_session(browser)
    page = browser.page()
    browser.decide("refuse")
    assert has_session(browser) and "still signed in" in browser.page().title
    other = signed_in(gate, "carol")
    assert other.submit({"decision": "allow"}, page=page).status == 403 and has_session(other), "somebody else's form signs nobody out"
    browser.submit({"decision": "allow"}, page=page)
    assert browser.location()[0] == app(gate, "/bye") and not has_session(browser)
    browser.get("/end-session?client_id=web&post_logout_redirect_uri=" + urllib.parse.quote(app(gate, "/bye")))
    assert browser.answer.status == 200 and "signed out" in browser.page().title, "nobody is sent on without a hint"


def test_a_hint_of_another_session_signs_nobody_out_unasked(server):
    gate = server()
    first, second = signed_in(gate), signed_in(gate)
    first.decide()
    hint = redeem(gate, first)["id_token"]
    second.get("/end-session?id_token_hint=" + hint)
    assert second.answer.status == 200 and second.page().buttons and has_session(second)


def test_nobody_is_sent_on_to_an_address_that_is_not_registered(server):
    gate = server()
    browser = signed_in(gate)
    browser.decide()
    hint = redeem(gate, browser)["id_token"]
    for uri in ("https://evil.example/", app(gate, "/bye/"), app(gate, "/bye?x=1"), app(gate, "/cb"), app(gate, "/BYE")):
        answer = browser.get("/end-session?" + urllib.parse.urlencode({"id_token_hint": hint, "post_logout_redirect_uri": uri}))
        assert answer.status == 400 and answer.get("Location") is None and has_session(browser), uri
    for parameters in ({"id_token_hint": "a.b.c"}, {"id_token_hint": hint, "client_id": "own"}, {"post_logout_redirect_uri": app(gate, "/bye")}, {"client_id": "nobody"}):
        assert browser.get("/end-session?" + urllib.parse.urlencode(parameters)).status == 400, parameters


def test_a_client_that_posts_a_logout_leads_to_the_question(server):
    gate = server()
    browser = signed_in(gate)
    browser.decide()
    hint = redeem(gate, browser)["id_token"]
    form = urllib.parse.urlencode({"id_token_hint": hint, "post_logout_redirect_uri": app(gate, "/bye"), "state": "x"}).encode()
    answer = gate.request("POST", "/end-session", {"Content-Type": "application/x-www-form-urlencoded", "Origin": app(gate, "")}, form, name="as")
    assert answer.status == 303 and answer.all("Set-Cookie") == [] and hint not in answer.get("Location"), "no token in an URL"
    browser.get(answer.get("Location").removeprefix(f"http://127.0.0.1:{gate.port('as')}"))
    browser.decide()
    assert browser.location() == (app(gate, "/bye"), {"state": "x"})


def test_a_session_survives_a_restart_and_ends_with_its_user(server):
    gate = server()
    browser = signed_in(gate)
    browser.decide()
    gate.stop()
    gate.start()
    browser.get(authorize(gate, prompt="none"))
    assert browser.location()[1]["code"]
    gate.reload(gate.text.replace("user alice", "user alicia"))
    wait_until(lambda: browser.get(authorize(gate, prompt="none")) and error_of(browser) == "login_required", 10, "alice is gone")


def test_what_cannot_be_recorded_is_not_given_and_nobody_is_blamed(server):
    gate = server()
    browser = Browser(gate)
    browser.get(authorize(gate))
    page = browser.page()
    with contextlib.closing(sqlite3.connect(gate.path("as.db"), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # Another process writes and does not end.
        answer = browser.sign_in()
        assert answer.status == 503 and answer.get("Retry-After") and not has_session(browser)
        assert "cannot be reached right now" in browser.page().text
        other.execute("ROLLBACK")
    browser.submit({"username": "alice", "password": "hunter2"}, page=page)
    assert has_session(browser) and browser.decide().status == 303, "then it goes on where it was"


def test_no_secret_is_logged(server):
    gate = server(error_log="error.log debug")
    browser = signed_in(gate, "bob")
    flow = browser.page().fields["flow"]
    browser.submit({"code": totp(time.time())})
    session = browser.cookies["__Host-keepgate-session"]
    browser.decide()
    code = browser.location()[1]["code"]
    assert CHALLENGE  # Public: it may be logged.
    wait_until(lambda: gate.read("access.log").count("\n") == 4, 10, "all are logged")
    gate.stop()
    logs = gate.read("access.log") + gate.read("error.log") + gate.read("stderr")
    for secret in ("hunter2", flow, session, code, browser.cookies["__Host-keepgate-browser"]):
        assert secret not in logs
