"""Requests that once did more, or less, than they should: forms of other sites, targets, actors, tokens that are there twice."""
import json

import pytest

from harness.issuer import PAGES, Issuer
from harness.people import VERIFIER, authorize


@pytest.fixture
def issuer():
    one = Issuer()
    yield one
    one.close()


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize("target", ["/device", "/authorize", "/end-session"])
def test_a_form_of_another_site_changes_no_cookie(issuer, target):
    asker = issuer.sign_in()
    elsewhere = {**FORM, "Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    answer = asker.request("POST", target, elsewhere, b"flow=x&user_code=BCDF-GHJK")
    assert answer.status == 403 and answer.all("Set-Cookie") == []
    browser = asker.browser()
    browser.cookies.clear()
    assert browser.get(authorize(asker)).all("Set-Cookie"), "who comes by himself gets his cookie"


def test_a_code_is_not_used_up_by_another_audience(issuer):
    asker = issuer.sign_in()
    code = asker.code()
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": f"http://127.0.0.1:{PAGES}/cb", "code_verifier": VERIFIER}
    for wrong in ({"resource": "shipping"}, {"audience": "https://elsewhere.example"}):
        answer = asker.post("/token", "web", **form, **wrong)
        assert (answer.status, answer.error) == (400, "invalid_target")
    answer = asker.post("/token", "web", **form, resource="orders")
    assert answer.status == 200, answer.words
    assert asker.post("/token", "web", **form).error == "invalid_grant"
    assert not asker.is_active(answer.json["access_token"]), "a second use takes back what the first gave"


def test_an_answer_to_a_revocation_is_json_for_whoever_reads_it(issuer):
    asker = issuer.sign_in()
    for token in (asker.tokens()["refresh_token"], "of nobody"):
        answer = asker.revoke(token)
        assert (answer.status, json.loads(answer.body)) == (200, {})
        assert answer.get("Content-Type").startswith("application/json") and answer.get("Cache-Control") == "no-store"


def test_a_token_that_is_there_twice_is_none(issuer):
    asker = issuer.sign_in()
    token = asker.tokens()["access_token"]
    assert asker.request("POST", "/userinfo", FORM, f"access_token={token}".encode()).status == 200
    answer = asker.request("POST", "/userinfo", FORM, f"access_token={token}&access_token={token}".encode())
    assert answer.status == 400 and 'error="invalid_request"' in answer.get("WWW-Authenticate")


def test_a_key_may_be_named_by_its_curve(issuer):
    """RFC 9864: Ed25519 is EdDSA with this curve."""
    key = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": "e", "alg": "Ed25519", "use": "sig"}
    more = "client curve { jwks_file curve.jwks; grants client_credentials; scopes orders:read; audience orders; }"
    second = Issuer(more=more, files={"curve.jwks": json.dumps({"keys": [key]})})
    second.close()
