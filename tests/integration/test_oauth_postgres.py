"""The authorization server on PostgreSQL: the same rules; and what is said while the database is down (503, never invalid_client)."""
import base64
import http.client
import json
import urllib.parse

import pytest

from harness.oauth import complain, make_world, run_cases, sign_in, start_server
from harness.ports import wait_until
from harness.postgres import why_missing

pytestmark = pytest.mark.skipif(why_missing() is not None, reason=str(why_missing()))


@pytest.fixture
def server(keepgate, database):
    world = make_world()
    gate, url = start_server(keepgate, world, store=f'"{database.uri}"')
    return gate, url, world


def post(url, path, world, client, **fields):
    """(status, fields of the head, JSON or text)."""
    part = urllib.parse.quote_plus
    credentials = f"{part(client)}:{part(world['clients'][client]['secret'])}"
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": "Basic " + base64.b64encode(credentials.encode()).decode()}
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=30)
    try:
        connection.request("POST", path, urllib.parse.urlencode(fields), headers)
        answer = connection.getresponse()
        body = answer.read().decode()
        is_json = answer.getheader("Content-Type", "").startswith("application/json") and body
        return answer.status, answer.headers, json.loads(body) if is_json else body
    finally:
        connection.close()


@pytest.mark.parametrize("section", ["codes", "refresh", "par", "assertions", "revocation", "device", "logout"])
def test_the_rules_are_the_same_on_postgresql(server, section):
    _, url, world = server
    complain(run_cases("negative.mjs", url, world, section))


def test_the_flows_are_the_same_on_postgresql(server):
    _, url, world = server
    complain(run_cases("flows.mjs", url, world, "openid"))


def test_while_the_database_is_down_nothing_is_given_that_has_to_be_recorded_and_nothing_is_lost(server, database):
    _, url, world = server
    (tokens,) = sign_in(url, world, "web", "openid orders:read")
    refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    database.stop()
    for path, client, fields in (("/token", "web", refresh), ("/revoke", "web", {"token": tokens["refresh_token"]}),
                                 ("/revoke", "web", {"token": tokens["access_token"]})):
        status, head, body = post(url, path, world, client, **fields)
        assert (status, body["error"]) == (503, "temporarily_unavailable"), (path, status, body)
        assert int(head["Retry-After"]) > 0
        assert head["Cache-Control"] == "no-store"
    status, _, body = post(url, "/token", world, "service", grant_type="client_credentials")
    assert status in (200, 503), body  # Nothing has to be recorded for it.
    database.start()

    def refreshed():
        status, _, body = post(url, "/token", world, "web", **refresh)
        assert status in (200, 503), body  # Never invalid_grant: it was not used.
        return status == 200 and body

    second = wait_until(refreshed, 30, "the database is back, and the server has not noticed")
    status, _, _ = post(url, "/revoke", world, "web", token=second["refresh_token"])
    assert status == 200
    assert post(url, "/token", world, "web", grant_type="refresh_token", refresh_token=second["refresh_token"])[2]["error"] == "invalid_grant"
