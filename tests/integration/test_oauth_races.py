"""Many at the authorization server at once with one and the same thing: of what is used once, one has it. On one process and on two of one store."""
import collections
import threading

import pytest

from harness.gate import run_cli
from harness.issuer import Asker, Gone, Issuer
from harness.jose import payload_of
from harness.ports import wait_until
from harness.postgres import Postgres, why_missing

MANY, ROUNDS = 32, 20


@pytest.fixture
def issuer():
    made = []

    def build(**options):
        made.append(Issuer(**options))
        return made[-1]

    yield build
    failures = []
    for one in reversed(made):
        try:
            one.close()
        except AssertionError as error:
            failures.append(str(error))
    assert not failures, failures


@pytest.fixture(scope="module")
def database():
    if why_missing():
        pytest.skip(why_missing())
    server = Postgres()
    yield server
    server.close()


@pytest.fixture(params=["sqlite", "postgres"])
def two(request, issuer):
    """Two processes of one issuer, started at once on a store that is not there yet."""
    uri = request.getfixturevalue("database").new_database() if request.param == "postgres" else None
    first = issuer(start=False, **({"store": f'"{uri}"'} if uri else {}))
    second = issuer(start=False, beside=first, workers=2)
    for one in (first, second):
        one.spawn()
    for one in (first, second):
        one.wait()
    first.sign_in()
    second.cookies = first.cookies
    return first, second


def at_once(issuers, ask, many=MANY):
    """What `ask(asker)` gives to many threads that begin together."""
    barrier, answers, failures = threading.Barrier(many), [], []

    def one(number):
        asker = Asker(issuers[number % len(issuers)])
        barrier.wait(30)
        try:
            answers.append(ask(asker))
        except (Gone, AssertionError) as error:
            failures.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(many)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not failures, failures[0]
    assert len(answers) == many
    return answers


def outcomes(answers):
    return collections.Counter((answer.status, answer.error) for answer in answers)


def check_race_without_grace(issuers, asker):
    token = asker.tokens()["refresh_token"]
    answers = at_once(issuers, lambda one: one.refresh(token))
    assert outcomes(answers) == {(200, None): 1, (400, "invalid_grant"): MANY - 1}
    winner = next(answer.json for answer in answers if answer.status == 200)
    assert asker.refresh(winner["refresh_token"]).error == "invalid_grant", "it was used twice, and its family lives on"
    return winner


@pytest.mark.parametrize("workers", [1, 4])
def test_of_many_that_refresh_with_one_token_one_has_the_new_one_and_the_family_ends(issuer, workers):
    issuer = issuer(workers=workers)
    asker = issuer.sign_in()
    for _ in range(ROUNDS):
        winner = check_race_without_grace([issuer], asker)
        wait_until(lambda: not asker.is_active(winner["access_token"]), 10, "its access token lives on")


@pytest.mark.parametrize("workers", [1, 4])
def test_within_the_grace_all_have_the_same_new_token_and_it_works_once(issuer, workers):
    issuer = issuer(workers=workers, grace="10s")
    asker = issuer.sign_in()
    for _ in range(ROUNDS):
        token = asker.tokens()["refresh_token"]
        answers = at_once([issuer], lambda one: one.refresh(token))
        assert outcomes(answers) == {(200, None): MANY}
        successors = {answer.json["refresh_token"] for answer in answers}
        assert len(successors) == 1 and len({answer.json["access_token"] for answer in answers}) == MANY
        successor = successors.pop()
        newest = asker.refresh(successor)
        assert newest.status == 200, newest.words
        assert asker.refresh(token).error == "invalid_grant", "its successor was used: who has the old one is somebody else"
        assert asker.refresh(newest.json["refresh_token"]).error == "invalid_grant", "and the family ends"


def check_race_of_a_code(issuers, asker):
    code = asker.code()
    answers = at_once(issuers, lambda one: one.redeem(code))
    assert outcomes(answers) == {(200, None): 1, (400, "invalid_grant"): MANY - 1}
    winner = next(answer.json for answer in answers if answer.status == 200)
    assert asker.refresh(winner["refresh_token"]).error == "invalid_grant", "RFC 6749 4.1.2: what the code gave is taken back"
    wait_until(lambda: not asker.is_active(winner["access_token"]), 10, "its access token lives on")


@pytest.mark.parametrize("workers", [1, 4])
def test_a_code_a_device_and_an_assertion_are_good_for_one_of_many(issuer, workers):
    issuer = issuer(workers=workers)
    asker = issuer.sign_in()
    for _ in range(ROUNDS // 4):
        check_race_of_a_code([issuer], asker)
        device = asker.device().json
        asker.allow_device(device["user_code"])
        answers = at_once([issuer], lambda one: one.poll(device["device_code"]))
        assert outcomes(answers) == {(200, None): 1, (400, "invalid_grant"): MANY - 1}
        assertion = issuer.assertion()
        answers = at_once([issuer], lambda one: one.assert_itself(assertion))
        assert outcomes(answers) == {(200, None): 1, (401, "invalid_client"): MANY - 1}


def test_a_pushed_request_leads_one_of_many_to_a_code(issuer):
    issuer = issuer(workers=4)
    asker = issuer.sign_in()
    uri = asker.push().json["request_uri"]
    answers = at_once([issuer], lambda one: one.browser().get(f"/authorize?client_id=web&request_uri={uri}"))
    assert {answer.status for answer in answers} <= {303, 400}, outcomes(answers)
    assert sum("code=" in (answer.get("Location") or "") for answer in answers) == 1, "RFC 9126 4: a request URI is used once"


def test_two_processes_of_one_store_are_one_server(two):
    first, second = (Asker(one) for one in two)
    # Made at the same moment, and the same.
    assert first.request("GET", "/jwks").body == second.request("GET", "/jwks").body
    for here, there in ((first, second), (second, first)):
        code = here.code()
        tokens = there.redeem(code)
        assert tokens.status == 200, tokens.words
        assert here.is_active(tokens.json["access_token"])
        newer = here.refresh(tokens.json["refresh_token"])
        assert newer.status == 200, newer.words
        assert here.redeem(code).error == "invalid_grant"
        assert there.refresh(newer.json["refresh_token"]).error == "invalid_grant"
        wait_until(lambda: not there.is_active(newer.json["access_token"]), 10, "the other has not heard of the revocation")
        assertion = two[0].assertion()
        assert here.assert_itself(assertion).status == 200
        assert there.assert_itself(assertion).status == 401
        device = here.device().json
        there.allow_device(device["user_code"])
        assert here.poll(device["device_code"]).status == 200
        assert there.poll(device["device_code"]).error == "invalid_grant"
        uri = here.push().json["request_uri"]
        assert "code=" in there.browser().get(f"/authorize?client_id=web&request_uri={uri}").get("Location")


def test_what_one_process_revokes_is_revoked_at_the_other(two):
    first, second = (Asker(one) for one in two)
    for here, there in ((first, second), (second, first)):
        single, tokens = here.credentials().json["access_token"], here.tokens()
        assert there.is_active(single) and there.is_active(tokens["access_token"])
        assert here.revoke(single).status == here.revoke(tokens["refresh_token"]).status == 200
        assert not here.is_active(single) and not here.is_active(tokens["access_token"]), "who revoked knows at once"
        wait_until(lambda: not there.is_active(single) and not there.is_active(tokens["access_token"]), 10, "the other has not heard of it")
        assert there.feed() == here.feed() and there.feed_head() == here.feed_head(), "a gateway may go from one to the other"
        assert there.refresh(tokens["refresh_token"]).error == "invalid_grant"


def test_who_waits_for_revocations_at_one_process_hears_of_those_of_the_other(two):
    here, there = (Asker(one) for one in two)
    _, version = there.feed_head()
    token, answers = here.credentials().json["access_token"], []
    waiting = threading.Thread(target=lambda: answers.append(Asker(two[1]).ask_feed(after=version, wait=25)))
    waiting.start()
    assert here.revoke(token).status == 200
    waiting.join(20)  # Less than it would wait for nothing.
    assert answers and answers[0].status == 200, "it was not told"
    assert payload_of(token)["jti"] in answers[0].body.decode() and int(answers[0].get("Revocation-Version")) > version


def test_two_processes_give_one_thing_to_one_of_many(two):
    asker = Asker(two[0])
    for _ in range(ROUNDS // 4):
        check_race_without_grace(two, asker)
        check_race_of_a_code(two, asker)
        assertion = two[0].assertion()
        answers = at_once(two, lambda one: one.assert_itself(assertion))
        assert outcomes(answers) == {(200, None): 1, (401, "invalid_client"): MANY - 1}


def test_clients_of_the_store_are_clients_of_both(two):
    command = ("client", "create", "late", "--grant", "client_credentials", "--scope", "orders:read", "--audience", "orders")
    secret = run_cli(*command, "-c", two[0].path("keepgate.conf")).stdout.strip()

    def status(one):
        return Asker(one).post("/token", grant_type="client_credentials", client_id="late", client_secret=secret).status

    assert secret
    wait_until(lambda: [status(one) for one in two] == [200, 200], 15, "not both know the client")
    assert run_cli("client", "delete", "late", "-c", two[1].path("keepgate.conf")).returncode == 0
    wait_until(lambda: [status(one) for one in two] == [401, 401], 15, "not both know of its end")
