"""The authorization server from outside: every rule it refuses by, and every good flow, as tests/oauth asks for them."""
import re

import pytest

from harness.oauth import complain, make_world, run_cases, sections, start_server


SECRETS = re.compile(r"\bkg[a-z]_[\w-]{20,}|\beyJ[\w-]{20,}")  # Codes, refresh tokens, secrets and JWTs.


def check_log(log, world):
    """No secret, and no refusal that is told as a fault of the server."""
    words = [thing[name] for thing in (*world["clients"].values(), *world["users"].values()) for name in ("secret", "password") if name in thing]
    assert not [word for word in words if word in log], "a secret is in the log"
    assert not SECRETS.search(log), SECRETS.search(log)
    faults = [line for line in log.splitlines() if "status: 500" in line or "[crit]" in line]
    assert not faults, f"{len(faults)} faults of the server: {faults[0]}"


@pytest.fixture
def server(keepgate):
    """Fresh for each section: what one does to limits and sessions is no matter of another."""
    world = make_world()
    gate, url = start_server(keepgate, world)
    return gate, url, world


@pytest.mark.parametrize("section", sections("negative.mjs"))
def test_what_breaks_a_rule_is_refused(server, section):
    gate, url, world = server
    complain(run_cases("negative.mjs", url, world, section))
    gate.stop()  # Then everything is in the log.
    check_log(gate.read("error.log"), world)


@pytest.mark.parametrize("section", ["openid", "webapi", "tokens"])
def test_real_clients_get_what_they_ask_for(server, section):
    _, url, world = server
    complain(run_cases("flows.mjs", url, world, section))
