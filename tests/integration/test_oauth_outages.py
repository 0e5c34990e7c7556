"""PostgreSQL goes away in the middle of refreshes: clients are told to come again, and no family is lost over it."""
import random
import signal
import subprocess
import threading

import pytest

from harness.issuer import Asker, Issuer
from harness.ports import wait_until
from harness.postgres import Postgres, why_missing

pytestmark = pytest.mark.skipif(why_missing() is not None, reason=str(why_missing()))

THREADS, CUTS, CUT_SECONDS_MAX = 8, 25, 0.06
CUT = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename = current_user"


@pytest.fixture(scope="module")
def database():
    server = Postgres()
    yield server
    server.close()


@pytest.fixture(params=[1, 2])
def issuers(request, database):
    """One process, or two of one store. Those who refresh go from one to the other."""
    made = [Issuer(store=f'"{database.new_database()}"', workers=2)]
    try:
        made[0].sign_in()
        if request.param == 2:
            made.append(Issuer(beside=made[0]))
            made[1].cookies = made[0].cookies
        yield made
    finally:
        for one in made:
            one.close()


class Family(threading.Thread):
    """Refreshes until it is told to stop. After 503 the token that it has is still good, or its fate is told by `unknown`."""

    def __init__(self, issuers):
        super().__init__()
        self.askers = [Asker(one) for one in issuers]
        self.token = self.askers[0].tokens()["refresh_token"]
        self.stopped, self.failure, self.good, self.refused = threading.Event(), None, 0, 0

    def run(self):
        turn = 0
        while not self.stopped.is_set() and not self.failure:
            turn += 1
            self.once(self.askers[turn % len(self.askers)])

    def once(self, asker):
        answer = asker.refresh(self.token)
        if answer.status == 200:
            self.token, self.good = answer.json["refresh_token"], self.good + 1
        elif answer.status == 503 and answer.error == "temporarily_unavailable" and answer.get("Retry-After"):
            self.refused += 1
        else:
            self.failure = answer.words
        return answer.status


def refresh_under(issuers, trouble):
    families = [Family(issuers) for _ in range(THREADS)]
    for family in families:
        family.start()
    try:
        trouble(families)
    finally:
        for family in families:
            family.stopped.set()
        for family in families:
            family.join(60)
    assert not [family.failure for family in families if family.failure], [family.failure for family in families]
    for family in families:
        wait_until(lambda: family.once(family.askers[0]) == 200 or family.failure, 30, "it does not come back")
        assert not family.failure, family.failure
    return families


def test_connections_that_are_cut_in_the_middle_cost_no_family(issuers, database):
    chance = random.Random(1)

    def cut(families):
        for _ in range(CUTS):
            families[0].stopped.wait(chance.uniform(0, CUT_SECONDS_MAX))
            subprocess.run(["psql", "-qXAt", database.uri, "-c", CUT], check=True, stdout=subprocess.DEVNULL, timeout=30)

    families = refresh_under(issuers, cut)
    assert sum(family.good for family in families) > CUTS, "there was no load"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
def test_a_server_that_is_restarted_in_the_middle_costs_no_family(issuers, database, how):
    def restart(families):
        for _ in range(2):
            before = sum(family.good for family in families)
            wait_until(lambda: sum(family.good for family in families) > before + THREADS, 30, "there is no load")
            database.stop(how)
            wait_until(lambda: all(family.refused for family in families) or any(family.failure for family in families), 30, "nobody is told")
            database.start()

    refresh_under(issuers, restart)
