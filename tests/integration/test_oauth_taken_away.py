"""What changes between a yes and its use: a client that may have less than when a grant was made, or more than when its page was shown."""
import secrets
import time

import pytest

from harness.gate import run_cli
from harness.issuer import PAGES, WEB, Asker, Issuer
from harness.jose import payload_of
from harness.people import VERIFIER, Browser, authorize
from harness.ports import wait_until

SHOP = ("client shop {{ secret_file web.secret; redirect_uri http://127.0.0.1:%d/cb; {consent} scopes {scopes}; audience {audience}; grants {grants}; }}\n" % PAGES)
ALL = {"consent": "consent off;", "scopes": "openid orders:read orders:write", "audience": "orders",
       "grants": "authorization_code refresh_token device_code", "more": ""}


class Shop:
    """An issuer whose client `shop` is another one after each `becomes`."""

    def __init__(self, **values):
        self.values = {**ALL, **values}
        self.issuer = Issuer(more=self.block())
        self.asker = self.issuer.sign_in()

    def block(self):
        return SHOP.format(**self.values) + self.values["more"]

    def becomes(self, **values):
        before = self.block()
        self.values = {**ALL, **values}
        assert before in self.issuer.text
        self.issuer.reload(self.issuer.text.replace(before, self.block()), 20)
        assert "the configuration was not reloaded" not in self.issuer.read("error.log"), self.issuer.words()

    def token(self, **form):
        return self.asker.post("/token", client_id="shop", client_secret=WEB, **form)

    def code(self, scope="openid orders:read orders:write"):
        browser = self.asker.browser()
        answer = browser.get(authorize(self.asker, "shop", scope=scope))
        assert answer.status == 303, answer.words
        return browser.location()[1]["code"]

    def redeem(self, code):
        return self.token(grant_type="authorization_code", code=code, redirect_uri=f"http://127.0.0.1:{PAGES}/cb", code_verifier=VERIFIER)

    def tokens(self, **options):
        answer = self.redeem(self.code(**options))
        assert answer.status == 200, answer.words
        return answer.json

    def refresh(self, token, **form):
        return self.token(grant_type="refresh_token", refresh_token=token, **form)


@pytest.fixture
def shop():
    made = []

    def build(**values):
        made.append(Shop(**values))
        return made[-1]

    yield build
    for one in made:
        one.issuer.close()


LESS = {
    "its audience": ({"audience": "invoices"}, "invalid_target"),
    "all that was agreed to": ({"scopes": "profile"}, "invalid_scope"),
    "all that was agreed to, at the resource": ({"scopes": "orders:read orders:write", "more": "resource orders parcels:read;\n"}, "invalid_scope"),
    "the grant": ({"grants": "client_credentials"}, "unauthorized_client"),
}


@pytest.mark.parametrize("what", LESS)
def test_a_refresh_gives_nothing_that_was_taken_from_the_client(shop, what):
    shop = shop()
    token = shop.tokens()["refresh_token"]
    newer = shop.refresh(token)
    assert newer.status == 200, newer.words
    less, error = LESS[what]
    shop.becomes(**less)
    for _ in range(2):
        answer = shop.refresh(newer.json["refresh_token"])
        assert (answer.status, answer.error) == (400, error), answer.words
        assert "access_token" not in answer.json and "refresh_token" not in answer.json
    shop.becomes()
    back = shop.refresh(newer.json["refresh_token"])
    assert back.status == 200, "a mistake of the operator costs nobody the family"
    assert sorted(back.json["scope"].split()) == ["openid", "orders:read", "orders:write"]


@pytest.mark.parametrize("less", [{"scopes": "openid orders:read"}, {"more": "resource orders orders:read;\n"}])
def test_a_refresh_gives_what_is_left_of_the_scope_and_no_more(shop, less):
    shop = shop()
    token = shop.tokens()["refresh_token"]
    shop.becomes(**less)
    answer = shop.refresh(token)
    assert answer.status == 200, answer.words
    assert sorted(answer.json["scope"].split()) == ["openid", "orders:read"]
    assert sorted(payload_of(answer.json["access_token"])["scope"].split()) == ["openid", "orders:read"]
    token = answer.json["refresh_token"]
    answer = shop.refresh(token, scope="orders:write")
    assert (answer.status, answer.error) == (400, "invalid_scope"), answer.words
    answer = shop.refresh(token, scope="orders:read")
    assert (answer.status, answer.json["scope"]) == (200, "orders:read")
    assert "id_token" not in answer.json


def test_a_refresh_without_openid_gives_no_id_token_and_userinfo_tells_nothing(shop):
    shop = shop()
    tokens = shop.tokens()
    assert "id_token" in tokens
    shop.becomes(scopes="orders:read orders:write")
    answer = shop.refresh(tokens["refresh_token"])
    assert answer.status == 200 and "id_token" not in answer.json, answer.words
    answer = shop.asker.request("GET", "/userinfo", {"Authorization": "Bearer " + answer.json["access_token"]})
    assert (answer.status, answer.error) == (403, "insufficient_scope"), answer.words


@pytest.mark.parametrize("what", ["its audience", "all that was agreed to", "the grant"])
def test_a_code_gives_nothing_that_was_taken_from_the_client(shop, what):
    shop = shop()
    code = shop.code()
    less, error = LESS[what]
    shop.becomes(**less)
    answer = shop.redeem(code)
    assert (answer.status, answer.error) == (400, error), answer.words
    assert "access_token" not in answer.json and "refresh_token" not in answer.json


def test_a_code_gives_no_refresh_token_to_a_client_that_may_have_none_any_more(shop):
    shop = shop()
    codes = [shop.code(), shop.code()]
    assert "refresh_token" in shop.redeem(codes[0]).json
    shop.becomes(grants="authorization_code")
    answer = shop.redeem(codes[1])
    assert answer.status == 200 and "refresh_token" not in answer.json, answer.words


def test_a_device_has_nothing_that_was_taken_from_its_client(shop):
    shop = shop()
    form = {"client_id": "shop", "client_secret": WEB, "scope": "openid orders:read"}
    devices = [shop.asker.post("/device_authorization", **form).json for _ in range(2)]
    for device in devices:
        shop.asker.allow_device(device["user_code"])

    def poll(device):
        return shop.token(grant_type="urn:ietf:params:oauth:grant-type:device_code", device_code=device["device_code"])

    assert poll(devices[0]).status == 200
    shop.becomes(audience="invoices")
    answer = poll(devices[1])
    assert (answer.status, answer.error) == (400, "invalid_target"), answer.words


def page_of(shop, **parameters):
    """The consent page of alice, who has signed in."""
    browser = Browser(shop.asker)
    browser.cookies = shop.issuer.cookies  # Not a copy: tabs of one browser.
    answer = browser.get(authorize(shop.asker, "shop", **parameters))
    assert answer.status == 200 and browser.page().buttons == [("decision", "allow"), ("decision", "refuse")], answer.words
    return browser


def scopes_given(shop, browser):
    answer = shop.redeem(browser.location()[1]["code"])
    assert answer.status == 200, answer.words
    return answer.json["scope"].split(), payload_of(answer.json["access_token"])["aud"]


MORE = {
    "a scope, where it had none": ({"scopes": "openid", "more": "resource orders orders:read;\n"},
                                   {"scopes": "openid orders:read", "more": "resource orders orders:read;\n"}, ["openid"]),
    "a scope, where none was asked for": ({"scopes": "orders:read"}, {"scopes": "orders:read orders:write"}, ["orders:read"]),
}


@pytest.mark.parametrize("what", MORE)
def test_a_client_that_may_have_more_by_now_has_what_the_page_showed(shop, what):
    before, after, expected = MORE[what]
    shop = shop(consent="", **before)
    browser = page_of(shop, scope=None)
    shop.becomes(consent="", **after)
    browser.decide()
    assert scopes_given(shop, browser) == (expected, "orders")


def test_where_the_page_showed_no_scope_and_there_are_some_now_it_is_shown_again(shop):
    only = {"consent": "", "scopes": "orders:write", "audience": "parcels"}
    shop = shop(**only, more="resource orders; resource parcels parcels:read;\n")
    browser = page_of(shop, scope=None)
    assert "orders:write" not in browser.page().text
    shop.becomes(**only, more="resource orders; resource parcels orders:write;\n")
    answer = browser.decide()
    assert answer.status == 200 and "orders:write" in browser.page().text, answer.words
    browser.decide()
    assert scopes_given(shop, browser) == (["orders:write"], "parcels")


def test_where_the_page_showed_no_audience_and_there_is_one_now_it_is_shown_again(shop):
    blank = SHOP.replace("audience {audience}; ", "").format(**{**ALL, "consent": "", "scopes": "openid orders:read"})
    full = SHOP.format(**{**ALL, "consent": "", "scopes": "openid orders:read"})
    shop = shop()
    shop.issuer.reload(shop.issuer.text.replace(shop.block(), blank), 20)
    browser = page_of(shop)
    shop.issuer.reload(shop.issuer.text.replace(blank, full), 20)
    answer = browser.decide()
    assert answer.status == 200 and browser.page().buttons, answer.words
    browser.decide()
    assert scopes_given(shop, browser) == (["openid", "orders:read"], "orders")


def test_a_reload_that_changes_nothing_of_it_asks_nobody_twice(shop):
    same = {"consent": "", "scopes": "orders:write", "audience": "parcels", "more": "resource orders; resource parcels parcels:read;\n"}
    shop = shop(**same)
    browser = page_of(shop, scope=None)
    shop.becomes(**same, grants="authorization_code")
    browser.decide()
    assert browser.location()[1]["code"]


def test_a_client_that_may_have_less_by_now_has_nothing_by_the_page(shop):
    shop = shop(consent="")
    browser = page_of(shop)
    shop.becomes(consent="", scopes="openid")
    browser.decide()
    where, answer = browser.location()
    assert answer["error"] == "invalid_scope" and "code" not in answer, (where, answer)


def test_two_tabs_each_give_what_they_show(shop):
    shop = shop(consent="")
    narrow, wide = page_of(shop, scope="openid"), page_of(shop, scope="openid orders:read orders:write")
    wide.decide()
    narrow.decide()
    assert scopes_given(shop, narrow) == (["openid"], "orders")
    assert scopes_given(shop, wide) == (["openid", "orders:read", "orders:write"], "orders")
    # The last word counts: it was the smaller one.
    page_of(shop, scope="openid orders:read")
    browser = Browser(shop.asker)
    browser.cookies = shop.issuer.cookies
    browser.get(authorize(shop.asker, "shop", scope="openid", prompt="none"))
    assert browser.location()[1]["code"]
    browser.get(authorize(shop.asker, "shop", scope="openid orders:read", prompt="none"))
    assert browser.location()[1]["error"] == "consent_required"


def test_the_button_of_one_request_does_not_go_with_the_fields_of_another(shop):
    shop = shop(consent="")
    narrow, wide = page_of(shop, scope="openid"), page_of(shop, scope="openid orders:read orders:write")
    for name in ("flow", "form_token"):
        page = narrow.page()
        page.fields[name] = wide.page().fields[name]
        answer = narrow.submit({"decision": "allow"}, page=page)
        assert answer.status == 403, answer.words
        narrow.get(authorize(shop.asker, "shop", scope="openid"))
    # Nor with what a page of somebody else adds to the form.
    for more in ({"scope": "openid orders:write"}, {"resource": "invoices"}, {"client_id": "web"}, {"redirect_uri": "http://127.0.0.1:1/cb"}):
        answer = narrow.submit({"decision": "allow", **more})
        assert answer.status == 303, answer.words
        assert scopes_given(shop, narrow) == (["openid"], "orders")
        narrow.get(authorize(shop.asker, "shop", scope="openid", prompt="consent"))


STAFF = ("trusted_issuer https://staff.example jwks=robot.jwks subject=user;\n"
         "client bridge { secret_file web.secret; grants jwt_bearer; scopes orders:read; audience orders; exchange subjects=user:* audiences=orders; }\n")
BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def cli(issuer, *words, stdin=""):
    result = run_cli(*words, "-c", issuer.path("keepgate.conf"), stdin=stdin)
    assert result.returncode == 0, (words, result.stderr)


def test_another_issuer_brings_nobody_who_was_disabled(shop):
    issuer = shop(more=STAFF).issuer
    asker = Asker(issuer)

    def bring(name):
        now = int(time.time())
        claims = {"iss": "https://staff.example", "sub": name, "aud": f"http://127.0.0.1:{issuer.port('as')}", "iat": now, "exp": now + 60}
        statement = issuer.key.sign({**claims, "jti": secrets.token_hex(16)})
        return asker.post("/token", grant_type=BEARER, assertion=statement, client_id="bridge", client_secret=WEB)

    assert bring("dora").error == "invalid_grant", "nobody has this name"
    cli(issuer, "user", "create", "dora", "--password-stdin", stdin="another hunter\n")
    token = bring("dora")
    assert token.status == 200 and payload_of(token.json["access_token"])["sub"] == "user:dora", token.words
    cli(issuer, "user", "disable", "dora")
    assert bring("dora").error == "invalid_grant"
    wait_until(lambda: not asker.is_active(token.json["access_token"]), 10, "what dora had is good")
    assert bring("alice").status == 200
    cli(issuer, "user", "enable", "dora")
    time.sleep(1.1)  # Times of issue are whole seconds: what is issued in the second of the revocation is taken back, too.
    again = bring("dora")
    assert again.status == 200 and asker.is_active(again.json["access_token"])
    assert not asker.is_active(token.json["access_token"]), "what was taken back stays so"
    cli(issuer, "user", "delete", "dora")
    assert bring("dora").error == "invalid_grant"
