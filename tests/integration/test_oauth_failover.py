"""A PostgreSQL standby takes over that had not all of it: what is taken back from then on is told to everybody."""
import pytest

from harness.gate import run_cli
from harness.issuer import Issuer
from harness.jose import payload_of
from harness.ports import wait_until
from harness.postgres import why_missing

pytestmark = pytest.mark.skipif(why_missing() is not None, reason=str(why_missing()))


@pytest.fixture
def issuer(database):
    one = Issuer(store=f'"{database.uri}"')
    yield one
    one.close()


def known(asker):
    """What a gateway has: a version, and whose."""
    answer = asker.ask_feed()
    return int(answer.get("Revocation-Version")), answer.get("Revocation-Epoch"), answer.body.decode()


def told(token, text):
    """Is it on this list?"""
    return payload_of(token)["jti"] in text


def test_versions_that_are_given_twice_are_told_whole(issuer, database):
    asker = issuer.sign_in()
    kept, *lost, new, newer = (asker.credentials().json["access_token"] for _ in range(6))
    assert asker.revoke(kept).status == 200
    database.save()
    wait_until(lambda: asker.revoke(lost[0]).status == 200, 30, "the database is back, and the server has not noticed")
    for token in lost[1:]:
        assert asker.revoke(token).status == 200
    version, epoch, text = known(asker)
    assert told(lost[-1], text)
    database.fail_over()
    wait_until(lambda: asker.revoke(new).status == 200, 30, "a standby took over, and the server has not noticed")
    # Of the gateway's version there are two by now, or soon.
    while (now := known(asker))[0] <= version:
        token = asker.credentials().json["access_token"]
        assert asker.revoke(token).status == 200
    assert now[1] != epoch, "a version was given twice, and nobody can know"
    answer = asker.ask_feed(after=version, epoch=epoch)
    assert answer.status == 200 and answer.get("Revocation-After") is None, "additions to a list that nobody has any more"
    text = answer.body.decode()
    assert told(kept, text) and told(new, text)
    assert not asker.is_active(kept) and not asker.is_active(new)
    assert asker.is_active(newer), "whatever was not taken back is good"
    # From then on additions are told again.
    version, epoch, _ = known(asker)
    assert asker.revoke(newer).status == 200
    answer = asker.ask_feed(after=version, epoch=epoch)
    assert answer.get("Revocation-After") == str(version)
    text = answer.body.decode()
    assert told(newer, text) and not told(new, text)


def test_clients_that_the_standby_had_not_are_gone(issuer, database):
    asker = issuer.sign_in()
    database.save()

    def ask():
        return asker.post("/token", grant_type="client_credentials", client_id="late", client_secret=secret).status

    added = wait_until(lambda: add_client(issuer, "late"), 30, "the database is back, and nobody can write")
    secret = added.stdout.strip()
    wait_until(lambda: ask() == 200, 30, "the client is not known")
    database.fail_over()
    wait_until(lambda: ask() == 401, 30, "a client that is in no store goes on")


def add_client(issuer, name):
    result = run_cli("client", "create", name, "--grant", "client_credentials", "--scope", "orders:read", "--audience", "orders",
                     "-c", issuer.path("keepgate.conf"))
    return result if result.returncode == 0 else None


def test_a_standby_is_not_written_to_and_the_message_says_so(database):
    database.save()
    database.fail_over(promoted=False)
    issuer = Issuer(store=f'"{database.uri}"', start=False)
    try:
        result = run_cli("-c", issuer.path("keepgate.conf"), timeout=60)
        assert result.returncode == 1 and "the server is a standby: it only reads" in issuer.words(), issuer.words()
    finally:
        issuer.close()
